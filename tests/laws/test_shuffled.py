"""Nothing depends on which of several tasks goes first: the tests of the core hold in any order.

`pytest --loop-seed 7 tests/agents` runs tests in the order of a seed; one test alone has the same order.
"""

import asyncio
import os
from itertools import count

import pytest

from miniagents.testing import VirtualClock
from tests.support import run_async
from tests.support.beside import Beside, Job
from tests.support.shuffled import ShuffledLoop, ShuffledVirtualLoop, loops

FLOORS = ("core", "agents")
NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"
RUNS = [(floor, seed) for floor in FLOORS for seed in range(50)] if NIGHTLY else [*zip(FLOORS, count(1))]


def _shuffled(floor: str, seed: int) -> Job:
    # What is there to measure amounts needs no order; of each property a few examples are enough.
    command = ["pytest", "-p", "no:cacheprovider", "--tb=short", "-x", "--loop-seed", str(seed)]
    command += ["-m", "not loop(debug=False)", f"tests/{floor}"]
    return Job(f"{floor}-{seed}", lambda _: command, {"HYPOTHESIS_PROFILE": "few"})


JOBS = [_shuffled(floor, seed) for floor, seed in RUNS]


@pytest.mark.loop(timeout=300)
@pytest.mark.parametrize(
    "run", [pytest.param(job, marks=pytest.mark.beside(job), id=job.name) for job in JOBS]
)
def test_any_order(beside: Beside, run: Job) -> None:
    """The behaviour of the core and of agents is the same whichever task goes first."""
    done = beside.done(run)
    assert (done.code, done.err) == (0, ""), f"{run.name} (floor-seed):\n{done.out[-4000:]}"


async def _race() -> list[str]:
    told: list[str] = []
    loop = asyncio.get_running_loop()

    async def tell(name: str) -> None:
        for step in range(2):
            told.append(f"{name}{step}")
            await asyncio.sleep(0)

    tasks = [asyncio.create_task(tell(name)) for name in "ab"]
    for number in range(3):
        loop.call_soon(told.append, f"call {number}")
    await asyncio.gather(*tasks)
    return told


def told(seed: str | None, *, virtual: bool = False) -> list[str]:
    """What is told in the order of a seed."""
    return run_async(_race, timeout=None, loop_factory=loops(seed, virtual=virtual))


def test_what_asyncio_promises_stays() -> None:
    """Within a turn callbacks keep their order, and no task has two steps; turns follow one another."""
    for seed in range(50):
        order = told(str(seed))
        assert [one for one in order if one.startswith("call")] == ["call 0", "call 1", "call 2"]
        first_turn = order[:5]
        assert sorted(first_turn) == ["a0", "b0", "call 0", "call 1", "call 2"]
        assert sorted(order[5:]) == ["a1", "b1"]


def test_the_rest_is_drawn() -> None:
    """Every order that is left comes, given enough seeds, and without a seed there is only one."""
    assert len({tuple(told(str(seed))) for seed in range(200)}) > 20
    assert {tuple(told(None)) for _ in range(5)} == {
        ("a0", "b0", "call 0", "call 1", "call 2", "a1", "b1"),
    }


def test_a_seed_is_an_order() -> None:
    """The same seed gives the same order, with real and with virtual time."""
    assert told("7") == told("7") == told("7", virtual=True)


def test_which_loops() -> None:
    """With a seed loops are shuffled, with virtual time too, and without both they are ordinary ones."""
    made = [loops(None, virtual=True), loops("1"), loops("1", virtual=True)]
    kinds: list[type[object]] = []
    for factory in made:
        assert factory is not None
        loop = factory()
        kinds.append(type(loop))
        loop.close()
    plain = VirtualClock().new_event_loop()
    plain.close()
    assert (kinds, loops(None)) == ([type(plain), ShuffledLoop, ShuffledVirtualLoop], None)
