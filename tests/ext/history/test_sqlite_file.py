"""The SQLite file of a history: threads, processes, what is damaged, and what others put there."""

import asyncio
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from textwrap import dedent

import pytest

from miniagents import AssistantMessage, Message, Messages, UserMessage
from miniagents.ext._history import HistoryFileError
from miniagents.ext._history._sqlite_file import SQLiteFile
from miniagents.ext.chat_history_sqlite import ChatHistorySQLite, HistoryThread
from miniagents.messages._message import message_of
from miniagents.runs import Record
from tests.support.forked import open_program

UGLY = ("", "\x00 \x1b[2J", "\ud800", "\ud83d\ude00", "' OR 1=1; --", "\r\n\t", "\N{GRINNING FACE}" * 3)


def _remove_all(folder: Path) -> None:
    for left in folder.iterdir():
        left.unlink()


async def test_threads(tmp_path: Path) -> None:
    """One file keeps many conversations, which do not mix; the one that was written to last comes first."""
    first = ChatHistorySQLite(tmp_path / "CHAT.db")
    assert () == await first.threads()
    other = first.in_thread("other")
    for history, text in ((first, "a"), (other, "b"), (first, "c"), (other, "d")):
        await history.append(text)
    assert [["a", "c"], ["b", "d"]] == [[str(each) for each in await one.load()] for one in (first, other)]
    assert [("other", 2), ("main", 2)] == [(each.name, each.messages) for each in await first.threads()]
    assert "ChatHistorySQLite('x.db', 'main')" == repr(ChatHistorySQLite("x.db"))
    with pytest.raises(ValueError, match="half of a surrogate pair"):
        first.in_thread("\ud800")


async def test_keeping_the_first(tmp_path: Path) -> None:
    """The end of a conversation can be removed, without touching another one."""
    history = ChatHistorySQLite(tmp_path / "CHAT.db")
    await history.append(Messages([Message(text) for text in "abcd"]))
    await history.in_thread("other").append("x")
    assert [2, 0] == [await history.keep_first(count) for count in (2, 9)]
    assert ["a", "b"] == [str(each) for each in await history.load()]
    assert 2 == await history.keep_first(0)
    assert ["other"] == [each.name for each in await history.threads()]
    with pytest.raises(ValueError, match="count=-1 is negative"):
        await history.keep_first(-1)


async def test_replacing_the_end(tmp_path: Path) -> None:
    """The end of a conversation is replaced in one step: if what comes then cannot be kept, it stays."""
    history = ChatHistorySQLite(tmp_path / "CHAT.db")
    await history.append(Messages([Message(text) for text in "abcd"]))
    assert 2 == await history.keep_first(2, then=[Message("x"), Message("y")])
    assert ["a", "b", "x", "y"] == [str(each) for each in await history.load()]
    with pytest.raises(ValueError, match="4300 digits"):
        await history.keep_first(1, then=[Message("z"), Message("z", number=10**5_000)])
    assert ["a", "b", "x", "y"] == [str(each) for each in await history.load()]


async def test_titles(tmp_path: Path) -> None:
    """A conversation may have a title, also before its first message; it goes when nothing is left."""
    history = ChatHistorySQLite(tmp_path / "CHAT.db")
    assert None is await history.find()
    await history.set_title("\ud800 a title")
    await history.in_thread("other").append("x")
    assert [("other", 1, ""), ("main", 0, "\ud800 a title")] == [
        (each.name, each.messages, each.title) for each in await history.threads()
    ]
    await history.append("Hi")
    await history.set_title("another")
    found = await history.find()
    assert found == (await history.threads())[0]
    assert found is not None
    assert ("main", 1, "another") == (found.name, found.messages, found.title)
    assert 1 == await history.keep_first(0, then=[Message("kept")])
    assert "another" == (await history.threads())[0].title
    await history.keep_first(0)
    assert None is await history.find()


async def test_a_file_without_titles(tmp_path: Path) -> None:
    """A file of a version that knew no titles is read, and may have some from then on."""
    path = tmp_path / "CHAT.db"
    await ChatHistorySQLite(path).append("Hi")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE title")
    history = ChatHistorySQLite(path)
    assert [("main", "")] == [(each.name, each.title) for each in await history.threads()]
    await history.set_title("a title")
    assert "a title" == (await history.threads())[0].title


