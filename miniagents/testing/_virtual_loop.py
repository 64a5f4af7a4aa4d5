"""An event loop whose time is virtual."""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from pathlib import Path
from types import FrameType
from typing import NoReturn, TypeAlias, TypeVar, TypeVarTuple, cast
from weakref import WeakSet

from typing_extensions import override

from miniagents.values import MiniAgentsError

from ._virtual_selector import Now, VirtualSelector

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

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


class VirtualEventLoop(asyncio.SelectorEventLoop):
    """The ordinary event loop over a :class:`VirtualSelector`.

    It knows of the jobs that it gave to threads and of the processes that it started, so that their time is
    real time.
    """

    def __init__(self, now: Now, io_patience: float) -> None:
        self._now = now
        self._jobs = 0
        self._processes: WeakSet[asyncio.SubprocessTransport] = WeakSet()
        self._when_idle: list[Callable[[], bool]] = []
        super().__init__(VirtualSelector(now, io_patience, self._busy, self._stuck, self._idle))

    @override
    def time(self) -> float:
        """Seconds of the virtual clock."""
        return self._now.seconds

    def call_when_idle(self, callback: Callable[[], bool]) -> None:
        """Call ``callback`` each time when nothing is ready, before time goes on or the loop is stuck.

        Args:
            callback: tells whether it did something, so that the loop looks again before it waits.
        """
        self._when_idle.append(callback)

    def forget_idle(self, callback: Callable[[], bool]) -> None:
        """Call ``callback`` no more; idempotent.

        Args:
            callback: what was given to :meth:`call_when_idle`.
        """
        if callback in self._when_idle:
            self._when_idle.remove(callback)

    def _idle(self) -> bool:
        return any([callback() for callback in tuple(self._when_idle)])

    def _busy(self) -> bool:
        return self._jobs > 0 or any(process.get_returncode() is None for process in self._processes)

    def _stuck(self) -> NoReturn:
        waiting = [_described(task) for task in asyncio.all_tasks(self)]
        shown = sorted(waiting)[:_SHOWN]
        if len(waiting) > _SHOWN:
            shown.append(f"and {len(waiting) - _SHOWN} more")
        msg = (
            f"Nothing can happen any more at {self.time():g} s of virtual time: nothing is ready, no timer "
            f"is set, no I/O is under way. These would wait for ever: {'; '.join(shown) or 'no task'}. Give "
            "them what they wait for, or a timeout. (A thread is waited for only if asyncio runs it, as "
            "asyncio.to_thread does.)"
        )
        raise StuckLoopError(msg)

    # -- what goes on outside ------------------------------------------------------------------------------

    @override
    def run_in_executor(
        self, executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts
    ) -> "asyncio.Future[T]":
        """Run ``func`` on a thread; until it has ended time is real time."""
        future = super().run_in_executor(executor, func, *args)
        self._jobs += 1
        future.add_done_callback(self._job_ended)
        return future

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
        """Start a process; until it has ended time is real time."""
        return self._watched(await cast("_Start", super().subprocess_exec)(*args, **keywords))

    @override
    async def subprocess_shell(  # type: ignore[override]  # the same
        self, *args: object, **keywords: object
    ) -> _Started:
        """Start a shell; until it has ended time is real time."""
        return self._watched(await cast("_Start", super().subprocess_shell)(*args, **keywords))

    def _watched(self, started: _Started) -> _Started:
        self._processes.add(started[0])
        return started


def _described(task: "asyncio.Task[object]") -> str:
    """A task and the line where it waits."""
    inner: object = task.get_coro()
    place = ""
    while inner is not None:
        frame = _first(inner, "cr_frame", "ag_frame", "gi_frame")
        if isinstance(frame, FrameType):
            place = f" in {frame.f_code.co_qualname} ({Path(frame.f_code.co_filename).name}:{frame.f_lineno})"
        inner = _first(inner, "cr_await", "ag_await", "gi_yieldfrom")
    return f"{task.get_name()}{place}"


def _first(of: object, *names: str) -> object:
    """The first of these attributes that is there."""
    return next((getattr(of, name) for name in names if hasattr(of, name)), None)
