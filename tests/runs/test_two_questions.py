"""Calls of one answer that ask a person at the same time, perhaps the same: each gets its own answer.

Crosses modules: tools, agents that are tools, runs, the journal in SQLite.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from miniagents import (
    AssistantMessage,
    Messages,
    MiniAgent,
    MiniAgents,
    ToolCall,
    ToolMessage,
    UserMessage,
    tool,
)
from miniagents.ext.journal import Event, Journal, Lease, MemoryJournal, Question, RunRecord
from miniagents.ext.web import Frame, MessageBegan, MessageEnded, MessagePart, RunEnded, RunParked, Runs
from miniagents.parts import Image, Restart, ToolResult
from miniagents.runs import RunRequest
from miniagents.testing import ScriptedModel
from miniagents.tools import Allow, Reject, ToolContext, approval, ask
from tests.runs.test_questions import eventually

Done = list[tuple[int, str, str | None]]


def _calls(*names: str, arguments: Sequence[str]) -> AssistantMessage:
    both = zip(names, arguments, strict=True)
    return AssistantMessage(parts=[ToolCall(f"o{at}", *each) for at, each in enumerate(both, 1)])


def _results(seen: Messages) -> list[str]:
    return [str(each) for each in seen if isinstance(each, ToolMessage)]


def asking_tools(done: Done, *, alike: bool) -> MiniAgent:
    """A model with a tool that calls a model of its own, and asks why."""
    reasons = ScriptedModel(then="Why?", alias="REASONS").agent

    @tool
    async def refund(ctx: ToolContext, order: int) -> str:
        """Give money back."""
        text = str(await reasons.inquire("How do I ask?"))
        why = await ask(text if alike else f"{text} {order}")
        done.append((order, why, ctx.call_key))
        return f"{order}: {why}"

    def reply(seen: Messages) -> AssistantMessage | str:
        arguments = ['{"order": 1}', '{"order": 2}']
        return "; ".join(_results(seen)) or _calls("refund", "refund", arguments=arguments)

    return ScriptedModel(then=reply, alias="MODEL").agent.with_tools(refund).bind()


def agents_as_tools(done: Done, *, alike: bool) -> MiniAgent:
    """A model whose tools are two agents, each with a tool that needs approval."""

    def buyer(number: int) -> MiniAgent:
        amount = 1 if alike else number

        @tool
        async def pay(ctx: ToolContext, amount: int) -> str:
            """Pay an amount."""
            done.append((number, f"paid {amount}", ctx.call_key))
            return f"paid {amount}"

        def reply(seen: Messages) -> AssistantMessage | str:
            return next(iter(_results(seen)), "") or AssistantMessage(
                parts=[ToolCall("c", "pay", f'{{"amount": {amount}}}')]  # ids count from the start in each
            )

        model = ScriptedModel(then=reply, alias="BUYER" if alike else f"BUYER_{number}").agent
        careful = model.with_tools(pay, approve=approval())
        return careful.described(alias=f"buyer{number}", description="Buys.")

    def reply(seen: Messages) -> AssistantMessage | str:
        return "; ".join(_results(seen)) or _calls("buyer1", "buyer2", arguments=['{"text": "Pay."}'] * 2)

    return ScriptedModel(then=reply, alias="MODEL").agent.with_tools(buyer(1), buyer(2)).bind()


@asynccontextmanager
async def server(path: Path, agent: MiniAgent, *, linger: float) -> AsyncGenerator[tuple[Runs, Journal]]:
    """A server that uses a journal."""
    async with Journal(path) as journal, MiniAgents(drain_timeout=0):
        runs = Runs(journal, agents={"agent": agent}, linger=linger)
        await runs.open()
        yield runs, journal


async def killed(journal: Journal, run: str, path: Path) -> Path:
    """A journal as the process leaves it that is killed now: nothing has ended."""
    async with Journal(path) as other:
        await other.begin(lease := Lease(RunRecord(run, restart="server")), (await journal.read(run)).events)
        await other.leave(lease)
    return path


async def asked(runs: Runs, run: str) -> list[Question]:
    """Both questions, when they are open."""
    questions = await runs.questions(run)
    return questions if len(questions) == 2 else []


async def kept(journal: Journal, run: str, count: int) -> bool:
    """Whether so many calls of the tools that ask are kept."""
    names = [event[3] for event in (await journal.read(run)).events if event[0] == "kept"]
    return count == sum(name in {"pay", "refund"} for name in names)


async def answered(
    folder: Path, agent: MiniAgent, order: Sequence[int], answers: Sequence[object], *, kills: bool
) -> list[str]:
    """Answer two questions, each in a server of its own; the texts of what the tools reply and the end."""
    path, linger = folder / "0.journal", 60.0 if kills else 0.0
    async with server(path, agent, linger=linger) as (runs, journal):
        run = await runs.begin("agent", "Go.")
        questions = await eventually(partial(asked, runs, run))
        path = await killed(journal, run, folder / "1.journal") if kills else path
    frames: list[Frame] = []
    for count, number in enumerate(order, 1):
        async with server(path, agent, linger=linger) as (runs, journal):
            question = questions[number]
            await runs.answer(run, question.id, answers[number], digest=question.digest)
            await eventually(partial(kept, journal, run, count))
            if count == 2:
                frames = [frame async for _, frame in runs.frames(run)]
            elif kills:
                path = await killed(journal, run, folder / "2.journal")
    results = [each.part for each in frames if isinstance(each, MessagePart)]
    end = [f"{each.how}{each.sentence}" for each in frames if isinstance(each, RunEnded)]
    return [*(str(each.content) for each in results if isinstance(each, ToolResult)), *end]


@pytest.mark.gate("many runs, restarted and killed")
async def test_two_questions(tmp_path: Path) -> None:
    """In both orders, after restarts and kills, also if both ask the same: each call has its own answer.

    So it is for tools that ask, and for tools of agents that are tools, whose calls may have equal ids.
    """
    asking: tuple[Callable[..., MiniAgent], list[object]] = asking_tools, ["A", "B"]
    approved: tuple[Callable[..., MiniAgent], list[object]] = agents_as_tools, [Allow(), Reject("No.")]
    wanted = {asking_tools: ({"1: A", "2: B"}, 2), agents_as_tools: ({"paid 1", "No."}, 1)}

    async def check(make: Callable[..., MiniAgent], answers: list[object], *case: Any) -> None:
        alike, order, kills = case
        folder, done = tmp_path / f"{make.__name__} {case}", Done()
        folder.mkdir()
        told = await answered(folder, make(done, alike=alike), order, answers, kills=kills)
        results = {text for text in told if text.startswith(("1: ", "2: ", "paid", "No."))}  # told again
        assert ("finished", *wanted[make]) == (told[-1], results, len(done)), f"{folder.name}: {told}"
        assert len(done) == len({key for *_, key in done}), folder.name

    cases = product((asking, approved), (False, True), ((0, 1), (1, 0)), (False, True))
    await asyncio.gather(*(check(*made, *case) for made, *case in cases))


@tool
async def pay(amount: int) -> list[str | Image]:
    """Pay an amount."""
    return [f"paid {amount}", Image(data=b"receipt", media_type="image/png")]


def payer() -> MiniAgent:
    """A model that pays three times at once; each call needs approval."""

    def reply(seen: Messages) -> AssistantMessage | str:
        amounts = [f'{{"amount": {number}}}' for number in (1, 2, 3)]
        return "; ".join(_results(seen)) or _calls("pay", "pay", "pay", arguments=amounts)

    return ScriptedModel(then=reply, alias="MODEL").agent.with_tools(pay, approve=approval()).bind()


def messages_of(frames: Sequence[Frame]) -> list[list[object]]:
    """The parts of each message as clients have it at the end, and whether it has ended; texts are joined."""
    messages: dict[int, list[object]] = {}
    for frame in frames:
        match frame:
            case MessageBegan(number):
                messages.setdefault(number, [])
            case MessagePart(number, Restart()):
                messages[number].clear()
            case MessagePart(number, str(text)) if isinstance(
                before := (messages[number] or [None])[-1], str
            ):
                messages[number][-1] = before + text
            case MessagePart(number, part):
                messages[number].append(part)
            case MessageEnded(number):
                messages[number].append(MessageEnded)
            case _:
                pass
    return list(messages.values())


async def allowed(agent: MiniAgent, order: Sequence[str], before: Sequence[Event]) -> tuple[Any, ...]:
    """Let a run go on behind a log, and allow one call whenever it waits; its log, messages and end."""
    async with MemoryJournal() as journal, MiniAgents(drain_timeout=0):
        await journal.begin(lease := Lease(RunRecord(run := "r", restart="server")), before)
        await journal.leave(lease)
        runs = Runs(journal, agents={"agent": agent})
        await runs.open()
        async for _, frame in runs.frames(run):
            if isinstance(frame, RunParked) and (questions := await runs.questions(run)):
                first = min(questions, key=lambda each: order.index(str(each.shown["call"])))
                await runs.answer(run, first.id, Allow(), digest=first.digest)
        frames = [frame async for _, frame in runs.frames(run)]
        return (await journal.read(run)).events, messages_of(frames), frames[-1]


@pytest.mark.gate("goes on behind every event of a log")
async def test_killed_at_any_event() -> None:
    """A run with three calls that wait is killed behind any event of its log, and goes on to its end.

    Whichever call was allowed first: clients have each result once, as if nothing had happened.
    """
    agent, order = payer(), ("o2", "o1", "o3")
    began: Event = ["began", 0, RunRequest("agent", (UserMessage("Go."),), {}).as_data()]
    events, *whole = await allowed(agent, order, [began])
    assert "finished" == whole[-1].how
    cuts = range(1, len(events))
    made = await asyncio.gather(*(allowed(agent, order, events[:cut]) for cut in cuts))
    wrong = {cut: rest for cut, (_, *rest) in zip(cuts, made, strict=True) if rest != whole}
    assert {} == wrong, [events[cut - 1] for cut in wrong]
