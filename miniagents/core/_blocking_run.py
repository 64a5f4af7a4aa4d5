"""Blocking runs: on an event loop of their own, which is always closed properly.

Inside a running event loop a blocking run also needs a thread of its own: ``asyncio.run`` refuses to nest,
because a loop cannot wait for itself. The outer loop is blocked while that thread runs.
"""

import asyncio
import contextvars
import signal
import threading
from collections.abc import Callable, Coroutine, Generator
from concurrent.futures import Future, wait
from contextlib import contextmanager, suppress
from typing import Generic, TypeVar

from typing_extensions import override

T = TypeVar("T")


def run_loop(main: Callable[[], Coroutine[object, object, T]]) -> T:
    """Run ``main()`` as ``asyncio.run`` does.

    ``SystemExit`` and ``KeyboardInterrupt`` that a task raises end the loop, but not through ``main``. This
    function then cancels ``main`` first and waits for its end. ``asyncio.run`` would cancel all tasks at the
    same time, and the context would cancel its tasks again, in the middle of their clean-up.
    """
    begun: list[asyncio.Task[object]] = []

    async def noted() -> T:
        task = asyncio.current_task()
        if task is not None:
            begun.append(task)
        return await main()

    with asyncio.Runner() as runner:
        try:
            return runner.run(noted())
        except BaseException:
            for task in begun:
                if not task.done():
                    task.cancel()
                    runner.get_loop().run_until_complete(asyncio.wait([task]))
            raise


def run_in_thread(main: Callable[[], Coroutine[object, object, T]]) -> T:
    """Run ``main()`` on a new thread with a new event loop, and block until it has ended.

    The thread has a copy of the caller's contextvars. If the caller is interrupted (Ctrl-C), this function
    cancels ``main``, waits for its clean-up, and then raises the interruption.
    """
    run = _NestedRun(main)
    outer = threading.current_thread()
    if not isinstance(outer, _NestedRun):
        run.start_and_wait()
        return run.outcome.result()
    outer.cancel_inner = run.cancel
    try:
        run.start_and_wait()
    finally:
        outer.cancel_inner = None
    result = run.outcome.result()
    if outer.cancelled:  # if this run had just ended
        raise asyncio.CancelledError
    return result


class _NestedRun(threading.Thread, Generic[T]):
    """The thread of a run whose caller is an event loop.

    Attributes:
        cancel_inner: cancels the nested run for which this run's event loop is blocked; None if there is
            none.
        cancelled: whether the run was cancelled.
        outcome: a Future of the run's result or error.
    """

    def __init__(self, main: Callable[[], Coroutine[object, object, T]]) -> None:
        super().__init__(name="miniagents-nested-run")
        self.cancelled = False
        self.cancel_inner: Callable[[], None] | None = None
        self.outcome: Future[T] = Future()
        self._main = main
        self._variables = contextvars.copy_context()
        self._begun = threading.Event()
        self._cancel_main: Callable[[], object] | None = None

    @override
    def run(self) -> None:
        """Run the event loop."""
        self._variables.run(self._run_loop)

    def _run_loop(self) -> None:
        try:
            self.outcome.set_result(run_loop(self._begin))
        except BaseException as error:  # noqa: BLE001 - the caller raises it
            self.outcome.set_exception(error)
            self._begun.set()

    async def _begin(self) -> T:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        if task is not None:
            cancel = task.cancel
            self._cancel_main = lambda: loop.call_soon_threadsafe(cancel)
        self._begun.set()
        return await self._main()

    def start_and_wait(self) -> None:
        """Block until the run has ended; an interruption cancels the run first.

        Raises:
            BaseException: what interrupted this thread.
        """
        try:
            with _interruptible():
                self.start()
                # Not `join`: up to Python 3.12, after an interrupted `join` the next one does not wait any
                # more.
                wait((self.outcome,))
        except BaseException:
            if self.ident is not None:  # else the thread was never started
                self.cancel()
                wait((self.outcome,))
            raise
        self.join()

    def cancel(self) -> None:
        """Cancel the run, from another thread; if it is blocked by another nested run, cancel that one."""
        self.cancelled = True
        self._begun.wait()
        cancel_inner = self.cancel_inner
        if cancel_inner is not None:
            cancel_inner()  # its cancellation also ends this one
        elif self._cancel_main is not None:
            with suppress(RuntimeError):  # its event loop is closed: the run has just ended by itself
                self._cancel_main()


@contextmanager
def _interruptible() -> Generator[None]:
    """Let Ctrl-C raise ``KeyboardInterrupt`` here.

    The handler of ``asyncio.Runner`` cancels its main task, which cannot run while its event loop is blocked.
    A handler of the program itself is not replaced.
    """
    handler = signal.getsignal(signal.SIGINT)
    runner: object = getattr(getattr(handler, "func", None), "__self__", None)  # `partial` of a method
    if threading.current_thread() is not threading.main_thread() or not isinstance(runner, asyncio.Runner):
        yield
        return
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
