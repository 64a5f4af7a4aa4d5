"""One contract for all logs of frames.

Crosses modules: the three logs, and the store of one of them.
"""

import asyncio
import os
import sqlite3
import stat
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import aclosing, asynccontextmanager, contextmanager
from pathlib import Path
from typing import cast

import pytest
from miniagents.ext.web._frame_log import (
    BATCH,
    LOST,
    STOPPED,
    Positioned,
    RunRecord,
)
from miniagents.ext.web._sqlite_store import Append, SQLiteStore

from miniagents.ext.web import FrameLog, FrameLogError, MemoryFrames, RedisFrames, SQLiteFrames
from miniagents.ext.web._frames import Frame, MessageBegan, MessageEnded, MessagePart, RunEnded
from miniagents.values import Finish, Reasoning
from tests.support.redis_server import redis_server

FRAMES: list[Frame] = [
    MessageBegan(0, "assistant", "POET", "m-1"),
    MessagePart(0, Reasoning("hm")),
    MessagePart(0, 'Hel "lo"\n😀 \x00 \ud800'),
    MessagePart(0, Finish("stop")),
    MessageEnded(0),
]
LEASE = 0.15

KINDS = ["memory", "sqlite", pytest.param("redis", marks=pytest.mark.gate("starts a server"))]
SHARED = KINDS[1:]

Make = Callable[[], FrameLog]


@contextmanager
def refused(*reasons: str, match: str | None = None) -> Generator[None]:
    """The block ends with the error of a log that has one of these reasons."""
    with pytest.raises(FrameLogError, match=match) as caught:
        yield
    assert caught.value.reason in reasons


@asynccontextmanager
async def logs(kind: str, folder: Path, *, keep: float = 60.0) -> AsyncGenerator[Make]:
    """What makes logs of one kind; all of them are of one file, or of one server."""
    if kind == "memory":
        yield lambda: MemoryFrames(keep=keep)
    elif kind == "sqlite":
        yield lambda: SQLiteFrames(folder / "frames.db", keep=keep, lease=LEASE)
    else:
        async with redis_server(folder) as url:
            yield lambda: RedisFrames(url, keep=keep, lease=LEASE)


@asynccontextmanager
async def opened(make: Make, on_stop: Callable[[str], None] = print) -> AsyncGenerator[FrameLog]:
    log = make()
    await log.open(on_stop)
    try:
        yield log
    finally:
        await log.close()


async def everything(log: FrameLog, run: str, after: int = 0) -> list[Positioned]:
    async with aclosing(log.read(run, after)) as batches:
        return [each async for batch in batches for each in batch]


