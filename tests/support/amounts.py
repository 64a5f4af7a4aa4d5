"""How much of one thing a test tries: some where people wait for `pytest`, all of it in the gate."""

import os

__all__ = ["amount"]


def amount(some: int, of_all: int, at_night: int = 0) -> int:
    """Return `of_all` where `HYPOTHESIS_PROFILE` is ``ci``, as in the gate, or ``nightly``; else `some`.

    Args:
        some: where people wait.
        of_all: in the gate.
        at_night: in the nightly run, where that is more.
    """
    profile = os.environ.get("HYPOTHESIS_PROFILE")
    return max(of_all, at_night) if profile == "nightly" else of_all if profile == "ci" else some
