"""Laws 1 and 2 of journals: processes that are killed or suspended at random moments while they write runs.

Crosses modules: journals, and the processes around them.
"""

import asyncio
import os
import signal
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from time import monotonic

import pytest

from miniagents.ext.journal import Journal, Lease, PostgresJournal
from tests.support.journal_writers import LEASE, acknowledged, journal_at, writers
from tests.support.kills import kills_wanted
from tests.support.postgres import postgres_server

RUNS = 16
PATIENCE = (
    2.5  # seconds behind the lease; then a process is suspended within a commit, and SQLite waits for it
)


@dataclass
class Hits:
    """What processes were hit, and what became of their runs.

    Attributes:
        journal: takes the runs over.
        folder: for the notes of the processes.
        acknowledged: how many events.
        pauses: seconds from each hit until all runs were taken over.
        blocked: how many processes were suspended within a commit.
        refused: why the processes could write no more.
    """

    journal: Journal | PostgresJournal
    folder: Path
    acknowledged: int = 0
    pauses: list[float] = field(default_factory=list[float])
    blocked: int = 0
    refused: set[str] = field(default_factory=set[str])
    left: asyncio.Event = field(default_factory=asyncio.Event)

    async def hit(self, place: str, how: signal.Signals, number: int, after: float) -> None:
        """Hit a process that writes, take its runs over, and check them."""
        runs, notes = [f"{number}.{run}" for run in range(RUNS)], self.folder / f"{number}.notes"
        with writers(place, runs, notes) as process:
            while len({run for run, _ in acknowledged(notes)}) < RUNS:  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.005)
            await asyncio.sleep(after)
            began = monotonic()
            os.kill(process.pid or 0, how)
            taking = asyncio.create_task(self._take())
            await asyncio.wait((taking,), timeout=LEASE + PATIENCE)
            if taking.done():
                self.pauses.append(monotonic() - began)
            else:
                self.blocked += 1
            if how == signal.SIGSTOP:
                os.kill(process.pid or 0, signal.SIGCONT)
                if not taking.done():  # it has lost nothing, and would go on
                    process.kill()
            leases = await taking
            await asyncio.to_thread(process.join, 20)
            assert process.exitcode is not None, "a writer that has lost its runs goes on"
        await self._check(runs, leases, notes)

    async def _take(self) -> list[Lease]:
        leases: list[Lease] = []
        while len(leases) < RUNS:
            await self.left.wait()
            self.left.clear()
            leases += await self.journal.take("1", RUNS)
        return leases

    async def _check(self, runs: list[str], leases: list[Lease], notes: Path) -> None:
        last = dict.fromkeys(runs, -1)
        for run, what in acknowledged(notes):
            if what.isdigit():
                last[run], self.acknowledged = int(what), self.acknowledged + 1
            else:
                self.refused.add(what)
        for lease in leases:
            run = lease.run
            await self.journal.append(lease, [["y", 0]])
            *events, mine = (await self.journal.read(run)).events
            assert ["y", 0] == mine, f"{run}: something was written behind the takeover"
            numbers = [event[2] for event in events]
            assert [*range(len(numbers))] == numbers, f"{run}: a gap, or an event twice"
            assert last[run] < len(numbers), f"{run}: an event that was acknowledged is lost"
            await self.journal.delete(run)


@pytest.mark.gate("kills and suspends processes")
@pytest.mark.loop(timeout=120 + 10 * kills_wanted(4))
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP], ids=lambda how: how.name)
@pytest.mark.parametrize("database", ["sqlite", "postgres"])
async def test_hits(
    database: str, how: signal.Signals, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """Nothing acknowledged is lost, positions have no gap; a woken writer is never acknowledged.

    16 runs go on in another process within the lease and a second, unless SQLite waits for a commit.
    """
    seed = 26
    chance = Random(seed)  # noqa: S311 - when they are hit
    with ExitStack() as stack:
        is_file = database == "sqlite"
        place = str(tmp_path / "runs.journal") if is_file else stack.enter_context(postgres_server())
        async with journal_at(place) as journal:
            hits = Hits(journal, tmp_path)
            await journal.join("1", hits.left.set)
            for number in range(kills_wanted(4)):
                await hits.hit(place, how, number, chance.uniform(0, 0.5))
    for name in ("acknowledged", "blocked", "pauses"):
        record_property(name, getattr(hits, name))
    assert {"taken"} >= hits.refused, f"seed {seed}"
    assert hits.acknowledged > RUNS * kills_wanted(4)
    assert is_file or not hits.blocked