@pytest.mark.parametrize("kind", KINDS)
class TestEveryLog:
    async def test_keeps_order(self, kind: str, tmp_path: Path) -> None:
        """Frames are read as they were appended, with positions from 1 on, and the end is the last one."""
        async with logs(kind, tmp_path) as make, opened(make) as log:
            await log.begin("r")
            await log.append("r", FRAMES[:2])
            await log.append("r", FRAMES[2:])
            await log.end("r", "finished")
            expected = list(enumerate([*FRAMES, RunEnded("finished")], start=1))
            assert expected == await everything(log, "r")
            assert expected[3:] == await everything(log, "r", 3)
            assert [] == await everything(log, "r", 6)

    async def test_follows(self, kind: str, tmp_path: Path) -> None:
        """A reader of a live run is given what is appended later, each frame once, whenever it came."""
        async with logs(kind, tmp_path) as make, opened(make) as log:
            await log.begin("r")
            await log.append("r", FRAMES[:1])
            async with asyncio.TaskGroup() as group:
                early = group.create_task(everything(log, "r"))
                late = group.create_task(everything(log, "r", 2))
                for each in FRAMES[1:]:
                    await asyncio.sleep(0.003)
                    await log.append("r", [each])
                await log.end("r", "failed", "no")
            expected = list(enumerate([*FRAMES, RunEnded("failed", "no")], start=1))
            assert (expected, expected[2:]) == (early.result(), late.result())

    async def test_many(self, kind: str, tmp_path: Path) -> None:
        """A run of more frames than are read at once is read whole."""
        async with logs(kind, tmp_path) as make, opened(make) as log:
            await log.begin("r")
            many = [MessagePart(0, str(number)) for number in range(2 * BATCH + 3)]
            await log.append("r", many)
            await log.end("r", "finished")
            assert [*enumerate(many, 1)] == (await everything(log, "r"))[:-1]

    async def test_ends_once(self, kind: str, tmp_path: Path) -> None:
        """Behind the last frame no frame can be appended, and no second one."""
        async with logs(kind, tmp_path) as make, opened(make) as log:
            await log.begin("r")
            await log.end("r", "stopped")
            with refused("ended", match="'r' has ended"):
                await log.append("r", FRAMES)
            with refused("ended", match="'r' has ended"):
                await log.end("r", "finished")
            assert [(1, RunEnded("stopped"))] == await everything(log, "r")

    async def test_ids(self, kind: str, tmp_path: Path) -> None:
        """An id is used once; what has an unknown one cannot be read or written."""
        async with logs(kind, tmp_path) as make, opened(make) as log:
            await log.begin("r")
            with refused("exists", match="already has the id 'r'"):
                await log.begin("r")
            with refused("unknown", match="'s'"):
                await everything(log, "s")
            with refused("unknown", match="'s'"):
                await log.append("s", FRAMES)
            assert await log.find("s") is None
            await log.end("r", "finished")

    async def test_records(self, kind: str, tmp_path: Path) -> None:
        """A log knows whose a run is, what it belongs to, how far it is, and the newest of a topic."""
        async with logs(kind, tmp_path) as make, opened(make) as log:
            await log.begin("one", owner="ada", topic="chat")
            await log.begin("two", owner="ada", topic="chat")
            await log.begin("three", owner="bob", topic="chat")
            await log.begin("four")
            await log.append("two", FRAMES)
            assert RunRecord("two", "ada", "chat", ended=False, last=5) == await log.find("two")
            await log.end("two", "finished")
            assert RunRecord("two", "ada", "chat", ended=True, last=6) == await log.find("two")
            assert ("two", "three") == (
                await log.latest("chat", owner="ada"),
                await log.latest("chat", owner="bob"),
            )
            assert (None, None) == (await log.latest("chat"), await log.latest(""))
            for run in ("one", "three", "four"):
                await log.end(run, "finished")

    async def test_a_reader_ahead(self, kind: str, tmp_path: Path) -> None:
        """A reader that has seen more than is kept (a power failure took it) is told how the run ended."""
        async with logs(kind, tmp_path) as make, opened(make) as log:
            await log.begin("r")
            await log.append("r", FRAMES)
            await log.end("r", "lost")
            assert [(6, RunEnded("lost"))] == await everything(log, "r", 9)

    async def test_leaving(self, kind: str, tmp_path: Path) -> None:
        """A reader that leaves while it waits leaves nothing behind."""
        async with logs(kind, tmp_path) as make, opened(make) as log:
            await log.begin("r")
            reader = asyncio.create_task(everything(log, "r"))
            await asyncio.sleep(0.03)
            reader.cancel()
            await asyncio.wait((reader,))
            await log.end("r", "finished")
            assert [(1, RunEnded("finished"))] == await everything(log, "r")

    async def test_retention(self, kind: str, tmp_path: Path) -> None:
        """A run is forgotten when `keep` seconds are over."""
        async with logs(kind, tmp_path, keep=0.05) as make, opened(make) as log:
            await log.begin("r", topic="chat")
            await log.end("r", "finished")
            while await log.find("r") is not None:  # noqa: ASYNC110 - time is what is waited for
                await asyncio.sleep(0.01)
            assert (None, None) == (await log.find("r"), await log.latest("chat"))

    async def test_take_over(self, kind: str, tmp_path: Path) -> None:
        """A run that another server takes over goes on where it was; one that has ended has ended."""
        async with logs(kind, tmp_path) as make, opened(make) as log:
            await log.begin("r", owner="ada", resumable=True)
            await log.append("r", FRAMES)
            assert RunRecord("r", "ada", last=5) == await log.take_over("r")
            await log.end("r", "finished")
            assert [*enumerate([*FRAMES, RunEnded("finished")], 1)] == await everything(log, "r")
            assert RunRecord("r", "ada", ended=True, last=6) == await log.take_over("r")
            assert await log.take_over("s") is None

    async def test_delete(self, kind: str, tmp_path: Path) -> None:
        """A run that is deleted is as one that never was; the others stay."""
        async with logs(kind, tmp_path) as make, opened(make) as log:
            for run in ("r", "s"):
                await log.begin(run, owner="ada", topic=f"chat {run}")
                await log.append(run, FRAMES)
                await log.end(run, "finished")
            await log.delete("r")
            await log.delete("r")
            assert (None, None) == (await log.find("r"), await log.latest("chat r", owner="ada"))
            with refused("unknown"):
                await everything(log, "r")
            assert "s" == await log.latest("chat s", owner="ada")
            assert [*enumerate([*FRAMES, RunEnded("finished")], 1)] == await everything(log, "s")
            await log.begin("r")
            await log.end("r", "stopped")
            assert [(1, RunEnded("stopped"))] == await everything(log, "r")

    async def test_delete_what_goes_on(self, kind: str, tmp_path: Path) -> None:
        """If a run is deleted that has not ended, its readers are told, and nothing more is kept of it."""
        async with logs(kind, tmp_path) as make, opened(make) as log:
            await log.begin("r", topic="chat")
            await log.append("r", FRAMES)
            reading = asyncio.create_task(everything(log, "r"))
            await asyncio.sleep(0.03)
            await log.delete("r")
            with refused("unknown"):
                await asyncio.wait_for(reading, 5)
            for late in (log.append("r", FRAMES), log.end("r", "finished")):
                with refused("unknown"):
                    await late
            assert (None, None) == (await log.find("r"), await log.latest("chat"))

    async def test_delete_the_last_of_a_topic(self, kind: str, tmp_path: Path) -> None:
        """A run that is deleted does not take the newer one of its topic with it."""
        async with logs(kind, tmp_path) as make, opened(make) as log:
            for run in ("old", "new"):
                await log.begin(run, topic="chat")
                await log.end(run, "finished")
            await log.delete("old")
            assert "new" == await log.latest("chat")