def test_the_times_of_a_thread(tmp_path: Path) -> None:
    """Of a thread it is known when its first and its last message was kept."""
    times = iter([10.0, 20.0, 30.0])
    file = SQLiteFile(tmp_path / "CHAT.db", clock=lambda: next(times))
    for thread in ("a", "b", "a"):
        file.append(thread, [Record("user", text="Hi")])
    assert (HistoryThread("a", 2, 10.0, 30.0), HistoryThread("b", 1, 20.0, 20.0)) == file.threads()


async def test_any_text(tmp_path: Path) -> None:
    """Any text, and any name of a thread, comes back as it was."""
    first = ChatHistorySQLite(tmp_path / "CHAT.db")
    for at, text in enumerate(UGLY):
        name = text.encode(errors="replace").decode()
        history = first.in_thread(f"{at} {name}")
        said = Messages(
            [message_of(UserMessage, text, {}), message_of(AssistantMessage, "b", {"model": text})]
        )
        await history.append(said)
        assert said == await history.load()
    assert len(UGLY) == len(await first.threads())


async def test_messages_are_kept_as_a_whole(tmp_path: Path) -> None:
    """Of finished messages that are given together all are kept, or none."""
    history = ChatHistorySQLite(tmp_path / "CHAT.db")
    with pytest.raises(ValueError, match="4300 digits"):
        await history.append(Messages([Message("one"), Message("two", number=10**5_000)]))
    assert () == await history.load()
    with pytest.raises(ValueError, match="4300 digits"):
        await history.append([Message("one"), Message("two", number=10**5_000)])
    assert ["one"] == [str(each) for each in await history.load()]


async def test_another_file_in_its_place(tmp_path: Path) -> None:
    """What is appended stands in the file that is there now, not in one that was removed."""
    path = tmp_path / "CHAT.db"
    history = ChatHistorySQLite(path)
    await history.append("old")
    _remove_all(tmp_path)
    assert () == await history.load()
    await history.append("new")
    assert ["new"] == [str(each) for each in await ChatHistorySQLite(path).load()]


@pytest.mark.parametrize(
    ("make", "told"),
    [
        ("CREATE TABLE message (a)", "is a database of another program; give another path"),
        ("PRAGMA user_version = 7", "is a database of another program"),
        ("PRAGMA application_id = 1835626089; PRAGMA user_version = 2", "written by a newer version"),
    ],
)
async def test_a_foreign_database(tmp_path: Path, make: str, told: str) -> None:
    """A database of another program, or of a later version, is refused and not touched."""
    path = tmp_path / "CHAT.db"
    connection = sqlite3.connect(path)
    connection.executescript(make)
    connection.close()
    before = path.read_bytes()
    history = ChatHistorySQLite(path)
    for call in (history.load, history.check, lambda: history.append("x")):
        with pytest.raises(HistoryFileError, match=told):
            await call()
    assert before == path.read_bytes()


async def test_no_database(tmp_path: Path) -> None:
    """A file that is none is told, and not touched."""
    path = tmp_path / "CHAT.db"
    path.write_text("user\n====\n\nHi" * 100)
    with pytest.raises(HistoryFileError, match="it is not a SQLite database; give another path"):
        await ChatHistorySQLite(path).append("x")
    assert path.read_text().startswith("user")


async def test_a_damaged_file(tmp_path: Path) -> None:
    """A page that was overwritten is told, with what may help."""
    path = tmp_path / "CHAT.db"
    await asyncio.to_thread(SQLiteFile(path).append, "main", [Record("user", text="x" * 100_000)])
    data = bytearray(path.read_bytes() or b"")
    data[4096:] = b"\xff" * (len(data) - 4096)
    _remove_all(tmp_path)
    path.write_bytes(data)
    with pytest.raises(HistoryFileError, match=r"cannot be read: it is damaged; `sqlite3 FILE \.recover`"):
        await ChatHistorySQLite(path).load()


