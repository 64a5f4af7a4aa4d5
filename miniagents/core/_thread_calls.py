"""Calls from other threads: what a synchronous handler or a worker thread has a context call, and waits for.

The call becomes a task of the context, so that the end of the context waits for it, or cancels it, as it
does with runs. A thread is never left waiting: a call that the context cannot begin any more is refused.
"""

import concurrent.futures
from asyncio import Task
from collections.abc import Awaitable, Callable
from contextlib import suppress
from contextvars import copy_context
from typing import Final, Generic, TypeVar, cast

from miniagents.values import InquiryCancelledError, NoActiveContextError, WrongLoopError

from ._context import CURRENT_CONTEXT, Context, app_wide_contexts
from ._loop_bound import running_loop

T = TypeVar("T")

INTERVAL: Final = 1.0  # seconds between two looks whether the loop was closed without an end of the context


def call_from_thread(context: Context, function: Callable[[], Awaitable[T] | T]) -> T:
    """What ``function`` returns on the event loop of ``context``, awaited there if it can be awaited.

    Args:
        context: of another thread.
        function: called there, with the context variables of this thread.

    Raises:
        InquiryCancelledError: the context has ended before the call had.
        NoActiveContextError: the context has ended before the call began.
        RuntimeError: an event loop runs on this thread, which would stand still.
    """
    if running_loop() is not None:
        msg = (
            "from_thread blocks its thread, and on this one an event loop is running. Await what you call; "
            "from another event loop: `await asyncio.to_thread(MiniAgents.from_thread, ...)`."
        )
        raise RuntimeError(msg)
    call = ThreadCall(context, function)
    call.send()
    try:
        while not concurrent.futures.wait((call.outcome,), INTERVAL).done:
            call.look()
        return call.outcome.result()
    except BaseException:
        context.call_soon(call.cancel)  # of use if this thread was interrupted, and else of no effect
        raise
    finally:
        del call  # it has the error, whose traceback has this frame


def context_for_thread() -> Context:
    """The context of another thread that a call from this one goes to.

    The one that this thread has inherited by its context variables (``asyncio.to_thread`` and anyio hand them
    on); else the app-wide one, if the process has just one.

    Raises:
        NoActiveContextError: there is none, it has ended, or several are app-wide.
        WrongLoopError: it is that of the process from which this one was forked.
    """
    own = CURRENT_CONTEXT.get()
    if own is not None:
        if not own.in_process():
            raise WrongLoopError
        return own
    found = [context for context in app_wide_contexts() if not context.loop.is_closed()]
    if not found:
        raise NoActiveContextError
    if len(found) > 1:
        names = ", ".join(context.app_wide_name for context in found)
        msg = (
            f"{len(found)} event loops have an app-wide context: {names}. from_thread cannot tell which one "
            "this thread belongs to; use `asyncio.run_coroutine_threadsafe(coroutine, loop).result()`."
        )
        raise NoActiveContextError(msg)
    return found[0]


class ThreadCall(Generic[T]):
    """One call, for a thread that waits for its outcome.

    Args:
        context: which owns the task of the call.
        function: what is called; what it returns is awaited if it can be.

    Attributes:
        outcome: what the thread waits for.
        task: of the call, None before it has begun.
    """

    def __init__(self, context: Context, function: Callable[[], Awaitable[T] | T]) -> None:
        self.outcome: concurrent.futures.Future[T] = concurrent.futures.Future()
        self.task: Task[T] | None = None
        self._context = context
        self._loop = None if context.ended else context.loop
        self._function = function
        self._variables = copy_context()

    @property
    def name(self) -> str:
        """How it is called in logs."""
        return "a call from a thread"

    def send(self) -> None:
        """Have it begin on the event loop of the context."""
        self._context.calls_from_threads.add(self)
        with suppress(RuntimeError):  # the loop is being closed
            self._context.call_soon(self._begin)
        # The context refuses what it finds after it has ended. What came later than its look refuses itself.
        self.look()

    def look(self) -> None:
        """Refuse it if nobody is there any more who could begin it."""
        over = self._loop is None or self._loop.is_closed()
        if over or (self.task is None and self._context.ended):
            self._context.calls_from_threads.discard(self)
            self.refuse()

    def refuse(self) -> None:
        """The context has ended before the call could begin; idempotent."""
        why = "The MiniAgents context has ended; nothing more can be called in it."
        self._fail(NoActiveContextError(why))

    def _fail(self, error: BaseException) -> None:
        with suppress(concurrent.futures.InvalidStateError):  # it was refused, and comes to its end late
            self.outcome.set_exception(error)

    def _begin(self) -> None:
        self._context.calls_from_threads.discard(self)
        if self._context.refuses_calls:
            self.refuse()
        elif self.outcome.set_running_or_notify_cancel():
            body = _called(self._function)
            self.task = Task(body, loop=self._context.loop, name=self.name, context=self._variables)
            # Nothing of this in the task itself: it may be cancelled before its first step.
            self.task.add_done_callback(self._ended)
            self._context.add(self)

    def _ended(self, task: "Task[T]") -> None:
        self._context.discard(self)
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
        """It produces no stream that could be paused."""


async def _called(function: Callable[[], Awaitable[T] | T]) -> T:
    """What a function returns, or what comes of that."""
    returned: object = function()
    try:
        if isinstance(returned, Awaitable):
            return await cast("Awaitable[T]", returned)
        return cast("T", returned)
    finally:
        returned = None  # a promise: its error has this frame in its traceback
