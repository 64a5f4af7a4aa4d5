"""What the servers of a journal file know of each other, and what one of them does for many runs."""

import asyncio
import sqlite3
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from miniagents import MiniAgents
from miniagents.ext._journal._sqlite import SQLiteDatabase
from miniagents.ext.journal import Event, Journal, JournalError, Lease, MemoryJournal, RunRecord
from miniagents.ext.web import Runs
from miniagents.testing import scripted_model
from tests.model.stores import Sleeper


async def test_two_joins_wait_for_the_same_version(tmp_path: Path) -> None:
    """A parked run of a version without a server is taken after ten leases, whatever else is served.

    One that its program continues (`durable`) is not.
    """
    with Journal(tmp_path / "runs.journal", lease=0.02) as journal:
        await journal.begin(lease := Lease(RunRecord("6", version="old", restart="program")), [])
        await journal.leave(lease, wake_at=1e12)
        await journal.begin(
            lease := Lease(RunRecord("7", version="old", restart="server")), [["began", 0, None]]
        )
        await journal.leave(lease, wake_at=1e12)
        left = asyncio.Event()
        parts = [
            await journal.join("one", left.set, waiting=True),
            await journal.join("two", lambda: None),
        ]
        async with asyncio.timeout(10):
            await left.wait()
        assert ["7"] == [each.run for each in await journal.take("one", 1, waiting=True)]
        for part in parts:
            part()


async def test_a_sleeper_whose_version_is_gone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Of runs that wait for a server of a version that is gone, each server logs one warning: what to do."""
    with Journal(tmp_path / "runs.journal", lease=0.03) as journal:
        for run, version in (("6", "0"), ("7", "1"), ("8", "1"), ("9", "2")):
            lease = Lease(RunRecord(run, version=version, restart="server"))
            await journal.begin(lease, [["began", 0, None]])
            await journal.leave(lease, wake_at=0.0 if run == "7" else 1e12)
        part = await journal.join("2", lambda: None)
        assert {"2"} == await journal.served_versions()
        async with asyncio.timeout(10):
            while len(caplog.records) < 2:  # noqa: ASYNC110 - of a thread
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)  # some looks later
        part()
    assert [("WARNING", True)] * 2 == [
        (each.levelname, "Runs(take_over=...)" in each.message) for each in caplog.records
    ]
    assert {"'0'", "'1'"} == {each.message.split()[4] for each in caplog.records}


@pytest.mark.logs("away")
@pytest.mark.parametrize("ends", [False, True])
async def test_a_journal_that_is_away_at_the_end(*, ends: bool, tmp_path: Path) -> None:
    """A run whose end could not be written, nor that it is left, is taken at once when that can be written.

    That is no end of a server: it counts as no attempt.
    """
    path = tmp_path / "runs.journal"
    with Journal(path) as journal, Journal(path) as other, sqlite3.connect(path) as database:
        part = await journal.join("other version", lambda: None)
        left = asyncio.Event()
        await other.join("1", left.set)
        await journal.begin(
            lease := Lease(RunRecord("7", version="1", restart="server")), [["began", 0, None]]
        )
        database.execute("CREATE TRIGGER t BEFORE UPDATE ON runs BEGIN SELECT RAISE(FAIL, 'away'); END")
        with pytest.raises(JournalError, match="away"):
            await (journal.end(lease, [], how="finished") if ends else journal.leave(lease))
        assert [] == await other.take("1", 1)
        database.execute("DROP TRIGGER t")
        async with asyncio.timeout(5):
            await left.wait()
        assert [("7", 1)] == [(each.run, each.record.attempts) for each in await other.take("1", 1)]
        with pytest.raises(JournalError, match="another process"):
            await journal.append(lease, [["x", 0]])
        part()
    database.close()


async def test_an_answer_among_many_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is sent to one of many runs of a process costs no statement for each of the others."""
    statements: list[str] = []
    execute = SQLiteDatabase.execute

    def counting(self: SQLiteDatabase, statement: str, values: tuple[object, ...] = ()) -> object:
        statements.append(statement)
        return execute(self, statement, values)

    with Journal(tmp_path / "runs.journal") as journal:
        heard: list[tuple[str, object]] = []
        all_heard = asyncio.Event()

        def hear(key: str, data: object) -> None:
            heard.append((key, data))
            if len(heard) == 2:
                all_heard.set()

        for number in range(50):
            await journal.begin(lease := Lease(RunRecord(str(number))), [["began", 0, None]])
            journal.listen(lease, hear)
        monkeypatch.setattr(SQLiteDatabase, "execute", counting)
        await journal.send("7", "answer", {"value": 1})
        await journal.send("8", "answer", {"value": 1})
        async with asyncio.timeout(10):
            await all_heard.wait()
        assert [("answer", {"value": 1})] * 2 == heard
        assert 45 > len(statements)


