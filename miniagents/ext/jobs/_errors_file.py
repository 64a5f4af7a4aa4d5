"""The file of the rows that failed: JSON lines, written when they fail."""

import json
from pathlib import Path
from typing import Final, TextIO

from pydantic import BaseModel

from miniagents.errors import partial_text
from miniagents.utils import redact_keys

from ._rows import Row

_LONGEST: Final = 10_000  # characters of a text that is quoted


class ErrorsFile:
    """Writes the rows that failed. The file exists only if there are any.

    Args:
        path: of the file; one that is there is removed.

    Raises:
        OSError: it cannot be removed.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: TextIO | None = None
        path.unlink(missing_ok=True)

    def add(self, row: Row[object, object]) -> None:
        """Write a row that failed.

        Raises:
            OSError: the file cannot be written.
        """
        if self._file is None:
            self._file = self._path.open("w", encoding="utf-8")
        error = row.error
        line = {
            "index": row.index,
            "id": row.id,
            "input": row.input,
            "error": {"type": type(error).__name__, "text": redact_keys(str(error))[:_LONGEST]},
            "attempts": row.attempts,
            "partial_text": "" if error is None else partial_text(error)[:_LONGEST],
        }
        self._file.write(json.dumps(line, default=_shown) + "\n")
        self._file.flush()

    def close(self) -> None:
        """Close the file; idempotent."""
        if self._file is not None:
            self._file.close()


def _shown(value: object) -> object:
    return dict(value) if isinstance(value, BaseModel) else str(value)
