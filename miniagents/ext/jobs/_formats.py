"""Rows in files: JSONL, CSV and Parquet are read, JSONL and Parquet are written, a few rows at a time.

CSV is read by the standard library, and each of its values is a text: ``007`` stays ``007``. Parquet is read
and written by pyarrow (``pip install 'miniagents[jobs]'``).
"""

import asyncio
import csv
import gzip
import json
import logging
import os
from base64 import b64encode
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import closing, suppress
from datetime import date, time, timedelta
from importlib import import_module
from io import BytesIO
from math import isfinite
from pathlib import Path
from select import select
from typing import IO, Final, cast

from ._row_files import (
    FileForm,
    Row,
    RowsError,
    RowSource,
    RowWriter,
    file_errors,
    form_of,
    lines_of,
    opened,
    sha256_of,
)

_LOG: Final = logging.getLogger("miniagents.ext.jobs")
_LONGEST_FIELD: Final = 64 * 2**20
_SHOWN: Final = 40
_PIPE: Final = 4096  # bytes for which a pipe has room if it has any
_NO_ROOM: Final = 0.01  # seconds until a full pipe is looked at again
_ROWS: Final = 256
_PARQUET: Final = "miniagents.ext.jobs._parquet"  # it needs pyarrow


def read_rows(source: str | Path, *, name: str | None = None) -> RowSource:
    r"""The rows of a file: ``.jsonl``, ``.csv``, both also with ``.gz``, or ``.parquet``.

    Nothing but the beginning is read yet.

    Args:
        source: the file.
        name: what errors call it; None for its path.

    Raises:
        RowsError: no rows are read from such a file, it cannot be read, its header makes no sense, or pyarrow
            is not installed.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = Path(folder, "reviews.csv")
        ...     _ = file.write_text("stars,text\n5,Lovely.\n1,Broken.\n")
        ...     rows = read_rows(file)
        ...     print(rows.columns, rows.count(), next(iter(rows)))
        ('stars', 'text') 2 {'stars': '5', 'text': 'Lovely.'}
    """
    path = Path(source)
    called = str(source) if name is None else name
    form = form_of(path)
    if form.name == "parquet":
        rows: Callable[[Path, str], RowSource] = import_module(_PARQUET).ParquetRows
        return rows(path, called)
    return TextRows(path, called, form)


def row_writer(
    out: "Path | StreamLines", form: FileForm, *, source: RowSource | None = None, texts: Iterable[str] = ()
) -> RowWriter:
    """Return what writes rows of a source with further columns into a file, or to a stream.

    Raises:
        OSError: the file cannot be written.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = Path(folder, "out.jsonl")
        ...     writer = row_writer(file, FileForm("jsonl"))
        ...     writer.write({"text": "Lovely.", "output": "positive"})
        ...     writer.close()
        ...     print(file.read_text())
        {"text": "Lovely.", "output": "positive"}
        <BLANKLINE>
    """
    if form.name == "parquet":
        writer: Callable[[Path | StreamLines, RowSource | None, Iterable[str]], RowWriter]
        writer = import_module(_PARQUET).ParquetWriter
        return writer(out, source, texts)
    return _JSONLines(out, source, zipped=form.zipped)


# -- reading ---------------------------------------------------------------------------------------------


class TextRows:
    """The rows of a text.

    Args:
        path: of the file.
        name: what errors call it.
        form: how the rows stand in it.
    """

    def __init__(self, path: Path, name: str, form: FileForm) -> None:
        self.name: str = name
        self._path = path
        self._form = form
        if path.is_dir():
            raise RowsError(f"{name} is a folder; give a file.")
        with closing(self._read()) as rows:
            first = next(rows, None)
        self.columns: tuple[str, ...] = () if first is None else tuple(first)

    def __iter__(self) -> Iterator[Row]:
        return self._read()

    def count(self) -> int:
        """How many rows there are."""
        return sum(1 for _ in self._read())

    def sha256(self) -> str:
        """The hash of the file."""
        with file_errors(self.name):
            return sha256_of(self._path)

    def objects(self) -> Iterator[str] | None:
        """The JSON of each row, as it stands in the file; None for CSV."""
        return None if self._form.name == "csv" else self._json()

    def _json(self) -> Iterator[str]:
        with file_errors(self.name), opened(self._path, self._form) as file:
            for _, line in lines_of(file, self.name):
                if not line.isspace():
                    yield line.strip()

    def _read(self) -> Generator[Row]:
        with file_errors(self.name), opened(self._path, self._form) as file:
            yield from (_csv_rows if self._form.name == "csv" else _json_rows)(file, self.name)


def _json_rows(file: IO[bytes], name: str) -> Iterator[Row]:
    for number, line in lines_of(file, name):
        if line.isspace():
            continue
        try:
            row: object = json.loads(line.rstrip("\r\n"))
        except RecursionError:
            raise RowsError(f"{name}, line {number}: the JSON is nested too deep.") from None
        except ValueError as error:
            where = (
                f" at column {error.colno}: {error.msg}" if isinstance(error, json.JSONDecodeError) else ""
            )
            raise RowsError(f"{name}, line {number}: this is not JSON{where}.") from None
        if not isinstance(row, dict):
            raise RowsError(
                f'{name}, line {number}: a row is an object, such as {{"text": ...}}, and this is '
                f"{_short(line)}."
            )
        yield cast("Row", row)


