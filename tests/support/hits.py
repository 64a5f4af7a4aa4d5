"""Processes that write the same runs, and are killed or suspended at random moments."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final

from miniagents.runs import RunStore

from .forked import open_program

__all__ = ["LEASE", "Hits", "hit", "look"]

LEASE: Final = 1.0
_RUNS: Final = 16
_PROGRAM: Final = """
import asyncio, os, random, sys, time
from miniagents.ext.journal import Journal, JournalError, Lease, PostgresJournal, RunRecord

where, schema, note, first, seconds = sys.argv[1:]
out = os.open(note, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

def tell(*words):
    os.write(out, (" ".join(map(str, (time.monotonic(), os.getpid(), *words))) + "\\n").encode())

async def work(journal, lease, at):
    run = lease.run
    try:
        while True:
            count = random.choice((1, 1, 1, 3))
            events = [["x", 0, f"{os.getpid()}.{at + 1 + more}"] for more in range(count)]
            await journal.append(lease, events, hard=random.random() < 0.2)
            at += count
            tell("kept", run, at, count)
            await asyncio.sleep(random.uniform(0, 0.01))
    except JournalError as error:
        tell("refused", run, error.reason)

async def main():
    how = {"lease": float(seconds)}
    journal = PostgresJournal(where, schema=schema, **how) if schema else Journal(where, **how)
    async with journal, asyncio.TaskGroup() as group:
        for run in range(int(first)):
            await journal.begin(lease := Lease(RunRecord(str(run), restart="server")), [])
            group.create_task(work(journal, lease, 0))
        left = asyncio.Event()
        await journal.join("1", left.set)
        tell("ready")
        while True:
            left.clear()
            for lease in await journal.take("1", 99):
                group.create_task(work(journal, lease, lease.record.last))
            await left.wait()

asyncio.run(main())
"""


@dataclass
class Hits:
    """What was done to the processes, and what they said.

    Attributes:
        takeovers: seconds from each hit to the first event that another process has kept.
        blocked: how many processes were suspended in the middle of a commit, so that others waited.
        kept: process, run, position and count of each append that was acknowledged, in order.
        refused: how often a process was not let write a run, by the reason.
    """

    takeovers: list[float] = field(default_factory=list[float])
    blocked: int = 0
    kept: list[tuple[int, str, int, int]] = field(default_factory=list[tuple[int, str, int, int]])
    refused: Counter[str] = field(default_factory=Counter[str])

    @property
    def acknowledged(self) -> int:
        """How many events were acknowledged."""
        return sum(count for *_, count in self.kept)


class _Notes:
    """What the processes write down."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._read = 0
        self.hits = Hits()
        self.latest: dict[int, float] = {}  # process -> when it has kept something

    def read(self) -> None:
        with self._file.open() as file:
            file.seek(self._read)
            lines = file.read().rpartition("\n")[0]
        self._read += len(lines) + bool(lines)
        for line in lines.splitlines():
            at, process, what, *words = line.split()
            if what == "kept":
                self.latest[int(process)] = float(at)
                self.hits.kept.append((int(process), words[0], int(words[1]), int(words[2])))
            elif what == "refused":
                self.hits.refused[words[1]] += 1
            else:
                self.latest.setdefault(int(process), 0.0)

    def wait(self, after: float, seconds: float, *, but: int = 0) -> int:
        """Wait for a process that keeps something; 0 if none does."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.read()
            for process, at in self.latest.items():
                if at > after and process != but:
                    return process
            time.sleep(0.002)
        return 0

    def wait_for(self, process: int) -> None:
        """Wait until a process is ready."""
        end = time.monotonic() + 30
        while process not in self.latest:
            assert time.monotonic() < end, "a process did not start"
            self.read()
            time.sleep(0.005)


def hit(where: str, schema: str, note: Path, count: int, *, seed: int, stop: bool = False) -> Hits:
    """Have two processes write 16 runs, and hit the one that writes them, again and again.

    Args:
        where: the path of a journal, or the address of Postgres.
        schema: in Postgres; else empty.
        note: the file for what they say.
        count: how often.
        seed: of the moments.
        stop: whether they are suspended and woken after the takeover, and not killed.
    """
    random, notes = Random(seed), _Notes(note)  # noqa: S311 - moments
    note.touch()
    running: dict[int, subprocess.Popen[str]] = {}

    def start(first: int = 0) -> None:
        words = (where, schema, str(note), str(first), str(LEASE))
        process = open_program(sys.executable, "-c", _PROGRAM, *words)
        running[process.pid] = process
        notes.wait_for(process.pid)

    try:
        start(_RUNS)
        start()
        for _ in range(count):
            began = time.monotonic()
            writer = notes.wait(began, 20)
            assert writer, "no process goes on"
            time.sleep(random.uniform(0, 0.2))
            os.kill(writer, signal.SIGSTOP if stop else signal.SIGKILL)
            now = time.monotonic()
            if not stop:
                running.pop(writer).wait()
            if notes.wait(now, LEASE + 1.5, but=writer):
                notes.hits.takeovers.append(min(at for at in notes.latest.values() if at > now) - now)
            else:
                assert stop, "nobody took the runs over"
                notes.hits.blocked += 1
            if stop:
                os.kill(writer, signal.SIGCONT)
            else:
                start()
    finally:
        for process in running.values():
            process.kill()
            process.wait()
    notes.read()
    return notes.hits


async def look(store: RunStore, hits: Hits) -> Counter[str]:
    """Compare what was acknowledged with what a store has.

    Args:
        store: of these processes.
        hits: what they said.
    """
    wrong: Counter[str] = Counter(lost=0, gaps=0, twice=0)
    logs: dict[str, list[str]] = {}
    for record in await store.find():
        log = [str(event[2]) for event in (await store.read(record.run)).events]
        logs[record.run] = log
        wrong["gaps"] += [name.split(".")[1] for name in log] != [str(at + 1) for at in range(len(log))]
        wrong["twice"] += len(log) - len({*log})
    for process, run, last, count in hits.kept:
        expected = [f"{process}.{at}" for at in range(last - count + 1, last + 1)]
        wrong["lost"] += logs[run][last - count : last] != expected
    return wrong
