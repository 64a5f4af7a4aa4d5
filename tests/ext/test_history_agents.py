"""The documented history agents."""

import os
from pathlib import Path

import pytest

from miniagents import MiniAgents
from miniagents.ext.chat_history import InMemoryChatHistory
from miniagents.ext.chat_history_md import ChatHistoryMD
from miniagents.ext.history_agents import in_memory_history_agent, markdown_history_agent
from miniagents.messages import Message, UserMessage


class Note(UserMessage):
    """A message class of a user."""

    custom_field: str


async def test_the_markdown_agent_is_the_history_class(tmp_path: Path) -> None:
    """`markdown_history_agent.fork(history_md_file=...)` does what `ChatHistoryMD(...).agent` does."""
    path = str(tmp_path / "chat_history.md")
    agent = markdown_history_agent.fork(history_md_file=path)
    async with MiniAgents():
        await agent.inquire(UserMessage("one"))
        await ChatHistoryMD(path).agent.inquire("two")
        reply = await agent.inquire()
        assert [UserMessage("one"), Message("two")] == list(reply)
    assert reply == await ChatHistoryMD(path).load()


async def test_the_default_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a file name it is CHAT.md."""
    monkeypatch.chdir(tmp_path)
    async with MiniAgents():
        await markdown_history_agent.inquire("one")
    assert "one" == str(await ChatHistoryMD("CHAT.md").load())
    assert ["CHAT.md"] == os.listdir(tmp_path)  # noqa: PTH208 (a moment)


async def test_message_classes(tmp_path: Path) -> None:
    """Registered classes come back as such."""
    agent = markdown_history_agent.fork(history_md_file=tmp_path / "x.md", message_classes=[Note])
    async with MiniAgents():
        assert [Note("one", custom_field="x")] == list(await agent.inquire(Note("one", custom_field="x")))


async def test_in_memory_without_a_fork_every_inquiry_is_fresh() -> None:
    """The agent itself remembers nothing: there is no history behind it that two could share."""
    async with MiniAgents():
        assert "one" == str(await in_memory_history_agent.inquire("one"))
        assert "two" == str(await in_memory_history_agent.inquire("two"))


async def test_in_memory_each_fork_remembers_its_own() -> None:
    """A fork keeps a history of its own from inquiry to inquiry, and its forks share it."""
    first, second = in_memory_history_agent.fork(), in_memory_history_agent.fork()
    async with MiniAgents():
        await first.inquire("one")
        await second.inquire("other")
        assert "one\n\ntwo" == str(await first.fork().inquire("two"))
        assert "other" == str(await second.inquire())
        assert "x" == str(await in_memory_history_agent.bind().inquire("x"))


async def test_in_memory_shared_on_purpose() -> None:
    """`history=` says where to keep it, in a fork or in one inquiry."""
    history = InMemoryChatHistory()
    async with MiniAgents():
        await in_memory_history_agent.inquire("one", history=history)
        await in_memory_history_agent.fork(history=history).inquire("two")
        await in_memory_history_agent.fork().inquire("three", history=history)
    assert "one\n\ntwo\n\nthree" == str(await history.load())
