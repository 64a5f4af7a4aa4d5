"""Rows in Parquet, by pyarrow, a batch at a time.

What is written has one type for each column, and that is known only when all rows have come. So rows are kept
beside the file in Arrow's own form, each batch with the types that it has, and written once at the end.
"""

import json
import logging
import os
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, time
from importlib import import_module
from pathlib import Path
from typing import IO, Any, Final, TypeAlias, cast

from ._formats import AT_ONCE, Row, RowsError, RowSource, file_errors, leave, sha256_of

_LOG: Final = logging.getLogger("miniagents.ext.jobs")
_BATCH: Final = 1000
_DEEPEST: Final = 40  # levels of lists and objects
_EXACT: Final = ("string", "int64", "bool", "null")  # types that change no value


# Values of pyarrow, which has no types.
_Type: TypeAlias = Any
_Schema: TypeAlias = Any
_Array: TypeAlias = Any
_Batch: TypeAlias = Any
_Scalar: TypeAlias = Any

_ARROW: Final = import_module("pyarrow")
_IPC: Final = import_module("pyarrow.ipc")
_PARQUET: Final = import_module("pyarrow.parquet")


class ParquetRows:
    """The rows of a file of Parquet.

    Args:
        path: of the file.
        name: what errors call it.

    Raises:
        RowsError: it cannot be read, or is no file of Parquet.
    """

    def __init__(self, path: Path, name: str) -> None:
        self.name: str = name
        self._path = path
        with file_errors(name), path.open("rb"):
            pass  # the error is shorter than that of Arrow
        with _parquet_errors(name), _PARQUET.ParquetFile(str(path)) as file:
            self.schema: _Schema = file.schema_arrow
            groups = file.metadata
            self._rows: int = groups.num_rows
            size = sum(groups.row_group(at).total_byte_size for at in range(groups.num_row_groups))
        self._batch = max(1, min(_BATCH, AT_ONCE * max(self._rows, 1) // max(size, 1)))
        self.columns: tuple[str, ...] = tuple(self.schema.names)
        for column in self.columns:
            if self.columns.count(column) > 1:
                raise RowsError(f"{name} has two columns called {column!r}; give each a name of its own.")

    def batches(self) -> Iterator[_Batch]:
        """Yield the rows as they stand in the file, some at a time."""
        with _parquet_errors(self.name):
            file = _PARQUET.ParquetFile(str(self._path))
        try:
            batches = file.iter_batches(batch_size=self._batch)
            while (batch := self._next(batches)) is not None:
                yield batch
        finally:
            file.close()

    def _next(self, batches: Iterator[_Batch]) -> _Batch | None:
        with _parquet_errors(self.name):
            return next(batches, None)

    def __iter__(self) -> Iterator[Row]:
        for batch in self.batches():
            with _parquet_errors(self.name):
                values = [
                    _values(column, f"{self.name}, column {name!r}")
                    for name, column in zip(self.columns, batch.columns, strict=True)
                ]
            for row in zip(*values, strict=True):
                yield dict(zip(self.columns, row, strict=True))

    def __len__(self) -> int:
        """How many rows there are."""
        return self._rows

    count = __len__

    def sha256(self) -> str:
        """The hash of the file."""
        with file_errors(self.name):
            return sha256_of(self._path)


def _values(column: _Array, where: str) -> list[object]:
    kind = str(column.type)
    if kind.startswith(("timestamp[ns", "time64[ns", "duration[ns")):
        return _with_nanoseconds(column, kind)
    try:
        values: list[object] = column.to_pylist()
    except (ValueError, OverflowError):
        values = [_value(each, where) for each in column]
    return values


def _value(value: _Scalar, where: str) -> object:
    """Return a value; a time in a year that Python does not have is a text."""
    try:
        return cast("object", value.as_py())
    except (ValueError, OverflowError) as error:
        with suppress(_ARROW.ArrowException, UnicodeDecodeError):
            return cast("str", value.cast(_ARROW.string()).as_py())
        raise RowsError(
            f"{where} has a value of type {value.type} that Python cannot have, such as nanoseconds in a "
            "list, or a text that is not UTF-8; write the column with another type."
        ) from error


def _with_nanoseconds(column: _Array, kind: str) -> list[object]:
    """Return times; those that are finer than a microsecond, as Python's cannot be, are texts."""
    numbers = cast("list[int | None]", column.cast(_ARROW.int64()).to_pylist())
    name = kind.partition("[")[0]
    zone = [column.type.tz] if name == "timestamp" else []
    coarse: _Type = getattr(_ARROW, name)("us", *zone)
    values = column.cast(coarse, safe=False).to_pylist()
    return [
        value if number is None or number % 1000 == 0 else _exact(value, number)
        for value, number in zip(values, numbers, strict=True)
    ]


def _exact(value: object, number: int) -> str:
    digits = f"{number % 10**9:09}"
    match value:
        case datetime():
            zone = value.isoformat()[len(value.replace(tzinfo=None).isoformat()) :]
            return f"{value:%Y-%m-%dT%H:%M:%S}.{digits}{zone}"
        case time():
            return f"{value:%H:%M:%S}.{digits}"
        case _:
            return f"PT{number // 10**9}.{digits}S"


@contextmanager
def _parquet_errors(name: str) -> Generator[None]:
    """Turn the errors of reading a file into a RowsError."""
    try:
        with file_errors(name):
            yield
    except _ARROW.ArrowException as error:
        reason = " ".join(str(error).split())
        raise RowsError(f"{name} cannot be read as Parquet: {reason}") from None


class ParquetWriter:
    """Writes a file of Parquet.

    Args:
        path: of the file.
        source: the rows; if they are in Parquet, they are copied with their types and metadata.
        texts: columns that are texts if all their values are missing.

    Raises:
        OSError: the file cannot be written.
    """

    def __init__(self, path: Path, source: RowSource | None, texts: Iterable[str] = ()) -> None:
        self._path = path
        self._beside = path.with_name(f"{path.name}.rows")
        self._source = source if isinstance(source, ParquetRows) else None
        self._inputs = None if source is None or self._source is not None else iter(source)
        self._types: dict[str, _Type | None] = {}  # None: no type fits, so it is a text
        self._widened: set[str] = set()  # columns that have had another type
        self._texts = tuple(texts)
        self._rows: list[Row] = []
        self._size = 0  # of their texts
        self._file: IO[bytes] = self._beside.open("w+b")

    def write(self, added: Row) -> None:
        """Write the next row."""
        new = added if self._inputs is None else next(self._inputs) | added
        self._rows.append(new)
        self._size += sum(len(value) for value in new.values() if isinstance(value, str | bytes))
        if len(self._rows) == _BATCH or self._size > AT_ONCE:
            self._flush()

    def leave(self) -> None:
        """Close the file of the rows."""
        leave(self._inputs)

    def close(self) -> None:
        """Write what is left."""
        self._flush()
        self._check_widened()
        for name, kind in self._types.items():
            if kind is None:
                _LOG.warning("The values of the column %r have no type in common; they are texts now.", name)
        text = _ARROW.string()
        for name in self._texts:
            if str(self._types.get(name, "null")) == "null":
                self._types[name] = text
        for name, kind in self._types.items():
            if "struct<>" in str(kind):  # an object without fields, for which Parquet has no type
                self._types[name] = None
        schema = _ARROW.schema([_ARROW.field(name, kind or text) for name, kind in self._types.items()])
        added = (self._fitted(batch, schema) for batch in self._kept())
        batches = added if self._source is None else _beside(self._source, added)
        whole = schema if self._source is None else _joined(self._source.schema, schema)
        out = _PARQUET.ParquetWriter(str(self._path), whole, compression="zstd")
        group: list[_Batch] = []
        for batch in batches:
            group.append(batch)
            if sum(each.nbytes for each in group) > AT_ONCE:
                out.write_table(_ARROW.Table.from_batches(group, whole))
                group.clear()
        if group:
            out.write_table(_ARROW.Table.from_batches(group, whole))
        out.close()
        self._file.close()
        self._beside.unlink(missing_ok=True)
        with self._path.open("rb") as file:
            os.fsync(file.fileno())

    def discard(self) -> None:
        """Remove what was written."""
        if not self._file.closed:
            with suppress(OSError):
                self._file.close()
            self._beside.unlink(missing_ok=True)
            self._path.unlink(missing_ok=True)

    def _flush(self) -> None:
        if not self._rows:
            return
        names = dict.fromkeys(name for row in self._rows for name in row)
        columns = [(name, self._arrays(name, [row.get(name) for row in self._rows])) for name in names]
        arrays = [each for _, both in columns for each in both]
        schema = _ARROW.schema([_ARROW.field(name, each.type) for name, both in columns for each in both])
        stream = _IPC.new_stream(self._file, schema)
        stream.write_batch(_ARROW.record_batch(arrays, schema=schema))
        stream.close()
        self._rows = []
        self._size = 0

    def _arrays(self, name: str, values: list[object]) -> tuple[_Array, ...]:
        """Values as Arrow keeps them, and their texts where it changes those, such as 5 beside 1.5 to 5.0."""
        made = self._array(name, values)
        if str(made.type) in _EXACT:
            return (made,)
        texts = [_text(value) for value in values]
        if texts == [_text(value) for value in made.to_pylist()]:
            return (made,)
        return made, _ARROW.array(texts, _ARROW.string())

    def _array(self, name: str, values: list[object]) -> _Array:
        if self._types.get(name, "") is None:
            return _ARROW.array([_text(value) for value in values], _ARROW.string())
        try:
            made = _ARROW.array(values)
        except (_ARROW.ArrowException, TypeError, ValueError, OverflowError):
            made = None
        if made is not None and _too_deep(made.type):
            made = None
        if made is not None and not ("double" in str(made.type) and _made_number(values, made.to_pylist())):
            self._widen(name, made.type)
            return made
        if all(value is None or isinstance(value, str) for value in values):  # half a pair of surrogates
            self._widen(name, _ARROW.string())
        else:
            self._types[name] = None
        return _ARROW.array([_text(value) for value in values], _ARROW.string())

    def _widen(self, name: str, kind: _Type) -> None:
        if name not in self._types:
            self._types[name] = kind
            return
        known = self._types[name]
        if known is None or known == kind:
            return
        try:
            both = [_ARROW.schema([_ARROW.field(name, each)]) for each in (known, kind)]
            (field,) = _ARROW.unify_schemas(both, promote_options="permissive")
            self._types[name] = field.type
            self._widened.add(name)
        except (_ARROW.ArrowException, TypeError):
            self._types[name] = None

    def _check_widened(self) -> None:
        """Make texts of columns with a value that does not fit the type of all, such as a large integer."""
        for batch in self._kept() if self._widened else ():
            for name in self._widened.intersection(batch.schema.names):
                column = batch.columns[batch.schema.names.index(name)]
                try:
                    _ARROW.array(column.to_pylist(), self._types[name])
                except (_ARROW.ArrowException, TypeError, ValueError, OverflowError):
                    self._types[name] = None

    def _kept(self) -> Iterator[_Batch]:
        end = self._file.seek(0, os.SEEK_END)
        self._file.seek(0)
        while self._file.tell() < end:
            yield from _IPC.open_stream(self._file)

    def _fitted(self, batch: _Batch, schema: _Schema) -> _Batch:
        """The same rows in the types of the whole file."""
        there: dict[str, list[_Array]] = {}
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            there.setdefault(name, []).append(column)
        arrays: list[_Array] = []
        for field in schema:
            column, *texts = there.get(field.name, [None])
            if column is None:
                arrays.append(_ARROW.array([None] * batch.num_rows, field.type))
            elif column.type == field.type:
                arrays.append(column)
            elif texts and self._types[field.name] is None:
                arrays += texts
            elif self._types[field.name] is None:
                arrays.append(_ARROW.array([_text(each) for each in column.to_pylist()], field.type))
            else:
                arrays.append(_ARROW.array(column.to_pylist(), field.type))
        return _ARROW.record_batch(arrays, schema=schema)


def _joined(first: _Schema, second: _Schema) -> _Schema:
    return _ARROW.schema([*first, *second], first.metadata)


def _beside(source: ParquetRows, added: Iterator[_Batch]) -> Iterator[_Batch]:
    """Yield the rows of a file with further columns; the rows of both are in the same order."""
    old: _Batch | None = None
    batches = source.batches()
    for new in added:
        begin = 0
        while begin < new.num_rows:
            if old is None or not old.num_rows:
                old = next(batches)
                continue
            size = min(old.num_rows, new.num_rows - begin)
            columns = [*old.slice(0, size).columns, *new.slice(begin, size).columns]
            yield _ARROW.record_batch(columns, schema=_joined(source.schema, new.schema))
            old, begin = old.slice(size), begin + size


def _too_deep(kind: _Type) -> bool:
    """Whether values are nested deeper than Arrow writes or Parquet reads."""
    level: list[_Type] = [kind]
    for _ in range(_DEEPEST):
        level = [each.field(at).type for each in level for at in range(each.num_fields)]
    return bool(level)


def _made_number(value: object, kept: object) -> bool:
    """Whether a value has True or False that Arrow keeps as 1.0 or 0.0, as it does behind another float."""
    if isinstance(value, bool):
        return isinstance(kept, float)
    if isinstance(value, Mapping):
        fields, those = cast("Mapping[str, object]", value), cast("Mapping[str, object]", kept)
        return any(_made_number(each, those[name]) for name, each in fields.items())
    if not isinstance(value, list | tuple):
        return False
    return any(map(_made_number, cast("Sequence[object]", value), cast("Sequence[object]", kept)))


def _text(value: object) -> str | None:
    """A value of a column whose values have no type in common."""
    if value is None:
        return None
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text.encode(errors="replace").decode()  # half a pair of surrogates is no text of Arrow's
