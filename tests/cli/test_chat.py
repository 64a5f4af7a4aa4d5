import asyncio
import io
import os
import signal
import sys
from collections.abc import AsyncGenerator, MutableMapping

import pytest
from typing_extensions import override

from miniagents import (
    AssistantMessage,
    InteractionContext,
    LLMConnectionError,
    Message,
    MessageType,
    MiniAgent,
    MiniAgents,
    UserMessage,
    miniagent,
)
from miniagents.cli._chat import Chat
from miniagents.cli._models import ChatModel
from miniagents.ext.chat_history import ChatHistory, InMemoryChatHistory
from miniagents.ext.console import Asker, OutputError, Screen


@miniagent
async def echo_agent(ctx: InteractionContext) -> None:
    messages = await ctx.messages
    ctx.reply(AssistantMessage(f"{len(messages)}: {messages[-1]}"))


class FullDisk(InMemoryChatHistory):
    @override
    async def append(self, messages: MessageType) -> None:
        raise OSError(28, "No space left on device")


def new_chat(agent: MiniAgent[Message, Message], history: ChatHistory, so_far: list[Message]) -> Chat:
    return Chat(
        ChatModel(agent, "test", "BOT"),
        history,
        Screen(sys.stdout, is_terminal=False),
        Asker(EOFError),
        so_far,
    )


async def talk(
    monkeypatch: pytest.MonkeyPatch,
    text: str,
    agent: MiniAgent[Message, Message],
    history: ChatHistory | None = None,
    *so_far: Message,
) -> tuple[bool, list[Message]]:
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))
    history = InMemoryChatHistory() if history is None else history
    async with MiniAgents():
        went_well = await new_chat(agent, history, list(so_far)).run()
    return went_well, list(await history.load())


async def test_question_and_answer(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The model is sent the whole conversation, old turns included; every turn is kept."""
    old = UserMessage("old")
    went_well, kept = await talk(monkeypatch, "one\ntwo\n", echo_agent.bind(), None, old)
    assert went_well
    assert [
        UserMessage("one"),
        AssistantMessage("2: one"),
        UserMessage("two"),
        AssistantMessage("4: two"),
    ] == kept
    assert ("BOT: 2: one\nBOT: 4: two\n", "") == capsys.readouterr()


async def test_a_failing_model_is_one_line_and_the_chat_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What had come is kept and marked; the error is one line on stderr; the user may try again."""

    async def broken(_metadata: MutableMapping[str, object]) -> AsyncGenerator[str]:
        yield "Hel"
        raise LLMConnectionError("the line\nis dead", provider="p")

    @miniagent
    async def moody_agent(ctx: InteractionContext) -> None:
        if len(await ctx.messages) == 1:
            ctx.reply(AssistantMessage.promise(broken, model="m"))
        elif len(await ctx.messages) == 3:
            raise ValueError("no idea")
        else:
            ctx.reply(AssistantMessage("fine"))

    went_well, kept = await talk(monkeypatch, "one\ntwo\nthree\n", moody_agent.bind())
    assert not went_well
    assert [
        UserMessage("one"),
        AssistantMessage("Hel", model="m", finish_reason="error"),
        UserMessage("two"),
        UserMessage("three"),
        AssistantMessage("fine"),
    ] == kept
    out, err = capsys.readouterr()
    assert "BOT: Hel\nBOT: fine\n" == out
    assert [
        "miniagents: LLMConnectionError: the line is dead",
        "miniagents: ValueError: no idea",
    ] == err.splitlines()


async def test_ctrl_c_in_an_answer_stops_the_answer_only(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The model's stream is closed, what was shown is kept and marked, and the next question is answered."""
    closed: list[str] = []

    async def endless(_metadata: MutableMapping[str, object]) -> AsyncGenerator[str]:
        try:
            yield "Hel"
            await asyncio.sleep(0)
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.Event().wait()
        finally:
            closed.append("closed")

    @miniagent
    async def slow_agent(ctx: InteractionContext) -> None:
        if len(await ctx.messages) == 1:
            ctx.reply(AssistantMessage.promise(endless))
        else:
            ctx.reply(AssistantMessage("fine"))

    went_well, kept = await talk(monkeypatch, "one\ntwo\n", slow_agent.bind())
    assert went_well
    assert ["closed"] == closed
    assert ["one", "Hel", "two", "fine"] == [str(message) for message in kept]
    assert AssistantMessage("Hel", finish_reason="interrupted") == kept[1]
    assert ("BOT: Hel\n(stopped)\nBOT: fine\n", "") == capsys.readouterr()


async def test_what_cannot_be_kept_is_told_and_the_chat_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A full disk is one line per message, and not a good end."""
    went_well, _ = await talk(monkeypatch, "one\n", echo_agent.bind(), FullDisk())
    assert not went_well
    out, err = capsys.readouterr()
    assert "BOT: 1: one\n" == out
    assert 2 == err.count("No space left on device\n")


async def test_when_the_screen_is_gone_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that cannot be shown ends the chat; it is not the model's fault."""
    read_end, write_end = os.pipe()
    os.close(read_end)
    with os.fdopen(write_end, "w", encoding="utf-8", buffering=1) as nobody:
        monkeypatch.setattr(sys, "stdout", nobody)
        try:
            with pytest.raises(OutputError):
                await talk(monkeypatch, "one\ntwo\n", echo_agent.bind())
        finally:
            # What could not be written stays in the buffer; closing would try again.
            os.dup2(os.open(os.devnull, os.O_WRONLY), nobody.fileno())
