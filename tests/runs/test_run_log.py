"""The log of a run: what is written, and what is made of it again.

Crosses modules: runs, the frames of `ext.web`, timelines, usage.
"""

import asyncio
import json
import re
from collections.abc import AsyncGenerator, MutableMapping, Sequence
from dataclasses import replace

import pytest
from typing_extensions import override

from miniagents import (
    AssistantMessage,
    InteractionContext,
    LLMStatusError,
    Message,
    MiniAgent,
    MiniAgents,
    Reasoning,
    ToolCall,
    Usage,
    miniagent,
    tool,
)
from miniagents.ext.journal import (
    Event,
    JournalError,
    Lease,
    MemoryJournal,
    RunRecord,
    durable,
    events_of_run,
)
from miniagents.ext.timeline import Timeline
from miniagents.ext.usage import RunUsage
from miniagents.ext.web import Frame, MessagePart, RunEnded, Runs
from miniagents.ext.web._source import FrameView
from miniagents.models import model_agent
from miniagents.testing import scripted_model, virtual_time
from miniagents.tools import ToolContext
from miniagents.values import Part, ToolCallDelta

_TICK = 1 / 64  # seconds: sums of it are exact


def team(*, fails: bool = False) -> MiniAgent:
    """Agents of several kinds: with tools, beside each other, that write, and that pass messages on."""

    @tool
    async def look(ctx: ToolContext, what: str) -> str:
        await asyncio.sleep(0.0625)
        return f"{what} of {ctx.owner}"

    asks = AssistantMessage(parts=[Reasoning("Hm."), "I look.", ToolCall("1", "look", '{"what": "sky"}')])
    looker = scripted_model(asks, "It is blue today.", delay=_TICK, alias="LOOKER").with_tools(look)
    critic = scripted_model("Not bad at all.", delay=_TICK / 2, alias="CRITIC")
    last = scripted_model(
        LLMStatusError("no", provider="p", model="m", status=500)
        if fails
        else AssistantMessage("The end.", usage=Usage(7, 3)),
        delay=_TICK,
        alias="LAST",
    )

    @miniagent(alias="TEAM")
    async def both(ctx: InteractionContext) -> None:
        beside = critic.inquire("Well?")
        ctx.reply(looker.inquire(ctx.messages))
        ctx.reply(["A word ", "of my own."])
        ctx.reply(beside)
        ctx.reply(last.inquire("And?"))

    return both


async def logged(agent: MiniAgent) -> tuple[MemoryJournal, str]:
    """A journal with the log of a run of an agent."""
    journal = MemoryJournal()
    async with MiniAgents():
        runs = Runs(journal, agents={"agent": agent})
        run = await runs.begin("agent", "Hi", owner="ada")
        async for _ in runs.frames(run, owner="ada"):
            pass
    return journal, run


@pytest.mark.logs("A run failed")
@pytest.mark.parametrize("fails", [False, True])
def test_prefixes(*, fails: bool) -> None:
    """A prefix of the log gives a prefix of the frames, at each cut; and what clients saw is all of them."""

    async def main() -> tuple[list[Event], list[Frame]]:
        journal, run = await logged(team(fails=fails))
        async with MiniAgents():
            runs = Runs(journal)
            seen = [frame async for _, frame in runs.frames(run, owner="ada")]
        return list((await journal.read(run)).events), seen

    with virtual_time():
        events, seen = MiniAgents().run(main())
    whole = FrameView().take(events)
    assert seen == whole
    for cut in range(len(events)):
        view = FrameView()
        frames = view.take(events[:cut])
        assert frames == whole[: len(frames)]
        assert whole[len(frames) :] == view.take(events[cut:])
    text = "".join(
        each.part for each in whole if isinstance(each, MessagePart) and isinstance(each.part, str)
    )
    assert "I look.It is blue today.A word of my own.Not bad at all." in text
    assert fails != ("The end." in text)


def test_once() -> None:
    """Texts that an agent passes on are written once."""
    with virtual_time():
        journal, run = MiniAgents().run(logged(team()))
        events = asyncio.run(journal.read(run)).events
    written = json.dumps(list(events))
    assert [1, 1, 1] == [written.count(word) for word in ('"blue "', '"bad "', '"end."')]


@pytest.mark.logs("A run failed")
@pytest.mark.parametrize("fails", [False, True])
def test_views(*, fails: bool) -> None:
    """Timeline and usage of a log are those of the live run."""

    async def main() -> tuple[list[Timeline], list[RunUsage]]:
        journal, agent = MemoryJournal(), team(fails=fails)
        timelines, usages = [Timeline(), Timeline()], [RunUsage(), RunUsage()]
        try:
            async with durable(journal, run_id="7"), MiniAgents(observers=[timelines[0], usages[0]]):
                await agent.inquire("Hi")
        except LLMStatusError:
            assert fails
        for view in (timelines[1], usages[1]):
            await events_of_run(journal, "7", view)
        return timelines, usages

    with virtual_time():
        (live, logged_one), (counted, summed) = MiniAgents().run(main())
    assert str(live) == str(logged_one)
    assert live.to_svg() == logged_one.to_svg()
    assert (counted.total, counted.requests, counted.by_agent) == (
        summed.total,
        summed.requests,
        summed.by_agent,
    )
    assert (Usage() if fails else Usage(7, 3), 4) == (summed.total, summed.requests)


