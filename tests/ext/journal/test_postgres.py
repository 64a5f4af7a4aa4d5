"""What only a server can do: lose its connections, and restart."""

import asyncio
import threading
import time
from collections.abc import Callable, Generator
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import cast
from uuid import uuid4

import psycopg
import pytest

from miniagents.ext._journal._postgres import PostgresDatabase
from miniagents.ext.journal import (
    Event,
    Journal,
    JournalError,
    Lease,
    PostgresJournal,
    RunRecord,
    open_journal,
)
from tests.support.postgres import postgres_server

pytestmark = pytest.mark.gate("starts a server")


@pytest.fixture(scope="module")
def server() -> Generator[str]:
    """A server of Postgres."""
    with postgres_server() as dsn:
        yield dsn


def cut(dsn: str) -> None:
    """End the connections of all journals, and wait until they are gone."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity "
            "WHERE application_name LIKE 'miniagents%'"
        )


@pytest.mark.logs("cannot be written", "cannot be read")
async def test_lost_connections(server: str) -> None:
    """While connections are cut, appends fail with a sentence; what is acknowledged is kept, in order."""
    async with PostgresJournal(server, schema=f"t{uuid4().hex}", lease=30.0) as journal:
        kept: dict[str, list[int]] = {}
        failed: list[JournalError] = []

        async def write(run: str) -> None:
            await journal.begin(lease := Lease(RunRecord(run)), [])
            kept[run] = []
            for number in range(150):
                try:
                    await journal.append(lease, [["x", 0, number]], hard=number % 7 == 0)
                    kept[run].append(number)
                except JournalError as error:
                    failed.append(error)
                await asyncio.sleep(0.004)

        async with asyncio.TaskGroup() as group:
            for run in map(str, range(8)):
                group.create_task(write(run))
            for _ in range(5):
                await asyncio.sleep(0.15)
                await asyncio.to_thread(cut, server)
        for run, numbers in kept.items():
            page = await journal.read(run)
            found = [cast("int", event[2]) for event in page.events]
            assert set(numbers) <= {*found}, "an acknowledged event is lost"
            assert sorted({*found}) == found, "an event is there twice, or in another place"
            assert page.record.last == len(found)
        assert failed
        assert all(error.reason is None and "cannot be written" in str(error) for error in failed), failed


async def test_a_connection_that_was_idle(server: str) -> None:
    """A connection that was ended while it was idle, as by a restart of the server, is made anew."""
    async with PostgresJournal(server, schema=f"t{uuid4().hex}") as journal:
        await asyncio.sleep(1.1)
        await asyncio.to_thread(cut, server)
        assert [] == await journal.find()
        await asyncio.sleep(1.1)
        await asyncio.to_thread(cut, server)
        await journal.begin(Lease(RunRecord("r")), [["x", 0, 0]])
        assert [["x", 0, 0]] == [*(await journal.read("r")).events]


@pytest.mark.logs("cannot be", "can be used again")
async def test_the_log_of_an_outage(server: str, caplog: pytest.LogCaptureFixture) -> None:
    """A server whose database is away logs one sentence when that begins, and one when it is over."""

    def allow(connections: str) -> None:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f"ALTER DATABASE other ALLOW_CONNECTIONS {connections}".encode())

    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute("CREATE DATABASE other")
    dsn = server.replace("postgresql:///postgres", "postgresql:///other")
    async with PostgresJournal(dsn, lease=0.6) as journal:
        leave = await journal.join("1", lambda: None)
        for _ in range(2):
            await asyncio.to_thread(allow, "false")
            await asyncio.to_thread(cut, server)
            await asyncio.sleep(3)
            await asyncio.to_thread(allow, "true")
            async with asyncio.timeout(10):
                while "can be used again" not in caplog.records[-1].message:  # noqa: ASYNC110 - of a thread
                    await asyncio.sleep(0.05)
        leave()
    logged = [each for each in caplog.records if each.name == "miniagents.ext.journal"]
    assert [True, False, True, False] == ["cannot be" in each.message for each in logged], logged
    assert [False] * 4 == [bool(each.exc_info) for each in logged]


async def test_suspended_in_a_transaction(server: str) -> None:
    """A process that is suspended within a transaction for longer than its lease does it again."""
    slow = [0.0]

    def seal(data: bytes) -> bytes:
        time.sleep(slow.pop() if slow else 0.0)
        return data

    lease, schema = 0.3, f"t{uuid4().hex}"
    async with PostgresJournal(server, schema=schema, lease=lease, seal=seal, unseal=bytes) as journal:
        slow[:] = [1.5]
        await journal.begin(Lease(RunRecord("r")), [["x", 0, 0]])
        assert [["x", 0, 0]] == [*(await journal.read("r")).events]


async def test_wrong_places(server: str, tmp_path: Path) -> None:
    """A server that is not there, and a schema of another version, are refused with a sentence."""
    schema = f"t{uuid4().hex}"
    PostgresJournal(server, schema=schema).close()
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"UPDATE {schema}.journal SET version = 99".encode())  # noqa: S608 - a name of this test
    for dsn, name, why in (
        (server, schema, "another version"),
        (server, 'x"y', "no name of a schema"),
        (f"postgresql:///x?host={tmp_path}", "s", "cannot be opened"),
        ("postgresql://ada:secret-word@127.0.0.1:1/x", "s", "cannot be opened"),
    ):
        with pytest.raises(JournalError, match=why) as caught:
            await asyncio.to_thread(PostgresJournal, dsn, schema=name)
        assert "secret-word" not in str(caught.value)


async def test_a_journal_that_must_be_there(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A journal that is opened only if it is there connects to the server once."""
    connected: list[object] = []
    connect = psycopg.connect

    def counting(*arguments: str, **options: object) -> object:
        connected.append(options)
        return cast("Callable[..., object]", connect)(*arguments, **options)

    PostgresJournal(server).close()
    monkeypatch.setattr(psycopg, "connect", counting)
    with open_journal(server, create=False) as journal:
        assert isinstance(journal, PostgresJournal)
    assert 1 == len(connected)


