"""What a job counts: rows that ended, and how; calls of models and their tokens."""

from pathlib import Path
from typing import Final

from miniagents.values import Usage

from ._errors_file import ErrorsFile
from ._failures import TooManyFailuresError
from ._options import JobSettings
from ._rows import Row

__all__ = ["Tally"]

_EARLY: Final = 100  # rows before which a share of failures says little


class Tally:
    """Counts the rows of a job that have ended; those that failed stand in a file, if that is wished.

    Args:
        settings: of the job.

    Attributes:
        done: rows with an answer.
        failed: rows without one.
        cached: rows of both kinds that stood in the journal.
        requests: calls of models.
        usage: their tokens.
        last_error: of the last row that failed; empty if none did.

    Raises:
        OSError: the file of an earlier run cannot be removed.
    """

    def __init__(self, settings: JobSettings) -> None:
        self.done: int = 0
        self.failed: int = 0
        self.cached: int = 0
        self.requests: int = 0
        self.usage: Usage = Usage()
        self.last_error: str = ""
        self._most = settings.max_failures
        self._errors_path = None if settings.errors is None else Path(settings.errors)
        self._errors: ErrorsFile | None = None

    def count(self, row: Row[object, object]) -> None:
        """A row has ended.

        Args:
            row: with its value or its error.

        Raises:
            OSError: the file of errors cannot be written.
        """
        self.cached += row.cached
        if row.error is None:
            self.done += 1
            return
        self.failed += 1
        self.last_error = f"{type(row.error).__name__}: {row.error}"
        if self._errors is not None:
            self._errors.add(row)

    def count_calls(self, requests: int, usage: Usage) -> None:
        """Models were called for a row.

        Args:
            requests: how often.
            usage: the tokens.
        """
        self.requests += requests
        self.usage += usage

    def open(self) -> None:
        """Begin the file of errors anew.

        Raises:
            OSError: that of an earlier run cannot be removed.
        """
        if self._errors_path is not None:
            self._errors = ErrorsFile(self._errors_path)

    def close(self) -> None:
        """Close the file of errors."""
        if self._errors is not None:
            self._errors.close()

    @property
    def ended(self) -> int:
        """How many rows have ended."""
        return self.done + self.failed

    @property
    def too_many_failed(self) -> bool:
        """Whether more rows have failed than may."""
        if self._most is None:
            return False
        if 0 < self._most < 1:
            return self.ended >= _EARLY and self.failed > self._most * self.ended
        return self.failed > self._most

    @property
    def error(self) -> TooManyFailuresError:
        """That too many rows have failed."""
        text = (
            f"{self.failed} of {self.ended} rows have failed, which is more than may "
            f"(max_failures={self._most}); the last one: {self.last_error}"
        )
        return TooManyFailuresError(text, failed=self.failed, ended=self.ended)
