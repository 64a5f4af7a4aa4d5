"""Traces of many runs at once, which are cancelled, left and broken at random.

Crosses modules: runs, races, tools and the spans of OpenTelemetry's SDK.
"""

import asyncio
import contextlib
import gc
import logging
import os
import random
import tracemalloc
from collections.abc import AsyncGenerator, MutableMapping

import pytest
from opentelemetry import trace
from opentelemetry.context import Context as SpanContext
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider
from typing_extensions import override

from miniagents import (
    AssistantMessage,
    InteractionContext,
    Message,
    MiniAgent,
    MiniAgents,
    ToolCall,
    miniagent,
    race,
    tool,
)
from miniagents.errors import RaceLostError
from miniagents.ext.otel import tracing
from miniagents.observers import Observer, RunEnded, RunEvent, RunInfo
from miniagents.testing import scripted_model

RUNS = int(os.environ.get("RUNS", "50"))
"""At once, in each of three rounds of the gate; 1,000 at night."""

TABLE = 8_192
"""Bytes from which on something is the table of a set, which grows with the most tasks at once."""


class Looked(SpanProcessor):
    """Looks at each span when it begins and when it ends, and keeps none of them.

    Attributes:
        open: the names of those that have not ended.
        ended: how many have.
        roots: how many have nothing above them.
        wrong: what must not be.
    """

    def __init__(self) -> None:
        self.open: dict[int, str] = {}
        self.ended = 0
        self.roots = 0
        self.wrong: list[str] = []

    @override
    def on_start(self, span: Span, parent_context: SpanContext | None = None) -> None:
        """The name of each run is that of the run that begins it, and one word more."""
        name = span.name.rpartition(" ")[2]
        above = "" if span.parent is None else self.open.get(span.parent.span_id, "one that has ended")
        if above != name.rpartition("-")[0]:
            self.wrong.append(f"{name} stands below {above or 'nothing'}")
        assert span.context is not None
        if span.parent is not None and span.parent.trace_id != span.context.trace_id:
            self.wrong.append(f"{name} stands in another trace")
        self.roots += span.parent is None
        self.open[span.context.span_id] = name

    @override
    def on_end(self, span: ReadableSpan) -> None:
        """It ends once."""
        if span.context is None or self.open.pop(span.context.span_id, None) is None:
            self.wrong.append(f"{span.name} ended twice")
        self.ended += 1


class Order(Observer):
    """Looks at the order in which runs end that are not stopped.

    Attributes:
        wrong: a run that was told to have ended before one that it had begun, which ended at the same time.
        right: how many were told after one.
    """

    def __init__(self) -> None:
        self.wrong: list[str] = []
        self.right = 0
        self._now = 0.0
        self._ended: set[RunInfo] = set()  # now

    @override
    def on_event(self, event: RunEvent, /) -> None:
        if isinstance(event, RunEnded) and event.outcome == "done":
            if event.at != self._now:
                self._now = event.at
                self._ended.clear()
            self.right += any(run.parent is event.run for run in self._ended)
            if event.run.parent in self._ended:
                self.wrong.append(f"{event.run.parent} ended before {event.run}")
            self._ended.add(event.run)


def seconds(chance: random.Random) -> float:
    """Less than 1, in steps, so that many wait for one moment; time does not jump to each of them."""
    return chance.randrange(20) / 20


def branch(above: str, chance: random.Random) -> MiniAgent:
    """An agent that streams a token now and then, and fails sometimes."""
    delays = [seconds(chance) for _ in range(4)]
    fails = chance.random() < 0.05

    @miniagent(alias=f"{above}-branch")
    async def branch_agent(ctx: InteractionContext) -> None:
        await asyncio.sleep(delays[0])

        async def tokens(_: MutableMapping[str, object]) -> AsyncGenerator[str]:
            for delay in delays:
                yield "x"
                await asyncio.sleep(delay)
            if fails:
                raise ConnectionError

        ctx.reply(Message.promise(tokens))

    return branch_agent


