"""Calls from other threads: what a synchronous handler or a worker thread has a context call, and waits for.

The call becomes a task of the context, so that the end of the context waits for it, or cancels it, as it
does with runs. A thread is never left waiting: a call that the context cannot begin any more is refused.
"""

import asyncio
import concurrent.futures
from asyncio import Task
from collections.abc import Awaitable, Callable
from contextlib import suppress
from contextvars import copy_context
from typing import Generic, TypeVar, cast

from miniagents.values import InquiryCancelledError, NoActiveContextError

from ._context import CURRENT_CONTEXT, Context, app_wide_contexts
from ._loop_bound import running_loop

T = TypeVar("T")


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
    """
    own = CURRENT_CONTEXT.get()
    if own is not None:
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
        self.task: Task[None] | None = None
        self._context = context
        self._function = function
        self._variables = copy_context()

    @property
    def name(self) -> str:
        """How it is called in logs."""
        return "a call from a thread"

    def send(self) -> None:
        """Have it begin on the event loop of the context."""
        calls = self._context.calls_from_threads
        calls.add(self)
        self._context.call_soon(self._begin)
        # The context refuses what it finds after it has ended. What came later than its look refuses itself.
        if self._context.ended or self._context.loop.is_closed():
            calls.discard(self)
            self.refuse()

    def refuse(self) -> None:
        """The context has ended before the call could begin; idempotent."""
        error = NoActiveContextError("The MiniAgents context has ended; nothing more can be called in it.")
        with suppress(concurrent.futures.InvalidStateError):
            self.outcome.set_exception(error)

    def _begin(self) -> None:
        self._context.calls_from_threads.discard(self)
        if self._context.refuses_calls:
            self.refuse()
        elif self.outcome.set_running_or_notify_cancel():
            self.task = Task(self._work(), loop=self._context.loop, name=self.name, context=self._variables)
            self._context.add(self)

    async def _work(self) -> None:
        try:
            returned: object = self._function()
            result = await cast("Awaitable[T]", returned) if isinstance(returned, Awaitable) else returned
        except asyncio.CancelledError:
            error = InquiryCancelledError("The call was cancelled, since the MiniAgents context has ended.")
            self.outcome.set_exception(error)
        except BaseException as error:
            self.outcome.set_exception(error)
            if isinstance(error, KeyboardInterrupt | SystemExit):
                raise
        else:
            self.outcome.set_result(cast("T", result))
        finally:
            self._context.discard(self)

    def cancel(self) -> None:
        """Stop it now."""
        if self.task is not None:
            self.task.cancel()
        else:
            self.outcome.cancel()

    def drain(self) -> None:
        """It produces no stream that could be paused."""
