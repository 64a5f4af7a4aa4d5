"""Chat histories: in memory, in a Markdown file, in an SQLite file, and their agents."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, MutableMapping
from decimal import Decimal
from functools import partial
from pathlib import Path

import pytest
from typing_extensions import override

from miniagents import MiniAgents
from miniagents.ext._file_lock import file_lock
from miniagents.ext._history import HistoryFileError
from miniagents.ext._history._chat_history import finished
from miniagents.ext._history._markdown_format import write_record
from miniagents.ext.chat_history import ChatHistory, InMemoryChatHistory
from miniagents.ext.chat_history_md import ChatHistoryMD
from miniagents.ext.chat_history_sqlite import ChatHistorySQLite
from miniagents.messages import (
    AssistantMessage,
    Message,
    Messages,
    MessageSequencePromise,
    SystemMessage,
    UserMessage,
)
from miniagents.messages._message import message_of
from miniagents.runs import Registry
from miniagents.values import NoActiveContextError, Reasoning, Usage


async def test_it_keeps_what_it_is_given() -> None:
    """In order, with what was there before; what was loaded earlier does not change."""
    history = InMemoryChatHistory([Message("zero")])
    before = await history.load()
    await history.append("one")
    await history.append(Messages([UserMessage("two"), Message("three")]))
    assert ["zero", "one", "two", "three"] == [message.text for message in await history.load()]
    assert ["zero"] == [message.text for message in before]


async def test_two_are_two() -> None:
    """No history is shared."""
    first, second = InMemoryChatHistory(), InMemoryChatHistory()
    await first.append("one")
    assert () == await second.load()


class ListHistory(ChatHistory):
    """What a user would write."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self.kept: list[Message] = []

    @override
    async def append(self, messages: Messages) -> None:
        self.calls.append([str(message) for message in messages])
        self.kept += messages

    @override
    async def load(self) -> Messages:
        return Messages(self.kept)


async def _tokens(metadata_so_far: MutableMapping[str, object]) -> AsyncIterator[str]:
    yield "strea"
    yield "med"


async def _failing(metadata_so_far: MutableMapping[str, object]) -> AsyncIterator[str]:
    yield "half"
    raise ValueError("the model is gone")


async def test_the_agent_keeps_and_replies() -> None:
    """Each message is kept once it is finished; the reply is the whole, old turns included."""
    history = ListHistory()
    async with MiniAgents():
        await history.agent.inquire("one")
        reply = await history.agent.inquire(["two", Message.promise(_tokens), UserMessage("four")])
        assert ["one", "two", "streamed", "four"] == [message.text for message in reply]
        assert history.kept == list(reply)
        assert () == await ListHistory().agent.inquire()
        assert reply == await history.agent.inquire()
    assert [["one"], ["two"], ["streamed"], ["four"]] == history.calls


async def test_a_failing_message_keeps_what_came_before() -> None:
    """The error reaches the reader; what had come is kept, the failed message and those behind it are not."""
    history = ListHistory()
    async with MiniAgents():
        with pytest.raises(ValueError, match="the model is gone"):
            await history.agent.inquire(["one", Message.promise(_failing), "three"])
        with pytest.raises(ValueError, match="wrong"):
            await history.agent.inquire(["two", ValueError("wrong")])
        assert "one\n\ntwo\n\nthree" == str(await history.agent.inquire("three"))


async def test_messages_in_every_form() -> None:
    """What is there needs no context, in whatever collections; promises and streams do."""
    for given in ("a", Message("a"), Messages([Message("a")]), [[Message("a")]], ({"text": t} for t in "a")):
        assert ["a"] == [str(message) async for message in finished(given)]
    assert [] == [message async for message in finished(Messages())]
    assert [] == [message async for message in finished(None)]
    with pytest.raises(TypeError, match=r"a value of type int at \[1\]"):
        _ = [message async for message in finished(["a", 1])]  # type: ignore[list-item]  # what is tested
    async with MiniAgents():
        promise = Message.promise(_tokens)
        await promise
    seen = list[str]()
    with pytest.raises(NoActiveContextError):
        seen += [str(message) async for message in finished(["a", promise])]
    async with MiniAgents():
        mixed = MessageSequencePromise(["a", [{"text": "b"}, Message.promise(_tokens)]])
        assert ["a", "b", "streamed"] == [str(message) async for message in finished(mixed)]
        assert [] == [message async for message in finished(None)]


