"""``PostgresJournal``: keeps runs and calls in Postgres, for many processes on many machines.

Postgres logs rows, not pages, and its sequences are not in the order of commits. So events are in one table
under the key of their run, and are not packed. The key is one number, because an index needs 28 bytes a row
for a run and a position, and 20 for a number.
"""

import time
from collections.abc import Callable, Collection, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from importlib import import_module
from typing import Final, Protocol, cast

from typing_extensions import override

from miniagents.runs import JournalError
from miniagents.values import redact_keys

from ._codec import Codec, Content, Hook, Keep
from ._database import Database, Rows
from ._runs import Block, RunTables
from ._store import JournalInDatabase
from ._tables import tables

SCHEMA: Final = "miniagents"
_VERSION: Final = 3
_NUMBER: Final = "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY"
_MOST: Final = 1 << 28  # events of a run: the key of a row is the number of the run times this, plus `last`
_POSITION: Final = f"at & {_MOST - 1}"
_OF_RUN: Final = f"at > id * {_MOST} AND at < (id + 1) * {_MOST}"
_LAST: Final = f"coalesce((SELECT max(at) FROM events WHERE {_OF_RUN}) & {_MOST - 1}, 0)"  # noqa: S608 - constants
_FIRST, _TO_3 = tables(number=_NUMBER, count=_NUMBER, octets="BYTEA")
_TO_2: Final = (
    *_FIRST,
    (
        "CREATE TABLE events (at BIGINT PRIMARY KEY, first INTEGER NOT NULL, data BYTEA NOT NULL, "
        f"CHECK (first <= {_POSITION}))"
    ),
    "INSERT INTO journal VALUES (2, NULL)",
)
_LOCK: Final = 0x6D696E6A  # "minj": of those that make the tables
_ROWS: Final = "unnest(?::bigint[], ?::bigint[], ?::bytea[]) AS new (at, first, data)"
_INSERT: Final = f"INSERT INTO events (at, first, data) SELECT * FROM {_ROWS}"  # noqa: S608 - a constant
_AT_ONCE: Final = (
    "WITH me AS (UPDATE servers SET seen = ? WHERE server = ? AND news = ? RETURNING server), "  # noqa: S608
    "safe AS (SELECT set_config('synchronous_commit', ?, true)) INSERT INTO events (at, first, data) "
    f"SELECT at, first, data FROM {_ROWS}, safe WHERE EXISTS (SELECT FROM me)"
)
_PATIENCE: Final = 10  # seconds for a connection
_IDLE: Final = 1.0  # seconds after which a connection may be lost, without a sign of it
_AGAIN: Final = frozenset(
    {"40001", "40P01", "23503", "25P03"}  # in each other's way, or suspended before the commit
)


class _Wire(Protocol):
    """The part of a connection of libpq that this module uses."""

    def consume_input(self) -> None: ...


class _Connection(Protocol):
    """The part of a connection of psycopg that this module uses."""

    closed: bool
    pgconn: _Wire

    def execute(self, query: str, params: Sequence[object] | None = None) -> Rows: ...
    def close(self) -> None: ...


class _Psycopg(Protocol):
    """The part of psycopg that this module uses."""

    Error: type[Exception]

    def connect(self, conninfo: str, **options: object) -> object: ...


class _StaleError(Exception):
    """The row of this server is not as it was: the transaction begins again, and reads it first."""


