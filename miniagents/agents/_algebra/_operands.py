"""What a composition of agents sees of its parts and of the run it works in.

Errors of a part stay errors until the whole has looked at them, and an agent that passes the replies of
another one on ends as that one ends.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, cast, runtime_checkable

from miniagents.core import (
    Message,
    MessagePromise,
    MessageSequencePromise,
    MessageType,
    NoReplayBuffer,
    PartBuffer,
    ProducerTask,
    ReplayBuffer,
    current_producer,
    raise_error,
    until_closed,
    until_more,
    until_requested,
)
from miniagents.values import Finish, Part, ResponseHeaders, Usage

from .._taskless_run import Call, TasklessRun, Work


@runtime_checkable
class Operand(Protocol):
    """An agent that needs nothing but messages."""

    @property
    def alias(self) -> str:
        """How it is called in errors and records."""
        ...

    @property
    def description(self) -> str:
        """What it does."""
        ...

    def inquire(self, messages: MessageType = None, /) -> MessageSequencePromise:
        """Its replies."""
        ...


class ReplyContext(Protocol):
    """What a composition uses of the context of its run: the messages, and the means to reply."""

    @property
    def messages(self) -> MessageSequencePromise:
        """What came in."""
        ...

    def reply(self, messages: MessageType) -> None:
        """What goes out."""
        ...

    def finish_early(self) -> None:
        """Nothing more goes out."""
        ...


class Composition(Protocol):
    """What a composed agent runs, and what it is called for that."""

    @property
    def alias(self) -> str:
        """Names the parts."""
        ...

    @property
    def description(self) -> str:
        """Tells what becomes of the parts, in a sentence."""
        ...

    @property
    def components(self) -> Sequence[object]:
        """The agents that it is made of."""
        ...

    async def __call__(self, ctx: ReplyContext) -> None:
        """Run the parts."""
        ...


class Wrapper(Protocol):
    """What goes around the runs of one agent, which stays of its class."""

    def alias_around(self, part: Operand) -> str:
        """How the agent is called with this around it."""
        ...

    def description_around(self, part: Operand) -> str:
        """What the agent does with this around it, in a sentence."""
        ...


class Watching(Wrapper, Protocol):
    """A wrapper that only watches: what comes out is what the wrapped agent replies, and it needs no task."""

    def watch(self, run: TasklessRun, call: Call, /) -> Work:
        """What one run of it does with a call of the agent."""
        ...


class Named(Protocol):
    """What is called something."""

    @property
    def alias(self) -> str:
        """How."""
        ...


def named(part: Named) -> str:
    """The alias of a part inside that of a whole: in parentheses if it is an operation itself."""
    return f"({part.alias})" if " " in part.alias else part.alias


async def relay(ctx: ReplyContext, replies: MessageSequencePromise) -> None:
    """Reply what another agent replies, as far as it is wanted, and end as it ends; each message streams."""
    buffer = replies.buffer
    if buffer.closed and buffer.error is None and not isinstance(buffer, NoReplayBuffer):
        buffer.expect_reader()
        for promise in buffer.items:  # all is there: no reader is needed, and nothing to be waited for
            ctx.reply(promise)
        return
    run = current_producer()
    async for promise in replies:
        ctx.reply(promise)
        if isinstance(run, ProducerTask):
            await until_requested(run.buffer)


async def first_sign(replies: MessageSequencePromise) -> None:
    """Wait for the first token, for a first message without any, or for an end without a message.

    Raises:
        Exception: the replies failed before that, each time the error of the agent.
    """
    buffer = replies.buffer
    buffer.reader_came()
    try:
        while not buffer.items and not buffer.closed:
            await until_more(buffer)
    finally:
        buffer.reader_left()
    if buffer.items:
        await has_begun(buffer.items[0])
    else:
        raise_error(buffer)


async def has_begun(promise: MessagePromise[Message]) -> bool:
    """Wait for the first content of a message, of whatever kind; False if it ends without any.

    Raises:
        Exception: it failed before that.
    """
    # A loop and no reader: what is looked at is most often there already.
    buffer = promise.buffer
    parts = cast("Sequence[Part]", buffer.parts if isinstance(buffer, PartBuffer) else buffer.items)
    position = 0
    buffer.reader_came()
    try:
        while True:
            while position < len(parts):
                if is_content(parts[position]):
                    return True
                position += 1
            if buffer.closed:
                break
            await until_more(buffer)
    finally:
        buffer.reader_left()
    raise_error(buffer)
    return False


def is_content(part: Part) -> bool:
    """Whether a part of a message is something that its agent says; headers, numbers and the end are not."""
    return not isinstance(part, Usage | Finish | ResponseHeaders)


def is_complete(messages: MessageSequencePromise) -> bool:
    """Whether all messages have ended, however they did."""
    return messages.buffer.closed and all(promise.buffer.closed for promise in messages.buffer.items)


class InputEnd:
    """Tells when all messages of an input have ended, however they did.

    In a chain all agents begin at once. What an agent is given time for begins when it has got its input. So
    this is a reader too, one that takes everything: otherwise the input of an agent that is stuck before it
    reads would be paused, and its time would never begin.

    Args:
        messages: the input.
        then: called once, at its end, unless this was left before.

    Attributes:
        position: nothing is taken.
    """

    __slots__ = ("_current", "_left", "_messages", "_then", "position")

    def __init__(self, messages: MessageSequencePromise, then: Callable[[], None]) -> None:
        self._messages = messages.buffer  # and not the promise: this keeps nothing going
        self._left: Iterator[ReplayBuffer[str]] | None = None
        self._current: ReplayBuffer[object] | None = None
        self._then = then
        self.position: int = 0

    def begin(self) -> None:
        """Begin to read."""
        self._listen_to(cast("ReplayBuffer[object]", self._messages))

    def _listen_to(self, buffer: ReplayBuffer[object]) -> None:
        self._current = buffer
        buffer.attach(self)
        self.deliver()

    def deliver(self) -> None:
        """Go on with the next message if the current one has ended."""
        if self._current is None or not self._current.closed:
            return
        if self._left is None:
            self._left = iter([promise.buffer for promise in self._messages.items])
        self.leave()
        following = next((each for each in self._left if not each.closed), None)
        if following is None:
            self._then()
        else:
            self._listen_to(cast("ReplayBuffer[object]", following))

    def leave(self) -> None:
        """Read no more; idempotent."""
        current, self._current = self._current, None
        if current is not None:
            current.detach(self)


def input_complete(messages: MessageSequencePromise) -> "asyncio.Task[None]":
    """As an :class:`InputEnd`, for who waits in a task: cancel it to wait no more."""
    return asyncio.ensure_future(_until_ended(messages))


async def _until_ended(messages: MessageSequencePromise) -> None:
    await until_closed(messages.buffer)
    for promise in tuple(messages.buffer.items):
        await until_closed(promise.buffer)
