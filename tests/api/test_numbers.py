"""The numbers that options take."""

from collections.abc import Callable
from datetime import timedelta
from math import inf, nan
from pathlib import Path
from typing import Any

import pytest
import reactivex as rx

from miniagents import MiniAgents, RetryPolicy, tool
from miniagents.ext.chat_history_md import ChatHistoryMD
from miniagents.ext.chat_history_sqlite import ChatHistorySQLite
from miniagents.ext.jobs import map_rows
from miniagents.ext.journal import Journal
from miniagents.ext.limits import budget, limit
from miniagents.ext.web import Runs, chat_routes
from miniagents.operators import chunk, share_bounded, to_async_iter
from miniagents.streams import Overflow
from miniagents.testing import scripted_model
from miniagents.tools import approval

ROWS: list[str] = []
model = scripted_model(then="Hi")


@tool
def now() -> str:
    """Say what time it is."""
    return "noon"


SECONDS: list[Callable[[Any], object]] = [
    lambda each: RetryPolicy(delay=each),
    lambda each: RetryPolicy(max_delay=each),
    lambda each: MiniAgents(drain_timeout=each),
    lambda each: MiniAgents(shutdown_timeout=each),
    lambda each: ChatHistoryMD(lock_timeout=each),
    lambda each: ChatHistorySQLite(lock_timeout=each),
    lambda each: Journal("never.journal", lease=each),
    lambda each: Runs(keep=each),
    lambda each: Runs(linger=each),
    lambda each: chat_routes(model, body_timeout=each),
    lambda each: approval(expires=each),
    lambda each: chunk(seconds=each),
    lambda each: share_bounded(grace=each),
    lambda each: model.timeout(total=each),
    lambda each: model.hedge(model, after=each),
    lambda each: model.with_tools(now, timeout=each),
    lambda each: map_rows(model, ROWS, timeout=each),
]
COUNTS: list[Callable[[Any], object]] = [
    lambda each: MiniAgents(prefetch=each),
    Overflow.drop_oldest,
    lambda each: Runs(max_attempts=each),
    lambda each: Runs(max_live=each),
    lambda each: chat_routes(model, max_body=each),
    chunk,
    limit,
    lambda each: model.guard(during=lambda _: None, hold=each),
    lambda each: model.with_tools(now, max_turns=each),
    lambda each: map_rows(model, ROWS, concurrency=each),
    lambda each: share_bounded(replay=each),
]


@pytest.mark.parametrize("option", SECONDS)
@pytest.mark.parametrize("wrong", [-1, nan, timedelta(days=1), "1", True])
def test_no_seconds(
    option: Callable[[Any], object], wrong: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An option that is no number of seconds, such as a timedelta, is refused at once, with a sentence."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises((TypeError, ValueError), match=r"give|must be"):
        option(wrong)


@pytest.mark.parametrize("option", COUNTS)
@pytest.mark.parametrize("wrong", [2.5, nan, timedelta(days=1), "1", True])
def test_no_count(option: Callable[[Any], object], wrong: object) -> None:
    """An option that is no whole number is refused at once, with a sentence."""
    with pytest.raises(TypeError, match="give an integer"):
        option(wrong)


async def test_a_chunk_without_a_limit() -> None:
    """`chunk(seconds=inf)` waits for the end of the source."""
    together = to_async_iter(rx.range(3).pipe(chunk(seconds=inf)))
    assert [(0, 1, 2)] == [tuple(each) async for each in together]


@pytest.mark.parametrize("wrong", [nan, timedelta(days=1), True, "five"])
def test_no_budget(wrong: Any) -> None:
    """A budget that is no number is refused with a sentence."""
    with pytest.raises(ValueError, match="give a number"):
        budget(dollars=wrong)
