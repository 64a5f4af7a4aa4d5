"""Rows in files: JSONL, CSV and Parquet are read, JSONL and Parquet are written, a few rows at a time.

CSV is read by the standard library, and each of its values is a text: ``007`` stays ``007``. Parquet is read
and written by pyarrow (``pip install 'miniagents[jobs]'``).
"""

import asyncio
import csv
import gzip
import hashlib
import json
import logging
import os
import zlib
from base64 import b64encode
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import date, time, timedelta
from importlib import import_module
from importlib.util import find_spec
from io import BytesIO
from math import isfinite
from pathlib import Path
from select import select
from types import MappingProxyType
from typing import IO, Final, Literal, Protocol, TypeAlias, TypeVar, cast

from pydantic import BaseModel

from miniagents.errors import MiniAgentsError

T = TypeVar("T")

READ_ERRORS: Final = (OSError, EOFError, zlib.error)
_LOG: Final = logging.getLogger("miniagents.ext.jobs")
_LONGEST: Final = 64 * 2**20  # bytes of a line
_SHOWN: Final = 40
_PIPE: Final = 4096  # bytes for which a pipe has room if it has any
_NO_ROOM: Final = 0.01  # seconds until a full pipe is looked at again
_PARQUET: Final = "miniagents.ext.jobs._parquet"  # it needs pyarrow

Row: TypeAlias = dict[str, object]
"""The columns of a row, by their names."""

FormName: TypeAlias = Literal["jsonl", "csv", "parquet"]

_FORMS: Final[Mapping[str, FormName]] = MappingProxyType(
    {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".parquet": "parquet"}
)
AT_ONCE: Final = 16 * 2**20
"""The most bytes of rows in memory at the same time; or one row if it is larger."""


class RowsError(MiniAgentsError, ValueError):
    """A file of rows cannot be used; the text says what is wrong, and in which line.

    Example:
        >>> raise RowsError("reviews.jsonl, line 7: this is not JSON.")
        Traceback (most recent call last):
            ...
        miniagents...RowsError: reviews.jsonl, line 7: this is not JSON.
    """


@dataclass(frozen=True, slots=True)
class FileForm:
    """The format of a file of rows.

    Attributes:
        name: the name of the format.
        zipped: whether the file is compressed by gzip.
    """

    name: FormName
    zipped: bool = False


