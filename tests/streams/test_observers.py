"""What observers are told of the runs of a context.

Crosses modules: runs, messages, tools and contexts tell one story.
"""

import asyncio
import gc
import logging
import weakref
from collections.abc import AsyncGenerator
from contextvars import ContextVar
from typing import cast

import pytest
from reactivex import operators as ops
from typing_extensions import override

from miniagents import (
    AssistantMessage,
    Finish,
    InteractionContext,
    Message,
    MiniAgents,
    Part,
    Retry,
    ToolCall,
    Usage,
    miniagent,
    race,
    tool,
)
from miniagents.ext.usage import RunUsage
from miniagents.messages._parts import run_of
from miniagents.models import model_agent
from miniagents.observers import (
    Observer,
    PartsCame,
    PartSeen,
    RunBegan,
    RunEnded,
    RunEvent,
    RunInfo,
    run_events,
)
from miniagents.operators import map_agent
from miniagents.testing import scripted_model

GONE = ConnectionError("gone")


class Told(Observer):
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.events: list[RunEvent] = []

    @override
    def on_event(self, event: RunEvent, /) -> None:
        self.events.append(event)

    def of(self, alias: str) -> list[RunEvent]:
        """What it was told of the runs of an agent."""
        return [event for event in self.events if event.run.alias == alias]

    @property
    def runs(self) -> list[RunInfo]:
        """Every run, in the order of their beginnings."""
        return [event.run for event in self.events if isinstance(event, RunBegan)]

    @property
    def tree(self) -> list[str]:
        """Each run behind those that began it."""

        def path(run: RunInfo) -> str:
            return run.alias if run.parent is None else f"{path(run.parent)}/{run.alias}"

        return [path(run) for run in self.runs]

    @property
    def ends(self) -> dict[str, str]:
        """How each run ended; each is told once."""
        ended = [event for event in self.events if isinstance(event, RunEnded)]
        assert len({event.run for event in ended}) == len(ended) == len(self.runs)
        return {event.run.alias: event.outcome for event in ended}


def short(event: RunEvent) -> str:
    """The name of an event, with what it carries."""
    name, at = type(event).__name__, "" if isinstance(event, PartsCame) else f" {event.at:g}"
    if isinstance(event, PartSeen):
        return f"{name}{at} {event.part if type(event.part) is str else type(event.part).__name__}"
    if isinstance(event, PartsCame):
        return f"{name} {event.message}: {list(zip(event.parts, event.times, strict=True))}"
    return f"{name}{at} {event.outcome}" if isinstance(event, RunEnded) else f"{name}{at}"


@model_agent
async def slow_model(
    ctx: InteractionContext[Message, AssistantMessage],
    *,
    tools: object = (),
    api_key: str = "",
    size: int = 3,
) -> None:
    """Say a word each second, then what it has cost."""
    del tools, api_key

    async def parts(metadata: object) -> AsyncGenerator[Part]:
        del metadata
        for word in range(size):
            await asyncio.sleep(1)
            yield f"{word} "
        yield Usage(input_tokens=7, output_tokens=3)
        yield Finish("stop")

    ctx.reply(AssistantMessage.promise_of_parts(parts, model="slow-1"))


@pytest.mark.loop(virtual=True)
async def test_one_answer_of_a_model() -> None:
    """A run is told of in order, with times of the loop; it ends with its message, not with its function."""
    told = Told()
    async with MiniAgents(observers=[told]):
        await slow_model.inquire("go", size=2)
    parts = [("0 ", 1.0), ("1 ", 2.0)]
    (*_, usage, _, _), (*_, ended) = told.events, told.events
    assert [short(event) for event in told.events] == [
        "RunBegan 0",
        "PartSeen 1 0 ",
        "PartSeen 2 Usage",
        f"PartsCame 0: {[*parts, (Usage(input_tokens=7, output_tokens=3), 2.0), (Finish('stop'), 2.0)]}",
        "RunEnded 2 done",
    ]
    assert isinstance(usage, PartSeen)
    assert isinstance(usage.part, Usage)
    assert (usage.model, usage.part.output_tokens) == ("slow-1", 3)
    assert isinstance(ended, RunEnded)
    assert [dict(message) for message in ended.messages] == [{"model": "slow-1", "finish_reason": "stop"}]
    assert {event.run for event in told.events} == set(told.runs)
    assert told.runs[0].kind == "model"


