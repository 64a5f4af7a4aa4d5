"""Jobs whose rows are asked by workers.

Crosses modules: the journal, the budget and the order are those of jobs, the workers those of remote agents.
"""

import random
from decimal import Decimal
from pathlib import Path

import pytest

from miniagents import MiniAgents, Usage
from miniagents.errors import BudgetExceededError
from miniagents.ext.jobs import map_rows
from miniagents.ext.journal import Journal
from miniagents.ext.ray import remote
from tests.ext.ray.agents import Number, judge, square, started
from tests.support.fake_ray import FakeRay, fake_ray

__all__ = ["fake_ray"]

pytestmark = pytest.mark.logs("was lost, with")


async def test_workers_die(fake_ray: FakeRay, tmp_path: Path) -> None:
    """Whoever dies, each row stands there once, in order; without workers the journal has all answers."""
    started.clear()
    rows = [Number(number=number) for number in range(300)]
    chance = random.Random(7)  # noqa: S311 - no secret
    with Journal(tmp_path / "rows.journal") as journal:
        async with MiniAgents():
            agent = remote(square.bind(delay=0.002), replicas=3, concurrency=8, attempts=10)
            squares: list[int] = []
            async for row in map_rows(agent, rows, journal=journal, concurrency=32):
                squares.append(row.value.square)
                if len(squares) in {50, 100, 150} and fake_ray.living:
                    fake_ray.kill(chance.choice(fake_ray.living))
            assert [number**2 for number in range(300)] == squares
            made = started.total()
            assert 300 <= made <= 300 + 3 * 8
            again = [row.cached async for row in map_rows(square.bind(delay=0.002), rows, journal=journal)]
    assert ([True] * 300, made) == (again, started.total())
    await fake_ray.ended()


async def test_budget(fake_ray: FakeRay) -> None:
    """What the models within workers use is paid from the budget here."""

    def price(usage: Usage, *_: object) -> Decimal:
        return Decimal(usage.output_tokens or 0)

    done: list[int] = []

    async def ask() -> None:
        async for row in map_rows(
            remote(judge, replicas=1),
            [f"row {number}" for number in range(100)],
            budget=Decimal(40),
            price=price,
            concurrency=2,
        ):
            assert row.error is None
            done.append(row.index)

    with pytest.raises(BudgetExceededError):
        await ask()
    assert 8 <= len(done) <= 12  # of 4 each
    await fake_ray.ended()