async def test_a_word_after_many_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is said to a run reads nothing of what was said before to the runs of its process."""
    rows: list[object] = []
    execute = SQLiteDatabase.execute

    def counting(self: SQLiteDatabase, statement: str, values: tuple[object, ...] = ()) -> object:
        found = execute(self, statement, values)
        if not statement.startswith("SELECT"):
            return found
        read = found.fetchall()
        rows.extend(read)
        return SimpleNamespace(fetchall=lambda: read, fetchone=lambda: next(iter(read), None))

    with Journal(tmp_path / "runs.journal") as journal:
        heard: asyncio.Queue[str] = asyncio.Queue()
        for number in range(10):
            await journal.begin(lease := Lease(RunRecord(str(number))), [["began", 0, None]])
            journal.listen(lease, lambda key, _: heard.put_nowait(key))
        keys = [f"say:{number}" for number in range(1_000)]
        await asyncio.gather(*(journal.send(key[-1], key, {"text": "Paris"}) for key in keys))
        async with asyncio.timeout(10):
            assert set(keys) == {await heard.get() for _ in keys}
            monkeypatch.setattr(SQLiteDatabase, "execute", counting)
            await journal.send("7", "say:last", {"text": "Texas"})
            assert "say:last" == await heard.get()
        assert 200 > len(rows)
        assert heard.empty()


@pytest.mark.parametrize("waiting", [False, True])
@pytest.mark.parametrize(("server", "wake_at"), [("parked", 1e12), ("", 0.0), ("", None)])
async def test_a_look_among_many_runs(
    tmp_path: Path, *, waiting: bool, server: str, wake_at: float | None
) -> None:
    """To look for runs that can be taken costs the same with a few of other versions, and with thousands.

    They are parked, or were left, after they were answered or not.
    """
    path, steps = tmp_path / "runs.journal", list[int]()
    with Journal(path, lease=60.0) as journal, sqlite3.connect(path) as database:
        for count in (3, 3_000):
            database.executemany(
                "INSERT INTO runs (run, owner, topic, version, restart, server, attempts, last, began, how, "
                "wake_at) VALUES (?, '', '', ?, 'server', ?, 1, 1, 0, '', ?)",
                [(f"{count} {number}", str(number % 3), server, wake_at) for number in range(count)],
            )
            database.commit()
            steps.append(0)

            def step() -> None:
                steps[-1] += 1

            cast("SQLiteDatabase", journal._database)._connection.set_progress_handler(step, 10)
            assert [] == await journal.take("4", 9, waiting=waiting)
    database.close()
    assert steps[1] <= steps[0] + 10


async def test_the_oldest_of_many_runs(tmp_path: Path) -> None:
    """To take some of many runs that were left reads no more of them than are taken, the oldest first."""
    path, steps = tmp_path / "runs.journal", list[int]()
    with Journal(path, lease=60.0) as journal, sqlite3.connect(path) as database:
        for count in (30, 3_000):
            database.execute("DELETE FROM runs")
            database.executemany(
                "INSERT INTO runs (run, owner, topic, version, restart, server, attempts, last, began, how) "
                "VALUES (?, '', '', '1', 'server', '', 1, 1, 0, '')",
                [(str(number),) for number in range(count)],
            )
            database.commit()
            steps.append(0)

            def step() -> None:
                steps[-1] += 1

            cast("SQLiteDatabase", journal._database)._connection.set_progress_handler(step, 10)
            assert ["0", "1", "2"] == [each.run for each in await journal.take("1", 3)]
    database.close()
    assert steps[1] < 3 * steps[0]


async def test_a_transaction_that_is_always_in_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A write that other transactions hinder again and again fails with a sentence; the next one is kept."""
    with Journal(tmp_path / "runs.journal") as journal:
        with monkeypatch.context() as patched:
            tries: list[None] = []

            def hindered(_: SQLiteDatabase, *, hard: bool) -> None:
                tries.append(None)
                raise sqlite3.OperationalError("serialization failure" + " of hard" * hard)

            def passing(_: SQLiteDatabase, error: Exception) -> bool:
                return isinstance(error, sqlite3.Error)

            patched.setattr(SQLiteDatabase, "transaction", hindered)
            patched.setattr(SQLiteDatabase, "is_passing", passing)
            with pytest.raises(JournalError, match="serialization failure"):
                await journal.begin(Lease(RunRecord("7")), [])
            assert 500 > len(tries) > 1
        await journal.begin(Lease(RunRecord("7")), [])
        assert ["7"] == [each.run for each in await journal.find()]


