"""Where an event loop waits, and so where its time is made.

Rule of this room: **time jumps only when nothing else can happen.** As long as something outside of the loop
may still come (a pipe, another process, a job on a thread), the loop really waits and its clock runs as a
real one does. Otherwise the clock is put to the next timer at once; without a timer there is nothing to wait
for, which is an error.
"""

import selectors
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NoReturn, Protocol, TypeAlias

from typing_extensions import override

from ._own_sockets import traffic


class HasFileno(Protocol):
    """What is open and has a descriptor."""

    def fileno(self) -> int:
        """The descriptor."""
        ...


File: TypeAlias = int | HasFileno


@dataclass(slots=True)
class Now:
    """The time of a virtual clock, in seconds."""

    seconds: float = 0.0


class VirtualSelector(selectors.BaseSelector):
    """A real selector that waits for virtual time.

    Args:
        now: the clock that is put forward.
        io_patience: seconds of real quiet after which sockets that are connected to this very loop are taken
            to have nothing under way.
        busy: whether something that is no file (a job on a thread) is going to wake the loop.
        stuck: called when nothing is left to wait for; raises.
        idle: called when nothing is ready; tells whether the loop is to look again before it waits.
    """

    def __init__(
        self,
        now: Now,
        io_patience: float,
        busy: Callable[[], bool],
        stuck: Callable[[], NoReturn],
        idle: Callable[[], bool],
    ) -> None:
        self._now = now
        self._patience = io_patience
        self._busy = busy
        self._stuck = stuck
        self._idle = idle
        self._real = selectors.DefaultSelector()
        self._waker: int | None = None  # through which threads wake the loop: the first that it registers
        self._known: set[int] = set()

    @override
    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait for files, or let time pass."""
        ready = self._real.select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        if self._idle():
            return []
        watched = {key.fd for key in self._real.get_map().values()} - {self._waker}
        under_way = traffic(watched, self._known)
        if under_way.outside or self._busy():
            return self._wait(timeout)
        if under_way.inside and (ready := self._real.select(self._patience)):
            return ready
        if timeout is None:
            self._stuck()
        self._now.seconds += timeout
        return []

    def _wait(self, timeout: float | None) -> list[tuple[selectors.SelectorKey, int]]:
        begun = time.monotonic()
        ready = self._real.select(timeout)
        passed = time.monotonic() - begun
        self._now.seconds += passed if timeout is None or ready else max(passed, timeout)
        return ready

    @override
    def register(self, fileobj: File, events: int, data: object = None) -> selectors.SelectorKey:
        key = self._real.register(fileobj, events, data)
        if self._waker is None:
            self._waker = key.fd
        else:
            self._known.add(key.fd)
        return key

    @override
    def unregister(self, fileobj: File) -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    @override
    def modify(self, fileobj: File, events: int, data: object = None) -> selectors.SelectorKey:
        return self._real.modify(fileobj, events, data)

    @override
    def get_map(self) -> Mapping[File, selectors.SelectorKey]:  # pyright: ignore[reportIncompatibleMethodOverride]
        return self._real.get_map()  # pyright: ignore[reportReturnType]  # the same type by another name

    @override
    def close(self) -> None:
        self._real.close()
