"""What `--loop-seed` shuffles, and what it leaves as asyncio promises it.

`python -m tests.laws.orders` runs the tests of the kernel in such orders; the gate does, too.
"""

import asyncio

import pytest

from miniagents.testing import VirtualClock
from tests.support import run_async
from tests.support.shuffled import ShuffledLoop, ShuffledVirtualLoop, loops


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


@pytest.mark.no_eager_tasks("it is about the order of first steps, which eager tasks fix")
def test_what_asyncio_promises_stays() -> None:
    """Within a turn callbacks keep their order, and no task has two steps; turns follow one another."""
    for seed in range(50):
        order = told(str(seed))
        assert [one for one in order if one.startswith("call")] == ["call 0", "call 1", "call 2"]
        first_turn = order[:5]
        assert sorted(first_turn) == ["a0", "b0", "call 0", "call 1", "call 2"]
        assert sorted(order[5:]) == ["a1", "b1"]


@pytest.mark.no_eager_tasks("it is about the order of first steps, which eager tasks fix")
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
