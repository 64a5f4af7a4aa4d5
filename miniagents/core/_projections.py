"""What can be seen of a sequence of messages besides the messages: every part of all, and the last one."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial

from typing_extensions import TypeVar

from miniagents.values import MiniAgentsError, Part

from ._message import Message
from ._message_type import FlatStream
from ._messages import Messages
from ._promise import Promise
from ._streamed import StreamedPromise

M = TypeVar("M", bound=Message)


def parts_of(source: FlatStream[Message, object]) -> StreamedPromise[Part, tuple[Part, ...]]:
    """Every part of all messages as they come, message after message.

    Args:
        source: the messages.
    """
    return StreamedPromise[Part, tuple[Part, ...]](partial(_parts, source))


async def _parts(source: FlatStream[Message, object]) -> AsyncGenerator[Part]:
    # Closed here: a generator that is left in the middle does not close those that it reads from.
    async with aclosing(aiter(source)) as promises:
        async for promise in promises:
            async with aclosing(aiter(promise.parts)) as parts:
                async for part in parts:
                    yield part


def final_of(source: Promise[Messages[M]]) -> Promise[M]:
    """The last message, when all have come.

    Args:
        source: the messages.
    """

    async def final() -> M:
        messages = await source
        if not messages:
            raise MiniAgentsError(
                "no message came, so there is no final one; look at the messages themselves"
            )
        return messages[-1]

    return Promise(final)
