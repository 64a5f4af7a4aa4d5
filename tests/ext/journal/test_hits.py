"""Journals whose processes are killed, or suspended and woken, at random moments.

Crosses modules: the log of runs, the databases, and processes.
"""

from collections.abc import Generator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Final
from uuid import uuid4

import pytest

from miniagents.ext.journal import Journal, PostgresJournal
from tests.support.hits import LEASE, hit, look
from tests.support.kills import kills_wanted
from tests.support.postgres import postgres_server

_GATE: Final = pytest.mark.gate("starts and kills programs, again and again")
KINDS: Final = ["sqlite", "postgres"]


@contextmanager
def place(kind: str, folder: Path) -> Generator[tuple[str, str]]:
    """Where a journal is: a path, or the address and schema in Postgres."""
    with postgres_server() if kind == "postgres" else nullcontext(str(folder / "runs.journal")) as where:
        yield where, f"t{uuid4().hex}" if kind == "postgres" else ""


def opened(where: str, schema: str) -> Journal | PostgresJournal:
    return PostgresJournal(where, schema=schema) if schema else Journal(where)


async def hit_and_look(kind: str, folder: Path, count: int, *, stop: bool) -> None:
    seed = 7
    with place(kind, folder) as (where, schema):
        hits = hit(where, schema, folder / "notes", count, seed=seed, stop=stop)
        async with opened(where, schema) as journal:
            wrong = await look(journal, hits)
    takeovers = sorted(hits.takeovers)
    told = (
        f"{kind}: {count} {'stops' if stop else 'kills'}, {hits.acknowledged:,} events acknowledged, "
        f"{dict(wrong)}; takeover p50 {takeovers[len(takeovers) // 2]:.2f} s, max {takeovers[-1]:.2f} s; "
        f"{hits.blocked} suspended in a commit; refused {dict(hits.refused)}"
    )
    print(told)  # noqa: T201 - for who looks
    assert {"lost": 0, "gaps": 0, "twice": 0} == dict(wrong), f"{told}; seed {seed}"
    assert takeovers[-1] <= LEASE + 1
    assert kind == "sqlite" or not hits.blocked


@_GATE
@pytest.mark.loop(timeout=60 + 6 * kills_wanted(5))
@pytest.mark.parametrize("kind", KINDS)
async def test_kills(kind: str, tmp_path: Path) -> None:
    """Law 1: however often processes are killed, no acknowledged event is lost, and none is there twice."""
    await hit_and_look(kind, tmp_path, kills_wanted(5), stop=False)


@_GATE
@pytest.mark.loop(timeout=60 + 6 * kills_wanted(5))
@pytest.mark.parametrize("kind", KINDS)
async def test_stops(kind: str, tmp_path: Path) -> None:
    """Law 2: a process that wakes after its lease gets no acknowledgement for a run that another one took."""
    await hit_and_look(kind, tmp_path, kills_wanted(5), stop=True)