class PostgresDatabase(Database):
    """A connection to a schema, which is made anew when it is lost.

    Args:
        dsn: where the server is.
        schema: has the tables.
        lease: seconds for which a transaction may be idle.
        create: whether the schema and its tables are made if there are none.

    Attributes:
        begun: whether a transaction has begun in the server.
        hard: whether what it writes survives a loss of power.
        fence: called when it begins.

    Raises:
        JournalError: it cannot be used.
    """

    def __init__(self, dsn: str, schema: str, lease: float, *, create: bool = True) -> None:
        try:
            self._psycopg = cast("_Psycopg", import_module("psycopg"))
        except ModuleNotFoundError:
            raise ModuleNotFoundError(
                "psycopg, with which PostgresJournal reads and writes, is not installed; "
                "pip install 'miniagents[postgres]'"
            ) from None
        self.place = f"the schema {schema}"
        self.clock = lambda: time.time() + self._offset  # the time of the server
        self._dsn = dsn
        self._schema = schema
        self._lease = lease
        self._offset = 0.0
        self._connected: _Connection | None = None
        self._used = 0.0  # monotonic time
        self._within = False
        self.begun: bool = False
        self.hard: bool = True
        self.fence: Callable[[], None] = _nothing
        try:
            self._make(create=create)
        except self._psycopg.Error as error:
            raise JournalError(self.sentence(error, "opened")) from None

    def _make(self, *, create: bool) -> None:
        connection = self._connection()
        connection.execute("BEGIN")
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        there = connection.execute("SELECT to_regclass('journal') IS NOT NULL").fetchone()
        if there == (False,):
            if not create:
                self.close()
                raise JournalError(
                    f"The database has no journal in the schema {self._schema}; give another address."
                )
            connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{self._schema}"')
            for statement in _TO_2:
                connection.execute(statement)
        version = connection.execute("SELECT max(version) FROM journal").fetchone()
        if version == (_VERSION - 1,):
            for statement in _TO_3:
                connection.execute(statement)
            connection.execute("UPDATE journal SET version = %s", (_VERSION,))
            version = (_VERSION,)
        connection.execute("COMMIT")
        if version != (_VERSION,):
            self.close()
            raise JournalError(
                f"The schema {self._schema} was written by another version of this library; update the "
                "library, or give another schema."
            )

    def _connection(self) -> _Connection:
        idle, self._used = time.monotonic() - self._used, time.monotonic()
        if idle > _IDLE and self._connected is not None and not self.begun:
            with suppress(self._psycopg.Error):  # it was lost meanwhile, and is closed now
                for _ in ("what the server has said", "that it has left"):
                    self._connected.pgconn.consume_input()
        if self._connected is None or self._connected.closed:
            # A process that is suspended in a transaction does not hold others for longer than its lease; one
            # that only has to wait for a processor is not suspended.
            limit = f"-c idle_in_transaction_session_timeout={max(1000, round(1000 * self._lease))}"
            self._connected = cast(
                "_Connection",
                self._psycopg.connect(
                    self._dsn,
                    autocommit=True,
                    # Postgres would compile statements of which it expects many rows, which takes longer.
                    options=f'-c search_path="{self._schema}" -c jit=off {limit}',
                    connect_timeout=_PATIENCE,
                    application_name="miniagents journal",
                    keepalives_idle=30,
                ),
            )
            now = self._connected.execute("SELECT extract(epoch FROM clock_timestamp())::float8").fetchone()
            self._offset = cast("tuple[float]", now)[0] - time.time()
        return self._connected

    @property
    @override
    def failures(self) -> tuple[type[Exception], ...]:
        return (self._psycopg.Error, _StaleError)

    @override
    def execute(self, statement: str, values: Sequence[object] = ()) -> Rows:
        if self._within:
            self.begin()
        return self._connection().execute(statement.replace("?", "%s"), values)

    def begin(self) -> None:
        """Begin the transaction in the server."""
        if not self.begun:
            self._connection().execute("BEGIN" if self.hard else "BEGIN; SET LOCAL synchronous_commit = off")
            self.begun = True
            self.fence()

    def at_once(self, statement: str, values: Sequence[object]) -> Rows:
        """Run a statement that is a transaction of its own."""
        return self._connection().execute(statement.replace("?", "%s"), values)

    @override
    @contextmanager
    def transaction(self, *, hard: bool) -> Generator[None]:
        self._within, self.begun, self.hard = True, False, hard
        try:
            yield
            if self.begun:
                self._connection().execute("COMMIT")
        except BaseException:
            if self.begun:
                with suppress(self._psycopg.Error):
                    self._connection().execute("ROLLBACK")
            raise
        finally:
            self._within = self.begun = False

    @override
    @contextmanager
    def snapshot(self) -> Generator[None]:
        yield  # what is read in several statements is read in an order that needs none

    @override
    def changed(self) -> bool:
        return True

    @override
    def may_be_of_one(self, error: Exception) -> bool:
        # If the connection is lost, it is not known what was committed: doing it again could do it twice.
        return self._connected is not None and not self._connected.closed

    @override
    def is_passing(self, error: Exception) -> bool:
        return isinstance(error, _StaleError) or getattr(error, "sqlstate", None) in _AGAIN

    @override
    def sentence(self, error: BaseException, what: str) -> str:
        reason = redact_keys(str(error).strip().partition("\n")[0])
        return f"The journal in Postgres (schema {self._schema}) cannot be {what}: {reason}."

    @override
    def close(self) -> None:
        if self._connected is not None:
            self._connected.close()


def _nothing() -> None:
    """Renew nothing."""


