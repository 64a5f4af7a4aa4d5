"""What goes around runs: of one agent, of every agent in a context, and what only observes them.

Crosses modules: `_agent`, `_run` and `_miniagents` act together.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeVar

import pytest
import reactivex as rx
from pydantic import BaseModel
from typing_extensions import override

from miniagents import (
    BaseAgent,
    InquiryCancelledError,
    InteractionContext,
    Message,
    MessagePromise,
    MiniAgent,
    MiniAgents,
    RetryPolicy,
    TypedAgent,
    identity,
    miniagent,
    race,
    route,
    tool,
)
from miniagents.ext.limits import limit
from miniagents.observers import Observer, RunBegan, RunEnded, RunEvent, RunInfo
from miniagents.operators import map_agent
from miniagents.operators._map_agent import ItemReplies
from miniagents.testing import scripted_model
from tests.support.speakers import Speaker, heard

Around = Callable[[InteractionContext, MiniAgent[Message, Message, ...]], Awaitable[None]]
GONE = ConnectionError("gone")


class City(BaseModel):
    """A city."""

    name: str


class Answer(Message):
    """An answer with a score."""

    score: int = 0


def noted(notes: list[str], name: str) -> Around:
    """Return a wrapper that writes down who is called, and passes the call on."""

    async def passing(ctx: InteractionContext, call: MiniAgent[Message, Message, ...]) -> None:
        leaf = "" if ctx.this_agent.components else ", a leaf"
        notes.append(f"{name}: {ctx.this_agent.alias}{leaf}")
        ctx.reply(call.inquire(ctx.messages))

    return passing


@miniagent
async def marking_agent(ctx: InteractionContext, mark: str = "!") -> None:
    """Reply what it is told, marked."""
    ctx.reply(f"{await ctx.messages}{mark}")


async def test_around_an_agent() -> None:
    """The function is given the call with its keywords; the agent stays what it was."""
    seen: list[object] = []

    async def twice(ctx: InteractionContext, call: MiniAgent[Message, Message, ...]) -> None:
        seen.append(dict(call.defaults))
        ctx.reply([call.inquire(ctx.messages), call.inquire(ctx.messages)])

    agent = marking_agent.fork(mark="?").around(twice)
    async with MiniAgents():
        assert [str(reply) for reply in await agent.inquire("x")] == ["x?", "x?"]
        assert [str(reply) for reply in await agent.inquire("x", mark=".")] == ["x.", "x."]
        assert [str(reply) for reply in await agent.fork(mark=",").inquire("x")] == ["x,", "x,"]
    assert seen == [{"mark": "?"}, {"mark": "."}, {"mark": ","}]
    assert (agent.alias, agent.description) == (marking_agent.alias, marking_agent.description)


async def test_the_last_one_is_outermost() -> None:
    """Wrappers of an agent are nested in the order in which they were put around it."""
    notes: list[str] = []
    agent = marking_agent.around(noted(notes, "first")).around(noted(notes, "second"))
    async with MiniAgents():
        assert str(await agent.inquire("x")) == "x!"
    assert notes == ["second: MARKING_AGENT", "first: MARKING_AGENT"]


async def test_nothing_is_copied() -> None:
    """A wrapper that passes the call on shows the very promise of the agent, as it streams."""
    inner: list[MessagePromise[Message]] = []

    async def looking(ctx: InteractionContext, call: MiniAgent[Message, Message, ...]) -> None:
        replies = call.inquire(ctx.messages)
        ctx.reply(replies)
        inner.extend([promise async for promise in replies])

    speaker = Speaker("A", ["one ", "two"], "three")
    async with MiniAgents(around=[looking]):
        outer = [promise async for promise in speaker.agent.around(looking).inquire()]
    assert len(outer) == 2
    assert all(promise in inner for promise in outer)


async def test_what_a_wrapper_replies_is_validated() -> None:
    """A typed agent replies its class, also if something around it answers in its place."""

    @miniagent
    async def answering_agent(ctx: InteractionContext[Message, Answer]) -> None:
        ctx.reply(Answer("42", score=1))

    async def cached(ctx: InteractionContext, call: MiniAgent[Message, Message, ...]) -> None:
        ctx.reply({"text": "from the cache", "score": 3})

    async with MiniAgents():
        (answer,) = await answering_agent.around(cached).inquire()
    assert type(answer) is Answer
    assert answer.score == 3


async def test_its_errors_stay_errors_inside() -> None:
    """A wrapper can catch the error of a call, also where errors become messages."""

    async def forgiving(ctx: InteractionContext, call: MiniAgent[Message, Message, ...]) -> None:
        try:
            ctx.reply(await call.inquire(ctx.messages))
        except ConnectionError:
            ctx.reply("never mind")

    async with MiniAgents(errors_as_messages=True):
        assert str(await Speaker("A", GONE).agent.around(forgiving).inquire()) == "never mind"
    async with MiniAgents(errors_as_messages=True, around=[forgiving]):
        assert str(await Speaker("A", GONE).agent.inquire()) == "never mind"


async def test_around_all_runs() -> None:
    """The functions of a context go around every run, the first one outermost, and can tell leaves."""
    notes: list[str] = []
    chain = marking_agent | marking_agent.fork(mark="?").retry()
    async with MiniAgents(around=[noted(notes, "f"), noted(notes, "g")]):
        assert str(await chain.inquire("x")) == "x!?"
        assert [note for note in notes if note.startswith("f")] == [
            "f: MARKING_AGENT | MARKING_AGENT.retry(3)",
            "f: MARKING_AGENT, a leaf",
            "f: MARKING_AGENT.retry(3)",
            "f: MARKING_AGENT, a leaf",
        ]
        assert sorted(note[3:] for note in notes if note.startswith("g")) == sorted(
            note[3:] for note in notes if note.startswith("f")
        )
        assert notes.index("f: MARKING_AGENT, a leaf") < notes.index("g: MARKING_AGENT, a leaf")


async def test_around_all_runs_of_a_class() -> None:
    """Agents of classes, and of piped runs, go through them too; each call once."""
    notes: list[str] = []

    class Shouting(BaseAgent):
        mark: str = "!"

        @override
        async def run(self, ctx: InteractionContext) -> None:
            ctx.reply(str(await ctx.messages).upper() + self.mark)

    async with MiniAgents(around=[noted(notes, "f")]):
        assert str(await Shouting().inquire("x", mark="?")) == "X?"
        got = await rx.of("y").pipe(Shouting())
        assert str(await got) == "Y!"
    assert notes == ["f: SHOUTING, a leaf"] * 2


async def test_models_with_more() -> None:
    """A model with tools and one with a type are made of the model, which is the leaf."""
    notes: list[str] = []

    @tool
    def now() -> str:
        """Tell the time."""
        return "noon"

    model = scripted_model(then='{"name": "Oslo"}', alias="MODEL")
    async with MiniAgents(around=[noted(notes, "f")]):
        await model.with_tools(now).inquire("?")
        assert (await model.as_type(City).inquire("?").parsed).name == "Oslo"
    assert notes == [
        "f: MODEL_WITH_TOOLS",
        "f: MODEL, a leaf",
        "f: MODEL_AS_CITY",
        "f: MODEL, a leaf",
    ]


def test_components() -> None:
    """Whatever is made of agents names them; what is not has none."""
    a, b = (marking_agent.bind().described(alias=alias) for alias in "AB")

    def handle(error: Exception, ctx: InteractionContext) -> str:
        return f"{error}"

    made = (
        (a | b, "A B"),
        (a & b & identity, "A B identity"),
        (race(a, b), "A B"),
        (a.hedge(b, after=1), "A B"),
        (route().case(Answer, a).otherwise(b), "A B"),
        (a.catching(handle), "A"),
        (a.timeout(total=1), "A"),
        (a.retry().timeout(total=1), "A.retry(3)"),
        (a, ""),
        (identity, ""),
    )
    for agent, names in made:
        assert " ".join(part.alias for part in agent.components) == names


def test_what_is_no_function() -> None:
    """What cannot be called is refused where it is written."""
    with pytest.raises(TypeError, match=r"around\(5\): give an async function"):
        marking_agent.around(5)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"MiniAgents\(5\): give an async function"):
        MiniAgents(around=[5])  # type: ignore[list-item]


def test_a_call_that_is_forgotten() -> None:
    """T4: what makes such functions, such as `limit` without its parentheses, is refused."""
    with pytest.raises(TypeError, match=r"limit cannot be called with .* Do you mean around\(limit\("):
        marking_agent.around(limit)  # type: ignore[arg-type]


async def test_what_is_not_async() -> None:
    """T5: a function that is not async is named; to mypy, a lambda that returns nothing is fine."""
    agent = identity.around(lambda ctx, _: ctx.reply("x"))  # pyright: ignore[reportArgumentType]
    async with MiniAgents():
        with pytest.raises(TypeError, match=r"around\(<lambda>\) needs an async function"):
            await agent.inquire("hello")


async def test_what_is_not_async_around_a_context() -> None:
    """T5: the same around every run of a context."""

    def replying(ctx: InteractionContext, _: MiniAgent[Message, Message, ...]) -> None:
        ctx.reply("x")

    async with MiniAgents(around=[replying]):  # type: ignore[list-item]
        with pytest.raises(TypeError, match=r"around\(replying\) needs an async function"):
            await identity.inquire("hello")


class Told(Observer):
    """An observer that writes down what it is told."""

    def __init__(self) -> None:
        self.begun: list[RunInfo] = []
        self.ended: list[RunEnded] = []

    @override
    def on_event(self, event: RunEvent, /) -> None:
        if isinstance(event, RunBegan):
            self.begun.append(event.run)
        elif isinstance(event, RunEnded):
            self.ended.append(event)

    @property
    def ends(self) -> list[str]:
        """The name of each run, and how it ended; every run that begun is told of exactly once."""
        ended = [event.run for event in self.ended]
        assert all(run in self.begun for run in ended)
        assert len(set(ended)) == len(ended)
        return [f"{event.run.alias} {event.outcome}" for event in self.ended]


@pytest.mark.loop(virtual=True)
async def test_each_end_is_told_once() -> None:
    """A run is told of when it is inquired, and once more when it has ended, with how it did."""
    told = Told()
    async with MiniAgents(observers=[told]):
        await heard(Speaker("DONE", "x").agent.inquire())
        await heard(Speaker("FAILED", GONE).agent.inquire())
        Speaker("BEFORE_ITS_FIRST_STEP", "x").agent.inquire().cancel()
        await asyncio.sleep(0)
        replies = Speaker("CANCELLED", 3600.0).agent.inquire()
        await asyncio.sleep(1)
        replies.cancel()
        replies.cancel()
        await asyncio.sleep(1)
        replies = Speaker("ABANDONED", "x", 3600.0).agent.inquire()
        await anext(aiter(replies))
        del replies
        await asyncio.sleep(1)
    assert told.ends == [
        "DONE done",
        "FAILED failed",
        "BEFORE_ITS_FIRST_STEP cancelled",
        "CANCELLED cancelled",
        "ABANDONED abandoned",
    ]
    assert told.ended[1].error is GONE
    assert len(told.begun) == 5


@pytest.mark.loop(virtual=True)
async def test_ends_where_errors_become_messages() -> None:
    """A run is told of as what it was, also where errors become messages: cancelled, abandoned or failed."""
    told = Told()
    context = MiniAgents(errors_as_messages=True, observers=[told])
    async with context:
        await Speaker("FAILED", GONE).agent.inquire()
        replies = Speaker("CANCELLED", "x", 3600.0).agent.inquire()
        await asyncio.sleep(1)
        replies.cancel()
        await asyncio.sleep(1)
        replies = Speaker("ABANDONED", "x", 3600.0).agent.inquire()
        await anext(aiter(replies))
        del replies
        await asyncio.sleep(1)
    assert told.ends == ["FAILED failed", "CANCELLED cancelled", "ABANDONED abandoned"]


@pytest.mark.loop(virtual=True)
async def test_the_end_of_the_context() -> None:
    """Whatever runs when its context is left by an error has ended cancelled, each once."""
    told = Told()

    async def block() -> None:
        async with MiniAgents(observers=[told]):
            Speaker("A", 3600.0).agent.inquire()
            Speaker("B", "x").agent.inquire()
            await asyncio.sleep(1)
            Speaker("C", "x").agent.inquire()
            raise GONE

    with pytest.raises(ConnectionError):
        await block()
    assert sorted(f"{event.run.alias} {event.outcome}" for event in told.ended) == [
        "A cancelled",
        "B done",
        "C cancelled",
    ]


@pytest.mark.loop(virtual=True)
@pytest.mark.logs("failed after its replies were closed")
async def test_who_began_it() -> None:
    """A run knows the run that began it; after `finish_early` it goes on until its function has ended."""
    told = Told()

    @miniagent
    async def early_agent(ctx: InteractionContext) -> None:
        ctx.reply(await marking_agent.inquire("x"))
        ctx.finish_early()
        await asyncio.sleep(5)
        raise InquiryCancelledError

    async with MiniAgents(observers=[told]):
        await early_agent.inquire()
        assert told.ends == ["MARKING_AGENT done"]
    outer, inner = told.begun
    assert (outer.parent, inner.parent) == (None, outer)
    assert [event.outcome for event in told.ended] == ["done", "failed"]


async def test_an_observer_that_raises(caplog: pytest.LogCaptureFixture) -> None:
    """What an observer raises is logged once; the runs and the other observers go on."""

    class Broken(Observer):
        @override
        def on_event(self, event: RunEvent, /) -> None:
            raise ValueError(event)

    told = Told()
    async with MiniAgents(observers=[Broken(), told]):
        assert str(await marking_agent.inquire("x")) == "x!"
        assert str(await marking_agent.inquire("y")) == "y!"
    assert told.ends == ["MARKING_AGENT done", "MARKING_AGENT done"]
    (record,) = caplog.records
    assert "failed at RunBegan of <agent run" in record.getMessage()


A = TypeVar("A", bound=MiniAgent[Any, Any, ...])


class Wrap(Protocol):
    """Puts something around an agent."""

    def __call__(self, agent: A) -> A:
        """The agent with it."""
        ...


async def passing_on(ctx: InteractionContext, call: MiniAgent[Message, Message, ...]) -> None:
    """Pass the call on."""
    ctx.reply(call.inquire(ctx.messages))


def timed(agent: A) -> A:
    return agent.timeout(total=60)


def retried(agent: A) -> A:
    return agent.retry()


def surrounded(agent: A) -> A:
    return agent.around(passing_on)


def with_all(agent: A) -> A:
    return agent.timeout(stall=5).retry(RetryPolicy(attempts=2)).around(passing_on)


def forked(agent: A) -> A:
    return agent.fork()


def described(agent: A) -> A:
    return agent.described(alias="OTHER")


WRAPPERS: tuple[Wrap, ...] = (timed, retried, surrounded, with_all, forked, described)


async def test_wrapped_agents_stay_what_they_are() -> None:
    """`timeout`, `retry`, `around`, `fork` and `bind` give an agent of the same class, with all it has."""

    class Poet(BaseAgent):
        style: str = "haiku"

        @override
        async def run(self, ctx: InteractionContext) -> None:
            ctx.reply(f"{self.style} on {await ctx.messages}")

    @tool
    def now() -> str:
        """Tell the time."""
        return "noon"

    async with MiniAgents():
        for wrap in WRAPPERS:
            poet = wrap(Poet(style="ode"))
            assert type(poet) is type(poet.bind()) is Poet
            assert poet.style == "ode"
            assert str(await poet.inquire("snow")) == "ode on snow"
            assert str(await poet.inquire("snow", style="epic")) == "epic on snow"
            assert str(await wrap(poet.fork(style="song")).inquire("snow")) == "song on snow"
            model = scripted_model(then='{"name": "Oslo"}')
            typed = wrap(wrap(model).as_type(City))
            assert (await typed.inquire("?").parsed).name == "Oslo"
            assert (await typed.bind(model="m").inquire("?").parsed).name == "Oslo"
            assert (await wrap(typed.fork(model="m")).inquire("?", model="n").final).parsed.name == "Oslo"
            assert str(await wrap(model.with_tools(now)).inquire("?").final) == '{"name": "Oslo"}'


async def test_bind_needs_what_the_agent_needs() -> None:
    """`bind` closes the keywords, so one that is missing is missed there."""

    @miniagent
    async def keyed_agent(ctx: InteractionContext, key: str) -> None:
        ctx.reply(key)

    with pytest.raises(TypeError, match="needs a value for: key"):
        keyed_agent.bind()  # type: ignore[call-arg]
    async with MiniAgents():
        assert str(await keyed_agent.timeout(total=1).inquire("x", key="k")) == "k"
        assert str(await keyed_agent.bind(key="k").inquire("x")) == "k"


async def test_typed_alternatives() -> None:
    """A hedge of two models for one type has that type, and so has one with a handler for it."""

    def another(error: Exception, ctx: object) -> TypedAgent[City]:
        return scripted_model('{"name": "Rome"}').as_type(City).bind()

    oslo = scripted_model(then='{"name": "Oslo"}').as_type(City)
    failing = scripted_model(then=GONE).as_type(City)
    async with MiniAgents():
        for agent in (oslo.bind().hedge(failing.bind(), after=1), failing.bind().hedge(oslo.bind(), after=0)):
            assert isinstance(agent, TypedAgent)
            assert (await agent.inquire("?").parsed).name == "Oslo"
        caught = failing.bind().catching(another)
        assert (await caught.timeout(total=60).inquire("?").parsed).name == "Rome"
        plain = oslo.bind().hedge(marking_agent.bind(), after=1)
        assert not isinstance(plain, TypedAgent)
        assert str(await plain.inquire("?")) == '{"name": "Oslo"}'


async def test_the_rows_of_a_typed_agent() -> None:
    """Mapped over items a model with a type gives rows that have the value, whatever goes around it."""
    model = scripted_model(then='{"name": "Oslo"}')
    async with MiniAgents():
        for wrap in WRAPPERS:
            mapped = map_agent(wrap(model.as_type(City)), concurrency=2)
            rows = [row async for row in mapped(["a", "b"])]
            assert [row.item for row in rows] == ["a", "b"]
            assert all(isinstance(row, ItemReplies) for row in rows)
            assert [(await row.parsed).name for row in rows] == ["Oslo", "Oslo"]
            assert [each.name async for each in rows[0].partials][-1] == "Oslo"
        seen = await map_agent(model.as_type(City))(rx.of("c"))
        assert (await seen.parsed).name == "Oslo"


# -- a context inside another ----------------------------------------------------------------------------


async def test_around_of_an_inner_context() -> None:
    """What goes around the runs of the outer context is further out than what the inner one has."""
    notes: list[str] = []
    agent = Speaker("DONE", "x").agent
    async with MiniAgents(around=[noted(notes, "one"), noted(notes, "two")]):
        async with MiniAgents(around=[noted(notes, "three")]), MiniAgents():
            assert str(await agent.inquire()) == "x"
        assert [note.partition(":")[0] for note in notes] == ["one", "two", "three"]
        notes.clear()
        assert str(await agent.inquire()) == "x"
    assert [note.partition(":")[0] for note in notes] == ["one", "two"]


async def test_observers_of_the_outer_context() -> None:
    """The observers of the outer context are told of the runs of the inner one, before its own."""
    order: list[str] = []

    class Named(Told):
        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

        @override
        def on_event(self, event: RunEvent, /) -> None:
            super().on_event(event)
            if isinstance(event, RunBegan | RunEnded):
                order.append(self.name)

    outer, inner = Named("outer"), Named("inner")
    async with MiniAgents(observers=[outer]), MiniAgents(observers=[inner]), MiniAgents():
        await heard(Speaker("DONE", "x").agent.inquire())
    assert order == ["outer", "inner", "inner", "outer"]
    assert outer.ends == inner.ends == ["DONE done"]


@pytest.mark.loop(virtual=True)
@pytest.mark.parametrize("how", ["cancelled", "abandoned", "failed parent"])
async def test_stopping_the_run_of_a_wrapper(how: str) -> None:
    """Whatever stops the run of a wrapper stops the agent in it, and each is told of once."""
    told = Told()
    agent = Speaker("A", "x", 3600.0).agent.timeout(total=9000).retry(RetryPolicy(attempts=3))

    @miniagent
    async def asking_agent(ctx: InteractionContext) -> None:
        agent.inquire()
        await asyncio.sleep(1)
        raise GONE

    async with MiniAgents(observers=[told]):
        if how == "failed parent":
            await heard(asking_agent.inquire())
        else:
            replies = agent.inquire()
            await anext(aiter(replies))
            await asyncio.sleep(1)
            if how == "cancelled":
                replies.cancel()
            del replies
        await asyncio.sleep(1)
        assert asyncio.get_running_loop().time() < 10
        ends = [(event.run.alias, event.outcome) for event in told.ended if event.run.alias != "ASKING_AGENT"]
        assert sorted(alias for alias, _ in ends) == [
            "A",
            "A.timeout(total=9000)",
            "A.timeout(total=9000).retry(3)",
        ]
        assert {kind for _, kind in ends} == {"cancelled" if how == "cancelled" else "abandoned"}
