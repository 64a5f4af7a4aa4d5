"""What an operator of the algebra sees of its parts and of the run it works in.

Rule of this room: **errors of a part stay errors until the whole has looked at them**, and an agent that
passes the replies of another one on ends as that one ends.
"""

import asyncio
from typing import Protocol, runtime_checkable

from miniagents.core import (
    CURRENT_PRODUCER,
    Message,
    MessagePromise,
    MessageSequencePromise,
    MessageType,
    until_closed,
    until_room,
)
from miniagents.values import Finish, Part, Usage


@runtime_checkable
class Operand(Protocol):
    """An agent that needs nothing but messages."""

    @property
    def alias(self) -> str:
        """How it is called in errors and records."""
        ...

    def inquire(self, messages: MessageType = None, /) -> MessageSequencePromise:
        """Its replies."""
        ...


class Conversation(Protocol):
    """What a run offers: messages and replies."""

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

    async def __call__(self, ctx: Conversation) -> None:
        """Run the parts."""
        ...


def named(part: Operand) -> str:
    """The alias of a part inside that of a whole: in parentheses if it is an operation itself."""
    return f"({part.alias})" if " " in part.alias else part.alias


async def relay(ctx: Conversation, replies: MessageSequencePromise) -> None:
    """Reply what another agent replies, as far as it is wanted, and end as it ends; each message streams."""
    run = CURRENT_PRODUCER.get()
    async for promise in replies:
        ctx.reply(promise)
        if run is not None:
            await until_room(run.buffer)


async def first_sign(replies: MessageSequencePromise) -> None:
    """Wait for the first token, for a first message without any, or for an end without a message.

    Raises:
        Exception: the replies failed before that, each time the error of the agent.
    """
    async for promise in replies:
        await has_begun(promise)
        return


async def has_begun(promise: MessagePromise[Message]) -> bool:
    """Wait for the first content of a message, of whatever kind; False if it ends without any.

    Raises:
        Exception: it failed before that.
    """
    async for part in promise.parts:
        if is_content(part):
            return True
    return False


def is_content(part: Part) -> bool:
    """Whether a part of a message is something that its agent says; numbers and the end are not."""
    return not isinstance(part, Usage | Finish)


def input_complete(messages: MessageSequencePromise) -> "asyncio.Task[None]":
    """A task that is done when all messages have ended, however they did; cancel it to wait no more.

    In a chain all agents begin at once. What an agent is given time for begins when it has got its input. So
    this is a reader too, one that takes everything: otherwise the input of an agent that is stuck before it
    reads would be paused, and its time would never begin.
    """
    return asyncio.ensure_future(_until_ended(messages))


async def _until_ended(messages: MessageSequencePromise) -> None:
    await until_closed(messages.buffer)
    for promise in tuple(messages.buffer.items):
        await until_closed(promise.buffer)
