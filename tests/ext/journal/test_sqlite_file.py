"""The file of a journal: earlier versions, damage, who may read it, full disks, and what is packed when."""

import asyncio
import os
import sqlite3
import stat
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Final, cast

import pytest

from miniagents import MiniAgents
from miniagents.ext._journal import _runs, _sqlite
from miniagents.ext.journal import (
    Event,
    Journal,
    JournalError,
    Lease,
    RunRecord,
    open_questions,
    recorded,
)
from miniagents.testing import scripted_model

OLD: Final = Path(__file__).with_name("version_0_2_0.sql")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the journal is."""
    return tmp_path / "runs.journal"


def events(count: int, size: int = 10) -> list[Event]:
    return [["part", 1, at, "x" * size] for at in range(count)]


async def texts(journal: Journal) -> list[str]:
    """The answers of a model that has none of its own, for what 0.2.0 has kept."""
    async with MiniAgents():
        agent = recorded(scripted_model(), journal, version="1")
        return [str(await agent.inquire(each)) for each in ("Hi", "Count.")]


@pytest.mark.parametrize("version", [1, 2])
async def test_earlier_versions(path: Path, version: int) -> None:
    """The calls of a file of 0.2.0 can be read, and are found after it was led up to this version."""
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(OLD.read_text())
        if version == 1:
            connection.executescript("DROP TABLE unfinished; PRAGMA user_version = 1")
    calls = [*Journal.read_calls(path)]
    assert ["Hello!", "One, two.", "kept in a run"] == [call.text for call in calls]
    assert ["", "", "r1"] == [call.scope for call in calls]
    for _ in range(2):
        async with Journal(path) as journal:
            assert ["Hello!", "One, two."] == await texts(journal)
            assert [call.events for call in calls] == [call.events for call in journal.calls()]
            await journal.begin(Lease(RunRecord(str(_))), events(1))


async def test_a_journal_without_the_index_of_idle_runs(path: Path) -> None:
    """A file of a build before 0.3.0, which lacks an index, gets it when it is opened, and its runs go on."""
    async with Journal(path) as journal:
        await journal.begin(lease := Lease(RunRecord("a", version="1", restart="server")), events(1))
        await journal.leave(lease)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP INDEX runs_idle")
    async with Journal(path) as journal:
        assert ["a"] == [each.run for each in await journal.take("1", 10)]


async def test_one_damaged_run(path: Path) -> None:
    """A run with a damaged row cannot be read, and a sentence says so; others can, and it can be written."""
    async with Journal(path) as journal:
        leases = [Lease(RunRecord(run)) for run in "ab"]
        for each in leases:
            await journal.begin(each, events(3))
        for each in leases:
            await journal.leave(each)
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("UPDATE packed SET data = x'5b5d01020304' WHERE run = 1")
            connection.commit()
        with pytest.raises(JournalError, match=r"The run 'a' of .*runs.journal cannot be read: .* damaged"):
            await journal.read("a")
        assert events(3) == [*(await journal.read("b")).events]
        lease = await journal.claim("a")
        assert lease is not None
        await journal.append(lease, events(1))
        assert events(1) == [*(await journal.read("a", 3)).events]
        await journal.end(lease, [], how="failed")
        with pytest.raises(JournalError, match="'a'"):
            _ = [each async for each in journal.follow("a")]


async def test_damaged_questions(path: Path) -> None:
    """Open questions are found in the log if what is kept of them apart from it is damaged."""
    async with Journal(path) as journal:
        asked: Event = ["question", 0, "q", "question", {"text": "?"}, "", None]
        await journal.begin(Lease(RunRecord("a")), [asked, *events(3)])
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("UPDATE asked SET data = x'5b5d01020304'")
            connection.commit()
        assert ["q"] == [each.id for each in await open_questions(journal, "a")]


async def test_lost_rows(path: Path) -> None:
    """A run of which events are gone cannot be read, nor followed, also after texts were dropped."""
    async with Journal(path, content="run") as journal:
        for run in ("all", "last", "texts"):
            await journal.begin(lease := Lease(RunRecord(run)), events(3))
            await journal.leave(lease)
            again = await journal.claim(run)
            assert again is not None
            await journal.end(again, events(2), how="finished")
        assert 5 == len((await journal.read("all")).events)
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("DELETE FROM packed WHERE run = 1 OR (run = 2 AND last = 5)")
            connection.execute("UPDATE packed SET data = x'5b5d01020304' WHERE run = 3")
            connection.commit()
    async with Journal(path) as journal:
        for run in ("all", "last", "texts"):
            with pytest.raises(JournalError, match=rf"The run '{run}' of .* cannot be read: .* damaged"):
                await journal.read(run)
            with pytest.raises(JournalError, match=run):
                _ = [each async for each in journal.follow(run, 1)]


@pytest.mark.logs("cannot be read", "cannot be written")
async def test_bit_flips(path: Path) -> None:
    """Law 6: wherever 20 times three bits of a file flip, no reader gets a wrong event or answer."""
    seed = 11
    random, clean = Random(seed), path.with_name("clean.journal")  # noqa: S311 - which bits
    async with Journal(clean) as journal:
        async with MiniAgents():
            for each in ("Hi", "Count."):
                await recorded(scripted_model(f"{each} {each}"), journal, version="1").inquire(each)
        for run in range(20):
            await journal.begin(lease := Lease(RunRecord(str(run))), events(20, 100 + run))
            await journal.end(lease, [], how="finished")
    right = 0
    for _ in range(20):
        data = bytearray(clean.read_bytes())
        for at in random.sample(range(100, len(data)), 3):
            data[at] ^= 1 << random.randrange(8)
        path.write_bytes(data)  # noqa: ASYNC240 - of a test
        try:
            async with Journal(path) as journal:
                for run in range(20):
                    try:
                        page = await journal.read(str(run))
                    except JournalError:
                        continue
                    assert events(20, 100 + run) == [*page.events], f"seed {seed}"
                    right += 1
                async with MiniAgents():
                    agent = recorded(scripted_model("made again", "made again"), journal, version="1")
                    for each in ("Hi", "Count."):
                        assert str(await agent.inquire(each)) in {f"{each} {each}", "made again"}, (
                            f"seed {seed}"
                        )
        except JournalError:
            continue  # the file cannot be used at all, which it says
        path.with_name(f"{path.name}-wal").unlink(missing_ok=True)
    assert right > 200


async def _pragma(journal: Journal, text: str) -> None:
    await journal._ask(lambda: journal._database.execute(f"PRAGMA {text}").fetchall(), "read")


@pytest.mark.logs("cannot be written")
@pytest.mark.parametrize(
    ("pragma", "back", "why"),
    [
        ("max_page_count = 1", "max_page_count = 100000", "full"),
        ("query_only = 1", "query_only = 0", "readonly"),
    ],
)
async def test_cannot_write(path: Path, pragma: str, back: str, why: str) -> None:
    """A full disk, or a file that cannot be written, gives a sentence; what was kept is there."""
    async with Journal(path) as journal:
        await journal.begin(lease := Lease(RunRecord("a")), events(1))
        await _pragma(journal, pragma)
        much: list[Event] = [["part", 1, at, os.urandom(3000).hex()] for at in range(50)]
        for write in (
            journal.append(lease, much),
            journal.append(lease, much, hard=True),
            journal.begin(Lease(RunRecord("b")), [["began", 0, os.urandom(50_000).hex()]]),
        ):
            with pytest.raises(JournalError, match=f"The journal .*runs.journal cannot be written: .*{why}"):
                await write
        assert events(1) == [*(await journal.read("a")).events]
        await _pragma(journal, back)
        await journal.append(lease, events(2))
        await journal.end(lease, [], how="finished")
        assert [*events(1), *events(2)] == [*(await journal.read("a")).events]


async def test_the_first_steps_are_written_at_once(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a time without writes, ten steps that follow each other do not wait; many more keep a pace."""
    monkeypatch.setattr("miniagents.ext._journal._thread._PAUSE", 100.0)
    monkeypatch.setattr("miniagents.ext._journal._thread._BURST", 1000.0)
    async with Journal(path) as journal:
        await journal.begin(lease := Lease(RunRecord("a")), events(1))

        async def steps(first: int, end: int) -> None:
            for number in range(first, end):
                await journal.append(lease, events(number))

        await asyncio.wait_for(steps(2, 11), 20)
        more = asyncio.create_task(steps(11, 15))
        assert (set(), {more}) == await asyncio.wait([more], timeout=0.1)
        more.cancel()
        await asyncio.wait([more])


