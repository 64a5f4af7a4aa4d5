"""Stores of runs: random schedules of servers that share one keep what it promises."""

import pytest

from tests.model.stores import Kind, failing
from tests.support.postgres import postgres_server

FEW = 40
MANY = 30


@pytest.mark.gate("40 schedules with real times")
@pytest.mark.parametrize("kind", ["memory", "sqlite"])
@pytest.mark.loop(timeout=120.0)
async def test_servers_that_share_a_store(kind: Kind) -> None:
    """Nothing acknowledged is lost, nothing refused is kept, and followers get all of it in order."""
    assert [] == await failing(range(FEW), kind)


@pytest.mark.gate("30 schedules of each")
@pytest.mark.parametrize("kind", ["memory", "sqlite", "postgres"])
@pytest.mark.loop(timeout=300.0)
async def test_many_servers_that_share_a_store(kind: Kind) -> None:
    """The same of many, and in Postgres."""
    seeds = range(FEW, FEW + MANY)
    if kind != "postgres":
        assert [] == await failing(seeds, kind)
        return
    with postgres_server() as place:
        assert [] == await failing(seeds, kind, place)
