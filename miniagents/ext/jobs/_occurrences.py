"""Counts how often each digest has come, to tell rows with the same message apart."""

from array import array
from typing import Final

_FIRST: Final = 1 << 10


class Occurrences:
    """Counts digests in a table of 12 bytes a place, some 24 bytes a digest.

    A ``dict`` of numbers takes four times as much, and a job must be able to have millions of rows.

    Example:
        >>> seen = Occurrences()
        >>> [seen.count(digest) for digest in (b"01234567", b"89abcdef", b"01234567")]
        [0, 0, 1]
    """

    def __init__(self) -> None:
        self._used = 0
        self._make(_FIRST)

    def count(self, digest: bytes) -> int:
        """Return how often a digest has come before, and count it."""
        wanted = int.from_bytes(digest[:8], "little") or 1  # 0 is a free place
        at = self._place(wanted)
        before = self._counts[at]
        self._counts[at] = before + 1
        if not before:
            self._digests[at] = wanted
            self._used += 1
            if self._used * 3 > self._mask * 2:
                self._grow()
        return before

    def _make(self, places: int) -> None:
        self._digests = array("Q", bytes(8 * places))
        self._counts = array("I", bytes(array("I").itemsize * places))
        self._mask = places - 1

    def _place(self, wanted: int) -> int:
        digests, mask = self._digests, self._mask
        at = wanted & mask
        while (found := digests[at]) != wanted and found:
            at = (at + 1) & mask
        return at

    def _grow(self) -> None:
        digests, counts = self._digests, self._counts
        self._make(2 * len(digests))
        for digest, count in zip(digests, counts, strict=True):
            if digest:
                at = self._place(digest)
                self._digests[at], self._counts[at] = digest, count