class RowSource(Protocol):
    r"""Rows that can be read several times, a few at a time, such as those of a file.

    Example:
        >>> import tempfile
        >>> from miniagents.ext.jobs import read_rows
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "rows.jsonl")
        ...     _ = path.write_text('{"text": "Lovely."}\n')
        ...     rows: RowSource = read_rows(path)
        ...     print(rows.count(), list(rows))
        1 [{'text': 'Lovely.'}]
    """

    @property
    def name(self) -> str:
        """The name of the file in errors."""
        ...

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the first row, or of the header."""
        ...

    def __iter__(self) -> Iterator[Row]:
        """Read from the beginning.

        Raises:
            RowsError: the file has something that is not a row.
        """
        ...

    def count(self) -> int:
        """Return the number of rows; this reads and checks all of them.

        Raises:
            RowsError: the file has something that is not a row.
        """
        ...

    def sha256(self) -> str:
        """The hash of the bytes of the file, in hexadecimal digits.

        Raises:
            RowsError: the file cannot be read.
        """
        ...


class RowWriter(Protocol):
    """Writes rows into a file, which is complete when it is closed."""

    def write(self, added: Row) -> None:
        """Write the next row of the source with further columns; a row of the same format is copied as it is.

        Raises:
            OSError: the file cannot be written.
        """
        ...

    def leave(self) -> None:
        """Stop reading the rows of the source; idempotent."""
        ...

    def close(self) -> None:
        """Write the rest; when this returns, the file is on the disk.

        Raises:
            OSError: the file cannot be written.
        """
        ...

    def discard(self) -> None:
        """Close the file and remove it; does nothing after `close` or another `discard`."""
        ...


def form_of(path: str | Path, *, written: bool = False) -> FileForm:
    """Return the format of a file, from the end of its name.

    Args:
        path: the path of the file.
        written: whether the file will be written.

    Raises:
        RowsError: files of this format cannot be read or written, or pyarrow is not installed.

    Example:
        >>> form_of("reviews.CSV.gz")
        FileForm(name='csv', zipped=True)
    """
    path = Path(path)
    zipped = path.suffix.lower() == ".gz"
    ending = Path(path.stem if zipped else path.name).suffix.lower()
    name = _FORMS.get(ending)
    if name is None or (name == "parquet" and zipped):
        forms = ".jsonl or .parquet" if written else ".jsonl, .csv or .parquet"
        shown = f"{ending}.gz" if zipped else ending or "no ending"
        more = "; Parquet is compressed by itself" if name else ""
        raise RowsError(
            f"{path}: files of {shown} are not {'written' if written else 'read'}; give {forms} "
            f"(.jsonl and .csv also with .gz){more}."
        )
    if written and name == "csv":
        raise RowsError(
            f"{path}: .csv files are not written, because answers may have fields; give .jsonl or .parquet."
        )
    if name == "parquet" and find_spec("pyarrow") is None:
        raise RowsError(
            f"{path}: Parquet needs pyarrow, which is not installed; pip install 'miniagents[jobs]'."
        )
    return FileForm(name, zipped)


def rows_error(name: str, error: Exception) -> RowsError:
    """Return the RowsError for one of `READ_ERRORS`, the errors of reading a file."""
    match error:
        case gzip.BadGzipFile() | zlib.error():
            why = "is not a gzip file, although its name ends with .gz; rename it, or compress it"
        case EOFError():
            why = "is cut off: its gzip data have no end; get the complete file"
        case _:
            why = f"cannot be read: {getattr(error, 'strerror', None) or error}"
    return RowsError(f"{name} {why}.")


@contextmanager
def file_errors(name: str) -> Generator[None]:
    """Turn the errors of reading a file into a RowsError.

    Raises:
        RowsError: the file cannot be read.
    """
    try:
        yield
    except READ_ERRORS as error:
        raise rows_error(name, error) from None


def opened(path: Path, form: FileForm) -> IO[bytes]:
    """Open a file to read it, and decompress it if it is compressed.

    Raises:
        OSError: it cannot be read.
    """
    return cast("IO[bytes]", gzip.open(path)) if form.zipped else path.open("rb")


def lines_of(file: IO[bytes], name: str) -> Iterator[tuple[int, str]]:
    """Yield the lines of a text with their numbers, from 1; a byte order mark is left out.

    Raises:
        RowsError: a line is not UTF-8, or longer than 64 MB.
    """
    number = 0
    while line := file.readline(_LONGEST + 1):
        number += 1
        if len(line) > _LONGEST:
            raise RowsError(f"{name}, line {number}: the line is longer than {_LONGEST >> 20} MB.")
        try:
            yield number, line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise RowsError(
                f"{name}, line {number}: byte {error.start + 1} is not UTF-8; save the file as UTF-8."
            ) from None


def sha256_of(path: Path) -> str:
    """The hash of the bytes of a file, in hexadecimal digits.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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
        begin: Callable[[IO[bytes], str], Iterator[Iterable[str]]]
        begin = _csv_header if form.name == "csv" else _json_rows
        with closing(self._of_file(begin)) as rows:
            self.columns: tuple[str, ...] = tuple(next(rows, ()))

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
        return None if self._form.name == "csv" else self._of_file(_objects)

    def _read(self) -> Generator[Row]:
        return self._of_file(_csv_rows if self._form.name == "csv" else _json_rows)

    def _of_file(self, read: Callable[[IO[bytes], str], Iterator[T]]) -> Generator[T]:
        """Yield what is read from the file."""
        with file_errors(self.name):
            file = opened(self._path, self._form)
        try:
            yield from read(file, self.name)
        except READ_ERRORS as error:
            raise rows_error(self.name, error) from None
        finally:
            file.close()


def _objects(file: IO[bytes], name: str) -> Iterator[str]:
    return (line.strip() for _, line in lines_of(file, name) if not line.isspace())


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
    header = _header(rows, name)
    for number, values in rows:
        if len(values) != len(header):
            raise RowsError(
                f"{name}, line {number}: the line has {_counted(len(values))}, and the header names "
                f"{len(header)}."
            )
        yield dict(zip(header, values, strict=True))


def _csv_header(file: IO[bytes], name: str) -> Iterator[Iterable[str]]:
    yield _header(_csv_lines(file, name), name)


def _header(rows: Iterator[tuple[int, list[str]]], name: str) -> list[str]:
    _, header = next(rows, (0, None))
    if header is None:
        raise RowsError(f"{name} is empty; its first line must name the columns.")
    for column in header:
        if not column or header.count(column) > 1:
            what = f"{_short(column)} twice" if column else "a column without a name"
            raise RowsError(f"{name}, line 1: the header has {what}; give each column a name of its own.")
    return header


def _csv_lines(file: IO[bytes], name: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows of CSV that are not empty, each with the number of its last line.

    Texts of a row may be long. Their limit is one of the whole process: it is never put back, because rows
    may be read in several threads.
    """
    csv.field_size_limit(max(_LONGEST, csv.field_size_limit()))
    reader = csv.reader((line for _, line in lines_of(file, name)), strict=True)
    values: list[str] | None = []
    while values is not None:
        try:
            values = next(reader, None)
        except csv.Error as error:
            raise RowsError(f"{name}, line {reader.line_num}: this is not CSV: {error}.") from None
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

    def leave(self) -> None:
        """Close the file of the rows."""
        leave(self._objects or self._inputs)

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


def leave(rows: Iterator[object] | None) -> None:
    """Close the file that rows are read from, if there is one.

    Args:
        rows: may have more.
    """
    if isinstance(rows, Generator):
        rows.close()


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
    return f"{text}\n".encode(errors="backslashreplace")  # how JSON escapes half a pair of surrogates


def _plain(value: object) -> object:
    match value:
        case date() | time():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case bytes():
            return b64encode(value).decode()
        case Mapping() | BaseModel():
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
