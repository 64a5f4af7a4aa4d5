"""An event loop whose time is virtual.

**Time jumps only when nothing else can happen.** As long as data may come from outside of the loop (from a
pipe, another process, a job on a thread), the loop waits in real time, and its clock runs as a real clock.
Otherwise the clock jumps to the next timer at once. If there is no timer, all tasks would wait forever, which
is an error.

**What is outside.** A socket whose peer is a socket of the same loop (a server and its client in one test) is
inside: if both are quiet, no data is on its way. No data comes from a listening socket itself. All else is
outside: a pipe, a terminal, a datagram socket, a socket with any other peer.
"""

import asyncio
import os
import selectors
import socket
import stat
import time
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import suppress
from contextvars import Context
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import get_ident
from typing import NoReturn, Protocol, Self, TypeAlias, TypeVar, TypeVarTuple, cast
from weakref import WeakSet

from typing_extensions import override

from miniagents.values import MiniAgentsError, frames_within

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

Address = object


@dataclass(frozen=True, slots=True)
class Traffic:
    """Whether data may come from the open files of a loop.

    Attributes:
        outside: data may come from another process, thread or machine.
        inside: data may be on its way through the kernel, from this loop to itself.
    """

    outside: bool
    inside: bool


def traffic(watched: Iterable[int], known: Iterable[int]) -> Traffic:
    """Return whether data may come from the files that a loop watches.

    Args:
        watched: the descriptors for which the loop waits now.
        known: all descriptors for which it has ever waited; closed ones are skipped.
    """
    ends = {descriptor: _on_copy(descriptor, _ends) for descriptor in {*known, *watched}}
    own = {end[0] for end in ends.values() if end is not None}
    waiting = [ends[descriptor] for descriptor in watched if not _on_copy(descriptor, _listens)]
    inside = [end is not None and end[1] in own for end in waiting]
    return Traffic(outside=not all(inside), inside=any(inside))


def _on_copy(descriptor: int, look: Callable[[socket.socket], T]) -> T | None:
    """Return what ``look`` finds of a socket; None if it is closed, no socket, or not connected."""
    with suppress(OSError):
        if stat.S_ISSOCK(os.fstat(descriptor).st_mode):
            with socket.socket(fileno=os.dup(descriptor)) as copy:
                return look(copy)
    return None


def _ends(connection: socket.socket) -> tuple[Address, Address] | None:
    own, peer = connection.getsockname(), connection.getpeername()
    return (own, peer) if own and peer else None  # a socket pair has no addresses


def _listens(server: socket.socket) -> bool:
    return server.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) != 0


class HasFileno(Protocol):
    """An open file with a descriptor."""

    def fileno(self) -> int:
        """The descriptor."""
        ...


File: TypeAlias = int | HasFileno


@dataclass(slots=True)
class Now:
    """The time of a virtual clock, in seconds."""

    seconds: float = 0.0