@pytest.mark.loop(virtual=True)
async def test_a_message_that_is_there() -> None:
    """What an agent replies as a whole is told as parts that came when it was replied."""
    told = Told()

    @miniagent
    async def whole_agent(ctx: InteractionContext) -> None:
        await asyncio.sleep(2)
        ctx.reply("one")
        ctx.reply([Message("two", tags=["x"]), AssistantMessage("three", model="m")])
        ctx.reply("")

    async with MiniAgents(observers=[told]):
        await whole_agent.inquire()
    assert [short(event) for event in told.events] == [
        "RunBegan 0",
        "PartSeen 2 one",
        "PartsCame 0: [('one', 2.0)]",
        "PartsCame 1: [('two', 2.0)]",
        "PartsCame 2: [('three', 2.0)]",
        "PartsCame 3: []",
        "RunEnded 2 done",
    ]
    (ended,) = (event for event in told.events if isinstance(event, RunEnded))
    assert [data.get("tags") or data.get("model") for data in ended.messages] == [None, ("x",), "m", None]


@pytest.mark.loop(virtual=True)
async def test_tokens_of_an_agent() -> None:
    """The tokens that an agent writes itself are told; those that it passes on are told of who wrote them."""
    told = Told()

    @miniagent
    async def shouting_agent(ctx: InteractionContext) -> None:
        async def tokens(metadata: object) -> AsyncGenerator[str]:
            del metadata
            async for token in ctx.messages.tokens:
                yield token.upper()

        ctx.reply(Message.promise(tokens))

    @miniagent
    async def passing_agent(ctx: InteractionContext) -> None:
        ctx.reply(shouting_agent.inquire(slow_model.inquire(size=2)))

    async with MiniAgents(observers=[told]):
        assert str(await passing_agent.inquire()) == "0 1 "
    assert told.tree == ["PASSING_AGENT", "PASSING_AGENT/SLOW_MODEL", "PASSING_AGENT/SHOUTING_AGENT"]
    assert [short(event) for event in told.of("SHOUTING_AGENT")] == [
        "RunBegan 0",
        "PartSeen 1 0 ",
        "PartsCame 0: [('0 ', 1.0), ('1 ', 2.0)]",
        "RunEnded 2 done",
    ]
    assert [short(event) for event in told.of("PASSING_AGENT")] == ["RunBegan 0", "RunEnded 2 done"]


@pytest.mark.loop(virtual=True)
@pytest.mark.parametrize("how", ["cancelled", "abandoned", "failed", "context"])
async def test_broken_off(how: str) -> None:
    """A run whose message is broken off has ended so, with what had come and been counted until then."""
    told = Told()

    @model_agent
    async def counting_model(
        ctx: InteractionContext[Message, AssistantMessage], *, tools: object = ()
    ) -> None:
        del tools

        async def parts(metadata: object) -> AsyncGenerator[Part]:
            del metadata
            yield Usage(input_tokens=5)
            yield "one"
            await asyncio.sleep(1)
            if how == "failed":
                raise GONE
            await asyncio.sleep(3600)

        ctx.reply(AssistantMessage.promise_of_parts(parts))

    async def block() -> None:
        async with MiniAgents(observers=[told]):
            replies = counting_model.inquire()
            message = await anext(aiter(replies))
            assert await anext(aiter(message)) == "one"
            await asyncio.sleep(0.5)
            if how == "cancelled":
                replies.cancel()
            elif how == "failed":
                with pytest.raises(ConnectionError):
                    await replies
            elif how == "context":
                raise KeyError(how)
            else:
                del message, replies
            await asyncio.sleep(1)
            assert told.ends

    if how == "context":
        with pytest.raises(KeyError):
            await block()
    else:
        await block()
    usage, parts = (
        next(event for event in told.events if isinstance(event, kind)) for kind in (PartSeen, PartsCame)
    )
    ended = told.events[-1]
    assert isinstance(usage, PartSeen)
    assert usage.part == Usage(input_tokens=5)
    assert usage.first
    assert isinstance(parts, PartsCame)
    assert parts.parts == (Usage(input_tokens=5), "one")
    assert isinstance(ended, RunEnded)
    assert ended.outcome == ("cancelled" if how == "context" else how)
    assert ended.error is (GONE if how == "failed" else None)
    assert len(told.ends) == 1


@pytest.mark.loop(virtual=True)
async def test_retries() -> None:
    """A model that is asked again tells so; that is no first part."""
    told = Told()

    @model_agent
    async def busy_model(ctx: InteractionContext[Message, AssistantMessage], *, tools: object = ()) -> None:
        del tools

        async def parts(metadata: object) -> AsyncGenerator[Part]:
            del metadata
            yield Retry(1, 2.0, "busy")
            await asyncio.sleep(2)
            yield "Hi"

        ctx.reply(AssistantMessage.promise_of_parts(parts))

    async with MiniAgents(observers=[told]):
        await busy_model.inquire()
    assert [short(event) for event in told.events[:3]] == ["RunBegan 0", "PartSeen 0 Retry", "PartSeen 2 Hi"]
    retried = told.events[1]
    assert isinstance(retried, PartSeen)
    assert isinstance(retried.part, Retry)
    assert retried.part.reason == "busy"