in_each_file = pytest.mark.parametrize("kind", [ChatHistoryMD, ChatHistorySQLite])


async def test_a_list_is_appended_without_a_context(tmp_path: Path) -> None:
    """Only promises need a context; what stands before an error in a list is kept."""
    files = (ChatHistoryMD(tmp_path / "CHAT.md"), ChatHistorySQLite(tmp_path / "CHAT.db"))
    for history in (InMemoryChatHistory(), *files):
        await history.append([UserMessage("a"), ["b", {"role": "assistant", "content": "c"}]])
        with pytest.raises(ValueError, match="gone"):
            await history.append(["d", ValueError("gone"), "e"])
        assert ["a", "b", "c", "d"] == [message.text for message in await history.load()]


def _seconds_of_load(path: Path) -> float:
    started = time.process_time()
    asyncio.run(ChatHistoryMD(path).load())
    return time.process_time() - started


def _framed(count: int) -> bytes:
    registry, before = Registry(), "a" * 12
    said = (UserMessage("Why?"), AssistantMessage("So.", model="m-1"))
    units = [write_record(registry.record_of(each), before, partial(str, "b" * 12)) for each in said]
    pieces = list[bytes]()
    for number in range(count):
        last = f"{number:012x}"
        unit = units[number % 2].replace(b"b" * 12, last.encode())
        pieces.append(unit.replace(b"a" * 12, before.encode()))
        before = last
    return b"".join(pieces)


def _plain(heading: str) -> Callable[[int], bytes]:
    return lambda count: "".join(
        f"{heading.format('assistant' if number % 2 else 'user')}\n\nText {number}\n\n"
        for number in range(count)
    ).encode()


@pytest.mark.gate("times the loading of large files")
@pytest.mark.parametrize(
    "file_of", [_framed, _plain("## {}"), _plain("{}\n====")], ids=["framed", "typed", "old"]
)
def test_loading_takes_time_in_proportion(tmp_path: Path, file_of: Callable[[int], bytes]) -> None:
    """A conversation of 16,000 messages takes about four times as long to load as one of 4,000."""
    small, large = tmp_path / "small.md", tmp_path / "large.md"
    small.write_bytes(file_of(4_000))
    large.write_bytes(file_of(16_000))
    ratios = sorted(_seconds_of_load(large) / _seconds_of_load(small) for _ in range(3))
    assert ratios[1] < 7, ratios


@pytest.mark.gate("times many appends")
def test_appending_in_memory_takes_time_in_proportion() -> None:
    """Four times as many messages take about four times as long to append to a history in memory."""

    def seconds(count: int) -> float:
        async def append() -> None:
            history = InMemoryChatHistory()
            for _ in range(count):
                await history.append(message)

        message = UserMessage("Hi")
        started = time.process_time()
        asyncio.run(append())
        return time.process_time() - started

    ratios = sorted(seconds(40_000) / seconds(10_000) for _ in range(3))
    assert ratios[1] < 7, ratios


def test_both_methods_must_be_written() -> None:
    """A history without `append` and `load` cannot be made."""
    with pytest.raises(TypeError, match="abstract"):
        ChatHistory()  # type: ignore[abstract]  # what is tested


class Note(UserMessage):
    """A message class of a user."""

    custom_field: str


THOUGHT = (Reasoning("Hm.", signature="s"), "# No\r\n")


def _said(text: str, **data: object) -> Message:
    return message_of(AssistantMessage, text, data)


@in_each_file
async def test_a_conversation_goes_on(tmp_path: Path, kind: type[ChatHistoryMD | ChatHistorySQLite]) -> None:
    """Another object on the same file has all that was said, with classes and data."""
    path = tmp_path / "CHAT.md"
    said = Messages(
        [
            SystemMessage("Be nice."),
            Note("Hi!\n\n## assistant\n\nI give up.", custom_field="x"),
            _said(
                "# No\r\n",
                model="m-1",
                finish_reason="stop",
                usage=Usage(7, 3),
                cost=Decimal("0.10"),
                parts=THOUGHT,
            ),
        ]
    )
    first = kind(path, message_classes=[Note])
    await first.append(said)
    assert said == await kind(str(path), message_classes=[Note]).load() == await first.load()
    assert 0o600 == path.stat().st_mode & 0o777


