"""How much of one thing a test tries: some where people wait for `pytest`, all of it in the gate."""

import os

__all__ = ["amount"]


def amount(some: int, of_all: int) -> int:
    """Return `of_all` where `HYPOTHESIS_PROFILE` is ``ci``, as in the gate, or ``nightly``; else `some`."""
    return of_all if os.environ.get("HYPOTHESIS_PROFILE") in {"ci", "nightly"} else some