@pytest.mark.loop(virtual=True)
async def test_a_retry_that_failed() -> None:
    """A retry behind which nothing came is told once, and counted as one request more."""
    told, usage = Told(), RunUsage()

    @model_agent
    async def lost_model(ctx: InteractionContext[Message, AssistantMessage], *, tools: object = ()) -> None:
        del tools

        async def parts(metadata: object) -> AsyncGenerator[Part]:
            del metadata
            yield Retry(1, 0.0, "busy")
            raise GONE

        ctx.reply(AssistantMessage.promise_of_parts(parts))

    async with MiniAgents(observers=[told, usage]):
        with pytest.raises(ConnectionError):
            await lost_model.inquire()
    assert [short(event) for event in told.events if isinstance(event, PartSeen)] == ["PartSeen 0 Retry"]
    assert usage.requests == 2


@pytest.mark.loop(virtual=True)
async def test_who_began_a_run() -> None:
    """A run knows the run, or the tool, that began it: in a chain, a race, a map and a tool."""
    told = Told()

    @tool
    async def look_up(word: str) -> str:
        """Look a word up."""
        return str(await leaf_agent.inquire(word))

    @miniagent
    async def leaf_agent(ctx: InteractionContext) -> None:
        """Reply the same."""
        ctx.reply(ctx.messages)

    @miniagent(alias="SLOW")
    async def slow_agent(ctx: InteractionContext) -> None:
        await asyncio.sleep(3600)
        ctx.reply(ctx.messages)

    call = AssistantMessage(parts=[ToolCall("1", "look_up", '{"word": "x"}')])
    model = scripted_model(call, "done", alias="MODEL")
    async with MiniAgents(observers=[told]):
        await model.with_tools(look_up).inquire("x")
        assert told.tree == [
            "MODEL_WITH_TOOLS",
            "MODEL_WITH_TOOLS/MODEL",
            "MODEL_WITH_TOOLS/look_up",
            "MODEL_WITH_TOOLS/look_up/LEAF_AGENT",
            "MODEL_WITH_TOOLS/MODEL",
        ]
        assert [run.kind for run in told.runs] == ["agent", "model", "tool", "agent", "model"]
        assert dict(told.runs[2].keywords) == {"arguments": '{"word": "x"}'}
        told.events.clear()
        await race(leaf_agent, slow_agent).inquire("x")
        await asyncio.sleep(1)
        whole = told.tree[0]
        assert told.tree[1:] == [f"{whole}/LEAF_AGENT", f"{whole}/SLOW"]
        assert told.ends == {whole: "done", "LEAF_AGENT": "done", "SLOW": "cancelled"}
        told.events.clear()
        await (leaf_agent | leaf_agent).inquire("x")
        whole = told.tree[0]
        assert told.tree[1:] == [f"{whole}/LEAF_AGENT", f"{whole}/LEAF_AGENT"]
        told.events.clear()
        async for row in map_agent(leaf_agent)(["a", "b"]):
            await row
        assert told.tree == ["LEAF_AGENT", "LEAF_AGENT"]


@pytest.mark.logs("miniagents.models")
async def test_tools_that_fail() -> None:
    """A call of a tool has failed if the model is told so, with the error where one was raised."""
    told = Told()

    @tool
    def broken(word: str) -> str:
        """Fail."""
        raise KeyError(word)

    calls = AssistantMessage(parts=[ToolCall("1", "broken", '{"word": "x"}'), ToolCall("2", "unknown", "{}")])
    async with MiniAgents(observers=[told]):
        await scripted_model(calls, "done").with_tools(broken).inquire("x")
    ends = {event.run.alias: event for event in told.events if isinstance(event, RunEnded)}
    assert (ends["broken"].outcome, type(ends["broken"].error)) == ("failed", KeyError)
    assert (ends["(no such tool)"].outcome, ends["(no such tool)"].error) == ("failed", None)
    assert ends["SCRIPTED_MODEL_WITH_TOOLS"].outcome == "done"


