"""Live input: random schedules keep the laws of `agent.interactive()`, and do what a model says."""

import pytest

from tests.model.__main__ import run
from tests.model.live import Request, Said, Schedule, check
from tests.support.amounts import amount

FEW = amount(10, 100)
MANY = amount(100, 100, 250)  # one in five is killed at each of its writes; a hundred take some 8 s


def test_live_input_keeps_its_laws() -> None:
    """Nothing is lost or doubled, a steer is in the next request, and one tool loop replies as the model."""
    assert [] == run(range(FEW), "asyncio", others="live").failed


@pytest.mark.gate("a hundred schedules")
@pytest.mark.loop(timeout=400.0)
def test_much_live_input_keeps_its_laws() -> None:
    """The same of many."""
    assert [] == run(range(FEW, FEW + MANY), "asyncio", others="live").failed


def test_a_race_of_agents_that_are_ready_at_once() -> None:
    """If two agents of a race are ready at the same time, either of them may win, interactive or not."""
    requests = (Request(()), Request((), thinks=True))
    for seed in (26, 27, 117):
        said, end = (Said(0.1, "steer", "m0"),), (0.2, "finish")
        race = Schedule(seed, "race", requests, said, question=True, max_turns=2, end=end)
        assert [] == check(race).wrong


@pytest.mark.gate("explores all orders")
def test_an_answer_that_has_ended_is_not_cut_after_a_restart() -> None:
    """What comes after an answer does not cut it after a restart, even if a failed call is made again."""
    requests = (Request((0.4,), (0.3,)), Request((0.5,), fails=True))
    said = (Said(0.2, "steer", "m0"), Said(2.0, "rollback", "m1"))
    for seed in (55, 130, 145):
        schedule = Schedule(
            seed, "catching", requests, said, question=False, max_turns=20, end=(4.0, "finish")
        )
        assert [] == check(schedule).wrong
