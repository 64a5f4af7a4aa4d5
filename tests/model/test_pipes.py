"""Random pipes of operators do what a model on lists of (time, item) says, and leave nothing."""

import pytest

from tests.model.__main__ import run
from tests.support.amounts import amount

FEW = amount(50, 200)
MANY = 2_000


def test_pipes_do_what_the_model_says() -> None:
    """Readers of random pipes get what the model says, when it says so; nothing hangs or is left."""
    assert [] == run(range(FEW), "asyncio", others="pipes").failed


@pytest.mark.gate("2,000 pipes")
@pytest.mark.loop(timeout=300.0)
def test_many_pipes_do_what_the_model_says() -> None:
    """The same of many."""
    assert [] == run(range(FEW, FEW + MANY), "asyncio", others="pipes").failed
