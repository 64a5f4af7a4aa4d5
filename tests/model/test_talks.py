"""Random programs of model agents do what a model on texts says, and leave nothing."""

import pytest

from tests.model.__main__ import run
from tests.model.shrink import shrunk
from tests.model.talks import Talk, drawn
from tests.support.amounts import amount

FEW = amount(30, 120)
MANY = 600


def test_models_do_what_the_model_says() -> None:
    """Readers of random model agents get what the model says, and each model is asked as often as it says."""
    assert [] == run(range(FEW), "asyncio", others="talks").failed


@pytest.mark.gate("600 programs")
@pytest.mark.loop(timeout=300.0)
def test_many_models_do_what_the_model_says() -> None:
    """The same of many."""
    assert [] == run(range(FEW, FEW + MANY), "asyncio", others="talks").failed


def test_a_talk_that_fails_is_made_smaller() -> None:
    """What has no part in a failure is left out."""

    def fails(talk: Talk) -> bool:
        return "recorded" in talk.steps

    least = shrunk(next(talk for talk in map(drawn, range(1_000)) if fails(talk)), fails)
    assert (least.steps, least.turns, len(least.readers)) == (("recorded",), (), 1)
