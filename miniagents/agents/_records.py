"""Records of runs: which agent was called with what, and what it replied."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import cast

from pydantic import Field

from miniagents.messages import Message, MessagePromise
from miniagents.messages._message import message_buffers
from miniagents.streams._buffer import ReplayBuffer
from miniagents.streams._observers import public_data
from miniagents.streams._promise import post_event, when_complete
from miniagents.values import FrozenMapping, text_of_error

from ._miniagents import MiniAgents


class AgentCallNode(Message, deferred=True):
    """An agent was called.

    Args:
        agent_alias: which agent.
        messages: the messages that it was sent, without messages that failed.
        keywords: the keywords of the call that are data. Clients are left out, and so is everything that is
            named like a secret, on any level.

    Example:
        >>> from miniagents import MiniAgents
        >>> from miniagents.testing import scripted_model
        >>> async def store(promise, message):
        ...     if isinstance(message, AgentCallNode):
        ...         print(message.agent_alias, "was asked:", *message.messages, dict(message.keywords))
        >>> async def main():
        ...     await scripted_model("Hello!").inquire("Hi", temperature=0.5, api_key="secret")
        >>> MiniAgents(on_persist_message=store).run(main())
        SCRIPTED_MODEL was asked: Hi {'temperature': 0.5}
    """

    agent_alias: str = ""
    messages: tuple[Message, ...] = ()
    keywords: Mapping[str, object] = FrozenMapping()


class AgentReplyNode(Message, deferred=True):
    """An agent has replied.

    Args:
        agent_alias: which agent.
        call: the record of its call.
        replies: the messages that it replied, without messages that failed.
        error: the type and text of the error that ended it; None if it ended normally.

    Example:
        >>> from miniagents import MiniAgents
        >>> from miniagents.testing import scripted_model
        >>> async def store(promise, message):
        ...     if isinstance(message, AgentReplyNode):
        ...         print(*message.call.messages, "->", *message.replies, message.error)
        >>> async def main():
        ...     await scripted_model("Hello!").inquire("Hi")
        >>> MiniAgents(on_persist_message=store).run(main())
        Hi -> Hello! None
    """

    agent_alias: str = ""
    call: AgentCallNode = Field(default_factory=AgentCallNode)
    replies: tuple[Message, ...] = ()
    error: str | None = None


def record_run(
    context: MiniAgents,
    alias: str,
    keywords: Mapping[str, object],
    received: ReplayBuffer[MessagePromise[Message]],
    replied: ReplayBuffer[MessagePromise[Message]],
) -> None:
    """Record the call when its messages are complete, and the reply when the replies are complete too.

    It does not count as a reader: recording keeps no run going, and its errors are still logged.
    """
    call: AgentCallNode | None = None
    replies: Sequence[ReplayBuffer[object]] | None = None

    def call_is_complete(parts: Sequence[ReplayBuffer[object]]) -> None:
        nonlocal call
        node = call = AgentCallNode(
            agent_alias=alias, messages=came_to_be(parts), keywords=public_data(keywords)
        )
        post_event(context, lambda: context.persist(node))
        reply_if_complete()

    def reply_is_complete(parts: Sequence[ReplayBuffer[object]]) -> None:
        nonlocal replies
        replies = parts
        reply_if_complete()

    def reply_if_complete() -> None:
        if call is None or replies is None:
            return
        error = _first_error((*replies, cast("ReplayBuffer[object]", replied)))
        node = AgentReplyNode(agent_alias=alias, call=call, replies=came_to_be(replies), error=error)
        post_event(context, lambda: context.persist(node))

    # Both are watched from now on: readers may drop one of them before the other is complete.
    when_complete(received, partial(message_buffers, received), call_is_complete)
    when_complete(replied, partial(message_buffers, replied), reply_is_complete)


def came_to_be(buffers: Iterable[ReplayBuffer[object]]) -> tuple[Message, ...]:
    """Return the messages of buffers that have ended, without those that failed.

    Args:
        buffers: the buffers of messages.
    """
    return tuple(cast("Message", buffer.result) for buffer in buffers if buffer.error is None)


def _first_error(buffers: Iterable[ReplayBuffer[object]]) -> str | None:
    errors = (buffer.error for buffer in buffers)
    return next((text_of_error(error) for error in errors if error is not None), None)