def with_tools(above: str, chance: random.Random) -> MiniAgent:
    """A model that calls a tool, which asks an agent."""

    @tool(name=f"{above}-loop-look")
    async def look() -> str:
        return str(await branch(f"{above}-loop-look", chance).inquire("x"))

    call = AssistantMessage(parts=[ToolCall("1", f"{above}-loop-look", "{}")])
    model = scripted_model(call, "done", alias=f"{above}-loop-model")
    return model.with_tools(look).described(alias=f"{above}-loop").bind()


def fan(name: str, chance: random.Random) -> MiniAgent:
    """An agent that asks others at once: a branch, a race, and a model with a tool."""

    @miniagent(alias=name)
    async def fan_agent(ctx: InteractionContext) -> None:
        racers = [branch(f"{name}-race", chance) for _ in range(2)]
        racing = race(*racers).described(alias=f"{name}-race")
        asked = [branch(name, chance), racing, with_tools(name, chance)]
        replies = [each.inquire(ctx.messages) for each in asked]
        await asyncio.sleep(seconds(chance))
        ctx.reply(replies)

    return fan_agent


async def run_one(name: str, chance: random.Random) -> None:
    """Ask, and cancel it, leave it, read a part of it or all of it."""
    await asyncio.sleep(seconds(chance))
    replies = fan(name, chance).inquire("x")
    how = chance.choice(["cancel", "leave", "read a part", "read all"])
    await asyncio.sleep(seconds(chance) * 3)
    if how == "cancel":
        replies.cancel()
    elif how != "leave":
        with contextlib.suppress(ConnectionError, RaceLostError):
            async for _ in replies.parts:
                if how == "read a part":
                    break


async def rounds(runs: int, count: int, observers: list[Observer], seed: int) -> list[int]:
    """Run so many at once, so often; what is kept after each round, in bytes."""
    chance = random.Random(seed)  # noqa: S311 - no secrets
    kept: list[int] = []
    async with MiniAgents(observers=observers):
        for at in range(count):
            await asyncio.gather(*(run_one(f"{at}_{number}", chance) for number in range(runs)))
            await asyncio.sleep(10)  # what was left runs to its end
            gc.collect()
            traces = tracemalloc.take_snapshot().traces
            kept.append(sum(each.size for each in traces if each.size < TABLE))
    return kept


@pytest.mark.loop(virtual=True, timeout=300)
@pytest.mark.parametrize(
    ("runs", "count"), [(5, 1), pytest.param(RUNS, 3, marks=pytest.mark.gate("many runs"))]
)
async def test_many_runs(runs: int, count: int, caplog: pytest.LogCaptureFixture) -> None:
    """Each span ends once, after those below it and below the run that began it; nothing is kept."""
    seed = random.randrange(2**32)  # noqa: S311 - no secrets
    print(f"seed {seed}")  # noqa: T201 - shown if it fails
    caplog.set_level(logging.DEBUG, "opentelemetry")
    caplog.set_level(logging.CRITICAL, "miniagents")  # of errors that nobody has read
    looked, order = Looked(), Order()
    tracer_provider = TracerProvider()
    tracer_provider.add_span_processor(looked)
    meter_provider = MeterProvider([InMemoryMetricReader()])
    observer = tracing(tracer_provider=tracer_provider, meter_provider=meter_provider, content=False)
    tracemalloc.start()
    try:
        kept = await rounds(runs, count, [observer, order], seed)
    finally:
        tracemalloc.stop()
    print(kept, looked.ended)  # noqa: T201 - shown if it fails
    assert looked.wrong == []
    assert looked.open == {}
    assert order.wrong == []
    assert runs < RUNS or order.right > runs * count / 2  # a few may all be cancelled, or left
    assert looked.roots == runs * count
    assert looked.ended > 6 * looked.roots
    assert not [record for record in caplog.records if "detach" in record.getMessage()]
    assert trace.get_current_span().get_span_context().is_valid is False
    assert [each - kept[1] for each in kept[2:] if each - kept[1] > 20_000] == []
