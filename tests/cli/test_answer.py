import asyncio
import io
from collections.abc import AsyncGenerator, MutableMapping

import pytest

from miniagents import AssistantMessage, InteractionContext, Message, MiniAgents, miniagent
from miniagents.cli._answer import Answer
from miniagents.ext.console import Screen


async def two_words(metadata: MutableMapping[str, object]) -> AsyncGenerator[str]:
    yield "Hel"
    yield "lo"
    metadata["finish_reason"] = "stop"


def new_answer() -> tuple[Answer, io.StringIO]:
    out = io.StringIO()
    return Answer(Screen(out, is_terminal=False), "BOT"), out


async def test_a_whole_answer_is_shown_and_kept() -> None:
    """Every message is shown under the alias and kept as it is, with its data."""

    @miniagent
    async def agent(ctx: InteractionContext) -> None:
        ctx.reply(AssistantMessage.promise(two_words, model="m"))
        ctx.reply("again")

    answer, out = new_answer()
    async with MiniAgents():
        await answer.show(agent.inquire())
    assert "BOT: Hello\nBOT: again\n" == out.getvalue()
    hello, again = answer.to_keep("interrupted")
    assert AssistantMessage("Hello", model="m", finish_reason="stop") == hello
    assert Message("again") == again


async def test_a_stopped_answer_stops_the_model_and_keeps_what_was_shown() -> None:
    """Cancelled in the middle, the model's stream is closed; what was shown is kept and marked."""
    waiting, closed = asyncio.Event(), asyncio.Event()

    async def endless(_metadata: MutableMapping[str, object]) -> AsyncGenerator[str]:
        try:
            yield "Hel\x07"
            waiting.set()
            await asyncio.Event().wait()
        finally:
            closed.set()

    @miniagent
    async def agent(ctx: InteractionContext) -> None:
        ctx.reply("first")
        ctx.reply(AssistantMessage.promise(endless, model="m"))

    answer, out = new_answer()
    async with MiniAgents():
        showing = asyncio.create_task(answer.show(agent.inquire()))
        await waiting.wait()
        await asyncio.sleep(0)
        showing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await showing
        assert closed.is_set()
    assert "BOT: first\nBOT: Hel\n" == out.getvalue()
    expected = [Message("first"), AssistantMessage("Hel\x07", model="m", finish_reason="interrupted")]
    assert expected == answer.to_keep("interrupted")


async def test_stopped_before_the_first_word_nothing_is_kept() -> None:
    """An agent that has not replied yet is cancelled, and there is nothing to keep."""
    begun, ended = asyncio.Event(), asyncio.Event()

    @miniagent
    async def agent(_ctx: InteractionContext) -> None:
        try:
            begun.set()
            await asyncio.Event().wait()
        finally:
            ended.set()

    answer, out = new_answer()
    async with MiniAgents():
        showing = asyncio.create_task(answer.show(agent.inquire()))
        await begun.wait()
        showing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await showing
        assert ended.is_set()
    assert "" == out.getvalue()
    assert [] == answer.to_keep("interrupted")


async def test_an_error_before_the_first_word_shows_nothing() -> None:
    """On a pipe there is no line of nothing."""

    async def broken(_metadata: MutableMapping[str, object]) -> AsyncGenerator[str]:
        for word in tuple[str, ...]():
            yield word
        raise ValueError("gone")

    @miniagent
    async def agent(ctx: InteractionContext) -> None:
        ctx.reply(AssistantMessage.promise(broken))

    answer, out = new_answer()
    async with MiniAgents():
        with pytest.raises(ValueError, match="gone"):
            await answer.show(agent.inquire())
    assert "" == out.getvalue()
    assert [] == answer.to_keep("error")


async def test_an_error_comes_after_what_was_shown() -> None:
    """What came before the error is shown and kept, and the error is the agent's own."""

    async def broken(_metadata: MutableMapping[str, object]) -> AsyncGenerator[str]:
        yield "Hel"
        raise ValueError("gone")

    @miniagent
    async def agent(ctx: InteractionContext) -> None:
        ctx.reply(AssistantMessage.promise(broken))

    answer, out = new_answer()
    async with MiniAgents():
        with pytest.raises(ValueError, match="gone"):
            await answer.show(agent.inquire())
    assert "BOT: Hel\n" == out.getvalue()
    assert [AssistantMessage("Hel", finish_reason="error")] == answer.to_keep("error")