@pytest.mark.logs("cannot be written", "can be used again")
async def test_the_log_of_an_outage(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A server whose journal cannot be used logs one sentence when that begins, and one when it is over."""
    async with Journal(path, lease=0.06) as journal, asyncio.timeout(10):
        leave = await journal.join("1", lambda: None)  # so it sends signs of life, three in a lease
        for count in (1, 3):
            await _pragma(journal, "query_only = 1")
            await asyncio.sleep(0.1)
            await _pragma(journal, "query_only = 0")
            while count >= len(caplog.records):  # noqa: ASYNC110 - of a thread
                await asyncio.sleep(0.01)
        leave()
    logged = [each for each in caplog.records if each.name == "miniagents.ext.journal"]
    assert [True, False, True, False] == ["cannot be written" in each.message for each in logged]
    assert [False] * 4 == [bool(each.exc_info) for each in logged]


async def test_images(path: Path) -> None:
    """An image is in the file once, however many events have it, until the last of their runs is deleted."""
    image = os.urandom(100_000).hex()
    async with Journal(path) as journal:

        async def sizes() -> tuple[int, int]:
            statement = (
                "SELECT (SELECT coalesce(sum(length(data)), 0) FROM texts), "
                "(SELECT coalesce(sum(length(data)), 0) FROM packed)"
            )
            (found,) = await journal._ask(lambda: journal._database.execute(statement).fetchall(), "read")
            return cast("tuple[int, int]", found)

        five: list[Event] = [["call_end", 1, [image]] for _ in range(5)]
        for run in "ab":
            await journal.begin(lease := Lease(RunRecord(run)), [["began", 0, {"image": image}]])
            await journal.end(lease, five, how="finished")
        once, packed = await sizes()
        assert 100_000 < once < len(image)
        assert packed < 2000
        await journal.delete("a")
        assert once == (await sizes())[0]
        await journal.delete("b")
        assert (0, 0) == await sizes()


async def test_packed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Events are packed every 10 seconds, and at once if they are large; readers notice nothing."""
    monkeypatch.setattr(_runs, "_TIDY", 0.05)
    async with Journal(path) as journal, Journal(path) as other:
        got: list[Event] = []

        async def follow() -> None:
            async for batch in other.follow("r"):
                got.extend(batch)

        await journal.begin(lease := Lease(RunRecord("r")), [])
        reader = asyncio.create_task(follow())
        for at in range(20):
            await journal.append(lease, events(30, 10 if at else 5000))
            await asyncio.sleep(0.01)
        page = await journal.read("r", 590)
        assert (600, 10) == (page.record.last, len(page.events))
        await journal.end(lease, [], how="finished")
        await reader
        expected = [event for at in range(20) for event in events(30, 10 if at else 5000)]
        assert (expected, expected) == (got, [*(await other.read("r")).events])
        assert (await other.find())[0].last == 600
    with closing(sqlite3.connect(path)) as connection:
        ((rows, most),) = connection.execute("SELECT count(*), max(length(data)) FROM packed").fetchall()
        assert [(1, 0, b"")] == connection.execute("SELECT count(*), run, data FROM tail").fetchall()
    assert 2 <= rows <= 20
    assert most < 20_000


def test_where_it_is(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A11: a new file is private, also behind a link; one that others can write is warned of."""
    link, real = tmp_path / "link", tmp_path / "real.journal"
    link.symlink_to(real)
    Journal(link).close()
    assert 0o600 == stat.S_IMODE(real.stat().st_mode)
    assert not caplog.records
    real.chmod(0o666)
    Journal(real).close()
    assert "Other users of this machine can write" in caplog.text
    locked = tmp_path / "other.journal"
    locked.with_name("other.journal-lock").symlink_to(tmp_path / "nowhere")
    with pytest.raises(JournalError, match="cannot be opened"):
        Journal(locked)


@pytest.mark.skipif(not Path("/proc/self/mountinfo").exists(), reason="the system does not say what it is")
def test_network(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a file system of the network, a journal is refused with what to do."""
    kind = _sqlite._file_system(path.parent)
    assert kind
    monkeypatch.setattr(_sqlite, "_REMOTE", frozenset({kind}))
    with pytest.raises(JournalError, match=rf"file system of the network \({kind}\).*PostgresJournal"):
        Journal(path)
    assert not path.exists()


async def test_a_fork(path: Path) -> None:
    """A journal is of the process that has opened it."""
    async with Journal(path) as journal:
        journal._process = os.getpid() + 1
        with pytest.raises(JournalError, match="this is a fork of that process"):
            await journal.find()
        for blocking in (journal.prune, lambda: next(journal.calls(), None)):
            with pytest.raises(JournalError, match="this is a fork of that process"):
                blocking()


async def test_closed_at_once(path: Path) -> None:
    """What was to be written when a journal is closed is written."""
    with Journal(path) as journal:
        await journal.begin(lease := Lease(RunRecord("r")), events(1))
        await journal.append(lease, events(1))
        last = asyncio.create_task(journal.append(lease, events(1)))
        await asyncio.sleep(0)
    await last
    async with Journal(path) as journal:
        assert 3 == len((await journal.read("r")).events)
        with pytest.raises(JournalError, match="another process"):
            await journal.append(lease, events(1))


@pytest.mark.parametrize("lease", [0, -1.0])
def test_a_refused_journal_makes_no_file(tmp_path: Path, lease: float) -> None:
    """Arguments are checked before a file is made or opened."""
    with pytest.raises(ValueError, match="lease"):
        Journal(tmp_path / "calls.journal", lease=lease)
    assert [] == list(tmp_path.iterdir())