class PostgresRuns(RunTables):
    """The runs of a journal in Postgres.

    A transaction that only appends events is one statement, and so one round trip. It writes nothing if the
    row of this server is gone, or was changed by others: then all is done again, step by step.
    """

    pause = 0.1  # each look is a query
    packs = False
    locks = "FOR UPDATE"
    if_there = "(digest) DO UPDATE SET digest = excluded.digest"  # which waits for those that delete it
    _step_by_step = False

    @override
    def fence(self) -> None:
        self._postgres.fence = self._late_fence
        if self._step_by_step or not self._server:
            self._start()
        if self._step_by_step and self._own:
            lasts = self._lasts([own.number for own in self._own.values()])
            for own in self._own.values():
                own.last = lasts.get(own.number, 0)

    @override
    def _renew(self) -> int | None:
        self._seen = time.monotonic()
        found = self._all(
            "UPDATE servers SET seen = ? WHERE server = ? RETURNING news", self._clock(), self._server
        )
        return cast("int", found[0][0]) if found else None

    @override
    def _start(self) -> None:
        self._postgres.begin()

    def _late_fence(self) -> None:
        before = self._server
        super().fence()
        if self._pending and (self._stale or self._server != before):
            raise _StaleError

    @property
    def _postgres(self) -> PostgresDatabase:
        return cast("PostgresDatabase", self._database)

    @override
    def flush(self) -> None:
        super().flush()
        if not self._written:
            self._start()  # nothing was appended: only the row of this server is renewed

    @override
    def done(self) -> None:
        self._step_by_step = self._written = False
        super().done()

    _written = False

    @override
    def undo(self) -> None:
        super().undo()
        self._step_by_step = True  # it may have been committed, though its answer was lost
        self._written = False

    @override
    def _insert(self, rows: list[tuple[int, int, int, bytes]]) -> None:
        database = self._postgres
        new = [(number * _MOST + last, first, data) for number, first, last, data in rows]
        columns = [list(column) for column in zip(*new, strict=True)]
        if database.begun:
            self._database.execute(_INSERT, columns)
            return
        self._seen = time.monotonic()
        values = (self._clock(), self._server, self._news, "on" if database.hard else "off")
        if database.at_once(_AT_ONCE, [*values, *columns]).rowcount != len(rows):
            raise _StaleError
        self._written = True

    @override
    def _blocks(self, number: int, after: int) -> list[Block]:
        return [(first, last, data) for _, first, last, data in self._fresh({number: min(after, _MOST)})]

    @override
    def _fresh(self, watched: Mapping[int, int]) -> Iterable[tuple[int, int, int, bytes]]:
        found = self._all(
            f"SELECT id, first, {_POSITION}, data FROM unnest(?::bigint[], ?::bigint[]) AS known (id, last) "  # noqa: S608 - constants
            f"JOIN events ON {_OF_RUN} AND at > id * {_MOST} + last ORDER BY at",
            *([*watched], [*watched.values()]),
        )
        return cast("list[tuple[int, int, int, bytes]]", found)

    @override
    def _lasts(self, numbers: Collection[int]) -> Mapping[int, int]:
        found = self._all(f"SELECT id, {_LAST} FROM unnest(?::bigint[]) AS those (id)", [*numbers])  # noqa: S608 - constants
        return {cast("int", number): cast("int", last) for number, last in found}

    @override
    def _fold_of(self, server: str) -> None:
        self._database.execute(
            f"UPDATE runs SET last = {_LAST} WHERE server = ? AND ended IS NULL",  # noqa: S608 - constants
            (server,),
        )

    @override
    def _pack_rows(self, number: int, blocks: Sequence[Block]) -> None:
        for first, last, body in blocks:
            self._insert([(number, first, last, self._codec.row(number, first, last, body))])

    @override
    def _forget(self, numbers: Collection[int]) -> None:
        self._database.execute(
            f"DELETE FROM events USING unnest(?::bigint[]) AS those (id) WHERE {_OF_RUN}",  # noqa: S608 - constants
            ([*numbers],),
        )

    @override
    def _wait_for(self, digest: object) -> None:
        self._all("SELECT 1 FROM texts WHERE digest = ? FOR UPDATE", digest)


class PostgresJournal(JournalInDatabase):
    """Keeps the logs of runs, and calls of agents, in Postgres, for many processes on many machines.

    Needs ``pip install 'miniagents[postgres]'``.

    Args:
        dsn: where the server is, such as ``postgresql://user@host/database``.
        schema: has the tables.
        keep, content: of messages: ``"hash"`` or ``"text"``; of runs: ``"keep"``, ``"run"`` or ``"off"``.
        lease: seconds without a sign of life after which other processes take over runs.
        seal, unseal: make and undo what is written of data, such as an encryption. Ids, owners, topics,
            versions, names and times are not sealed.
        create: whether the schema is made if it does not exist.

    Raises:
        JournalError: the server cannot be reached, or the schema cannot be used.
        ModuleNotFoundError: psycopg is not installed.

    Example:
        >>> async def main():
        ...     async with PostgresJournal("postgresql://localhost/agents") as journal:
        ...         print(await journal.find(topic="chat-7"))
    """

    def __init__(
        self,
        dsn: str,
        *,
        schema: str = SCHEMA,
        keep: Keep = "hash",
        content: Content = "keep",
        lease: float = 3.0,
        seal: Hook | None = None,
        unseal: Hook | None = None,
        create: bool = True,
    ) -> None:
        codec = Codec(keep, content, seal, unseal)
        if not schema.isidentifier():
            raise JournalError(f"{schema!r} is no name of a schema; give letters, digits and underscores.")
        connect = partial(PostgresDatabase, dsn, schema, lease, create=create)
        super().__init__(connect, PostgresRuns, codec, lease=lease)