@pytest.mark.parametrize("kind", ["tokens", "parts"])
async def test_a_reader_that_leaves_at_the_first_part(kind: str) -> None:
    """A reader that leaves while it is handed the first part stops the message; observers are told of it."""
    told = Told()

    async def many(metadata: object) -> AsyncGenerator[str]:
        del metadata
        await asyncio.sleep(0)
        while True:
            yield "x"
            await asyncio.sleep(0)

    @miniagent
    async def endless_agent(ctx: InteractionContext) -> None:
        ctx.reply(Message.promise(many) if kind == "tokens" else AssistantMessage.promise_of_parts(many))

    async with MiniAgents(observers=[told]):
        assert await endless_agent.inquire().tokens.pipe(ops.take(1), ops.to_list()) == ["x"]
        await asyncio.sleep(0.01)
    assert [type(event) for event in told.events] == [RunBegan, PartSeen, PartsCame, RunEnded]
    assert told.ends == {"ENDLESS_AGENT": "abandoned"}


@pytest.mark.parametrize("size", [512, 100, 1])
async def test_batches(size: int) -> None:
    """Parts are told in batches as large as the observers want; what is left comes at the end."""

    class Batches(Told):
        pass

    Batches.batch = size
    told = Batches()
    async with MiniAgents(observers=[told]):
        await slow_model.inquire(size=0)
        told.events.clear()

        async def many(metadata: object) -> AsyncGenerator[str]:
            del metadata
            for number in range(1100):
                yield str(number)

        @miniagent
        async def counting_agent(ctx: InteractionContext) -> None:
            ctx.reply([Message.promise(many), AssistantMessage.promise_of_parts(many)])

        await counting_agent.inquire()
    for number in range(2):
        batches = [event for event in told.events if isinstance(event, PartsCame) and event.message == number]
        assert [part for batch in batches for part in batch.parts] == [str(each) for each in range(1100)]
        assert all(len(batch.parts) == len(batch.times) for batch in batches)
        assert [len(batch.parts) for batch in batches] == [size] * (1100 // size) + [1100 % size] * (
            1100 % size > 0
        )
    assert sum(isinstance(event, PartSeen) and event.first for event in told.events) == 1


async def test_context_variables() -> None:
    """What an observer sets when a run begins, the run inherits, and all that it starts; nobody else does."""
    variable: ContextVar[str] = ContextVar("variable", default="none")
    seen: dict[str, str] = {}

    class Setting(Observer):
        @override
        def on_event(self, event: RunEvent, /) -> None:
            if isinstance(event, RunBegan):
                variable.set(f"{variable.get()}/{event.run.alias}")
            elif isinstance(event, RunEnded):
                seen[f"end of {event.run.alias}"] = variable.get()

    @miniagent
    async def inner(ctx: InteractionContext) -> None:
        async def tokens(metadata: object) -> AsyncGenerator[str]:
            del metadata
            yield variable.get()

        ctx.reply(Message.promise(tokens))

    @miniagent
    async def outer(ctx: InteractionContext) -> None:
        seen["before"] = variable.get()
        ctx.reply(await inner.inquire())
        seen["after"] = variable.get()

    async with MiniAgents(observers=[Setting()]):
        assert str(await outer.inquire()) == "none/OUTER/INNER"
    assert seen == {
        "before": "none/OUTER",
        "after": "none/OUTER",
        "end of INNER": "none/OUTER/INNER",
        "end of OUTER": "none/OUTER",
    }
    assert variable.get() == "none"


async def test_keywords() -> None:
    """A run tells its keywords that are data, without secrets."""
    told = Told()
    async with MiniAgents(observers=[told]):
        await slow_model.inquire(size=0, api_key="sk-canary", tools=print)
    assert dict(told.runs[0].keywords) == {"size": 0}
    assert "canary" not in repr(told.events)


async def test_nobody_observes() -> None:
    """Where nobody observes, runs and messages are as they would be without observers."""
    async with MiniAgents() as context:
        assert context.observers is None
        promise = slow_model.inquire(size=0)
        await promise
        assert type(promise.buffer.items[0].buffer).__name__ == "PartBuffer"


@pytest.mark.loop(virtual=True)
async def test_run_events() -> None:
    """`run_events` is what observers are told, live, until the context has ended."""
    async with MiniAgents():
        events = run_events()
        await slow_model.inquire(size=2)
    names = [type(event).__name__ for event in await events]
    parts = ["PartsCame"] * 2
    assert names == ["RunBegan", "PartSeen", *parts, "PartSeen", *parts, "RunEnded"]


