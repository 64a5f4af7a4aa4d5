"""Random programs of model agents that several servers serve do what a model on texts says."""

import pytest

from tests.model.__main__ import run
from tests.support.amounts import amount

FEW = amount(10, 40)
MANY = 150


def test_servers_do_what_the_model_says() -> None:
    """Whichever server has a run, clients see all of it once, and people and models are asked once."""
    assert [] == run(range(FEW), "asyncio", others="served").failed


@pytest.mark.gate("150 programs")
@pytest.mark.loop(timeout=300.0)
def test_many_servers_do_what_the_model_says() -> None:
    """The same of many."""
    assert [] == run(range(FEW, FEW + MANY), "asyncio", others="served").failed
