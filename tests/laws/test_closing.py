"""What stops a model does not rely on reference counts: it works while something keeps every promise.

A test keeps a reference to every promise and every view of a stream that comes to be, as a debugger, an error
reporter or a notebook may do.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator, MutableMapping
from contextlib import aclosing, suppress

import pytest

from miniagents import (
    InteractionContext,
    Message,
    MessageSequencePromise,
    MiniAgent,
    MiniAgents,
    RetryPolicy,
    fallback,
    miniagent,
    race,
    route,
)
from miniagents.ext.jobs import map_rows
from miniagents.ext.web import Runs, stream_response
from miniagents.operators import map_agent
from miniagents.streams._lifetime import Lease


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[object]]:
    """Keep everything through which a stream can be read."""
    kept: list[object] = []
    take = Lease.take

    def keep(lease: Lease, *args: object, **keywords: object) -> None:
        kept.append(lease)
        take(lease, *args, **keywords)  # type: ignore[arg-type]

    monkeypatch.setattr(Lease, "take", keep)
    yield kept
    kept.clear()


class Model:
    """A model that writes a token each second, and counts the answers that have begun and were closed."""

    def __init__(self) -> None:
        self.begun = 0
        self.closed = 0

    @property
    def agent(self) -> MiniAgent:
        """The model as an agent."""

        @miniagent(alias="MODEL")
        async def model(ctx: InteractionContext) -> None:
            ctx.reply(Message.promise(self._write))

        return model

    async def _write(self, _: object = None) -> AsyncGenerator[str]:
        self.begun += 1
        try:
            while True:
                await asyncio.sleep(1.0)
                yield "token "
        finally:
            self.closed += 1


async def leave(replies: MessageSequencePromise[Message]) -> None:
    """Read for some seconds in a block, and leave it by an error."""
    with suppress(TimeoutError):
        async with asyncio.timeout(2.5), replies:
            async for _ in replies.tokens:
                pass


COMPOSED: dict[str, Callable[[MiniAgent], MiniAgent]] = {
    "alone": lambda model: model,
    "chain": lambda model: model | model,
    "both": lambda model: model & model,
    "race": lambda model: race(model, model),
    "hedge": lambda model: model.hedge(model, after=0.1),
    "route": lambda model: route().otherwise(model),
    "timeout": lambda model: model.timeout(total=100.0, stall=50.0),
    "retry": lambda model: model.retry(RetryPolicy(attempts=2)),
    "catching": lambda model: model.catching(lambda error, ctx: "sorry"),
    "fallback": lambda model: fallback(model, model),
    "guard": lambda model: model.guard(during=lambda text: None),
    "errors as messages": lambda model: model.errors_as_messages(),
}


@pytest.mark.loop(virtual=True)
@pytest.mark.parametrize("name", COMPOSED)
async def test_leaving_the_block_stops_every_model(name: str, kept: list[object]) -> None:
    """`async with agent.inquire(...)` stops all models at its end, also if every promise is kept."""
    model = Model()
    async with MiniAgents():
        await leave(COMPOSED[name](model.agent).inquire("Hi"))
        await asyncio.sleep(0.5)
        assert model.begun == model.closed > 0
    assert kept


@pytest.mark.loop(virtual=True)
@pytest.mark.parametrize("ending", ["lost", "timed out"])
async def test_an_operator_stops_what_it_does_not_need(ending: str, kept: list[object]) -> None:
    """A race stops its losers, and a time limit its agent, by themselves."""
    model = Model()

    @miniagent
    async def quick(ctx: InteractionContext) -> None:
        await asyncio.sleep(0.5)
        ctx.reply("quick")

    agents = {
        "lost": race(quick, model.agent),
        "timed out": model.agent.timeout(total=1.5).catching(lambda error, ctx: "late"),
    }
    async with MiniAgents():
        replies = await agents[ending].inquire("Hi")
        await asyncio.sleep(0.1)
        assert (1, 1) == (model.begun, model.closed)
        assert replies


async def rows() -> AsyncGenerator[str]:
    """Rows without an end."""
    while True:
        await asyncio.sleep(0.01)
        yield "row"


@pytest.mark.loop(virtual=True)
async def test_closing_map_agent_stops_the_rows_that_were_not_taken(kept: list[object]) -> None:
    """Closing the iterator of `map_agent` stops every row under way but those that its reader has taken."""
    model = Model()
    async with MiniAgents():
        async with aclosing(map_agent(model.agent, concurrency=3)(rows())) as results:
            taken = await anext(results)
            await asyncio.sleep(2.5)
        await asyncio.sleep(0.1)
        assert (3, 2) == (model.begun, model.closed)
        taken.cancel()
        await asyncio.sleep(0.1)
        assert model.begun == model.closed
    assert kept


async def _response(model: MiniAgent) -> None:
    """A client of `stream_response` leaves after some seconds."""

    async def receive() -> MutableMapping[str, object]:
        await asyncio.sleep(2.5)
        return {"type": "http.disconnect"}

    async def send(_: MutableMapping[str, object]) -> None: ...

    scope: dict[str, object] = {"type": "http", "headers": []}
    await stream_response(model.inquire("Hi"))(scope, receive, send)


async def _stopped_run(model: MiniAgent) -> None:
    """A client stops its run, whose frames another client reads."""
    runs = Runs(agents={"model": model})
    run = await runs.begin("model", "Hi")
    await asyncio.sleep(2.5)
    assert await runs.stop(run)


async def _job(model: MiniAgent) -> None:
    """The reader of a job leaves; one row of it has run into its time limit."""
    with suppress(TimeoutError):
        async with asyncio.timeout(2.5), aclosing(map_rows(model, ["a", "b", "c"], concurrency=2)) as results:
            await anext(results)


async def _row_limit(model: MiniAgent) -> None:
    """Each row of a job runs into its time limit."""
    async for row in map_rows(model.timeout(total=2.5), ["a", "b", "c"]):
        assert row.error is not None


HOSTS = {"response": _response, "stopped run": _stopped_run, "job": _job, "rows that are late": _row_limit}


@pytest.mark.loop(virtual=True)
@pytest.mark.parametrize("name", HOSTS)
async def test_what_hosts_agents_stops_every_model(name: str, kept: list[object]) -> None:
    """Web routes and jobs whose client or reader leaves stop every model, also if each promise is kept."""
    model = Model()
    async with MiniAgents():
        await HOSTS[name](model.agent)
        await asyncio.sleep(0.5)
        assert model.begun == model.closed > 0
    assert kept


@pytest.mark.logs("had not ended drain_timeout=1.0 seconds after")
@pytest.mark.loop(virtual=True)
async def test_the_end_of_a_server_stops_every_model(kept: list[object]) -> None:
    """The end of the context of `Runs`, as `miniagents serve` ends, stops the runs that go on."""
    model = Model()
    async with MiniAgents(drain_timeout=1.0):
        runs = Runs(agents={"model": model.agent})
        await runs.begin("model", "Hi")
        await asyncio.sleep(2.5)
    assert (1, 1) == (model.begun, model.closed)
    assert kept