@pytest.mark.parametrize("kind", SHARED)
class TestLogsOfSeveralProcesses:
    async def test_delete_by_another(self, kind: str, tmp_path: Path) -> None:
        """What another process deletes cannot be written on, and no reader makes it be there again."""
        async with logs(kind, tmp_path) as make, opened(make) as writer, opened(make) as other:
            await writer.begin("r")
            reading = asyncio.create_task(everything(writer, "r"))
            await asyncio.sleep(0.03)
            await other.delete("r")
            with refused("unknown", "ended"):
                await writer.append("r", FRAMES)
            with refused("unknown"):
                await asyncio.wait_for(reading, 5)
            assert (None, None) == (await writer.find("r"), await other.find("r"))

    async def test_other_process(self, kind: str, tmp_path: Path) -> None:
        """What one process writes another one reads, while it is written."""
        async with logs(kind, tmp_path) as make, opened(make) as writer, opened(make) as other:
            await writer.begin("r", owner="ada")
            async with asyncio.TaskGroup() as group:
                reading = group.create_task(everything(other, "r"))
                for each in FRAMES:
                    await writer.append("r", [each])
                await writer.end("r", "finished")
            assert [*enumerate([*FRAMES, RunEnded("finished")], 1)] == reading.result()

    async def test_restart(self, kind: str, tmp_path: Path) -> None:
        """After a restart what was recorded is there, and a run that had not ended ends with `lost`, once."""
        async with logs(kind, tmp_path) as make:
            async with opened(make) as writer:
                await writer.begin("r")
                await writer.append("r", FRAMES)
            async with opened(make) as one, opened(make) as two:
                async with asyncio.TaskGroup() as group:
                    both = [group.create_task(everything(each, "r")) for each in (one, two)]
                for reading in both:
                    assert [*enumerate(FRAMES, 1)] == reading.result()[:-1]
                    position, last = reading.result()[-1]
                    assert (6, "lost") == (position, last.how if isinstance(last, RunEnded) else last)

    async def test_lease(self, kind: str, tmp_path: Path) -> None:
        """A server that gives no sign of life is gone; what it writes afterwards is refused."""
        async with logs(kind, tmp_path) as make, opened(make) as other:
            silent = make()
            await silent.open(print)
            await silent.begin("r")
            await silent.append("r", FRAMES)
            assert isinstance(silent, SQLiteFrames | RedisFrames)
            keeper = silent._keeper if isinstance(silent, SQLiteFrames) else silent._tasks[0]
            assert keeper is not None
            keeper.cancel()
            read = await everything(other, "r")
            assert "lost" == (read[-1][1].how if isinstance(read[-1][1], RunEnded) else None)
            with refused("ended"):
                await silent.append("r", FRAMES)
            assert read == await everything(other, "r")
            await silent.close()

    async def test_resumable(self, kind: str, tmp_path: Path) -> None:
        """Readers of a resumable run wait for the server that takes it over; the old one cannot append."""
        async with logs(kind, tmp_path) as make, opened(make) as reader, opened(make) as new:
            old = make()
            await old.open(print)
            await old.begin("r", resumable=True)
            await old.append("r", FRAMES[:2])
            reading = asyncio.create_task(everything(reader, "r"))
            await asyncio.sleep(0.02)
            assert RunRecord("r", last=2) == await new.take_over("r")
            with refused("ended", match="another server writes"):
                await old.append("r", FRAMES)
            await old.close()
            await asyncio.sleep(2 * LEASE)
            assert not reading.done()
            await new.append("r", FRAMES[2:])
            await new.end("r", "finished")
            assert [*enumerate([*FRAMES, RunEnded("finished")], 1)] == await reading

    async def test_stop(self, kind: str, tmp_path: Path) -> None:
        """A process that is asked to stop a run of another one has that one told, and records it."""
        told: asyncio.Queue[str] = asyncio.Queue()
        async with (
            logs(kind, tmp_path) as make,
            opened(make, told.put_nowait) as writer,
            opened(make) as other,
        ):
            await writer.begin("r")
            await other.ask_to_stop("r")
            assert "r" == await asyncio.wait_for(told.get(), 5)
            assert RunRecord("r", stopping=True) == await other.take_over("r") == await writer.find("r")
            await other.end("r", "stopped")
            await other.ask_to_stop("no such run")
            assert await other.find("no such run") is None

    async def test_stopped_and_not_lost(self, kind: str, tmp_path: Path) -> None:
        """A run that was stopped, and whose server then crashed, has ended as stopped for its readers."""
        async with logs(kind, tmp_path) as make, opened(make) as other:
            async with opened(make) as crashed:
                await crashed.begin("r")
                await other.ask_to_stop("r")
            assert [(1, STOPPED)] == await everything(other, "r")


