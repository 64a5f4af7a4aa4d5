"""Calls from other threads: a synchronous handler or a worker thread calls something in a context, and waits.

The call becomes a task of the context, so that the end of the context waits for it or cancels it, as it does
with runs. A thread never waits for ever: if the context cannot begin the call any more, the call raises an
error.
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

INTERVAL: Final = 1.0  # seconds between two checks whether the loop was closed without an end of the context


def call_from_thread(context: Context, function: Callable[[], Awaitable[T] | T]) -> T:
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
        msg = (
            "from_thread would block the event loop that runs on this thread. Await the function itself; "
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
        context.call_soon(call.cancel)  # needed if this thread was interrupted, else without effect
        raise
    finally:
        del call  # the call holds the error, and its traceback holds this frame


def context_for_thread() -> Context:
    """Return the context of another thread that a call from this thread goes to.

    It is the context that this thread inherited with its context variables (``asyncio.to_thread`` and anyio
    copy them); else the app-wide one, if the process has exactly one.

    Raises:
        NoActiveContextError: no context exists, it has ended, or several are app-wide.
        WrongLoopError: it belongs to the process from which this one was forked.
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
            f"{len(found)} event loops have an app-wide context: {names}. from_thread does not know to "
            "which one this thread belongs; use `asyncio.run_coroutine_threadsafe(coroutine, loop).result()`."
        )
        raise NoActiveContextError(msg)
    return found[0]


class ThreadCall(Generic[T]):
    """One call, for a thread that waits for its outcome.

    Args:
        context: the owner of the task of the call.
        function: called on the event loop; its result is awaited if it is awaitable.

    Attributes:
        outcome: the Future that the thread waits for.
        task: the task of the call; None before it has begun.
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
        """Schedule the call on the event loop of the context."""
        self._context.calls_from_threads.add(self)
        with suppress(RuntimeError):  # the event loop is being closed
            self._context.call_soon(self._begin)
        # A context that ends refuses the calls that it finds. A call that came later refuses itself.
        self.look()

    def look(self) -> None:
        """Refuse the call if the event loop can no longer begin it."""
        over = self._loop is None or self._loop.is_closed()
        if over or (self.task is None and self._context.ended):
            self._context.calls_from_threads.discard(self)
            self.refuse()

    def refuse(self) -> None:
        """Refuse the call: the context has ended before it could begin; idempotent."""
        why = "The MiniAgents context has ended; nothing more can be called in it."
        self._fail(NoActiveContextError(why))

    def _fail(self, error: BaseException) -> None:
        with suppress(concurrent.futures.InvalidStateError):  # the call was refused before, and ends late
            self.outcome.set_exception(error)

    def _begin(self) -> None:
        self._context.calls_from_threads.discard(self)
        if self._context.refuses_calls:
            self.refuse()
        elif self.outcome.set_running_or_notify_cancel():
            body = _called(self._function)
            self.task = Task(body, loop=self._context.loop, name=self.name, context=self._variables)
            # Not in the task itself, which may be cancelled before its first step.
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