async def test_run_events_that_nobody_reads() -> None:
    """When the last reader of `run_events` has left, nothing more is told or kept."""
    async with MiniAgents() as context:

        def observed() -> bool:
            return context.observers is not None

        events = run_events()
        await slow_model.inquire(size=0)
        assert isinstance(await anext(aiter(events)), RunBegan)
        assert observed()
        del events
        assert not observed()
        unread = run_events()
        assert observed()
        del unread
        assert not observed()


async def test_those_who_come_later() -> None:
    """Who begins to observe, or stops it, changes nothing for others: numbers go on, runs are still known."""
    async with MiniAgents() as context:
        first = run_events()
        replies = slow_model.inquire(size=0)
        began = await anext(aiter(first))
        second = run_events()
        other = slow_model.inquire(size=0)
        late = await anext(aiter(second))
        await asyncio.gather(replies, other)
        assert (1, 2) == (began.run.number, late.run.number)
        assert run_of(replies.buffer) is began.run
        del first, second
        assert context.observers is None
        third = run_events()
        await slow_model.inquire(size=0)
        assert (await anext(aiter(third))).run.number == 3


def test_what_is_no_observer() -> None:
    """A function, and a class in the place of its object, are refused where they are given."""
    for wrong in (print, Observer):
        with pytest.raises(TypeError, match=r" is no observer; give an object of a class that is derived"):
            MiniAgents(observers=[cast("Observer", wrong)])


async def test_an_observer_of_two_contexts() -> None:
    """An observer of a context and of one within it is told of everything once."""
    told: list[str] = []

    class Told(Observer):
        """Notes what began."""

        @override
        def on_event(self, event: RunEvent, /) -> None:
            if isinstance(event, RunBegan):
                told.append(event.run.alias)

    observer = Told()
    async with MiniAgents(observers=[observer]), MiniAgents(observers=[observer]):
        await slow_model.inquire(size=0)
    assert len(told) == 1


async def test_what_is_watched_in_a_long_life() -> None:
    """A context that goes on for long keeps nothing of those who have watched it."""
    async with MiniAgents(app_wide=True) as app:
        for _ in range(3):
            events = run_events()
            await slow_model.inquire(size=0)
            del events
        assert app._closers == []
        assert app.observers is None


async def test_nothing_is_kept() -> None:
    """An observed run keeps nothing alive when it has ended, also without a garbage collection."""
    gc.collect()
    gc.disable()
    try:
        async with MiniAgents(observers=[Observing()]):
            replies = slow_model.inquire(size=0)
            message = (await replies)[0]
            gone: list[weakref.ReferenceType[object]] = [weakref.ref(replies.buffer), weakref.ref(message)]
            del replies, message
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert [each() for each in gone] == [None, None]
    finally:
        gc.enable()


class Observing(Observer):
    """Keeps nothing."""

    @override
    def on_event(self, event: RunEvent, /) -> None:
        logging.getLogger("miniagents.tests").debug("%s", event.run.alias)


async def test_numbers_when_another_joins() -> None:
    """No two runs have one number, whoever joins or leaves meanwhile, here or in a context around."""
    told = Told()
    async with MiniAgents() as outer, MiniAgents(observers=[told]):
        for observer in (Told(), Told()):
            await scripted_model("Hi").inquire("Hello")
            outer.observe(observer)
            await scripted_model("Hi").inquire("Hello")
            outer.stop_observing(observer)
    assert [run.number for run in told.runs] == [1, 2, 3, 4]
    assert len({run.epoch for run in told.runs}) == 1


async def test_data_of_messages() -> None:
    """The end of a run tells the data of its messages, without secrets, however deep they stand."""
    told = Told()

    @miniagent(alias="TELLER")
    async def telling_agent(ctx: InteractionContext) -> None:
        ctx.reply(Message("Hi", api_key="canary", note={"kept": 1, "password": "canary"}))

    async with MiniAgents(observers=[told]):
        await telling_agent.inquire("Hello")
    (end,) = (event for event in told.of("TELLER") if isinstance(event, RunEnded))
    assert end.messages[0]["note"] == {"kept": 1}
    assert "canary" not in repr(end)


async def test_a_tool_that_is_not_there() -> None:
    """The name of a tool that a model has made up is told among the arguments, and is no alias."""
    told = Told()

    @tool
    async def look() -> str:
        """Look."""
        return "x"

    call = AssistantMessage(parts=[ToolCall("1", "Say hello to my sister.", "{}")])
    async with MiniAgents(observers=[told]):
        await scripted_model(call, "done", alias="MODEL").with_tools(look).inquire("Hello")
    (run,) = (run for run in told.runs if run.kind == "tool")
    assert (run.alias, run.keywords["name"]) == ("(no such tool)", "Say hello to my sister.")
