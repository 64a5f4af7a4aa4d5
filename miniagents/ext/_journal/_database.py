"""What the tables of a journal need of a database: SQLite, or Postgres."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Final, Protocol

_AT_ONCE: Final = 64  # rows of a statement


class Rows(Protocol):
    """The result of a statement."""

    @property
    def rowcount(self) -> int:
        """How many rows were changed."""
        ...

    def fetchone(self) -> tuple[object, ...] | None:
        """Return the next row."""
        ...

    def fetchall(self) -> list[tuple[object, ...]]:
        """Return all other rows."""
        ...


class Database(Protocol):
    """One connection. Every call blocks.

    Attributes:
        place: the journal, in errors.
        clock: returns the time in seconds since 1970, the same in all processes.
    """

    place: str
    clock: Callable[[], float]

    @property
    def failures(self) -> tuple[type[Exception], ...]:
        """The errors of the database."""
        ...

    def execute(self, statement: str, values: Sequence[object] = ()) -> Rows:
        """Run a statement, with ``?`` for each value."""
        ...

    def transaction(self, *, hard: bool) -> AbstractContextManager[None]:
        """A block that writes, whole or not at all.

        Args:
            hard: whether what it writes survives a loss of power.
        """
        ...

    def snapshot(self) -> AbstractContextManager[None]:
        """A block that reads what was committed before it began."""
        ...

    def changed(self) -> bool:
        """Whether another connection may have written since the last call."""
        ...

    def may_be_of_one(self, error: Exception) -> bool:
        """Whether an error may be that of one statement, and others would succeed."""
        ...

    def is_passing(self, error: Exception) -> bool:
        """Whether the same transaction may succeed if it begins again."""
        ...

    def sentence(self, error: BaseException, what: str) -> str:
        """Say that something cannot be read, or written.

        Args:
            error: why.
            what: ``"read"`` or ``"written"``.
        """
        ...

    def close(self) -> None:
        """Close the connection."""
        ...


def marks(count: int) -> str:
    """Return the places of values."""
    return ", ".join("?" * count)


def in_groups(statement: str, rows: Sequence[Sequence[object]]) -> Iterator[tuple[str, list[object]]]:
    """Yield a statement for some rows at a time, and their values; it has ``{}`` where they stand."""
    for at in range(0, len(rows), _AT_ONCE):
        some = rows[at : at + _AT_ONCE]
        places = ", ".join([f"({marks(len(some[0]))})"] * len(some))
        yield statement.format(places), [value for row in some for value in row]
