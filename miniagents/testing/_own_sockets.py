"""Which open files of an event loop can still bring something from outside of it.

Rule of this room: **what cannot be told is outside.** A socket whose other end is a socket of the same loop
(a server and its client in one test) is inside: when both are quiet, nothing is under way. A listening socket
waits for somebody, it is under way to nothing. A pipe, a terminal, a datagram socket, a socket of any other
peer is outside.
"""

import os
import socket
import stat
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

Address = object


@dataclass(frozen=True, slots=True)
class Traffic:
    """What the open files of a loop may bring.

    Attributes:
        outside: something may come from another process, thread or machine.
        inside: something may be on its way through the kernel, from this loop to itself.
    """

    outside: bool
    inside: bool


def traffic(watched: Iterable[int], known: Iterable[int]) -> Traffic:
    """Look at the files that a loop watches.

    Args:
        watched: the descriptors that the loop is waiting for right now.
        known: all descriptors it ever waited for; one that is closed by now is looked over.
    """
    ends = {descriptor: _ends(descriptor) for descriptor in {*known, *watched}}
    own = {end[0] for end in ends.values() if end is not None}
    waiting = [ends[descriptor] for descriptor in watched if not _listens(descriptor)]
    inside = [end is not None and end[1] in own for end in waiting]
    return Traffic(outside=not all(inside), inside=any(inside))


def _ends(descriptor: int) -> tuple[Address, Address] | None:
    """The two addresses of a connection, None for anything else."""
    with suppress(OSError):  # closed, no socket, not connected
        if stat.S_ISSOCK(os.fstat(descriptor).st_mode):
            with socket.socket(fileno=os.dup(descriptor)) as copy:
                own, peer = copy.getsockname(), copy.getpeername()
                return (own, peer) if own and peer else None  # a socket pair has no addresses
    return None


def _listens(descriptor: int) -> bool:
    with suppress(OSError):
        if stat.S_ISSOCK(os.fstat(descriptor).st_mode):
            with socket.socket(fileno=os.dup(descriptor)) as copy:
                return copy.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) != 0
    return False