def modes_in(folder: Path) -> dict[str, int]:
    """Who may do what with the files of a folder."""
    return {each.name: stat.S_IMODE(each.stat().st_mode) for each in folder.iterdir()}


class TestSQLite:
    async def test_a_stop_that_cannot_be_written(self, tmp_path: Path) -> None:
        """A stop that the file does not take is an error of the log, with its path."""
        path = tmp_path / "frames.db"
        async with opened(lambda: SQLiteFrames(path)) as log:
            assert isinstance(log, SQLiteFrames)
            await log.begin("r")
            assert log._threads is not None
            log._threads.written._db.execute("PRAGMA query_only = 1")
            with pytest.raises(FrameLogError, match=r"frames\.db cannot be written: attempt to write"):
                await log.ask_to_stop("r")

    def test_retention_of_a_run_that_goes_on(self, tmp_path: Path) -> None:
        """However short ended runs are kept, one that goes on stays as long as its server lives."""
        store = SQLiteStore(tmp_path / "frames.db", "server-1")
        store.begin("r", "", "")
        assert 0 == store.forget_before(0.0, lease=60.0)
        assert store.find("r") is not None
        assert 1 == store.forget_before(0.0, lease=0.0)
        assert store.find("r") is None
        store.close()

    async def test_version(self, tmp_path: Path) -> None:
        """A file of a newer version, or of something else, is refused, and not touched."""
        newer, other = tmp_path / "newer.db", tmp_path / "other.db"
        async with opened(lambda: SQLiteFrames(newer)):
            pass
        with sqlite3.connect(newer) as db:
            db.execute("PRAGMA user_version = 99")
        db.close()
        with sqlite3.connect(other) as db:
            db.execute("CREATE TABLE users (name)")
        db.close()
        with pytest.raises(FrameLogError, match=r"newer version .*its format is 99, this one reads up to 2"):
            await SQLiteFrames(newer).open(print)
        with pytest.raises(FrameLogError, match="a database of something else"):
            await SQLiteFrames(other).open(print)

    async def test_private(self, tmp_path: Path) -> None:
        """The file, and what stands beside it, can be read by its owner only, whatever the umask."""
        before = os.umask(0)
        try:
            async with opened(lambda: SQLiteFrames(tmp_path / "frames.db")) as log:
                await log.begin("r")
                modes = modes_in(tmp_path)
                await log.end("r", "finished")
        finally:
            os.umask(before)
        assert {"frames.db", "frames.db-wal", "frames.db-shm"} == set(modes)
        assert {0o600} == set(modes.values())

    async def test_earlier_version(self, tmp_path: Path) -> None:
        """A file of the version before is led up to this one, with what is in it."""
        path = tmp_path / "frames.db"
        async with opened(lambda: SQLiteFrames(path)) as log:
            await log.begin("r")
            await log.end("r", "finished")
        with sqlite3.connect(path) as db:
            db.execute("ALTER TABLE runs DROP COLUMN resumable")
            db.execute("PRAGMA user_version = 1")
        db.close()
        async with opened(lambda: SQLiteFrames(path)) as log:
            assert [(1, RunEnded("finished"))] == await everything(log, "r")
            await log.begin("s", resumable=True)
            await log.end("s", "finished")

    async def test_commits_together(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """What a hundred runs append at once is one or two commits, and nobody waits for 100 of them."""
        async with opened(lambda: SQLiteFrames(tmp_path / "frames.db")) as log:
            assert isinstance(log, SQLiteFrames)
            runs = [f"r{number}" for number in range(100)]
            for run in runs:
                await log.begin(run)
            commits: list[int] = []
            append_all = SQLiteStore.append_all

            def counted(self: SQLiteStore, appends: Sequence[Append]) -> list[Exception | None]:
                commits.append(len(appends))
                return append_all(self, appends)

            monkeypatch.setattr(SQLiteStore, "append_all", counted)
            await asyncio.gather(*(log.append(run, FRAMES) for run in runs))
            assert (100, True) == (sum(commits), len(commits) <= 2)
            await asyncio.gather(*(log.end(run, "finished") for run in runs))


@pytest.mark.gate("starts a server")
async def test_redis_keeps_nothing_of_a_deleted_run(tmp_path: Path) -> None:
    """A reader of a run that is deleted just now, and takes it for lost, does not write its end."""
    async with logs("redis", tmp_path) as make, opened(make) as log:
        assert isinstance(log, RedisFrames)
        await log.begin("r", topic="chat")
        await log.delete("r")
        with refused("ended"):
            await log._add("r", (LOST,), 0)
        keys = await log._do("KEYS", "*r*")
        assert [b"server"] == [each.split(b":")[1] for each in cast("list[bytes]", keys)]


class TestMemory:
    async def test_max_ended(self) -> None:
        """Of ended runs so many are kept as was said; the oldest go first."""
        async with opened(lambda: MemoryFrames(max_ended=2)) as log:
            for run in "abc":
                await log.begin(run)
                await log.end(run, "finished")
            assert [False, True, True] == [await log.find(run) is not None for run in "abc"]
