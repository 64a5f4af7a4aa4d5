"""What a journal takes: ``python -m tests.bench.journal_speed``, on SQLite and Postgres; ``--sqlite`` alone.

Tokens are events of 64 runs; the processor time is that of the whole process, with the tasks that write them.
"""

import asyncio
import multiprocessing
import os
import signal
import sqlite3
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, closing, nullcontext
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from statistics import median, quantiles
from typing import cast

import psycopg

from miniagents import InteractionContext, MiniAgent, MiniAgents, miniagent
from miniagents.ext.journal import CallKey, Journal, JournalEntry, Lease, PostgresJournal, RunRecord, recorded
from miniagents.runs import RecordedFunction
from tests.support.postgres import postgres_server

__all__ = ["main"]

_CALLS, _AT_ONCE = 5000, 64
_TOKENS, _PACE = 400, 0.02
_STUCK = 30  # seconds
Place = tuple[str, str]


def _journal(place: Place) -> Journal | PostgresJournal:
    where, schema = place
    return PostgresJournal(where, schema=schema) if schema else Journal(where)


def _say(text: str) -> None:
    sys.stdout.write(f"  {text}\n")
    sys.stdout.flush()


def _written(place: Place) -> int:
    """The bytes that this process has written to disks, or Postgres to its log."""
    if place[1]:
        with psycopg.connect(place[0]) as connection:
            found = connection.execute("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn").fetchone()
        return int(cast("tuple[int]", found)[0])
    lines = Path("/proc/self/io").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("write_bytes"))


def _kept(place: Place) -> int:
    """The bytes of the pages of a file that are in use, or of the tables of Postgres with their indexes."""
    if place[1]:
        of_tables = (
            "SELECT sum(pg_total_relation_size(oid)) FROM pg_class "
            "WHERE relnamespace = %s::regnamespace AND relkind = 'r'"
        )
        with psycopg.connect(place[0]) as connection:
            return int(cast("tuple[int]", connection.execute(of_tables, (place[1],)).fetchone())[0])
    with closing(sqlite3.connect(place[0])) as database:
        pages, free, size = (
            cast("int", database.execute(f"PRAGMA {name}").fetchone()[0])
            for name in ("page_count", "freelist_count", "page_size")
        )
    return (pages - free) * size


def _spread(seconds: list[float]) -> str:
    at = quantiles(seconds, n=100)
    return f"p50 {1000 * median(seconds):.1f} ms, p99 {1000 * at[98]:.1f} ms"


async def _tokens(place: Place, *, paced: bool) -> None:
    """Tokens of 64 runs, as fast as they are kept, or 50 a second in each run."""
    waits: list[float] = []
    async with _journal(place) as journal:

        async def write(run: str, tokens: int) -> None:
            await journal.begin(lease := Lease(RunRecord(run)), [["began", 0, {"text": "Hi"}]])
            for at in range(tokens):
                began = time.perf_counter()
                await journal.append(lease, [["parts", 1, 0, ["token "], [1_700_000_000_000_000 + at]]])
                waits.append(time.perf_counter() - began)
                if paced:
                    await asyncio.sleep(_PACE)
            await journal.end(lease, [["ended", 0, "finished", ""]], how="finished")

        tokens = 150 if paced else _TOKENS
        empty = _kept(place) if place[1] else 0
        bytes_before, before, clock = _written(place), time.process_time(), time.perf_counter()
        await asyncio.gather(*[write(f"{paced} {run}", tokens) for run in range(_AT_ONCE)])
        cpu, seconds = time.process_time() - before, time.perf_counter() - clock
    number = tokens * _AT_ONCE
    bytes_each = (_written(place) - bytes_before) / number
    _say(
        f"{'paced' if paced else 'unpaced'}: {1e6 * cpu / number:.1f} us CPU a token, "
        f"{number / seconds:,.0f} tokens/s, {bytes_each:,.0f} bytes written a token; safe {_spread(waits)}"
    )
    besides = "besides what was there before" if place[1] else "in a file of its own"
    _say(f"kept: {(_kept(place) - empty) / number:,.0f} bytes a token, {besides}")


async def _hard(place: Place, writers: int) -> None:
    waits: list[float] = []
    async with _journal(place) as journal:

        async def write(run: str) -> None:
            await journal.begin(lease := Lease(RunRecord(run)), [])
            while time.perf_counter() < end:
                began = time.perf_counter()
                await journal.append(lease, [["question", 1, {"value": 7}]], hard=True)
                waits.append(time.perf_counter() - began)
            await journal.end(lease, [], how="finished")

        end = time.perf_counter() + 2
        await asyncio.gather(*[write(f"hard {writers} {run}") for run in range(writers)])
    _say(f"hard events, {writers} at once: {len(waits) / 2:,.0f}/s; {_spread(waits)}")


