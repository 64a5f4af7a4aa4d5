"""All safeguards; each has the test that must be red without it."""

from collections.abc import Sequence

from tests.safeguards.of_bounds import BOUNDS
from tests.safeguards.of_models import MODELS
from tests.safeguards.of_runs import RUNS
from tests.safeguards.of_streams import STREAMS
from tests.safeguards.removal import Removal

__all__ = ["REMOVALS", "Removal"]

REMOVALS: Sequence[Removal] = (*STREAMS, *RUNS, *BOUNDS, *MODELS)
"""All of them."""
