"""Which open files of an event loop can still bring something from outside of it."""

import os
import socket
from collections.abc import Generator
from contextlib import contextmanager

from miniagents.testing._own_sockets import Traffic, traffic

QUIET = Traffic(outside=False, inside=False)
INSIDE = Traffic(outside=False, inside=True)
OUTSIDE = Traffic(outside=True, inside=False)


@contextmanager
def connection() -> Generator[tuple[int, int, int]]:
    """The descriptors of a listening socket and of the two ends of a connection."""
    with (
        socket.create_server(("127.0.0.1", 0)) as listening,
        socket.create_connection(listening.getsockname()) as client,
        listening.accept()[0] as server,
    ):
        yield listening.fileno(), client.fileno(), server.fileno()


def test_nothing() -> None:
    """Without files nothing can come."""
    assert traffic([], []) == QUIET


def test_both_ends() -> None:
    """What is connected to a socket of the same loop is inside, also if the loop does not watch both now."""
    with connection() as (_, client, server):
        assert traffic([client, server], []) == traffic([client], [server, client]) == INSIDE


def test_one_end() -> None:
    """What is connected to anybody else is outside."""
    with connection() as (_, client, _server):
        assert traffic([client], []) == OUTSIDE


def test_listening() -> None:
    """A listening socket is no traffic."""
    with connection() as (listening, _client, _server):
        assert traffic([listening], [listening]) == QUIET


def test_one_outside_is_enough() -> None:
    """One file from outside beside a connection inside is told, and so is the connection."""
    read, write = os.pipe()
    with connection() as (_, client, server):
        assert traffic([client, server, read], []) == Traffic(outside=True, inside=True)
    os.close(read)
    os.close(write)


def test_what_cannot_be_told() -> None:
    """Socket pairs, datagram sockets and sockets that are not connected yet are outside."""
    one, other = socket.socketpair()
    with one, other, socket.socket() as fresh, socket.socket(type=socket.SOCK_DGRAM) as datagrams:
        for each in (one, other, fresh, datagrams):
            assert traffic([each.fileno()], [one.fileno(), other.fileno()]) == OUTSIDE


def test_closed() -> None:
    """A descriptor that was watched once and is closed by now is looked over."""
    with connection() as (_, client, server):
        gone = os.dup(client)
        os.close(gone)
        assert traffic([client, server], [gone]) == INSIDE