@dataclass(eq=False)
class VirtualSelector(selectors.DefaultSelector):
    """A selector that waits in virtual time.

    Args:
        now: the clock that it advances.
        io_patience: seconds of real time without data after which sockets that are connected to the same loop
            count as quiet.
        busy: returns whether something other than a file (a job on a thread) will wake the loop.
        stuck: is called when there is nothing to wait for; it raises an error.
        idle: is called when nothing is ready; it returns whether the loop must look again before it waits.
    """

    _now: Now
    _patience: float
    _busy: Callable[[], bool]
    _stuck: Callable[[], NoReturn]
    _idle: Callable[[], bool]
    # Threads wake the loop through it: the first file that is registered.
    _waker: int | None = field(default=None, init=False)
    _known: set[int] = field(default_factory=set[int], init=False)

    def __post_init__(self) -> None:
        super().__init__()

    @override
    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait for files, or let time pass."""
        ready = super().select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        if self._idle():
            return []
        watched = {key.fd for key in self.get_map().values()} - {self._waker}
        under_way = traffic(watched, self._known)
        if under_way.outside or self._busy():
            return self._wait(timeout)
        if under_way.inside and (ready := super().select(self._patience)):
            return ready
        if timeout is None:
            self._stuck()
        self._now.seconds += timeout
        return []

    def _wait(self, timeout: float | None) -> list[tuple[selectors.SelectorKey, int]]:
        begun = time.monotonic()
        ready = super().select(timeout)
        passed = time.monotonic() - begun
        self._now.seconds += passed if timeout is None or ready else max(passed, timeout)
        return ready

    @override
    def register(self, fileobj: File, events: int, data: object = None) -> selectors.SelectorKey:
        key = super().register(fileobj, events, data)
        if self._waker is None:
            self._waker = key.fd
        else:
            self._known.add(key.fd)
        return key


_Started: TypeAlias = tuple[asyncio.SubprocessTransport, asyncio.SubprocessProtocol]
_Start: TypeAlias = Callable[..., Awaitable[_Started]]

_SHOWN = 10  # pending tasks that an error names


class StuckLoopError(MiniAgentsError):
    """Every task of an event loop with virtual time waits for something that cannot come any more.

    Example:
        >>> import asyncio
        >>> from miniagents.testing import virtual_time
        >>> async def main():
        ...     await asyncio.Event().wait()
        >>> with virtual_time():
        ...     asyncio.run(main())
        Traceback (most recent call last):
            ...
        miniagents...StuckLoopError: Nothing can happen any more at 0 s of virtual time: nothing is ready, ...
    """


class _Instant(float):
    """The time of a timer; asyncio keeps timers in a heap, which does not keep the order of equal times."""

    __slots__ = ("number",)

    number: int

    def __new__(cls, when: float, number: int) -> Self:
        instant = super().__new__(cls, when)
        instant.number = number
        return instant

    @override
    def __lt__(self, other: float) -> bool:
        if isinstance(other, _Instant) and float.__eq__(self, other):
            return self.number < other.number
        return float.__lt__(self, other)


class VirtualEventLoop(asyncio.SelectorEventLoop):
    """The ordinary event loop with a :class:`VirtualSelector`.

    It counts its jobs on threads and the processes that it has started: while one runs, time is real time. A
    job that waits for the loop (`MiniAgents.from_thread`) does not run.
    """

    def __init__(self, now: Now, io_patience: float) -> None:
        self._now = now
        self._began = time.time() - now.seconds
        self._jobs = 0
        self._job_threads: set[int] = set()
        self._waiting_threads: set[int] = set()
        self._processes: WeakSet[asyncio.SubprocessTransport] = WeakSet()
        self._when_idle: list[Callable[[], bool]] = []
        self._timers = 0
        super().__init__(VirtualSelector(now, io_patience, self._busy, self._stuck, self._idle))

    @override
    def time(self) -> float:
        """Seconds of the virtual clock."""
        return self._now.seconds

    def wall_time(self) -> float:
        """Seconds since 1970."""
        return self._began + self._now.seconds

    @override
    def call_at(
        self, when: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Set a timer; timers of the same time are called in the order in which they were set."""
        self._timers += 1
        return super().call_at(_Instant(when, self._timers), callback, *args, context=context)

    def call_when_idle(self, callback: Callable[[], bool]) -> None:
        """Call ``callback`` each time that nothing is ready, before time passes or the loop is stuck.

        Args:
            callback: returns True if it did something, so that the loop looks again before it waits.
        """
        self._when_idle.append(callback)

    def forget_idle(self, callback: Callable[[], bool]) -> None:
        """Stop calling ``callback``; may be called again.

        Args:
            callback: as given to :meth:`call_when_idle`.
        """
        if callback in self._when_idle:
            self._when_idle.remove(callback)

    def _idle(self) -> bool:
        return any([callback() for callback in tuple(self._when_idle)])  # noqa: C419 - each one is called

    def _busy(self) -> bool:
        return self._jobs > len(self._waiting_threads) or any(
            process.get_returncode() is None for process in self._processes
        )

    def _stuck(self) -> NoReturn:
        waiting = [_described(task) for task in asyncio.all_tasks(self)]
        shown = sorted(waiting)[:_SHOWN]
        if len(waiting) > _SHOWN:
            shown.append(f"and {len(waiting) - _SHOWN} more")
        raise StuckLoopError(
            f"Nothing can happen any more at {self.time():g} s of virtual time: nothing is ready, no timer "
            f"is set, no I/O is under way. These would wait forever: {'; '.join(shown) or 'no task'}. Give "
            "them what they wait for, or a timeout. (A thread is waited for only if asyncio runs it, as "
            "asyncio.to_thread does.)"
        )

    # -- threads and processes -----------------------------------------------------------------------------

    @override
    def run_in_executor(
        self, executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts
    ) -> "asyncio.Future[T]":
        """Run ``func`` on a thread; time is real time until it has ended, but for its waits for the loop."""
        job = partial(func, *args)
        if executor is None or isinstance(executor, ThreadPoolExecutor):  # not in another process
            job = partial(self._run_job, job)
        future = super().run_in_executor(executor, job)
        self._jobs += 1
        future.add_done_callback(self._job_ended)
        return future

    def _run_job(self, job: Callable[[], T]) -> T:
        thread = get_ident()
        self._job_threads.add(thread)
        try:
            return job()
        finally:
            self._job_threads.discard(thread)

    def job_waits(self, thread: int) -> None:
        """Note that a thread waits for the loop: while all jobs do, time is virtual.

        Args:
            thread: its identifier; it counts if it runs a job.
        """
        if thread in self._job_threads:
            self._waiting_threads.add(thread)

    def job_goes_on(self, thread: int) -> None:
        """Note that a thread does not wait for the loop any more; may be called again.

        Args:
            thread: as given to :meth:`job_waits`.
        """
        self._waiting_threads.discard(thread)

    def _job_ended(self, _: object) -> None:
        self._jobs -= 1

    @override
    async def shutdown_default_executor(self, *args: float | None, **keywords: float | None) -> None:
        """Wait for the threads, in real time."""
        self._jobs += 1
        try:
            await super().shutdown_default_executor(*args, **keywords)
        finally:
            self._jobs -= 1

    @override
    async def subprocess_exec(  # type: ignore[override]  # some forty parameters, handed on as they are
        self, *args: object, **keywords: object
    ) -> _Started:
        """Start a process; time is real time until it has ended."""
        return self._watched(await cast("_Start", super().subprocess_exec)(*args, **keywords))

    @override
    async def subprocess_shell(  # type: ignore[override]  # the same
        self, *args: object, **keywords: object
    ) -> _Started:
        """Start a shell; time is real time until it has ended."""
        return self._watched(await cast("_Start", super().subprocess_shell)(*args, **keywords))

    def _watched(self, started: _Started) -> _Started:
        self._processes.add(started[0])
        return started


def _described(task: "asyncio.Task[object]") -> str:
    """Return the name of a task, and the line at which it waits, of code that is not ours if there is any."""
    frames = [*frames_within(task.get_coro())]
    if not frames:
        return task.get_name()
    theirs = [each for each in frames if not str(each.f_globals.get("__name__")).startswith("miniagents.")]
    frame = (theirs or frames)[-1]
    code = frame.f_code
    return f"{task.get_name()} in {code.co_qualname} ({Path(code.co_filename).name}:{frame.f_lineno})"
