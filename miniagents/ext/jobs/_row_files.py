"""Files of rows: their errors, their formats, their lines, their hashes."""

import gzip
import hashlib
import zlib
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import IO, Final, Literal, Protocol, TypeAlias, cast

from miniagents.errors import MiniAgentsError

Row: TypeAlias = dict[str, object]
"""The columns of a row, by their names."""

FormName: TypeAlias = Literal["jsonl", "csv", "parquet"]

_FORMS: Final[Mapping[str, FormName]] = MappingProxyType(
    {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".parquet": "parquet"}
)
AT_ONCE: Final = 16 * 2**20
"""The most bytes of rows in memory at the same time; or one row if it is larger."""

_LONGEST_LINE: Final = 64 * 2**20


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


@contextmanager
def file_errors(name: str) -> Generator[None]:
    """Turn the errors of reading a file into a RowsError.

    Raises:
        RowsError: the file cannot be read.
    """
    try:
        yield
    except (gzip.BadGzipFile, zlib.error):
        raise RowsError(
            f"{name} is not a gzip file, although its name ends with .gz; rename it, or compress it."
        ) from None
    except EOFError:
        raise RowsError(f"{name} is cut off: its gzip data have no end; get the complete file.") from None
    except OSError as error:
        raise RowsError(f"{name} cannot be read: {error.strerror or error}.") from None


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
    while line := file.readline(_LONGEST_LINE + 1):
        number += 1
        if len(line) > _LONGEST_LINE:
            raise RowsError(f"{name}, line {number}: the line is longer than {_LONGEST_LINE >> 20} MB.")
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
