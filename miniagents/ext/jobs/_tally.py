"""The counts of a job: rows that have ended, failures, calls of models and tokens."""

from typing import Final

from miniagents.parts import Usage

from ._errors_file import ErrorsFile
from ._failures import TooManyFailuresError
from ._options import JobSettings
from ._rows import Row

_EARLY: Final = 100  # rows from which on a share of failures counts


class Tally:
    """Counts the rows of a job that have ended; writes failed rows to a file if there is one.

    Args:
        settings: the settings of the job.

    Attributes:
        done: rows with an answer.
        failed: rows without one.
        cached: rows of both kinds that came from the journal.
        requests: calls of models.
        usage: their tokens.
        last_error: the error of the last row that failed; empty if none has.
        errors: the file of the rows that fail; None if there is none.
    """

    def __init__(self, settings: JobSettings) -> None:
        self.done: int = 0
        self.failed: int = 0
        self.cached: int = 0
        self.requests: int = 0
        self.usage: Usage = Usage()
        self.last_error: str = ""
        self._most = settings.max_failures
        self.errors: ErrorsFile | None = None

    def count(self, row: Row[object, object]) -> None:
        """Count a row that has ended.

        Raises:
            OSError: the file of errors cannot be written.
        """
        self.cached += row.cached
        if row.error is None:
            self.done += 1
            return
        self.failed += 1
        self.last_error = f"{type(row.error).__name__}: {row.error}"
        if self.errors is not None:
            self.errors.add(row)

    def count_calls(self, requests: int, usage: Usage) -> None:
        """Count the model calls of a row."""
        self.requests += requests
        self.usage += usage

    @property
    def ended(self) -> int:
        """How many rows have ended."""
        return self.done + self.failed

    @property
    def too_many_failed(self) -> bool:
        """Whether more rows have failed than ``max_failures``."""
        if self._most is None:
            return False
        if 0 < self._most < 1:
            return self.ended >= _EARLY and self.failed > self._most * self.ended
        return self.failed > self._most

    @property
    def error(self) -> TooManyFailuresError:
        """The error for too many failed rows."""
        text = (
            f"{self.failed} of {self.ended} rows have failed, more than max_failures={self._most} allows; "
            f"the last error: {self.last_error}"
        )
        return TooManyFailuresError(text, failed=self.failed, ended=self.ended)