async def test_two_senders_at_once(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of what two servers send to a run at once, both is heard, also if one takes long for its commit."""
    inserted, go_on = asyncio.Event(), threading.Event()
    loop, execute = asyncio.get_running_loop(), PostgresDatabase.execute

    def slow(self: PostgresDatabase, statement: str, values: tuple[object, ...] = ()) -> object:
        found = execute(self, statement, values)
        if statement.startswith("INSERT INTO inbox") and "first" in values:
            loop.call_soon_threadsafe(inserted.set)
            go_on.wait(10)
        return found

    monkeypatch.setattr(PostgresDatabase, "execute", slow)
    schema, heard = f"t{uuid4().hex}", asyncio.Queue[str]()
    async with AsyncExitStack() as stack, asyncio.timeout(20):
        writer, first, second = [
            await stack.enter_async_context(PostgresJournal(server, schema=schema, lease=30.0))
            for _ in range(3)
        ]
        await writer.begin(lease := Lease(RunRecord("r")), [])
        writer.listen(lease, lambda key, _: heard.put_nowait(key))
        sending = [asyncio.create_task(first.send("r", "first", 1))]
        await inserted.wait()
        sending.append(asyncio.create_task(second.send("r", "second", 2)))
        with suppress(TimeoutError):  # as it should: it waits for the first
            async with asyncio.timeout(0.5):
                await heard.get()
        go_on.set()
        await asyncio.gather(*sending)
        assert ["first", "second"] == [await heard.get() for _ in sending]


async def test_as_a_file(server: str, tmp_path: Path) -> None:
    """What is kept in Postgres is read as what is kept in a file, also if it is damaged."""
    events: list[Event] = [["x", 0, "y" * 2000]]
    schema = f"t{uuid4().hex}"
    async with PostgresJournal(server, schema=schema) as journal, Journal(tmp_path / "j") as file:
        for each in (journal, file):
            await each.begin(lease := Lease(RunRecord("r")), events)
            await each.end(lease, events, how="finished")
            assert [*events, *events] == [*(await each.read("r")).events]
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f"UPDATE {schema}.events SET data = 'x' WHERE first = 2".encode())  # noqa: S608
        with pytest.raises(JournalError, match=r"The run 'r' of .* cannot be read: its log is damaged"):
            await journal.read("r")


async def test_as_many_events_as_a_key_counts(server: str) -> None:
    """A run that has more events than its keys can count ends with a sentence, and not in the next run."""
    schema = f"t{uuid4().hex}"
    async with PostgresJournal(server, schema=schema) as journal:
        for run in ("full", "next"):
            lease = Lease(RunRecord(run, restart="program"))
            await journal.begin(lease, [["x", 0, run]])
            await journal.leave(lease)
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f"UPDATE {schema}.runs SET last = {(1 << 28) - 2} WHERE run = 'full'".encode())  # noqa: S608
        full = await journal.claim("full")
        assert full is not None
        await journal.append(full, [["x", 0, "the last one"]])
        with pytest.raises(JournalError, match="cannot be written"):
            await journal.append(full, [["x", 0, "one too many"]])
        assert [["x", 0, "next"]] == [*(await journal.read("next")).events]
