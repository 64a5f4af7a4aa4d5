"""A chat on the command line, turn by turn."""

import asyncio
import io
import os
import signal
import sys
from collections.abc import AsyncGenerator, MutableMapping
from contextlib import nullcontext
from datetime import UTC, datetime

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
    ToolCall,
    UserMessage,
    miniagent,
)
from miniagents.cli._chat import Chat
from miniagents.cli._models import ChatModel
from miniagents.cli._printed import PrintedAnswer
from miniagents.ext.chat_history import ChatHistory, InMemoryChatHistory
from miniagents.ext.console import OutputError, Screen
from miniagents.testing import scripted_model
from miniagents.tools import approval, ask, sleep_until, tool, wait_for_event


async def two_words(metadata: MutableMapping[str, object]) -> AsyncGenerator[str]:
    yield "Hel"
    yield "lo"
    metadata["finish_reason"] = "stop"


def new_answer() -> tuple[PrintedAnswer, io.StringIO]:
    out = io.StringIO()
    return PrintedAnswer(Screen(out, is_terminal=False), "BOT"), out


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
        Screen(sys.stdout, is_terminal=False, interrupt=EOFError),
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


@tool
async def pay(amount: int) -> str:
    """Ask two things at the same time."""
    number = asyncio.create_task(ask("How many?", int))
    what = await ask("For what?", str, expires=60)
    return f"{amount} for {await number} {what}"


_QUESTIONS = """\
BOT: I try.
May it call pay {"amount": 100}? Write yes, or no and the reason, or other arguments as JSON.
"""
_ASKED = """\
For what?
How many? (JSON of the schema {"type": "integer"})
"""


_WRONG = "This does not fit: Write yes, or no and the reason, or other arguments as JSON.\n"
_NO_NUMBER = "This does not fit: Input should be a valid integer, unable to parse string as an integer\n"


@pytest.mark.parametrize(
    ("said", "out", "fine"),
    [
        (
            'perhaps\n{"amount": 5}\nbooks\nmany\n3\n',
            f"{_WRONG}{_ASKED}{_NO_NUMBER}BOT: 5 for 3 books\n",
            True,
        ),
        ("no, too much\n", "BOT: too much\n", True),
        ("yes\nbooks\n", f"{_ASKED}(stopped)\n", False),
        ("", "(stopped)\n", False),
    ],
)
async def test_questions(
    said: str, out: str, fine: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The next line answers a question, one after the other; if none comes, the answer stops."""
    call = AssistantMessage("I try.", parts=[ToolCall("1", "pay", '{"amount": 100}')])
    model = scripted_model(call, lambda conversation: str(conversation[-1]))
    went_well, _ = await talk(monkeypatch, f"one\n{said}", model.with_tools(pay, approve=approval()).bind())
    assert (_QUESTIONS + out, fine) == (capsys.readouterr().out, went_well)


async def test_waiting(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """At the terminal a time comes by itself, and the user says what an event was."""

    @miniagent
    async def waiting_agent(ctx: InteractionContext) -> None:
        await sleep_until(datetime.now(UTC))
        ctx.reply(AssistantMessage(f"paid: {await wait_for_event('payment-17', int)}"))

    assert (await talk(monkeypatch, "one\n250\n", waiting_agent.bind()))[0]
    asked = 'What is the event payment-17? (JSON of the schema {"type": "integer"})\n'
    assert f"{asked}BOT: paid: 250\n" == capsys.readouterr().out


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


async def test_when_the_reader_leaves_while_a_model_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """If the reader of a pipe leaves while a model thinks, or the user does, the chat ends at once."""
    stopped = asyncio.Event()

    @miniagent
    async def silent(ctx: InteractionContext) -> None:
        ctx.reply("Let me think.")
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    for text, last in (("", "Hello!"), ("one\n", "Let me think.")):
        stdin, typing = os.pipe()
        os.write(typing, text.encode())
        reading, writing = os.pipe()
        history = InMemoryChatHistory()
        with os.fdopen(writing, "w") as out, os.fdopen(stdin) as user, os.fdopen(reading) as reader:
            monkeypatch.setattr(sys, "stdin", user)
            monkeypatch.setattr(sys, "stdout", out)
            chat = new_chat(silent, history, [])
            chat.model = ChatModel(silent, "BOT", "BOT", opening="Hello!")
            async with asyncio.timeout(10), MiniAgents():
                talking = asyncio.create_task(chat.run())
                while last not in await asyncio.to_thread(reader.readline):
                    pass
                reader.close()
                with pytest.raises(OutputError) if text else nullcontext():
                    await talking
            # What could not be written stays in the buffer; closing would try again.
            os.dup2(os.open(os.devnull, os.O_WRONLY), out.fileno())
            os.close(typing)
        assert bool(text) == stopped.is_set()
        kept = [UserMessage("one"), Message("Let me think.")] if text else []
        assert kept == list(await history.load())
