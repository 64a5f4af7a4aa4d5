"""Tests of every part of a sequence, and of its last message."""

import pytest
from reactivex import Observable

from miniagents import (
    AssistantMessage,
    Finish,
    Message,
    MessageSequencePromise,
    MiniAgents,
    MiniAgentsError,
    Part,
    Reasoning,
    ToolCall,
    ToolCallDelta,
)
from miniagents.core import to_async_iter

TURNS = (
    AssistantMessage(
        parts=[Reasoning("Hm."), "Let me look.", ToolCall("1", "look")], finish_reason="tool_use"
    ),
    Message("dark"),
    AssistantMessage("It is dark.", finish_reason="stop"),
)
PARTS: list[Part] = [
    Reasoning("Hm."),
    "Let me look.",
    ToolCallDelta(0, "1", "look", "{}"),
    Finish("tool_use"),
    "dark",
    "It is dark.",
    Finish("stop"),
]


async def test_parts_of_all_messages() -> None:
    """All parts of all messages come in order, through each of the three faces."""
    async with MiniAgents():
        turns = MessageSequencePromise(TURNS)
        parts = turns.parts
        pieces: Observable[Part] = parts.pieces
        assert [part async for part in parts] == PARTS
        assert list(await parts) == PARTS
        assert [part async for part in to_async_iter(pieces)] == PARTS


async def test_leaving_parts_leaves_nothing() -> None:
    """A reader that breaks off takes everything with it that read for it."""
    async with MiniAgents():
        async for part in MessageSequencePromise(TURNS).parts:
            assert part == Reasoning("Hm.")
            break


async def test_final_message() -> None:
    """The final message is the last one, as its own class."""
    async with MiniAgents():
        turns = MessageSequencePromise(TURNS)
        assert await turns.final == TURNS[-1]
        assert [await turns.final, *await turns] == [TURNS[-1], *TURNS]


async def test_no_message_is_no_final_message() -> None:
    """A sequence without messages has no final one, and says so."""
    async with MiniAgents():
        with pytest.raises(MiniAgentsError, match="no message came"):
            await MessageSequencePromise().final


async def test_errors() -> None:
    """A failing message is the error of both, after the parts that came before it."""
    async with MiniAgents():
        turns = MessageSequencePromise(["one", ValueError("two"), "three"])
        parts = aiter(turns.parts)
        assert await anext(parts) == "one"
        with pytest.raises(ValueError, match="two"):
            await anext(parts)
        with pytest.raises(ValueError, match="two"):
            await turns.final
