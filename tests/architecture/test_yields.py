"""No context token and no cancel scope is held across a `yield`."""

from pathlib import Path

import pytest

from tests.architecture.source import ROOT, no_breach, plant
from tests.architecture.yields import held_across_yields


@pytest.mark.gate("reads all of the source")
def test_nothing_is_held_across_a_yield() -> None:
    """A generator that is left in the middle has nothing to give back that belongs to its reader's task."""
    no_breach(held_across_yields(ROOT))


@pytest.mark.parametrize(
    "body",
    [
        "async with asyncio.timeout(1):\n        yield 1",
        "async with asyncio.TaskGroup() as group:\n        yield 1",
        "with using(variable):\n        yield 1",
        "with using(variable):\n        async with aclosing(aiter(source)) as items:\n            yield 1",
        "with using(variable):\n        if True:\n            yield 1",
        "async with aclosing(source), asyncio.timeout(1):\n        yield 1",
    ],
)
def test_can_fail(tmp_path: Path, body: str) -> None:
    """What is held is found, however deep the `yield` stands."""
    text = f"async def numbers():\n    {body}\n"
    assert len(held_across_yields(plant(tmp_path, {"miniagents/values/_module.py": text}))) == 1


@pytest.mark.parametrize(
    "text",
    [
        "async def numbers():\n    async with aclosing(aiter(source)) as items:\n        yield 1\n",
        "async def numbers():\n    async with asyncio.timeout(1):\n        await ready()\n    yield 1\n",
        "@contextmanager\ndef looping():\n    with using(variable):\n        yield\n",
    ],
)
def test_passes(tmp_path: Path, text: str) -> None:
    """`aclosing`, a block that ended before, and a context manager written as a generator are free."""
    assert held_across_yields(plant(tmp_path, {"miniagents/values/_module.py": text})) == []