def _write_times(place: Place, end: Connection, writers: int, prefix: str) -> None:
    """In another process: 64 runs whose events are the times at which they are written."""

    async def write(journal: Journal | PostgresJournal, run: str, tokens: int) -> None:
        await journal.begin(lease := Lease(RunRecord(run, restart="server")), [])
        end.send(run)
        await asyncio.sleep(0.5)
        for _ in range(tokens):
            await journal.append(lease, [["parts", 1, time.monotonic_ns()]])
            await asyncio.sleep(_PACE)
        await journal.end(lease, [], how="finished")

    async def run() -> None:
        async with _journal(place) as journal:
            await asyncio.gather(*[write(journal, f"{prefix} {run}", 100) for run in range(writers)])

    asyncio.run(run())


@asynccontextmanager
async def _elsewhere(
    place: Place, writers: int, prefix: str
) -> AsyncGenerator[tuple[SpawnProcess, list[str]]]:
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_write_times, args=(place, there, writers, prefix))
    process.start()
    try:
        yield process, [cast("str", await asyncio.to_thread(here.recv)) for _ in range(writers)]
    finally:
        process.kill()
        await asyncio.to_thread(process.join)


async def _one_call(place: Place) -> None:
    """A call that is kept, alone."""
    waits: list[float] = []
    entry = JournalEntry(RecordedFunction("JUDGE", "1", "bench:judge"), "[]", ())
    async with _journal(place) as journal:
        for number in range(300):
            began = time.perf_counter()
            await journal.keep_all([(CallKey(number.to_bytes(32, "big")), entry)])
            waits.append(time.perf_counter() - began)
    _say(f"a call kept, one after another: {_spread(waits)}")


async def _tail(place: Place) -> None:
    """How long after a token is written a follower in another process has it."""
    late: list[float] = []
    async with _elsewhere(place, _AT_ONCE, "tail") as (_, runs), _journal(place) as journal:

        async def follow(run: str) -> None:
            async for batch in journal.follow(run):
                now = time.monotonic_ns()
                late.extend((now - at) / 1e9 for _, _, at in batch if isinstance(at, int))

        await asyncio.gather(*map(follow, runs))
    _say(f"followed in another process, 64 runs: {_spread(late)}")


async def _takeover(place: Place, kind: signal.Signals) -> None:
    """How long after a process has ended, or was suspended, another one has taken its runs."""
    left = asyncio.Event()
    async with _elsewhere(place, 16, kind.name) as (process, _), _journal(place) as journal:
        await journal.join("1", left.set)
        await asyncio.sleep(0.7)
        began = time.perf_counter()
        os.kill(process.pid or 0, kind)
        taken: list[str] = []
        try:
            async with asyncio.timeout(_STUCK):
                while len(taken) < 16:
                    await left.wait()
                    left.clear()
                    found = await journal.take("1", 16)
                    taken += [each.run for each in found if each.run.startswith(kind.name)]
            seconds = f"{time.perf_counter() - began:.2f} s"
        except TimeoutError:
            process.kill()
            seconds = "never: it was suspended inside a commit, for which all others wait"
        _say(f"taken over after {kind.name}, with a lease of 3 s: {seconds}")
        for run in taken:
            await journal.delete(run)


@miniagent
async def judge(ctx: InteractionContext) -> None:
    """Reply as a model does that is infinitely fast."""
    ctx.reply(f"{await ctx.messages}: positive, and so on")


async def _calls(journal: Journal | PostgresJournal, version: str) -> tuple[float, list[float]]:
    agent: MiniAgent = recorded(judge, journal, version=version)
    waits: list[float] = []

    async def worker(rows: Iterator[int]) -> None:
        for row in rows:
            began = time.perf_counter()
            await agent.inquire(f"row {row}")
            waits.append(time.perf_counter() - began)

    rows = iter(range(_CALLS))
    began = time.perf_counter()
    await asyncio.gather(*[worker(rows) for _ in range(_AT_ONCE)])
    return _CALLS / (time.perf_counter() - began), waits


async def _all_calls(journal: Journal | PostgresJournal) -> None:
    for what in ("recorded", "played"):
        speeds, waits = zip(*[await _calls(journal, str(version)) for version in range(3)], strict=True)
        speed = f"{max(speeds):,.0f} calls a second are {what} ({min(speeds):,.0f} at the least)"
        _say(f"{speed}, 64 at once; {_spread(waits[0])}")


def _measure(place: Place, second: Place) -> None:
    asyncio.run(_tokens(place, paced=False))
    asyncio.run(_one_call(second))
    asyncio.run(_tokens(second, paced=True))
    for writers in (1, _AT_ONCE):
        asyncio.run(_hard(second, writers))
    asyncio.run(_tail(second))
    asyncio.run(_takeover(second, signal.SIGKILL))
    asyncio.run(_takeover(second, signal.SIGSTOP))
    with _journal(second) as journal:
        MiniAgents().run(_all_calls(journal))


def main() -> None:
    """Measure, and print it."""
    with tempfile.TemporaryDirectory() as folder:
        sys.stdout.write("SQLite\n")
        _measure((f"{folder}/one.journal", ""), (f"{folder}/two.journal", ""))
    sys.stdout.write("Postgres\n")
    with postgres_server(safe=True) if "--sqlite" not in sys.argv else nullcontext("") as dsn:
        if dsn:
            _measure((dsn, "one"), (dsn, "two"))


if __name__ == "__main__":
    main()