async def test_followers_of_a_run_that_is_taken_over(tmp_path: Path) -> None:
    """Who follows a run that this process takes over gets each event once, however fast the takeover is."""
    path = tmp_path / "runs.journal"
    async with Journal(path) as before, Journal(path) as after:
        for count in range(5):
            run, got = f"r{count}", list[Event]()

            async def follow(run: str, got: list[Event]) -> None:
                async for batch in after.follow(run):
                    got += batch

            await before.begin(lease := Lease(RunRecord(run, version="1", restart="server")), [["x", 0, 0]])
            async with asyncio.timeout(10), asyncio.TaskGroup() as group:
                group.create_task(follow(run, got))
                while not got:  # noqa: ASYNC110 - it tells by no event
                    await asyncio.sleep(0.001)
                await before.leave(lease, [["x", 0, 1], ["x", 0, 2]])
                taken = await after.claim(run)
                assert taken is not None
                late = list[Event]()
                group.create_task(follow(run, late))
                await asyncio.sleep(0)
                if count % 2:
                    await after.append(taken, [["x", 0, 3]])
                await after.end(taken, [["x", 0, 4]] if count % 3 else [], how="finished")
            expected = [*(await before.read(run)).events]
            assert [expected, expected] == [got, late]


async def test_a_server_that_was_suspended(tmp_path: Path) -> None:
    """A server whose run was taken over while it was suspended reads what the other one has written since."""
    path, sleeper = tmp_path / "runs.journal", Sleeper()
    async with (
        Journal(path, lease=0.05, seal=bytes, unseal=sleeper) as suspended,
        Journal(path, lease=0.05, seal=bytes, unseal=bytes) as other,
    ):
        await suspended.begin(lease := Lease(RunRecord("r", restart="server")), [["x", 0, 0]])
        left = asyncio.Event()
        part = await other.join("1", left.set)
        sleeper.awake.clear()
        reading = [asyncio.create_task(suspended.read("r")) for _ in range(2)]
        await left.wait()
        (taken,) = await other.take("1", 1)
        await other.append(taken, [["x", 0, 1]])
        sleeper.awake.set()
        before, after = [[*(await each).events] for each in reading]
        assert ([["x", 0, 0]], [["x", 0, 0], ["x", 0, 1]]) == (before, after)
        assert 2 == (await suspended.find(run="r"))[0].last
        with pytest.raises(JournalError) as caught:
            await suspended.append(lease, [["x", 0, 2]])
        assert "taken" == caught.value.reason
        part()


@pytest.mark.logs("disk I/O error", "can be used again")
async def test_a_look_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If a look at what others wrote fails, the next one finds it, also if they write nothing more."""
    path = tmp_path / "runs.journal"
    async with Journal(path, lease=60) as writer, Journal(path, lease=60) as reader:
        await writer.begin(lease := Lease(RunRecord("r")), [["x", 0, 0]])
        batches = reader.follow("r")
        assert [["x", 0, 0]] == [*await anext(batches)]
        await asyncio.sleep(0.1)  # the first look finds nothing
        loop, execute = asyncio.get_running_loop(), SQLiteDatabase.execute
        for statement in ("FROM tail WHERE id > ?", "SELECT id, last, ended FROM runs"):
            failed = asyncio.Event()

            def failing(
                self: SQLiteDatabase,
                text: str,
                values: tuple[object, ...] = (),
                of: str = statement,
                after: asyncio.Event = failed,
            ) -> object:
                if of in text and not after.is_set():
                    loop.call_soon_threadsafe(after.set)
                    raise sqlite3.OperationalError("disk I/O error")
                return execute(self, text, values)

            with monkeypatch.context() as patched:
                patched.setattr(SQLiteDatabase, "execute", failing)
                await writer.append(lease, [["x", 0, statement]])
                await failed.wait()
            await reader.find()  # else it waits for a second
            async with asyncio.timeout(5):
                assert [["x", 0, statement]] == [*await anext(batches)]
        await batches.aclose()


async def test_many_servers(tmp_path: Path) -> None:
    """A server keeps nothing of those that have ended."""
    path = tmp_path / "runs.journal"
    async with Journal(path, lease=0.03) as journal:
        part = await journal.join("1", lambda: None)
        for number in range(5):
            async with Journal(path) as other:
                await other.begin(lease := Lease(RunRecord(str(number))), [])
                await journal.take("1", 1)
                await other.end(lease, [], how="finished")
        await journal.take("1", 1)
        assert 1 >= len(journal._runs._observed)
        part()


@pytest.mark.loop(virtual=True)
async def test_agents_that_are_added_later() -> None:
    """Runs that were opened without agents, and get some later, go on with what other servers have left."""
    journal = MemoryJournal()
    async with MiniAgents(drain_timeout=0.0):
        agents = {"says": scripted_model(then="Hello", delay=100.0).bind()}
        run = await Runs(journal, agents=agents).begin("says", "Hi")
    async with MiniAgents():
        runs = Runs(journal)
        await runs.open()
        runs.add_agents({"says": scripted_model(then="Hello").bind()})
        await asyncio.sleep(1)
        record = await runs.find(run)
        assert record is not None
        assert "finished" == record.how
