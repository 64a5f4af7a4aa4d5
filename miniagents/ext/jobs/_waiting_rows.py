"""Rows that have ended and wait for their turn: the answers of many are on the disk, not in memory."""

import os
import pickle
import tempfile
from contextlib import suppress
from functools import partial
from typing import IO, Final, Generic, TypeVar, cast
from weakref import finalize

from miniagents.messages import Message

from ._rows import Row

RowT = TypeVar("RowT")

_IN_MEMORY: Final = 1000


class WaitingRows(Generic[RowT]):
    """Rows by their index, until they are handed out.

    The rows themselves stay where their source has them, because a program may change them.

    Args:
        ordered: whether they are handed out in the order of their indexes, and not as they were added.
    """

    def __init__(self, *, ordered: bool) -> None:
        self._ordered = ordered
        self._rows: dict[int, Row[RowT, Message]] = {}
        self._next = 0
        self._answers: _Answers | None = None

    def add(self, row: Row[RowT, Message]) -> None:
        """Add a row that has ended."""
        if self._ordered and row.index != self._next and len(self._rows) >= _IN_MEMORY and row.error is None:
            with suppress(OSError, pickle.PicklingError, AttributeError, TypeError):
                # Not on a full disk, or of a class within a function.
                data = pickle.dumps(row.value)
                self._answers = self._answers or _Answers()
                begin = self._answers.write(data)
                row._value = partial(self._answers.read, begin, len(data))  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - it is not handed out yet
        self._rows[row.index] = row

    def take(self, *, all_ended: bool) -> Row[RowT, Message] | None:
        """Return the next row; None if it has not ended.

        Args:
            all_ended: whether no further row will end; then rows that were not sent are skipped.
        """
        index = self._next if self._ordered else next(iter(self._rows), -1)
        if all_ended and index not in self._rows:
            index = min(self._rows, default=-1)
        row = self._rows.pop(index, None)
        if row is not None:
            self._next = index + 1
        return row


class _Answers:
    """A file without a name, which is there as long as one of the rows whose answers it has."""

    def __init__(self) -> None:
        self._file = cast("IO[bytes]", tempfile.TemporaryFile())  # noqa: SIM115 - closed with this object
        finalize(self, self._file.close)

    def write(self, data: bytes) -> int:
        """Write an answer at the end, and return where it begins."""
        begin = self._file.seek(0, os.SEEK_END)
        self._file.write(data)
        return begin

    def read(self, begin: int, size: int) -> Message:
        """Return an answer."""
        self._file.seek(begin)
        return cast("Message", pickle.loads(self._file.read(size)))  # noqa: S301 - this process has written it
