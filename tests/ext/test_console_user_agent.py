import asyncio
import inspect
import io
import os
import sys
from collections.abc import AsyncGenerator, MutableMapping
from typing import cast

import pytest
from typing_extensions import override

import miniagents.ext.console_user_agent
from miniagents import (
    AWAIT,
    AssistantMessage,
    InteractionContext,
    Message,
    MiniAgent,
    MiniAgents,
    UserMessage,
    achain_loop,
    adialog_loop,
    miniagent,
)
from miniagents.ext import misc_agents
from miniagents.ext.chat_history import ChatHistory, InMemoryChatHistory
from miniagents.ext.console_user_agent import console_user_agent, create_console_user_agent
from miniagents.types import InputMessage


@miniagent
async def echo_agent(ctx: InteractionContext) -> None:
    ctx.reply(AssistantMessage(f"you said {(await ctx.messages)[-1]}"))


def type_in(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))


async def test_it_shows_then_asks(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What it is sent is shown under the name of who speaks; what the user says is the reply."""
    type_in(monkeypatch, "hello\n")
    async with MiniAgents():
        told = [AssistantMessage("How\n\x1b[2Jare you?"), UserMessage("Me?"), Message("You.")]
        (said,) = await console_user_agent.inquire(told)
    assert "hello" == str(said)
    assert isinstance(said, UserMessage)
    assert ("ASSISTANT: How\n[2Jare you?\nUSER: Me?\nASSISTANT: You.\n", "") == capsys.readouterr()


class Watched(io.StringIO):
    """An output that tells when something was written to it."""

    def __init__(self, awaited: str) -> None:
        super().__init__()
        self.awaited = awaited
        self.came = asyncio.Event()

    @override
    def write(self, text: str) -> int:
        if text == self.awaited:
            self.came.set()
        return super().write(text)


async def test_tokens_are_shown_as_they_come(monkeypatch: pytest.MonkeyPatch) -> None:
    """A token is on the screen before the next one is there; the user is asked after the last one."""
    type_in(monkeypatch, "hello\n")
    screen = Watched("Hel")
    monkeypatch.setattr(sys, "stdout", screen)
    go = asyncio.Event()

    async def tokens(_metadata: MutableMapping[str, object]) -> AsyncGenerator[str]:
        yield "Hel"
        await go.wait()
        yield "lo"

    async with MiniAgents():
        promise = AssistantMessage.promise(tokens, agent_alias="BOT")
        replies = console_user_agent.inquire(promise)
        await screen.came.wait()
        assert "BOT: Hel" == screen.getvalue()
        go.set()
        assert "hello" == str(await replies)
    assert "BOT: Hello\n" == screen.getvalue()


async def test_other_agents_run_while_the_user_thinks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting for a line of a pipe does not stop the event loop."""
    read_end, write_end = os.pipe()
    with os.fdopen(read_end, encoding="utf-8") as source, os.fdopen(write_end, "w", encoding="utf-8") as sink:
        monkeypatch.setattr(sys, "stdin", source)
        async with MiniAgents():
            said = console_user_agent.inquire()
            assert "you said x" == str(await echo_agent.inquire("x"))
            sink.write("late\n")
            sink.flush()
            assert "late" == str(await said)


@pytest.mark.parametrize("text", ["hello\nexit\nmore\n", "hello\n", "hello\nEXIT"])
async def test_a_dialog_ends_with_exit_or_the_input(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    """`exit` and the end of the input end the dialog, and the last answer is returned."""
    type_in(monkeypatch, text)
    async with MiniAgents():
        assert "you said hello" == str(await adialog_loop(console_user_agent, echo_agent))
    assert ("ASSISTANT: you said hello\n", "") == capsys.readouterr()


async def test_the_history_of_the_user_agent_keeps_each_message_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a dialog its history holds every turn once, and old turns come before."""
    type_in(monkeypatch, "one\ntwo\n")
    history = InMemoryChatHistory()
    await history.append(UserMessage("old"))
    async with MiniAgents():
        await adialog_loop(create_console_user_agent(chat_history=history), echo_agent)
    assert ["old", "one", "you said one", "two", "you said two"] == [
        str(each) for each in await history.load()
    ]


async def test_in_a_chain_it_keeps_the_history_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a dialog loop it logs what it was sent and what was said, and replies the whole history."""
    type_in(monkeypatch, "one\ntwo\n")
    history = InMemoryChatHistory()
    user_agent = create_console_user_agent(chat_history=history)
    async with MiniAgents():
        await achain_loop([user_agent, AWAIT, echo_agent])
    assert ["one", "you said one", "two"] == [str(each) for each in await history.load()]


async def test_what_is_no_history(monkeypatch: pytest.MonkeyPatch) -> None:
    """The path of a history, and a history in the place of its agent, are refused before the user types."""
    type_in(monkeypatch, "hello\n")
    user_agent = console_user_agent.fork(chat_history=cast("ChatHistory", "CHAT.md"))
    keeper = cast("MiniAgent", InMemoryChatHistory())
    async with MiniAgents():
        with pytest.raises(TypeError, match=r"'CHAT\.md' is no history; give .*ChatHistoryMD\('CHAT\.md'\)"):
            await adialog_loop(user_agent, echo_agent)
        with pytest.raises(
            TypeError, match=r"history_agent=\.\.\.\) is of type In.* give .*history\.agent\."
        ):
            await adialog_loop(console_user_agent, echo_agent, keeper)
    assert "hello\n" == sys.stdin.readline()


async def test_an_error_of_what_it_shows_is_raised(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A message that fails is shown as far as it came; the user is not asked, the error goes on."""
    type_in(monkeypatch, "hello\n")

    async def tokens(_metadata: MutableMapping[str, object]) -> AsyncGenerator[str]:
        yield "Hel"
        raise ValueError("broken")

    async with MiniAgents():
        with pytest.raises(ValueError, match="broken"):
            await console_user_agent.inquire(AssistantMessage.promise(tokens))
    assert "ASSISTANT: Hel\n" == capsys.readouterr().out
    assert "hello\n" == sys.stdin.readline()


def test_the_module_is_not_shadowed() -> None:
    """`miniagents.ext.console_user_agent` is a module, and `misc_agents` has the agent of it."""
    assert inspect.ismodule(miniagents.ext.console_user_agent)
    assert misc_agents.console_user_agent is console_user_agent


async def test_what_is_typed_while_it_answers(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In an interactive dialog each line is said at once, and answered in order; `exit` waits for that."""
    type_in(monkeypatch, "one\ntwo\nthree\nexit\n")
    history = InMemoryChatHistory()
    user = create_console_user_agent(chat_history=history)
    async with MiniAgents():
        await adialog_loop(user, echo_agent, interactive=True)
    wanted = [each for text in ("one", "two", "three") for each in (text, f"you said {text}")]
    assert wanted == [str(each) for each in await history.load()]
    assert "".join(f"ASSISTANT: {each}\n" for each in wanted[1::2]) == capsys.readouterr().out


@pytest.mark.skipif(sys.platform == "win32", reason="there are no terminals of this kind")
async def test_keys_while_it_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """At a terminal Enter queues a line, Tab before it steers, and Esc before it interrupts."""
    keyboard, terminal = os.openpty()
    go = asyncio.Event()

    async def tokens(_metadata: MutableMapping[str, object]) -> AsyncGenerator[str]:
        yield "Hel"
        await go.wait()

    with os.fdopen(keyboard, "wb"), os.fdopen(terminal, "r+b", buffering=0) as raw:
        for name in ("stdin", "stdout"):
            monkeypatch.setattr(sys, name, io.TextIOWrapper(raw, write_through=True))
        async with MiniAgents():
            replies = console_user_agent.inquire(AssistantMessage.promise(tokens), interactive=True)
            os.write(keyboard, b"Later?\nTexas!\t\n\x1b\nStop!\x1b\n")
            said = aiter(replies)
            for wanted in (
                InputMessage("Later?", when="queue"),
                InputMessage("Texas!", when="steer"),
                InputMessage("Stop!", when="interrupt"),
            ):
                assert wanted == await (await anext(said))
            replies.cancel()