async def test_killed() -> None:
    """Calls of a process that was killed end with their last part, once the run has ended; else now."""
    whole, run = await logged(team())
    page = await whole.read(run)
    part = next(number for number, event in enumerate(page.events) if event[0] == "parts")
    journal = MemoryJournal()
    async with journal:
        lease = Lease(replace(page.record, state="live", how=""))
        await journal.begin(lease, page.events[: part + 1])
        await asyncio.sleep(0.1)
        pictures = [Timeline(), Timeline()]
        await events_of_run(journal, run, pictures[0])
        first = str(pictures[0]).splitlines()[0]
        assert re.search(r"runs in [0-9.]+ (µs|ms|s), 1 part, \d still running$", first), first
        await journal.end(lease, [["ended", 0, "lost", "It is gone."]], how="lost")
        await events_of_run(journal, run, pictures[1])
    last = str(pictures[1]).splitlines()[0]
    assert re.search(r"runs in [0-9.]+ (µs|ms|s), 1 part, \d left by their readers$", last), last


async def test_no_such_run() -> None:
    """The events of a run that does not exist are an error with the reason."""
    with pytest.raises(JournalError, match="no run has the id '8'") as caught:
        await events_of_run(MemoryJournal(), "8", Timeline())
    assert "unknown" == caught.value.reason


async def test_a_call_without_a_beginning() -> None:
    """A log that has something of a call, but not that it began, is refused with a sentence."""
    journal = MemoryJournal()
    events: list[Event] = [
        ["model", 1, 0, "p", "m", "", True],
        ["parts", 1, 0, [], [0]],
        ["call_end", 1, 0, "done", None, []],
        ["call", 1, 0],
    ]
    for number, event in enumerate(events):
        run = str(number)
        await journal.begin(lease := Lease(RunRecord(run)), [event])
        await journal.end(lease, [], how="finished")
        with pytest.raises(JournalError, match=rf"The run '{run}' cannot be read: its log is damaged"):
            await events_of_run(journal, run, Timeline())


def test_no_secrets() -> None:
    """No key that an agent is given, or that an error names, is in the log."""
    key = "sk-" + "a1B2" * 12

    @miniagent
    async def careless(ctx: InteractionContext, *, api_key: str) -> None:
        ctx.reply(scripted_model(ValueError(f"the key {api_key} is wrong")).inquire("Hi"))

    async def main() -> str:
        journal = MemoryJournal()
        with pytest.raises(ValueError, match="is wrong"):
            async with durable(journal, run_id="7"):
                await careless.inquire("Hi", api_key=key)
        return json.dumps(list((await journal.read("7")).events))

    written = MiniAgents().run(main())
    assert ("is wrong" in written, key in written) == (True, False)


async def test_the_owner() -> None:
    """A tool knows its run and the owner, the agent its keywords, also in the server that continues a run."""
    seen: list[tuple[str | None, str | None, str]] = []
    go = asyncio.Event()

    @tool
    async def note(ctx: ToolContext, name: str) -> str:
        seen.append((ctx.run_id, ctx.owner, name))
        return "noted"

    @miniagent
    async def notes(ctx: InteractionContext, *, name: str = "") -> None:
        await go.wait()
        asks = AssistantMessage(parts=[ToolCall("1", "note", json.dumps({"name": name}))])
        ctx.reply(scripted_model(asks, "Done.").with_tools(note).inquire(ctx.messages))

    journal = MemoryJournal()
    async with MiniAgents(drain_timeout=0, shutdown_timeout=1):
        runs = Runs(journal, agents={"notes": notes})
        run = await runs.begin("notes", "Hi", owner="ada", keywords={"name": "Ada"})
        await asyncio.sleep(0)
    go.set()
    async with MiniAgents():
        runs = Runs(journal, agents={"notes": notes})
        async for _ in runs.frames(run, owner="ada"):
            pass
    assert [(run, "ada", "Ada")] == seen


@pytest.mark.loop(virtual=True)
@pytest.mark.logs("cannot be recorded")
@pytest.mark.parametrize(
    "part",
    [
        "x" * 1_000_000,
        *(
            pytest.param(each, marks=pytest.mark.gate("half a second of processor time"))
            for each in (Reasoning("x" * 1_000_000), ToolCallDelta(0, arguments="x" * 1_000_000))
        ),
    ],
)
async def test_a_slow_store(part: Part) -> None:
    """A run whose parts, of any kind, have 16 million characters that wait for its store begins again."""
    slow = _SlowJournal()
    told = 0

    @model_agent(alias="TALKER")
    async def talker(
        ctx: InteractionContext[Message, AssistantMessage], *, tools: tuple[object, ...] = ()
    ) -> None:
        del tools

        async def parts(_: MutableMapping[str, object]) -> AsyncGenerator[Part]:
            nonlocal told
            while told < 40:
                await asyncio.sleep(0.01)
                yield part
                told += 1

        ctx.reply(AssistantMessage.promise_of_parts(parts))

    async with MiniAgents():
        runs = Runs(slow, agents={"agent": talker})
        run = await runs.begin("agent", "Hi")
        await asyncio.sleep(1.0)
        assert told < 20
        slow.go.set()
        assert RunEnded("finished") == [frame async for _, frame in runs.frames(run)][-1]


class _SlowJournal(MemoryJournal):
    """A journal that takes long to write parts."""

    def __init__(self) -> None:
        super().__init__()
        self.go = asyncio.Event()

    @override
    async def append(self, lease: Lease, events: Sequence[Event], /, *, hard: bool = False) -> None:
        if any(event[0] == "parts" for event in events):
            await self.go.wait()
        await super().append(lease, events, hard=hard)
