"""Random programs do what the model says, and leave nothing."""

import pytest

from tests.model.__main__ import run
from tests.support.amounts import amount

FEW = amount(30, 250)
MANY = 6_000


def test_programs_do_what_the_model_says() -> None:
    """Readers of random programs get what the model says, when it says so, and nothing is left of them."""
    assert [] == run(range(FEW), "asyncio").failed


@pytest.mark.gate("as many programs as a minute allows")
@pytest.mark.loop(timeout=300.0)
def test_many_programs_do_what_the_model_says() -> None:
    """The same of many."""
    assert [] == run(range(FEW, FEW + MANY), "asyncio").failed
