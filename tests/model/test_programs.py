"""Random programs do what the model says, and leave nothing."""

import pytest

from tests.model import programs as p
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


READ = (p.Reader("iterate"),)

OPEN = {
    "C7: an agent that had failed when its limit expires": p.Program(
        p.Timeout(p.Function((p.Reply(p.Streamed(((2.0, "a"),))), p.Raise("e"))), stall=1.0),
        p.Text("x"),
        READ,
    ),
    "N1: a total limit begins again when the input ends": p.Program(
        p.Timeout(p.Function((p.Sleep(2.0),)), stall=2.0, total=1.0), p.Streamed(((0.2, "a"),)), READ
    ),
    "N1: a limit of no seconds sets timers for ever": p.Program(
        p.Timeout(p.Function((p.Reply(p.Streamed(((1.0, "a"),))),)), first_token=0.0, stall=1.8),
        p.Streamed((), ends=1.2),
        READ,
    ),
}


@pytest.mark.xfail(strict=True, reason="found, and not mended yet")
@pytest.mark.parametrize("program", OPEN.values(), ids=OPEN.keys())
def test_what_was_found_is_mended(program: p.Program) -> None:
    """A program that was found does what the model says."""
    assert [] == check(program).wrong


@pytest.mark.parametrize("defect", KNOWN, ids=lambda defect: defect.number)
def test_what_is_known_to_be_wrong_is_wrong(defect: Known) -> None:
    """Each known class of defects has a program that shows it, and that its predicate knows."""
    outcome = check(defect.smallest)
    assert outcome.wrong
    assert defect is known(defect.smallest, outcome.wrong)
