"""A process that writes runs to a journal until it is killed, and notes what the journal has acknowledged."""

import asyncio
import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from miniagents.ext.journal import Journal, JournalError, Lease, PostgresJournal, RunRecord

__all__ = ["LEASE", "acknowledged", "journal_at", "writers"]

LEASE = 1.0


def journal_at(place: str) -> Journal | PostgresJournal:
    """Open a journal.

    Args:
        place: the path of a file, or the address of a server.
    """
    is_address = place.startswith("postgresql:")
    return PostgresJournal(place, lease=LEASE) if is_address else Journal(place, lease=LEASE)


def _write_runs(place: str, runs: list[str], notes: str) -> None:
    """In the process: append numbers to each run, some of them hard, until it cannot."""
    out = os.open(notes, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    async def write(journal: Journal | PostgresJournal, run: str) -> None:
        try:
            await journal.begin(lease := Lease(RunRecord(run, restart="server")), [["x", 0, 0]])
            number = 0
            while True:
                os.write(out, f"{run} {number}\n".encode())
                number += 1
                await journal.append(lease, [["x", 0, number]], hard=number % 5 == 0)
        except JournalError as error:
            os.write(out, f"{run} {error.reason or error}\n".encode())

    async def write_all() -> None:
        async with journal_at(place) as journal:
            await asyncio.gather(*[write(journal, run) for run in runs])

    asyncio.run(write_all())


@contextmanager
def writers(place: str, runs: list[str], notes: Path) -> Generator[ForkServerProcess]:
    """A process that writes runs; it is killed at the end of the block.

    Args:
        place: of the journal.
        runs: their ids.
        notes: the file for :func:`acknowledged`.
    """
    context = get_context("forkserver")  # which imports the library once
    context.set_forkserver_preload([__name__])
    process = context.Process(target=_write_runs, args=(place, runs, str(notes)))
    process.start()
    try:
        yield process
    finally:
        process.kill()
        process.join()


def acknowledged(notes: Path) -> Iterator[tuple[str, str]]:
    """Yield each run with the last number that was acknowledged, and then why it could write no more.

    Args:
        notes: the file that the process has written.
    """
    for line in notes.read_text().splitlines() if notes.exists() else ():
        run, _, what = line.partition(" ")
        yield run, what
