"""Calls from other threads into a context, and blocking runs on an event loop of their own."""

import asyncio
import concurrent.futures
import contextvars
import signal
import threading
from asyncio import Task, get_running_loop
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Coroutine, Generator, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager, suppress
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeVar, cast

from typing_extensions import override

from miniagents.values import InquiryCancelledError, NoActiveContextError

if TYPE_CHECKING:
    from ._context import Context

# -- thread calls ---------------------------------------------------------------------------------------
#
# Calls from other threads: a synchronous handler or a worker thread calls something in a context, and waits.
#
# The call becomes a task of the context: the end of the context waits for it or cancels it, as it does
# with runs. A thread never waits for ever: if the context cannot begin the call any more, the call raises an
# error.

T = TypeVar("T")

INTERVAL: Final = 1.0  # seconds between two checks whether the loop was closed without an end of the context


def running_loop() -> asyncio.AbstractEventLoop | None:
    """Return the event loop that is running on this thread; None if none is running."""
    try:
        return get_running_loop()
    except RuntimeError:
        return None


def call_from_thread(context: "Context", function: Callable[[], Awaitable[T] | T]) -> T:
    """Call ``function`` on the event loop of ``context``, and return its result, awaited if it is awaitable.

    Args:
        context: a context of another thread.
        function: called on that loop, with the context variables of this thread.

    Raises:
        InquiryCancelledError: the context ended before the call did.
        NoActiveContextError: the context ended before the call began.
        RuntimeError: an event loop runs on this thread; the call would block it.
    """
    if running_loop() is not None:
        raise RuntimeError(
            "from_thread would block the event loop that runs on this thread. Await the function itself; "
            "from another event loop: `await asyncio.to_thread(MiniAgents.from_thread, ...)`."
        )
    call = ThreadCall(context, function, threading.get_ident())
    call.send()
    try:
        while not concurrent.futures.wait((call.outcome,), INTERVAL).done:
            call.look()
        return call.outcome.result()
    except BaseException:
        context.call_soon(call.cancel)  # needed if this thread was interrupted, else without effect
        raise
    finally:
        del call  # the call holds the error, and its traceback holds this frame


def iterate_from_thread(context: "Context", function: Callable[[], AsyncIterable[T]]) -> Iterator[T]:
    """Iterate over a stream of the event loop of ``context``; it has begun when this returns.

    Args:
        context: a context of another thread.
        function: called on that loop, with the context variables of this thread.

    Raises:
        NoActiveContextError: the context ended before the call began.
        RuntimeError: an event loop runs on this thread; the iteration would block it.
    """
    # In a list: an iterator that is awaitable, too, must not be awaited.
    (iterator,) = call_from_thread(context, lambda: [aiter(function())])
    return _items(context, iterator)


def _items(context: "Context", iterator: AsyncIterator[T]) -> Iterator[T]:
    try:
        while True:
            items: list[T] = call_from_thread(context, partial(_next, iterator))
            if not items:
                return
            yield from items
    finally:  # in this thread, and perhaps in a finalizer: it cannot wait
        leave = cast("Callable[[], Awaitable[None]] | None", getattr(iterator, "aclose", None))
        if leave is not None:
            ThreadCall[None](context, leave).send()


async def _next(iterator: AsyncIterator[T]) -> list[T]:
    """Return the next item; none at the end."""
    async for item in iterator:
        return [item]
    return []


class JobLoop(Protocol):
    """An event loop with virtual time, which passes while all its jobs on threads wait for the loop."""

    def job_waits(self, thread: int) -> None:
        """Note that a thread waits for the loop."""
        ...

    def job_goes_on(self, thread: int) -> None:
        """Note that it waits no more."""
        ...


class ThreadCall(Generic[T]):
    """One call, for a thread that waits for its outcome.

    Args:
        context: the owner of the task of the call.
        function: called on the event loop; its result is awaited if it is awaitable.
        waiting: the thread that waits for the outcome; None if none does.

    Attributes:
        outcome: the Future that the thread waits for.
        task: the task of the call; None before it has begun.
    """

    def __init__(
        self, context: "Context", function: Callable[[], Awaitable[T] | T], waiting: int | None = None
    ) -> None:
        self.outcome: concurrent.futures.Future[T] = concurrent.futures.Future()
        self.task: Task[T] | None = None
        self._context = context
        self._loop = None if context.ended else context.loop
        self._function = function
        self._waiting = waiting
        self._variables = copy_context()

    @property
    def name(self) -> str:
        """How it is called in logs."""
        return "a call from a thread"

    def send(self) -> None:
        """Schedule the call on the event loop of the context."""
        self._context.calls_from_threads.add(self.refuse)
        with suppress(RuntimeError):  # the event loop is being closed
            self._context.call_soon(self._begin)
        # A context that ends refuses the calls that it finds. A call that came later refuses itself.
        self.look()

    def look(self) -> None:
        """Refuse the call if the event loop can no longer begin it."""
        over = self._loop is None or self._loop.is_closed()
        if over or (self.task is None and self._context.ended):
            self._context.calls_from_threads.discard(self.refuse)
            self.refuse()

    def refuse(self) -> None:
        """Refuse the call: the context has ended before it could begin; idempotent."""
        why = "The MiniAgents context has ended; nothing more can be called in it."
        self._fail(NoActiveContextError(why))

    def _fail(self, error: BaseException) -> None:
        with suppress(concurrent.futures.InvalidStateError):  # the call was refused before, and ends late
            self.outcome.set_exception(error)

    def _begin(self) -> None:
        self._context.calls_from_threads.discard(self.refuse)
        if self._context.refuses_calls:
            self.refuse()
        elif self.outcome.set_running_or_notify_cancel():
            body = _called(self._function)
            self.task = Task(body, loop=self._context.loop, name=self.name, context=self._variables)
            # Not in the task itself, which may be cancelled before its first step.
            self.task.add_done_callback(self._ended)
            self._context.add(self)
            if self._waiting is not None and hasattr(self._loop, "job_waits"):
                cast("JobLoop", self._loop).job_waits(self._waiting)

    def _ended(self, task: "Task[T]") -> None:
        self._context.discard(self)
        if self._waiting is not None and hasattr(self._loop, "job_goes_on"):
            cast("JobLoop", self._loop).job_goes_on(self._waiting)
        if task.cancelled():
            why = "The call was cancelled before its end, as calls are when their MiniAgents context ends."
            self._fail(InquiryCancelledError(why))
        elif (error := task.exception()) is not None:
            self._fail(error)
        else:
            with suppress(concurrent.futures.InvalidStateError):
                self.outcome.set_result(task.result())

    def cancel(self) -> None:
        """Stop it now."""
        if self.task is not None:
            self.task.cancel()
        else:
            self.outcome.cancel()

    def drain(self) -> None:
        """Do nothing: a call produces no stream that could be paused."""


async def _called(function: Callable[[], Awaitable[T] | T]) -> T:
    """Return the result of a function, awaited if it is awaitable."""
    returned: object = function()
    try:
        if isinstance(returned, Awaitable):
            return await cast("Awaitable[T]", returned)
        return cast("T", returned)
    finally:
        returned = None  # a promise, whose error has this frame in its traceback


# -- blocking run ---------------------------------------------------------------------------------------
#
# Blocking runs: on an event loop of their own, which is always closed properly.
#
# Inside a running event loop a blocking run also needs a thread of its own: ``asyncio.run`` refuses to nest,
# because a loop cannot wait for itself. The outer loop is blocked while that thread runs.


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