async def test_it_reads_like_a_conversation(tmp_path: Path) -> None:
    """Without the comment lines the file is what one would write by hand."""
    path = tmp_path / "CHAT.md"
    await ChatHistoryMD(path).append(Messages([UserMessage("Hi!"), _said("# No\r\n", model="m")]))
    lines = [line for line in path.read_bytes().decode().split("\n") if not line.startswith("<!-- ")]
    assert ["## user", "Hi!", "## assistant · m", "# No\r"] == [line for line in lines if line]


@in_each_file
async def test_no_file_is_no_conversation(
    tmp_path: Path, kind: type[ChatHistoryMD | ChatHistorySQLite]
) -> None:
    """A new history is empty; loading makes no file."""
    history = kind(tmp_path / "CHAT")
    await history.check()
    assert () == await history.load()
    assert [] == os.listdir(tmp_path)  # noqa: PTH208 (a moment)
    assert kind().path in {Path("CHAT.md"), Path("CHAT.db")}


@in_each_file
async def test_appends_at_once_keep_their_order(
    tmp_path: Path, kind: type[ChatHistoryMD | ChatHistorySQLite]
) -> None:
    """Many tasks may append without waiting for each other."""
    history = kind(tmp_path / "CHAT")
    await asyncio.gather(*(history.append(f"{number}") for number in range(20)))
    assert [f"{number}" for number in range(20)] == [message.text for message in await history.load()]


async def test_cancelling_tears_no_message(tmp_path: Path) -> None:
    """A cancelled append has written its message whole or not at all, and those behind it stay in order."""
    path = tmp_path / "CHAT.md"
    history = ChatHistoryMD(path)
    await history.append("zero")
    descriptor = os.open(path, os.O_RDWR)
    try:
        with file_lock(descriptor, exclusive=True, timeout=0):
            tasks = [asyncio.create_task(history.append(text)) for text in ("one", "two", "three")]
            for _ in range(3):
                await asyncio.sleep(0)
            tasks[0].cancel()
            tasks[1].cancel()
    finally:
        os.close(descriptor)
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [asyncio.CancelledError, asyncio.CancelledError, type(None)] == [
        type(result) for result in results
    ]
    assert ["zero", "one", "three"] == [message.text for message in await history.load()]


@in_each_file
async def test_what_cannot_be_kept_writes_nothing(
    tmp_path: Path, kind: type[ChatHistoryMD | ChatHistorySQLite]
) -> None:
    """A message that cannot be written is an error; the file is as it was."""
    path = tmp_path / "CHAT.md"
    history = kind(path)
    await history.append("one")
    before = path.read_bytes()
    with pytest.raises(ValueError, match="4300 digits"):
        await history.append(Message("two", number=10**5_000))
    assert before == path.read_bytes()


@in_each_file
async def test_a_file_that_cannot_be_used(
    tmp_path: Path, kind: type[ChatHistoryMD | ChatHistorySQLite]
) -> None:
    """An error with the path and the reason, for reading, writing and asking."""
    folder = kind(tmp_path)
    for call in (folder.load, folder.check, lambda: folder.append("x")):
        with pytest.raises(HistoryFileError, match=str(tmp_path)):
            await call()
    missing = kind(tmp_path / "none" / "CHAT.md")
    assert () == await missing.load()
    for call in (missing.check, lambda: missing.append("x")):
        with pytest.raises(HistoryFileError, match="No such file or directory"):
            await call()


async def test_its_agent(tmp_path: Path) -> None:
    """`.agent` logs its input and replies the whole history, old turns included."""
    path = tmp_path / "CHAT.md"
    path.write_text("user\n====\n\nold\n")
    async with MiniAgents():
        assert "old\n\nnew" == str(await ChatHistoryMD(path).agent.inquire("new"))
        with pytest.raises(ValueError, match="gone"):
            await ChatHistoryMD(path).agent.inquire(["more", ValueError("gone")])
    assert ["old", "new", "more"] == [message.text for message in await ChatHistoryMD(path).load()]
    assert path.read_text().startswith("user\n====\n\nold\n")


def test_its_name() -> None:
    """The repr names the file."""
    assert "ChatHistoryMD('x.md')" == repr(ChatHistoryMD("x.md"))
