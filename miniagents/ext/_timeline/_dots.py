"""When the parts of a run came, as exactly as a picture can show it, in bounded memory."""

import math
from array import array
from collections.abc import Iterator
from typing import Final

MOST: Final = 8192
"""How many times are kept; with more of them neighbours are put together until half as many are left."""

_FINEST: Final = 2.0**-20  # about a microsecond


class Dots:
    """Times with counts.

    When there are too many, those in one bin become one: the first of them, with the sum of the counts. Bins
    are powers of two, so later ones contain earlier ones whole, and no time is ever off by more than one bin:
    a 2,000th of the time from the first to the last.

    Args:
        zero: the time that counts as 0, in seconds; subtracted when the times are looked at.

    Example:
        >>> dots = Dots()
        >>> dots.add(array("d", [0.5, 0.75, 0.75]))
        >>> list(dots)
        [(0.5, 1), (0.75, 1), (0.75, 1)]
    """

    def __init__(self, zero: float = 0.0) -> None:
        self._zero = zero
        self._times = array("d")
        self._counts = array("L")
        self._bin = _FINEST

    def add(self, times: "array[float]") -> None:
        """Add one for each of these times.

        Args:
            times: on the clock of `zero`, in any order.
        """
        self._times += times
        self._counts += array("L", (1,)) * len(times)
        if len(self._times) > MOST:
            self._thin()

    def __iter__(self) -> Iterator[tuple[float, int]]:
        """The times, and how many there are of each."""
        return zip((at - self._zero for at in self._times), self._counts, strict=True)

    def __len__(self) -> int:
        return len(self._times)

    def _thin(self) -> None:
        pairs = sorted(self)
        span = pairs[-1][0] - pairs[0][0]
        wanted = span / (MOST // 2)
        if wanted > self._bin:
            self._bin = 2.0 ** (math.frexp(wanted)[1] - 1)
        while len(pairs) > MOST // 2:
            pairs = _in_bins(pairs, self._bin)
            self._bin *= 2
        self._bin /= 2  # the one that was enough
        self._times = array("d", (time + self._zero for time, _ in pairs))
        self._counts = array("L", (count for _, count in pairs))


def _in_bins(pairs: list[tuple[float, int]], width: float) -> list[tuple[float, int]]:
    kept: list[tuple[float, int]] = []
    last: float | None = None
    for time, count in pairs:
        bin_ = time // width
        if bin_ == last:
            kept[-1] = (kept[-1][0], kept[-1][1] + count)
        else:
            kept.append((time, count))
            last = bin_
    return kept
