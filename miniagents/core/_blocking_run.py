"""A blocking run: on an event loop of its own, which ends in order, whatever it ends by.

Inside a running event loop it needs a thread of its own too: ``asyncio.run`` refuses to nest, and it is
right, because one loop cannot wait for itself. The outer loop stands still as long as that thread runs.
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

    What leaves the loop at once and not through ``main`` (``SystemExit`` and ``KeyboardInterrupt`` raised in
    some task) cancels ``main`` first and waits for its end. ``asyncio.run`` would cancel all tasks side by
    side: those that a context owns would be cancelled once more by it, in the middle of their clean-up.
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
    """Run ``main()`` on a new thread with a new event loop and block until it has ended.

    The contextvars of the caller are seen inside. What interrupts the caller (Ctrl-C) cancels ``main``, waits
    for its clean-up, and is raised then.
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
    if outer.cancelled:  # when this one had just ended
        raise asyncio.CancelledError
    return result


class _NestedRun(threading.Thread, Generic[T]):
    """The thread of a run whose caller is an event loop.

    Attributes:
        cancel_inner: cancels the nested run that this one's event loop stands still for, if it does.
        cancelled: the run is to end.
        outcome: what the run gives or raises.
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
        except BaseException as error:  # noqa: BLE001 - it is raised in the caller
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
        """Block until the run has ended; an interruption cancels it first.

        Raises:
            BaseException: what interrupted this thread.
        """
        try:
            with _interruptible():
                self.start()
                # Not `join`: up to Python 3.12 a join that was interrupted takes the thread for ended, so
                # that the next one does not wait.
                wait((self.outcome,))
        except BaseException:
            if self.ident is not None:  # else there is no such thread
                self.cancel()
                wait((self.outcome,))
            raise
        self.join()

    def cancel(self) -> None:
        """Cancel the run, from another thread; if it stands still for another nested run, that one."""
        self.cancelled = True
        self._begun.wait()
        cancel_inner = self.cancel_inner
        if cancel_inner is not None:
            cancel_inner()  # its cancellation goes on through this one
        elif self._cancel_main is not None:
            with suppress(RuntimeError):  # its event loop is closed: it has just ended by itself
                self._cancel_main()


@contextmanager
def _interruptible() -> Generator[None]:
    """Let Ctrl-C raise ``KeyboardInterrupt`` here.

    The handler of ``asyncio.Runner`` cancels its main task, which cannot take notice while its event loop
    stands still. A handler of somebody else stays.
    """
    handler = signal.getsignal(signal.SIGINT)
    runner: object = getattr(getattr(handler, "func", None), "__self__", None)  # of a bound method, partially
    if threading.current_thread() is not threading.main_thread() or not isinstance(runner, asyncio.Runner):
        yield
        return
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
