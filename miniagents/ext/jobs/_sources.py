"""Rows of anything that has rows: iterables, async iterables, tables of pandas, polars and Arrow."""

from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Iterator, Mapping, Sequence, Sized
from itertools import islice
from typing import Final, Protocol, TypeAlias, TypeVar, cast, runtime_checkable

from pydantic import BaseModel

from miniagents.messages import Message

T = TypeVar("T")

_BATCH: Final = 100  # rows that are looked up at once
_ONE: Final[tuple[type[object], ...]] = (str, bytes, Mapping, BaseModel)  # iterable, but each is one row


_MISSING: Final = frozenset({"NaTType", "NAType"})


class _Scalar(Protocol):
    def item(self) -> object: ...


@runtime_checkable
class PandasTable(Protocol):
    """A ``DataFrame`` of pandas.

    Example:
        >>> isinstance(["a", "b"], PandasTable)
        False
    """

    @property
    def columns(self) -> Iterable[object]:
        """The names of its columns."""
        ...

    def itertuples(self, index: bool = True, name: str | None = None) -> Iterable[tuple[object, ...]]:
        """Its rows.

        Args:
            index: whether the index comes first.
            name: of the class of the rows.
        """
        ...


@runtime_checkable
class PolarsTable(Protocol):
    """A ``DataFrame`` of polars.

    Example:
        >>> isinstance(["a", "b"], PolarsTable)
        False
    """

    def iter_rows(self, *, named: bool = False) -> Iterator[object]:
        """Its rows.

        Args:
            named: as mappings, and not as tuples.
        """
        ...


class ArrowBatch(Protocol):
    """Some rows of a table of Arrow.

    Example:
        >>> ArrowBatch.__name__
        'ArrowBatch'
    """

    def to_pylist(self) -> Sequence[Mapping[str, object]]:
        """These rows."""
        ...


@runtime_checkable
class ArrowTable(Protocol):
    """A ``Table`` of Arrow.

    Example:
        >>> isinstance(["a", "b"], ArrowTable)
        False
    """

    def to_batches(self, max_chunksize: int | None = None) -> Iterable[ArrowBatch]:
        """Its rows, some at a time.

        Args:
            max_chunksize: how many at most.
        """
        ...


Table: TypeAlias = PandasTable | PolarsTable | ArrowTable
"""A table in memory; each of its rows is a mapping of the names of the columns."""


def batches_of(source: Table | Iterable[object] | AsyncIterable[object]) -> AsyncGenerator[list[object]]:
    """The rows of a source, some at a time, so that they can be looked up together.

    What an async iterable gives is passed on at once: nobody knows when more will come.

    Raises:
        TypeError: it has none.
        ValueError: two columns have one name.
    """
    if isinstance(source, AsyncIterable):
        return _one_by_one(source)
    return _together(_rows_of(source))


def count_of(source: object) -> int | None:
    """How many rows a source has; None if that is not known before they were read."""
    return len(source) if isinstance(source, Sized) and not isinstance(source, AsyncIterable) else None


def python_value(value: object) -> object:
    """Return a value of a table: a missing one of pandas as None, one of numpy as a number."""
    kind = type(value)
    if kind.__name__ in _MISSING and kind.__module__.startswith("pandas"):
        return None
    if kind.__module__ == "numpy" and not isinstance(value, Sized):
        return cast("_Scalar", value).item()
    return value


def _rows_of(source: object) -> Iterator[object]:
    name = type(source).__name__
    if isinstance(source, ArrowTable):
        _check_names(getattr(getattr(source, "schema", None), "names", ()))
        return (row for batch in source.to_batches(max_chunksize=_BATCH) for row in batch.to_pylist())
    if isinstance(source, PolarsTable):
        return source.iter_rows(named=True)
    if isinstance(source, PandasTable):
        names = _check_names([str(name) for name in source.columns])
        return (dict(zip(names, row, strict=True)) for row in source.itertuples(index=False, name=None))
    if isinstance(source, Iterable) and not isinstance(source, (*_ONE, Message)):
        return iter(cast("Iterable[object]", source))
    raise TypeError(
        f"map_rows was given a value of type {name}; it asks an agent once for each row of "
        "an iterable, an async iterable or a table. One value is asked with agent.inquire(...)."
    )


def _check_names(names: Sequence[str]) -> Sequence[str]:
    """Return the names of columns, each of which must be there once, or a row would lose a value."""
    for name, count in Counter(names).items():
        if count > 1:
            raise ValueError(f"The table has {count} columns called {name!r}; give each a name of its own.")
    return names


async def _together(rows: Iterator[T]) -> AsyncGenerator[list[T]]:
    while batch := list(islice(rows, _BATCH)):
        yield batch


async def _one_by_one(rows: AsyncIterable[T]) -> AsyncGenerator[list[T]]:
    async for row in rows:
        yield [row]
