"""Tests of what a model with tools replies."""

from typing import cast

from miniagents import (
    AssistantMessage,
    Message,
    MessageSequencePromise,
    MiniAgents,
    ToolMessage,
    ToolReplies,
    ToolResult,
)
from miniagents.core import Promise

TURNS = (
    AssistantMessage("Let me look."),
    ToolMessage(parts=[ToolResult("1", "dark")]),
    AssistantMessage("It is dark."),
)


async def test_a_view_of_the_same_replies() -> None:
    """The view has the same messages and the final one; handlers are told of the replies once."""
    told: list[Promise[object]] = []

    async def tell(promise: Promise[object], result: object, /) -> None:
        if isinstance(promise, MessageSequencePromise):
            told.append(cast("Promise[object]", promise))

    async with MiniAgents(on_promise_resolved=tell):
        replies = MessageSequencePromise[Message](TURNS)
        view = ToolReplies.of(cast("MessageSequencePromise[AssistantMessage | ToolMessage]", replies))
        assert await view == TURNS
        assert await view.final == TURNS[-1]
        del replies
        assert [str(message) for message in await view] == ["Let me look.", "dark", "It is dark."]
    assert len(told) == 1