def _csv_rows(file: IO[bytes], name: str) -> Iterator[Row]:
    rows = _csv_lines(file, name)
    _, header = next(rows, (0, None))
    if header is None:
        raise RowsError(f"{name} is empty; its first line must name the columns.")
    for column in header:
        if not column or header.count(column) > 1:
            what = f"{_short(column)} twice" if column else "a column without a name"
            raise RowsError(f"{name}, line 1: the header has {what}; give each column a name of its own.")
    for number, values in rows:
        if len(values) != len(header):
            raise RowsError(
                f"{name}, line {number}: the line has {_counted(len(values))}, and the header names "
                f"{len(header)}."
            )
        yield dict(zip(header, values, strict=True))


def _csv_lines(file: IO[bytes], name: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows of CSV that are not empty, each with the number of its last line.

    Texts of a row may be long. Their limit is one of the whole process, so it is put back after each row.
    """
    reader = csv.reader((line for _, line in lines_of(file, name)), strict=True)
    values: list[str] | None = []
    while values is not None:
        before = csv.field_size_limit(_LONGEST_FIELD)
        try:
            values = next(reader, None)
        except csv.Error as error:
            raise RowsError(f"{name}, line {reader.line_num}: this is not CSV: {error}.") from None
        finally:
            csv.field_size_limit(before)
        if values:
            yield reader.line_num, values


def _counted(columns: int) -> str:
    return "1 column" if columns == 1 else f"{columns} columns"


def _short(text: str) -> str:
    text = text.strip()
    return repr(text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…")


# -- writing ---------------------------------------------------------------------------------------------


class StreamLines(BytesIO):
    """Lines for a stream, such as standard output, until they are passed on."""

    def __init__(self, stream: IO[bytes]) -> None:
        super().__init__()
        self._stream = stream

    async def pass_on(self) -> None:
        """Write the lines to the stream; if its reader is slow, the event loop goes on.

        Raises:
            OSError: the stream cannot be written; a BrokenPipeError if its reader has left.
        """
        lines = memoryview(self.getvalue())
        self.seek(0)
        self.truncate()
        while lines:
            with suppress(OSError, ValueError):  # it is no file of the system, or on Windows
                while not select([], [self._stream], [], 0)[1]:  # noqa: ASYNC110 - pipes have no event
                    await asyncio.sleep(_NO_ROOM)
            lines = lines[self._stream.write(lines[:_PIPE]) :]
            self._stream.flush()


class _JSONLines:
    """Writes a line of JSON for each row.

    Args:
        out: the file, or lines for a stream.
        source: the rows; their JSON is copied if they come from such a file.
        zipped: whether it is compressed.
    """

    def __init__(self, out: Path | StreamLines, source: RowSource | None, *, zipped: bool) -> None:
        self._objects = source.objects() if isinstance(source, TextRows) else None
        self._inputs = None if source is None or self._objects is not None else iter(source)
        self._warned = False
        self._file: IO[bytes] = out if isinstance(out, StreamLines) else out.open("wb")
        # No time and no name in it: the same rows make the same file.
        self._out = (
            cast("IO[bytes]", gzip.GzipFile("", "wb", fileobj=self._file, mtime=0)) if zipped else self._file
        )

    def write(self, added: Row) -> None:
        """Write the next row."""
        if self._objects is None:
            row = added if self._inputs is None else next(self._inputs) | added
            self._out.write(json_line(row, self._warn))
            return
        # The columns of the source are not written by Python, which would change some numbers.
        before = next(self._objects)[:-1].rstrip()
        line = json_line(added, self._warn)[1:]
        self._out.write(f"{before}{'' if before == '{' else ', '}".encode() + line)

    def _warn(self) -> None:
        if not self._warned:
            self._warned = True
            _LOG.warning(
                "Numbers that are NaN or infinite are written as null, because JSON does not have them."
            )

    def close(self) -> None:
        """Write what is left."""
        if self._out is not self._file:
            self._out.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()

    def discard(self) -> None:
        """Remove what was written."""
        if not self._file.closed:
            with suppress(OSError):
                self._out.close()
            with suppress(OSError):
                self._file.close()
            Path(self._file.name).unlink(missing_ok=True)


def _nothing() -> None:
    """Do nothing."""


def json_line(row: Mapping[str, object], on_null: Callable[[], None] = _nothing) -> bytes:
    r"""Return a row as a line of JSON; other values than those of JSON are texts, and NaN is null.

    Example:
        >>> from datetime import date
        >>> json_line({"day": date(2026, 11, 22), "share": float("nan")})
        b'{"day": "2026-11-22", "share": null}\n'
    """
    try:
        text = _ENCODER.encode(row)
    except ValueError:
        on_null()
        text = json.dumps(_finite(row), ensure_ascii=False, default=_plain)
    try:
        return f"{text}\n".encode()
    except UnicodeEncodeError:  # half a pair of surrogates: JSON can say it in digits only
        return f"{json.dumps(_finite(row), default=_plain)}\n".encode()


def _plain(value: object) -> object:
    match value:
        case date() | time():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case bytes():
            return b64encode(value).decode()
        case Mapping():
            return dict(cast("Mapping[str, object]", value))
        case set() | frozenset():
            return sorted(cast("frozenset[object]", value), key=repr)
        case _:
            return str(value)


# Made once: `json.dumps` makes one for each call that has such keywords.
_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, default=_plain)


def _finite(value: object) -> object:
    match value:
        case float():
            return value if isfinite(value) else None
        case Mapping():
            return {name: _finite(each) for name, each in cast("Mapping[str, object]", value).items()}
        case list() | tuple():
            return [_finite(each) for each in cast("list[object]", value)]
        case _:
            return value
