"""What a reader of a history file is told."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Note:
    """Something a reader of the file should know: a place that is not as it was written.

    Attributes:
        offset: where in the file, in bytes from its start.
        sentence: what was found there and what became of it.
        settled: True for a damage that was already reported and sealed by a later append.
    """

    offset: int
    sentence: str
    settled: bool = False
