"""Stores of runs: random schedules of servers that share one keep what it promises."""

import pytest

from tests.model.stores import Kind, failing
from tests.support.amounts import amount
from tests.support.postgres import postgres_server

SCHEDULES = amount(30, 30, 1_000)


@pytest.mark.gate("30 schedules of each, with real times")
@pytest.mark.parametrize("kind", ["memory", "sqlite", "postgres"])
@pytest.mark.loop(timeout=300.0)
async def test_servers_that_share_a_store(kind: Kind) -> None:
    """Nothing acknowledged is lost, nothing refused is kept, and followers get all of it in order."""
    if kind != "postgres":
        assert [] == await failing(range(SCHEDULES), kind)
        return
    with postgres_server() as place:
        assert [] == await failing(range(SCHEDULES), kind, place)
