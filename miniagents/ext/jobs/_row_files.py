"""Files of rows: what is wrong with one, which form it has, its lines, its hash."""

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

from miniagents.values import MiniAgentsError

__all__ = [
    "AT_ONCE",
    "FileForm",
    "Row",
    "RowSource",
    "RowWriter",
    "RowsError",
    "file_errors",
    "form_of",
    "lines_of",
    "opened",
]

Row: TypeAlias = dict[str, object]
"""The columns of a row, by their names."""

FormName: TypeAlias = Literal["jsonl", "csv", "parquet"]

_FORMS: Final[Mapping[str, FormName]] = MappingProxyType(
    {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".parquet": "parquet"}
)
AT_ONCE: Final = 16 * 2**20
"""How many bytes of rows are in memory at once, or one row if it is larger."""

_LONGEST_LINE: Final = 64 * 2**20
_PIECE: Final = 2**20


class RowsError(MiniAgentsError, ValueError):
    """A file of rows cannot be used; the text says where it is wrong.

    Example:
        >>> raise RowsError("reviews.jsonl, line 7: this is no JSON.")
        Traceback (most recent call last):
            ...
        miniagents...RowsError: reviews.jsonl, line 7: this is no JSON.
    """


@dataclass(frozen=True, slots=True)
class FileForm:
    """How the rows stand in a file.

    Attributes:
        name: of the form.
        zipped: whether the file is compressed by gzip.
    """

    name: FormName
    zipped: bool = False


class RowSource(Protocol):
    r"""Rows that can be read as often as one likes, a few at a time: a file, or what else has some.

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
        """What errors call the file."""
        ...

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the first row, or of the header."""
        ...

    def __iter__(self) -> Iterator[Row]:
        """Read from the beginning.

        Raises:
            RowsError: something in the file is no row.
        """
        ...

    def count(self) -> int:
        """How many rows there are; all of them are looked at.

        Raises:
            RowsError: something in the file is no row.
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

    def write(self, row: Row) -> None:
        """Write one more row.

        Args:
            row: its columns.

        Raises:
            OSError: the file cannot be written.
        """
        ...

    def close(self) -> None:
        """Write what is left; then the file is on the disk.

        Raises:
            OSError: the file cannot be written.
        """
        ...

    def discard(self) -> None:
        """Close it, and remove what was written; idempotent, and nothing after `close`."""
        ...


def form_of(path: str | Path, *, written: bool = False) -> FileForm:
    """The form of a file, by the end of its name.

    Args:
        path: of the file.
        written: whether it is to be written.

    Raises:
        RowsError: no rows can be read from, or written to, such a file; or that needs what is not installed.

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
            f"{path}: no .csv is written, since answers may have fields of their own; give .jsonl or "
            ".parquet."
        )
    if name == "parquet" and find_spec("pyarrow") is None:
        raise RowsError(f"{path}: Parquet needs pyarrow: pip install 'miniagents[jobs]'.")
    return FileForm(name, zipped)


@contextmanager
def file_errors(name: str) -> Generator[None]:
    """What goes wrong with a file that is read becomes one clear error.

    Args:
        name: what errors call the file.

    Raises:
        RowsError: something did.
    """
    try:
        yield
    except (gzip.BadGzipFile, zlib.error):
        raise RowsError(f"{name} is named as a file of gzip, and is none.") from None
    except EOFError:
        raise RowsError(f"{name} is cut off: the end of what gzip has written is missing.") from None
    except OSError as error:
        raise RowsError(f"{name} cannot be read: {error.strerror or error}.") from None


def opened(path: Path, form: FileForm) -> IO[bytes]:
    """The file, opened to be read, unpacked if it is compressed.

    Args:
        path: of the file.
        form: how the rows stand in it.

    Raises:
        OSError: it cannot be read.
    """
    return cast("IO[bytes]", gzip.open(path)) if form.zipped else path.open("rb")


def lines_of(file: IO[bytes], name: str) -> Iterator[tuple[int, str]]:
    """The lines of a text, with their numbers from 1; a mark of the byte order is no part of it.

    Args:
        file: it is read.
        name: what errors call it.

    Raises:
        RowsError: a line is no UTF-8, or longer than 64 MB.
    """
    number = 0
    while line := file.readline(_LONGEST_LINE + 1):
        number += 1
        if len(line) > _LONGEST_LINE:
            raise RowsError(f"{name}, line {number}: it is longer than {_LONGEST_LINE >> 20} MB.")
        try:
            yield number, line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise RowsError(
                f"{name}, line {number}: byte {error.start + 1} is no UTF-8; save the file as UTF-8."
            ) from None


def sha256_of(path: Path) -> str:
    """The hash of the bytes of a file, in hexadecimal digits.

    Args:
        path: of the file.

    Raises:
        OSError: it cannot be read.
    """
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()
