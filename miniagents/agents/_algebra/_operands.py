"""The interfaces through which a composition of agents uses its parts and its run.

Errors of a part are not turned into messages before the composition has handled them. An agent that passes on
the replies of another one ends as that one ends.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Protocol, TypeAlias, TypeVar, cast, runtime_checkable

from miniagents.messages import InputMessage, Message, MessagePromise, MessageSequencePromise, MessageType
from miniagents.messages._parts import is_content, parts_in
from miniagents.streams._buffer import NoReplayBuffer, ReplayBuffer
from miniagents.streams._deadlocks import record_wait
from miniagents.streams._demand import UNBOUNDED, Request
from miniagents.streams._lifetime import current_producer
from miniagents.streams._pump import until_requested
from miniagents.streams._readers import settled, until_closed, until_done
from miniagents.streams._run_task import ProducerTask
from miniagents.values import name_of

T = TypeVar("T")

Errors: TypeAlias = tuple[type[Exception], ...] | Callable[[Exception], bool]
"""Which errors an operator handles: those of some classes, or those for which a function returns true."""


@runtime_checkable
class Operand(Protocol):
    """An agent that needs nothing but messages."""

    @property
    def alias(self) -> str:
        """Its name in errors and records."""
        ...

    @property
    def description(self) -> str:
        """What it does."""
        ...

    def inquire(self, messages: MessageType = None, /) -> MessageSequencePromise:
        """Its replies."""
        ...


class ReplyContext(Protocol):
    """The part of a run's context that compositions use: the messages, and the methods to reply."""

    @property
    def messages(self) -> MessageSequencePromise:
        """The messages that were sent."""
        ...

    def reply(self, messages: MessageType) -> None:
        """Reply messages."""
        ...

    def finish_early(self) -> None:
        """Close the replies."""
        ...


class Composition(Protocol):
    """The agent function of a composed agent, with the agent's alias and description."""

    @property
    def alias(self) -> str:
        """An alias that names the parts."""
        ...

    @property
    def description(self) -> str:
        """A sentence about what happens to the parts."""
        ...

    @property
    def components(self) -> Sequence[object]:
        """The agents that it is made of."""
        ...

    async def __call__(self, ctx: ReplyContext) -> None:
        """Run the parts."""
        ...


class Wrapper(Protocol):
    """A wrapper around the runs of one agent, whose copy has the same class.

    Example:
        >>> from miniagents.agents._algebra._around import Around
        >>> async def around(ctx, call):
        ...     ctx.reply(call.inquire(ctx.messages))
        >>> wrapper: Wrapper = Around(around)
    """

    def alias_around(self, part: Operand) -> str:
        """Return the alias of the wrapped agent.

        Args:
            part: the agent.
        """
        ...

    def description_around(self, part: Operand) -> str:
        """Return the description of the wrapped agent, a sentence.

        Args:
            part: the agent.
        """
        ...

    def __call__(self, ctx: ReplyContext, call: Operand, /) -> Awaitable[None]:
        """Do one run: inquire ``call``, the wrapped agent, and reply."""
        ...


def check_errors(where: str, name: str, errors: object) -> None:
    """Refuse what says nothing of an error when an agent fails.

    A class that is not in a tuple can be called too, and would accept any error.

    Raises:
        TypeError: it is neither a tuple of classes nor a function.
    """
    if isinstance(errors, type):
        raise TypeError(f"{where}({name}={errors.__name__}): give a tuple, ({errors.__name__},).")
    if callable(errors):
        return
    if not isinstance(errors, tuple) or not all(
        isinstance(each, type) for each in cast("tuple[object, ...]", errors)
    ):
        raise TypeError(
            f"{where}({name}={errors!r}): give a tuple of classes of errors, or a function of the error."
        )


def covers(errors: Errors, error: Exception) -> bool:
    """Return whether an error is one of those that are handled."""
    return errors(error) if callable(errors) else isinstance(error, errors)


def named(part: Operand) -> str:
    """Return the alias of a part for the alias of a composition: in parentheses if it is composed itself."""
    return f"({part.alias})" if " " in part.alias else part.alias


def given_name(given: object) -> str:
    """Return the alias of an agent, or the name of a function, that is given to an operator."""
    return given.alias if isinstance(given, Operand) else name_of(given)


async def relay(ctx: ReplyContext, replies: MessageSequencePromise) -> None:
    """Reply the replies of another agent, as far as they are read, and end as they end; messages stream."""
    buffer = replies.buffer
    if buffer.closed and buffer.error is None and not isinstance(buffer, NoReplayBuffer):
        buffer.expect_reader()
        for promise in buffer.items:  # all has come: no reader is needed, and there is nothing to wait for
            ctx.reply(promise)
        return
    async for promise in replies:
        ctx.reply(promise)
        await until_read()


async def until_read() -> None:
    """Wait, after a reply, until the replies of the current run have demand again."""
    run = current_producer()
    if isinstance(run, ProducerTask):
        await until_requested(run.buffer)


