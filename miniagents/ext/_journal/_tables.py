"""The tables of a journal, in SQLite and in Postgres."""

from collections.abc import Iterable
from typing import Final

IDLE_RUNS: Final = (
    "CREATE INDEX IF NOT EXISTS runs_idle ON runs (version, restart, server, (wake_at IS NOT NULL), id) "
    "WHERE server IN ('', 'parked') AND ended IS NULL AND restart <> 'program'"
)
"""The index by which idle runs are found."""

_TABLES: Final = (
    "CREATE TABLE journal (version BIGINT NOT NULL, secret {bytes})",
    (
        "CREATE TABLE servers (server TEXT PRIMARY KEY, process TEXT NOT NULL, versions TEXT NOT NULL, "
        "seen DOUBLE PRECISION NOT NULL, news BIGINT NOT NULL)"
    ),
    (
        "CREATE TABLE runs (id {number}, run TEXT NOT NULL UNIQUE, owner TEXT NOT NULL, topic TEXT NOT NULL, "
        "version TEXT NOT NULL, restart TEXT NOT NULL, server TEXT NOT NULL, attempts BIGINT NOT NULL, "
        "last BIGINT NOT NULL, tail_from BIGINT NOT NULL DEFAULT 0, began DOUBLE PRECISION NOT NULL, "
        "ended DOUBLE PRECISION, until DOUBLE PRECISION, texts_until DOUBLE PRECISION, "
        "wake_at DOUBLE PRECISION, how TEXT NOT NULL)"
    ),
    "CREATE INDEX runs_of_topic ON runs (topic, owner, id)",
    "CREATE INDEX runs_live ON runs (server) WHERE ended IS NULL",
    "CREATE INDEX runs_due ON runs (version, wake_at) WHERE server = 'parked' AND ended IS NULL",
    IDLE_RUNS,
    "CREATE INDEX runs_ended ON runs (ended) WHERE ended IS NOT NULL",
    "CREATE INDEX runs_until ON runs (until) WHERE until IS NOT NULL",
    "CREATE INDEX runs_texts_until ON runs (texts_until) WHERE texts_until IS NOT NULL",
    (
        # SQLite gives each table a rowid; named, it is in Postgres, too: the order in which things were sent.
        "CREATE TABLE inbox (rowid {count}, run BIGINT NOT NULL, key TEXT NOT NULL, data {bytes} NOT NULL, "
        "UNIQUE (run, key))"
    ),
    "CREATE TABLE texts (digest TEXT PRIMARY KEY, data {bytes} NOT NULL)",
    (
        "CREATE TABLE text_uses (run BIGINT NOT NULL, digest TEXT NOT NULL REFERENCES texts, "
        "PRIMARY KEY (run, digest))"
    ),
    "CREATE INDEX text_uses_of ON text_uses (digest)",
    (
        "CREATE TABLE functions (name TEXT NOT NULL, version TEXT NOT NULL, function TEXT NOT NULL, "
        "source TEXT NOT NULL, PRIMARY KEY (name, version))"
    ),
    (
        "CREATE TABLE calls (number {count}, key {bytes} NOT NULL, scope TEXT NOT NULL, n BIGINT NOT NULL, "
        "name TEXT NOT NULL, version TEXT NOT NULL, at DOUBLE PRECISION NOT NULL, "
        "used DOUBLE PRECISION NOT NULL, failed SMALLINT NOT NULL, asked {bytes}, output {bytes} NOT NULL, "
        "UNIQUE (key, scope, n))"
    ),
)
_LATER: Final = (
    "ALTER TABLE runs ADD COLUMN agent TEXT",  # NULL: an earlier version has begun the run
    "CREATE TABLE asked (rowid {count}, run BIGINT NOT NULL, question TEXT NOT NULL, data {bytes} NOT NULL)",
    "CREATE INDEX asked_of ON asked (run, question)",
    "CREATE INDEX inbox_of ON inbox (run, rowid)",
)


def tables(*, number: str, count: str, octets: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the statements that make the tables, but those of the events of runs.

    Args:
        number: the type of a key that the database counts up, and never uses twice.
        count: the type of one that may be used twice.
        octets: the type of bytes.

    Returns:
        Those of a first form, and those that lead from it to that of this version.
    """

    def written(statements: Iterable[str]) -> tuple[str, ...]:
        return tuple(each.format(number=number, count=count, bytes=octets) for each in statements)

    return written(_TABLES), written(_LATER)
