"""Random programs do what the model says, and leave nothing."""

import pytest

from tests.model.__main__ import run
from tests.model.known import KNOWN, Known, known
from tests.model.run import check

FEW = 250
MANY = 6_000


def test_programs_do_what_the_model_says() -> None:
    """Readers of random programs get what the model says, when it says so, and nothing is left of them."""
    assert [] == run(range(FEW), "asyncio", new_only=True).failed


@pytest.mark.gate("as many programs as a minute allows")
@pytest.mark.loop(timeout=300.0)
def test_many_programs_do_what_the_model_says() -> None:
    """The same of many."""
    assert [] == run(range(FEW, FEW + MANY), "asyncio", new_only=True).failed


@pytest.mark.parametrize("defect", KNOWN, ids=lambda defect: defect.number)
def test_what_is_known_to_be_wrong_is_wrong(defect: Known) -> None:
    """Each known class of defects has a program that shows it, and that its predicate knows."""
    outcome = check(defect.smallest)
    assert outcome.wrong
    assert defect is known(defect.smallest, outcome.wrong)