async def test_rows_that_were_edited(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A row that was changed by hand keeps its text, whatever became of the rest."""
    path = tmp_path / "CHAT.db"
    history = ChatHistorySQLite(path)
    await history.append(Messages([UserMessage("a"), UserMessage("b"), UserMessage("c")]))
    connection = sqlite3.connect(path)
    connection.execute("UPDATE message SET data = 'no json' WHERE text = 'a'")
    connection.execute("UPDATE message SET text = 7, role = x'ff', class = 'Gone' WHERE text = 'b'")
    connection.execute("UPDATE message SET data = '[' || hex(zeroblob(50000)) WHERE text = 'c'")
    connection.commit()
    connection.close()
    assert ["a", "7", "c"] == [str(each) for each in await history.load()]
    assert 2 == caplog.text.count("cannot be read; its text is kept")


async def test_a_lock_that_another_keeps(tmp_path: Path) -> None:
    """Who writes waits for another writer as long as was said; who reads does not wait."""
    path = tmp_path / "CHAT.db"
    history = ChatHistorySQLite(path, lock_timeout=0.05)
    await history.append("a")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert ["a"] == [str(each) for each in await history.load()]
    for call in (history.check, lambda: history.append("x")):
        with pytest.raises(HistoryFileError, match=r"another writer kept its lock for over 0\.05 seconds"):
            await call()
    other.execute("ROLLBACK")
    other.close()
    await history.append("b")
    assert ["a", "b"] == [str(each) for each in await history.load()]


_WRITER = dedent("""
    import asyncio, sys
    from miniagents.ext.chat_history_sqlite import ChatHistorySQLite
    from miniagents import Message, Messages

    async def main(path, name, count):
        history = ChatHistorySQLite(path)
        for number in range(count):
            pair = Messages([Message(f"{name} {number} a"), Message(f"{name} {number} b")])
            await history.append(pair)
            print(number, flush=True)

    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
""")


def _writer(path: Path, name: str, count: int) -> "subprocess.Popen[str]":
    command = (sys.executable, "-c", _WRITER, str(path), name, str(count))
    return open_program(*command, stdout=subprocess.PIPE)


@pytest.mark.gate("four processes that write at once")
async def test_processes_at_once(tmp_path: Path) -> None:
    """What four processes append at once, to a file that none of them finds, is all there, each in order."""
    path = tmp_path / "CHAT.db"
    for writer in [_writer(path, str(name), 50) for name in range(4)]:
        await asyncio.to_thread(writer.communicate)
        assert 0 == writer.returncode
    found = [str(each) for each in await ChatHistorySQLite(path).load()]
    for name in range(4):
        expected = [f"{name} {number} {half}" for number in range(50) for half in "ab"]
        assert expected == [text for text in found if text.startswith(f"{name} ")]


@pytest.mark.gate("kills processes that write")
@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL here")
async def test_kill(tmp_path: Path) -> None:
    """A writer that is killed at any moment leaves whole messages, and all that it had told as kept."""
    chance = random.Random(26)  # noqa: S311 - moments
    path = tmp_path / "CHAT.db"
    for round_ in range(8):
        writer = _writer(path, str(round_), 100_000)
        assert writer.stdout is not None
        for _ in range(chance.randrange(1, 40)):
            writer.stdout.readline()
        await asyncio.sleep(chance.random() / 50)  # the moment is another one each time
        os.kill(writer.pid, signal.SIGKILL)
        rest, _ = await asyncio.to_thread(writer.communicate)
        told = [int(line) for line in rest.split("\n")[:-1]]
        history = ChatHistorySQLite(path)
        found = [str(each) for each in await history.load() if str(each).startswith(f"{round_} ")]
        assert 0 == len(found) % 2
        assert [f"{round_} {at} {half}" for at in range(len(found) // 2) for half in "ab"] == found
        assert not told or told[-1] < len(found) // 2
        await history.append("and on")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.gate("a process that forks")
def test_after_fork() -> None:
    """A forked child opens the file anew; the parent's connection goes on."""
    program = dedent("""
        import asyncio, os, tempfile
        from miniagents.ext.chat_history_sqlite import ChatHistorySQLite

        with tempfile.TemporaryDirectory() as folder:
            history = ChatHistorySQLite(f"{folder}/CHAT.db")
            asyncio.run(history.append("before"))
            child = os.fork()
            asyncio.run(history.append("child" if child == 0 else "parent"))
            if child == 0:
                os._exit(0)
            os.waitpid(child, 0)
            asyncio.run(history.append("after"))
            print(sorted(str(each) for each in asyncio.run(history.load())))
    """)
    command = [sys.executable, "-W", "error", "-W", "ignore::DeprecationWarning", "-c", program]
    run = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - it is ours
    assert ("['after', 'before', 'child', 'parent']\n", "") == (run.stdout, run.stderr)


@pytest.mark.gate("100,000 messages")
async def test_many_messages(tmp_path: Path) -> None:
    """100,000 messages are kept in one step, and load in seconds."""
    history = ChatHistorySQLite(tmp_path / "CHAT.db")
    await history.append(Messages([UserMessage(f"Text {number}") for number in range(100_000)]))
    begun = time.process_time()
    assert 100_000 == len(await history.load())
    assert time.process_time() - begun < 4  # 1 s on a quiet machine