def replies_closed() -> bool:
    """Return whether the replies of the current run have ended, so that nothing could get another one."""
    run = current_producer()
    return isinstance(run, ProducerTask) and run.buffer.closed


async def first_sign(replies: MessageSequencePromise) -> None:
    """Wait for the first content, for a first message without any, or for an end without messages.

    An error is not handled by this: the replies may be passed on with it (see :func:`handle_first_error`).

    Raises:
        Exception: the error of the agent, if its replies failed before that.
    """
    buffer = replies.buffer
    buffer.reader_came()
    try:
        while (first := _first_of(replies)) is None and not buffer.closed:
            await until_done(buffer, buffer.wait())
    finally:
        buffer.reader_left()
    if first is not None:
        await has_begun(first)
    else:
        await settled(buffer)
        buffer.raise_error()


def _first_of(replies: MessageSequencePromise) -> MessagePromise[Message] | None:
    """Return the first message of an agent itself; before it, a tool loop may have replied its input."""
    return next((each for each in replies.buffer.items if each.message_class is not InputMessage), None)


def handle_first_error(replies: MessageSequencePromise) -> None:
    """Note that the error that :func:`first_sign` has raised is handled."""
    first = _first_of(replies)
    (replies.buffer if first is None else first.buffer).mark_error_handled()


async def has_begun(promise: MessagePromise[Message]) -> bool:
    """Wait for the first content of a message, of any kind; return False if it ends without any.

    An error is not handled by this.

    Raises:
        Exception: the error of the message, if it failed before that.
    """
    # A loop and not a reader: most often the parts have come already.
    buffer = promise.buffer
    parts = parts_in(buffer)
    position = 0
    buffer.reader_came(reads=False)  # it only looks: a message that nothing else reads is not paused
    try:
        while True:
            while position < len(parts):
                if is_content(parts[position]):
                    return True
                position += 1
            if buffer.closed:
                break
            await until_done(buffer, buffer.wait())
    finally:
        buffer.reader_left()
    await settled(buffer)
    buffer.raise_error()
    return False


def is_complete(messages: MessageSequencePromise) -> bool:
    """Return whether all messages have ended, with or without an error."""
    return messages.buffer.closed and all(promise.buffer.closed for promise in messages.buffer.items)


async def until_over(buffer: ReplayBuffer[T]) -> None:
    """Wait until a message, or a sequence, has ended, without demand for it: its source waits for readers.

    Args:
        buffer: of the message or the sequence.

    Example:
        >>> from miniagents import MiniAgents
        >>> from miniagents.testing import scripted_model
        >>> async def main():
        ...     replies = scripted_model("Hello!").inquire("Hi")
        ...     await until_over(replies.buffer)
        ...     print(replies.done)
        >>> MiniAgents().run(main())
        True
    """
    future = buffer.context.future()
    buffer.when_closed(lambda: None if future.done() else future.set_result(None))
    record_wait(buffer, future)
    await future


class WhileNeeded:
    """Requests everything of messages while a reader of the run's replies needs what comes behind them.

    For a run that replies the next message, or its error, only when these have ended: otherwise a message
    that nothing reads would wait at `prefetch` for a reader, and the reader for what comes next.

    Args:
        *messages: what the run has replied.

    Example:
        >>> with WhileNeeded():
        ...     print("outside of a run it requests nothing")
        outside of a run it requests nothing
    """

    def __init__(self, *messages: ReplayBuffer[str]) -> None:
        self._requests = [(Request(), message) for message in messages]
        run = current_producer()
        self._replies = run.buffer if isinstance(run, ProducerTask) else None
        self._former = None if self._replies is None else self._replies.upstream

    def __enter__(self) -> None:
        """Begin to pass demand on."""
        if self._replies is not None:
            self._replies.write_from(self)
            self.pass_demand_on(waiting=False)

    def __exit__(self, *_: object) -> None:
        """Take the requests back."""
        for request, _message in self._requests:
            request.release()
        if self._replies is not None and self._replies.upstream is self:
            self._replies.write_from(self._former)

    def pass_demand_on(self, *, waiting: bool) -> None:
        """Pass on that what comes next is needed, or is not needed any more.

        Args:
            waiting: is not used.
        """
        del waiting
        if self._replies is not None:
            credit = UNBOUNDED if self._replies.needed else 0
            for request, message in self._requests:
                request.pass_on(message, 0, credit)


def input_complete(messages: MessageSequencePromise) -> "asyncio.Task[None]":
    """Return a task that ends when all messages have ended, with or without an error."""
    return asyncio.ensure_future(_until_ended(messages))


async def _until_ended(messages: MessageSequencePromise) -> None:
    messages.buffer.expect_reader()  # also if it has ended
    with suppress(asyncio.CancelledError):  # this task has ended
        await until_closed(messages.buffer)
        for promise in tuple(messages.buffer.items):
            await until_closed(promise.buffer)
