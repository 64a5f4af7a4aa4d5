"""Random programs of model agents, against a model on texts.

A talk is a scripted model, perhaps with tools or an answer in a type, up to five steps (what wraps it, what
it is part of, what reads it), and one to three readers of its replies. What the model says depends only on
what it was sent, so it says the same each time. No time counts: each reader gets the texts and errors of
the model (who leaves, a beginning of them), each model is asked as often as the model says, and what it
reports is counted once. In any case nothing waits for ever, no task or generator is left, each run that
observers saw begin ends, and nothing is logged but errors that no reader got. Of a talk with a step whose
texts depend on time only that is checked.

Some talks ask people, who answer at random moments, or do not answer: these are blocks of `durable` that are
parked, and begin again. The calls of some are kept, in a cassette or a journal on disk, and the talk has a
second life: if all was read in the first one, readers get the same again, and no model is asked.
"""

import asyncio
import gc
import logging
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Iterable, Mapping, Sequence
from contextlib import aclosing, contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from random import Random
from tempfile import TemporaryDirectory
from typing import Any, Final, TypeAlias, cast

from pydantic import BaseModel
from typing_extensions import override

from miniagents import (
    AWAIT,
    AssistantMessage,
    InteractionContext,
    Message,
    MiniAgent,
    MiniAgents,
    MiniAgentsError,
    RetryPolicy,
    StopLoop,
    SystemMessage,
    ToolCall,
    ToolMessage,
    Usage,
    achain_loop,
    adialog_loop,
    fallback,
    identity,
    miniagent,
    prompt,
    race,
    route,
    tool,
)
from miniagents.ext.chat_history import InMemoryChatHistory, compact
from miniagents.ext.journal import (
    Journal,
    MemoryJournal,
    RunStore,
    answer_question,
    durable,
    open_questions,
    recorded,
    send_event,
)
from miniagents.ext.limits import budget, cache, limit, model_limits, rate_limit
from miniagents.ext.usage import RunUsage
from miniagents.observers import Observer, RunBegan, RunEnded, RunEvent, RunInfo
from miniagents.operators import flatten, map_agent
from miniagents.parts import Restart, ToolCallDelta
from miniagents.testing import Cassette, ScriptedModel
from miniagents.tools import (
    Allow,
    QuestionError,
    Reject,
    ToolContext,
    approval,
    ask,
    sleep_until,
    wait_for_event,
)
from tests.model import flows
from tests.model.flows import FAILS, LATER, LIMIT, Reader, slowly
from tests.model.loops import loop_of
from tests.model.pipes import Log, Outcome
from tests.support.loops import without_leaks

__all__ = ["Reader", "Talk", "Turn", "check", "drawn"]

Agent: TypeAlias = Any
"""Any agent; which one, the steps before decide."""
Ctx: TypeAlias = InteractionContext

PARKED: Final = 80
"""How often a run may be parked before it has ended."""
STOPPED: Final = 5.0
"""Seconds after which a run is stopped, if people do not answer all that it asks."""
MANY: Final = 1_000
"""Answers: more than any talk asks for."""
ARGUMENTS: Final = {
    "wrong": '{"x": 1}',
    "cut": '{"x',
    **dict.fromkeys(("expert", "asks", "dead", "clerk"), '{"text": "q"}'),
}


@dataclass(frozen=True)
class Turn:
    """An answer of the model.

    Attributes:
        pieces: its tokens.
        calls: the tools that it calls, if it has tools: of `RESULTS`.
        fails: whether it fails behind its tokens.
    """

    pieces: tuple[str, ...] = ()
    calls: tuple[str, ...] = ()
    fails: bool = False


@dataclass(frozen=True)
class Talk:
    """A model, what is done with it, and who reads.

    Attributes:
        question: the messages that it is sent; the last one may fail.
        turns: its answers; behind them it says that it is done.
        readers: who reads.
        steps: of `STEPS`.
        streams: whether the question streams.
        tools: whether it has tools.
        max_turns: how many answers it may give, if it has tools.
        typed: the mode in which it answers in a type; "" for a text.
        bad: the answers that do not fit, of `BAD`; then one fits.
        repairs: how often it may repair them.
        together: whether the readers read at the same time; else one after the other.
        times: how often it is inquired, one time after the other.
        lasting: whether each of these is a block of `durable`, all of one run.
        limited: whether the context limits its models.
        patience: seconds until people answer what it asks, at most; None: it asks nothing.
        answers: how many answers they give.
        kept: where its calls are kept, so that a second life plays them: a `cassette` of all models,
            `recorded` or a `cache` around all, or a `durable` run; "": nowhere.
        delay: seconds before each token.
        prefetch: that of the context.
        order: decides which of several tasks goes first.
    """

    question: tuple[str, ...]
    turns: tuple[Turn, ...]
    readers: tuple[Reader, ...]
    steps: tuple[str, ...] = ()
    streams: bool = False
    tools: bool = False
    max_turns: int = 9
    typed: str = ""
    bad: tuple[str, ...] = ()
    repairs: int = 1
    together: bool = False
    times: int = 1
    lasting: bool = False
    limited: bool = False
    patience: float | None = None
    answers: int = MANY
    kept: str = ""
    delay: float = 0.0
    prefetch: int = 1
    order: int = 0

    @property
    def unasked(self) -> bool:
        """Whether no model is asked, because the question fails."""
        return any(FAILS in text for text in self.question)


class City(BaseModel):
    """The answer in a type."""

    name: str
    list: list[str]
    n: int


GOOD: Final = ('{"na', 'me": "Os', 'lo", "list', '": ["a", "', 'b"], "n": 1}')
BAD: Final = {
    "text": "hm",
    "half": '{"name": "Oslo", "list": ["a"]',
    "missing": '{"name": "Oslo"}',
    "none": "",
}
"""Answers that are no city."""
NAMES: Final = (
    "quick, late, data, fails, waits, gives, notes, refused, expert, asks, dead, "
    "told, counted, unheard, slept, happened, allowed, edited, rejected, clerk"
)
"""The tools."""
RESULTS: Final[Mapping[str, tuple[str, int, int]]] = {
    "quick": ("q", 0, 0),
    "late": ("TimeoutError: late did not end within 0.002 s.", 0, 0),
    "data": ("[1,2]", 0, 0),
    "fails": ("ValueError: broken", 0, 0),
    "waits": ("waits waited for something that was cancelled.", 0, 0),
    "gives": ("one two", 1, 1),
    "notes": ("n", 0, 0),
    "refused": ("no", 0, 0),
    "expert": ("one two", 1, 1),
    "asks": ("three", 2, 2),
    "dead": ("ValueError: broken", 1, 0),
    "unknown": (f"There is no tool called 'unknown'; there are: {NAMES}.", 0, 0),
    "wrong": ("ToolArgumentsError: x: Extra inputs are not permitted", 0, 0),
    "cut": ("ToolArgumentsError: Invalid JSON: EOF while parsing a string at line 1 column 3", 0, 0),
}
"""What a call of a tool returns; how often models are asked in it, and report what that used."""
ASKED: Final[Mapping[str, tuple[str, int, int]]] = {
    "told": ("yes", 0, 0),
    "counted": ("3", 0, 0),
    "unheard": ("QuestionError: the question 'Who?' was not answered within 0.02 s.", 0, 0),
    "slept": ("s", 0, 0),
    "happened": ("5", 0, 0),
    "allowed": ("a", 0, 0),
    "edited": ("2", 0, 0),
    "rejected": ("never", 0, 0),
    "clerk": ("one two\n\nyes", 1, 1),
}
"""The same of the tools that ask people."""
ANSWERS: Final[Mapping[str, object]] = {
    **dict.fromkeys(("Which?", "Clerk?", "Go on?", "Enough?"), "yes"),
    "How many?": 3,
    "allowed": Allow(),
    "edited": Allow({"x": 2}),
    "rejected": Reject("never"),
}
"""What people answer."""


# -- what is said -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Said:
    """A message.

    Attributes:
        text: of the whole message; "?": the model does not say it.
        shown: what readers of tokens get of it; None: any part of it.
        withdrawn: whether they get an error because a text was withdrawn.
    """

    text: str
    shown: str | None
    withdrawn: bool = False

    @property
    def fails(self) -> bool:
        """Whether the message fails."""
        return FAILS in self.text


@dataclass(frozen=True)
class Told:
    """What is replied.

    Attributes:
        said: the messages.
        end: whether the replies end with an error behind them.
        asked: how often models are asked; None: that depends on time.
        used: how many of these answers report what they used; None: the same.
    """

    said: tuple[Said, ...]
    end: bool = False
    asked: int | None = 0
    used: int | None = 0

    @property
    def fails(self) -> bool:
        """Whether who awaits it gets an error."""
        return self.end or any(each.fails for each in self.said)

    @property
    def known(self) -> bool:
        """Whether at most the last message fails, so that it is known what comes behind it."""
        return not any(each.fails for each in self.said[:-1])

    def counted(self, asked: int = 1, used: int = 1) -> "Told":
        """Return the same, with other models that are asked."""
        if self.asked is None or self.used is None:
            return self
        return replace(self, asked=self.asked + asked, used=self.used + used)

    def each(self, change: Callable[[Said], Said]) -> "Told":
        """Return the same, with other messages."""
        return replace(self, said=tuple(map(change, self.said)))


def _plain(text: str) -> Said:
    return Said(text, text)


def _core(talk: Talk) -> Told:  # noqa: C901 - a case for each end
    """Return what the model replies, with its tools and its type."""
    if talk.unasked:
        return Told((_plain(FAILS),)) if talk.tools or talk.typed or talk.limited else Told((), end=True)
    told, left = Told(()), talk.max_turns if talk.tools else 1
    answers = iter(_turns(talk))
    for turn in answers:
        text = "".join(turn.pieces)
        told = told.counted(1, not turn.fails)
        told = replace(told, said=(*told.said, _plain(text + FAILS * turn.fails)))
        calls = turn.calls if talk.tools and not turn.fails else ()
        for call in calls:
            result, asked, used = RESULTS.get(call) or ASKED[call]
            told = replace(told.counted(asked, used), said=(*told.said, Said(result, "")))
        left -= 1
        if not calls:
            break
        if not left:
            told = replace(told, end=True)
            break
    if not talk.typed:
        return told
    texts = [each.text for each in told.said if each.shown is not None and each.shown == each.text]
    if told.end:
        shown = "".join(texts) + FAILS if any(texts) else None  # it has begun, with a call
        return replace(told, said=(Said(FAILS, shown),), end=False)
    came, withdrawn = "".join(texts), ""
    for place, kind in enumerate((*talk.bad, "")):
        text = BAD.get(kind, "".join(GOOD))
        if place:
            told, came = told.counted(), came + text
        if not kind or place == talk.repairs:
            fails = FAILS * bool(kind)
            shown = withdrawn + FAILS if withdrawn else came + fails
            if shown == FAILS and (place or len(told.said) > 1):  # it has begun, with a repair or a call
                return replace(told, said=(Said(FAILS, None),))
            return replace(told, said=(Said(text + fails, shown, bool(withdrawn)),))
        withdrawn, came = withdrawn or came, ""
    raise AssertionError


def _turns(talk: Talk) -> Sequence[Turn]:
    if not talk.typed:
        return (*talk.turns, Turn(("end",)))
    texts = [*(BAD[kind] for kind in talk.bad)]
    calling = [turn for turn in talk.turns if turn.calls and not turn.fails] if talk.tools else []
    return (*calling, *(Turn((text[:7], text[7:]) if text else ()) for text in texts), Turn(GOOD))


# -- steps --------------------------------------------------------------------------------------------------


class World:
    """The models of a talk, which note what they are asked."""

    def __init__(self, talk: Talk, journal: Any = None, tape: Callable[[Agent], Agent] | None = None) -> None:
        self.talk = talk
        self.journal = MemoryJournal() if journal is None else journal
        self.tape = tape
        self.models: list[ScriptedModel] = []
        self.events: set[str] = set()
        self.parked: list[tuple[Reader, str]] = []  # what came until the run was parked
        self.answers = talk.answers  # that people give yet
        self.given_up = False

    def model(self, alias: str, answer: Callable[[Sequence[Message]], Sequence[Any]]) -> Agent:
        """Return a model; what it used is reported behind each answer that does not fail."""
        model = ScriptedModel(then=answer, alias=alias, delay=self.talk.delay)
        self.models.append(model)
        agent = model.agent if self.tape is None else self.tape(model.agent)
        return agent.described(description="A model.")

    def says(self, *pieces: Any) -> Agent:
        """Return a model that always says the same."""
        return self.model("other", lambda _: [*pieces, Usage(1, 1)])

    def calls(self, name: str, said: str, *tools: Agent) -> Agent:
        """Return a model that calls a tool, and then says something."""

        def answer(messages: Sequence[Message]) -> Sequence[Any]:
            if any(isinstance(each, ToolMessage) for each in messages):
                return [said, Usage(1, 1)]
            return [
                "call ",
                ToolCallDelta(0, "x", name, ARGUMENTS["expert"] if name == "inner" else "{}"),
                Usage(1, 1),
            ]

        return self.model("calling", answer).with_tools(*tools)

    def core(self) -> Agent:
        """Return the model of the talk, with its tools and its type."""
        talk = self.talk

        def answer(messages: Sequence[Message]) -> Sequence[Any]:
            said = 0
            for message in reversed(messages):
                said += isinstance(message, AssistantMessage)
                if not isinstance(message, AssistantMessage | ToolMessage) and str(message).startswith("q"):
                    break
            turns = _turns(talk)
            turn = turns[min(said, len(turns) - 1)]
            pieces: list[Any] = [*turn.pieces]
            if talk.typed == "tool" and not talk.tools:
                pieces = [
                    ToolCallDelta(0, "t", None if at else "answer", each) for at, each in enumerate(pieces)
                ]
            for at, call in enumerate(turn.calls if talk.tools and not turn.fails else ()):
                name = "quick" if call in {"wrong", "cut"} else call
                pieces.append(ToolCallDelta(at, f"{said}.{at}", name, ARGUMENTS.get(call, "{}")))
            return [*pieces, ValueError("broken") if turn.fails else Usage(1, 1)]

        model = self.model("core", answer)
        if talk.tools:
            model = model.with_tools(*self._tools(), max_turns=talk.max_turns, approve=_approves)
        if talk.typed:
            mode = {} if talk.tools else {"mode": talk.typed}
            model = model.as_type(City, repairs=talk.repairs, **mode)
        return model

    def _tools(self) -> Iterable[Agent]:
        @tool
        async def notes(ctx: ToolContext) -> str:
            """Show something."""
            ctx.progress("hm")
            await asyncio.sleep(0.001)
            ctx.progress("hm")
            return "n"

        @tool
        async def gives() -> str:
            """Give the replies of an agent."""
            return cast("str", self.says("one ", "two").inquire("q"))

        expert = self.says("one ", "two").described(alias="expert")
        asks = self.calls("quick", "three", quick).described(alias="asks", description="Asks.")
        dead = self.model("dead", lambda _: ["x", ValueError("broken")])

        @tool
        async def happened(ctx: ToolContext) -> int:
            """Wait for what happens elsewhere."""
            name = f"event {ctx.call_key}"
            self.events.add(name)
            return await wait_for_event(name, int)

        @miniagent(alias="clerk")
        async def clerk(ctx: Ctx) -> None:
            """Ask a model, and a person."""
            ctx.reply(self.says("one ", "two").inquire(ctx.messages))
            ctx.reply(await ask("Clerk?"))

        asking = (told, counted, unheard, slept, happened, allowed, edited, rejected, clerk)
        known = (quick, late, data, fails, waits, gives, notes, refused, expert, asks, dead, *asking)
        called = {call for turn in self.talk.turns for call in turn.calls}
        # A request has the schema of each, which takes most of the time of a talk.
        names = (each.alias if isinstance(each, MiniAgent) else each.spec.name for each in known)
        few = [each for each, name in zip(known, names, strict=True) if name in called]
        return known if "unknown" in called else (*few, *([] if quick in few else [quick]))


_asks_first: Final = approval(needs=lambda call: call.name in {"allowed", "edited", "rejected"})


async def _approves(call: ToolCall) -> bool | str | ToolCall:
    await asyncio.sleep(0)
    return "no" if call.name == "refused" else await _asks_first(call)


@tool
async def quick() -> str:
    """Be quick."""
    return "q"


@tool(timeout=0.002)
async def late() -> str:
    """Be late."""
    await asyncio.sleep(LATER)
    return ""


@tool
def data() -> list[int]:
    """Return numbers."""
    return [1, 2]


@tool
async def fails() -> str:
    """Fail."""
    await asyncio.sleep(0.001)
    raise ValueError("broken")


@tool
async def waits() -> str:
    """Wait for what is cancelled."""
    task = asyncio.create_task(asyncio.sleep(LATER))
    asyncio.get_running_loop().call_soon(task.cancel)
    await task
    return ""


@tool
async def refused() -> str:
    """Is not allowed."""
    return ""


@tool
async def told() -> str:
    """Ask a person."""
    return await ask("Which?")


@tool
async def counted() -> int:
    """Ask for a number."""
    return await ask("How many?", int)


@tool
async def unheard() -> str:
    """Ask a question that gets no answer."""
    return await ask("Who?", expires=0.02)


@tool
async def slept() -> str:
    """Wait for a time."""
    await sleep_until(datetime.now(UTC) + timedelta(seconds=0.01))
    return "s"


@tool
async def allowed() -> str:
    """Is allowed."""
    return "a"


@tool
async def edited(x: int = 1) -> int:
    """Is called with another number."""
    return x


@tool
async def rejected() -> str:
    """Is not allowed by a person."""
    return ""


async def _asks(ctx: Ctx, call: Agent) -> None:
    if await ask("Go on?") == "yes":
        ctx.reply(call.inquire(ctx.messages))


async def _asks_then(ctx: Ctx, call: Agent) -> None:
    ctx.reply(call.inquire(ctx.messages))
    ctx.reply(await ask("Enough?"))


def _flaky(agent: Agent) -> Agent:
    fails = iter([True])

    async def first(ctx: Ctx, call: Agent) -> None:
        if next(fails, False):
            raise ValueError("broken")
        ctx.reply(call.inquire(ctx.messages))

    return agent.around(first).retry(RetryPolicy(delay=0.001))


async def _passes(ctx: Ctx, call: Agent) -> None:
    ctx.reply(call.inquire(ctx.messages))


async def _awaits(ctx: Ctx, call: Agent) -> None:
    ctx.reply(await call.inquire(ctx.messages))


def _dialog(world: World, agent: Agent, *, kept: bool) -> Agent:
    @miniagent
    async def dialog(ctx: Ctx) -> None:
        questions = [[await message async for message in ctx.messages]]

        @miniagent
        async def user(ctx: Ctx) -> None:
            await ctx.messages
            if not questions:
                raise StopLoop
            ctx.reply(questions.pop())

        given: Mapping[str, Any] = {}
        if kept:
            short = compact(model_limit=1_000_000, keep=1, by=world.says("short"))
            given = {"history_agent": InMemoryChatHistory().agent, "compact": short}
        ctx.reply(await adialog_loop(user, agent, **given))

    return dialog


def _rows(agent: Agent, **limits: Any) -> Agent:
    @miniagent
    async def rows(ctx: Ctx) -> None:
        async for replies in map_agent(agent, **limits)([ctx.messages] * 2):
            ctx.reply(replies)

    return rows


def _row(agent: Agent) -> Agent:
    @miniagent
    async def row(ctx: Ctx) -> None:
        ctx.reply(ctx.messages.messages.pipe(map_agent(agent), flatten()))

    return row


def _says(agent: Agent, how: str, after: float) -> Agent:
    @miniagent
    async def says(ctx: Ctx) -> None:
        call = agent.interactive().initiate_inquiry()
        for message in await ctx.messages:
            call.send_message(message)
        ctx.reply(call.reply_sequence(finish_call=False))
        await asyncio.sleep(after)
        with suppress(MiniAgentsError):  # the run may have failed before
            said = getattr(call, how)("q more")
            call.finish()
            await said

    return says


def _loop(agent: Agent) -> Agent:
    @miniagent
    async def loop(ctx: Ctx) -> None:
        ctx.reply(await achain_loop([agent, AWAIT], initial=ctx.messages, max_turns=1))

    return loop


def _judge(world: World) -> Agent:
    return world.model("judge", lambda got: [f"got {len(got)}: ", "|".join(map(str, got)), Usage(1, 1)])


def _no(_: str) -> None:
    return None


def _refuses(_: str) -> str:
    return "no"


def _sorry(_: Exception, __: Ctx) -> str:
    return "E"


def _trips(text: str) -> str | None:
    return "it has a +" if "+" in text else None


def _same(told: Told) -> Told:
    return told


def _timed(told: Told) -> Told:
    return replace(told, asked=None, used=None)


def _placed(told: Told) -> Told:
    """Replies that are replied: their error is a message that fails."""
    return replace(told, said=(*told.said, _plain(FAILS)), end=False) if told.end else told


def _kept(told: Told) -> Told:
    return _timed(_placed(told))


def _again(told: Told) -> Told:
    return _timed(told) if told.fails else told


def _caught(told: Told) -> Told:
    """What came stays, and the handler replies."""
    if not told.fails:
        return told
    *before, last = [*told.said, _plain(FAILS)] if told.end else told.said
    if last.shown != FAILS or last.text != FAILS:
        shown = last.shown if last.withdrawn or last.shown is None else last.shown.removesuffix(FAILS)
        before.append(Said(last.text.removesuffix(FAILS), shown, last.withdrawn))
    return replace(told, said=(*before, _plain("E")), end=False)


def _fallen(told: Told) -> Told:
    """What came is withdrawn, and another model answers."""
    if not told.fails:
        return told
    *before, last = [*told.said, _plain(FAILS)] if told.end else told.said
    said = _plain("B") if last.shown == FAILS else Said("B", last.shown, withdrawn=True)
    return replace(told.counted(), said=(*before, said), end=False)


def _held(told: Told) -> Told:
    return _fallen(told).each(lambda said: _plain(said.text) if said.withdrawn else said)


def _guarded(told: Told) -> Told:
    """A guard drops what waits of a text that is withdrawn, or was only a step."""
    return told.each(lambda said: said if said.shown in {said.text, ""} else replace(said, shown=None))


def _raised(told: Told) -> Told:
    return told.each(lambda said: _plain((said.shown or "").upper()))


def _mapped(told: Told) -> Told:
    tools = {said for said in told.said if said.text and not said.shown}
    return _placed(told.each(lambda said: said if said in tools else _plain((said.shown or "").upper())))


def _finished(told: Told) -> Told:
    """Messages that were awaited."""
    if told.fails:
        return _timed(replace(told, said=(), end=True))
    return told.each(lambda said: Said(said.text, said.text if said.shown != "" else ""))


def _awaited(told: Told) -> Told:
    """Texts that were awaited one by one, up to an error."""
    for place, each in enumerate(told.said):
        if each.fails:
            told = _timed(replace(told, said=told.said[:place], end=True))
            break
    return told.each(lambda said: _plain(said.text))


def _judged(told: Told) -> Told:
    if told.fails:
        return _finished(told)
    text = f"got {len(told.said)}: {'|'.join(said.text for said in told.said)}"
    return replace(told.counted(), said=(_plain(text),))


def _beside(told: Told) -> Told:
    told = _placed(told).counted()
    return replace(told, said=(*told.said, _plain("B")))


def _twice(told: Told) -> Told:
    told = _placed(told)
    return replace(told, said=told.said * 2)


def _in_rows(told: Told) -> Told:
    told = _again(_placed(told))
    return replace(told.counted(told.asked or 0, told.used or 0), said=told.said * 2)


def _said_then(told: Told) -> Told:
    told = _again(_placed(told))
    return replace(told, said=(*told.said, _plain("yes")))


def _queued(told: Told) -> Told:
    return replace(_in_rows(told), said=(*told.said, _plain("q more"), *told.said))


def _as_tool(told: Told) -> Told:
    return replace(
        _again(told).counted(2, 2), said=(_plain("call "), Said("?", ""), _plain("done")), end=False
    )


def _sound(told: Told) -> bool:
    return not told.fails


def _shown(told: Told) -> bool:
    return not any(said.withdrawn or said.shown is None for said in told.said)


def _any(_: Told) -> bool:
    return True


@dataclass(frozen=True)
class Step:
    """What is made of an agent.

    Attributes:
        build: makes it.
        model: what becomes of the replies.
        fits: whether the model can say it.
        typed: whether the answer in a type can still be read as that.
        loose: whether texts depend on time.
        unasked: whether the model can say it if the question fails.
    """

    build: Callable[[World, Agent], Agent]
    model: Callable[[Told], Told] = _same
    fits: Callable[[Told], bool] = _any
    typed: bool = False
    loose: bool = False
    unasked: bool = False


def _wraps(build: Callable[[Agent], Agent], model: Callable[[Told], Told] = _same, **options: Any) -> Step:
    return Step(lambda _, agent: build(agent), model, typed=True, **options)


STEPS: Final[Mapping[str, Step]] = {
    "fork": _wraps(lambda a: a.fork(), unasked=True),
    "around": _wraps(lambda a: a.around(_passes), _placed, unasked=True),
    "awaits": _wraps(lambda a: a.around(_awaits), _finished),
    "limit": _wraps(lambda a: a.around(limit(concurrency=1)), _placed, unasked=True),
    "rate": _wraps(lambda a: a.around(rate_limit(requests_per_minute=6000)), _placed),
    "tokens": _wraps(lambda a: a.around(rate_limit(tokens_per_minute=100_000)), _placed),
    "budget": _wraps(lambda a: a.around(budget(tokens=1_000_000, reserve=1_000)), _placed),
    "spent": _wraps(lambda a: a.around(budget(tokens=3, reserve=1)), loose=True),
    "asked": _wraps(lambda a: a.around(_asks), _placed),
    "asked_then": Step(lambda _, a: a.around(_asks_then), _said_then),
    "recorded": _wraps(lambda a: recorded(a, MemoryJournal(), version="1"), _kept),
    "cache": _wraps(lambda a: a.around(cache()), _kept),
    "timeout": _wraps(lambda a: a.timeout(first_token=LATER, stall=LATER, total=LATER), unasked=True),
    "total": _wraps(lambda a: a.timeout(total=0.004), loose=True, unasked=True),
    "stall": _wraps(lambda a: a.timeout(stall=0.0015), loose=True, unasked=True),
    "first": _wraps(lambda a: a.timeout(first_token=0.0015), loose=True),
    "flaky": _wraps(_flaky, lambda told: _again(_placed(told))),
    "retry": _wraps(lambda a: a.retry(RetryPolicy(attempts=2, delay=0.001)), _again),
    "guard": _wraps(lambda a: a.guard(during=_no, hold=2), _guarded, fits=_sound),
    "guards": _wraps(lambda a: a.guard(before=_no, after=_no), _guarded, fits=_sound),
    "trips": _wraps(lambda a: a.guard(during=_trips, hold=1), loose=True),
    "refuses": _wraps(lambda a: a.guard(after=_trips), loose=True),
    "refused": _wraps(lambda a: a.guard(before=_refuses), loose=True),
    "replaces": Step(lambda _, a: a.guard(during=_trips, hold=1, replacement="R"), loose=True),
    "checked": Step(lambda w, a: a.guard(during=w.says("OK")), lambda told: _timed(_guarded(told)), _sound),
    "hedge": Step(lambda w, a: a.hedge(w.says("B"), after=LATER), _placed, _sound),
    "hedge_at_once": Step(lambda _, a: a.hedge(a, after=0.0), _timed, _sound),
    "hedge_late": Step(lambda w, a: a.hedge(w.says("B"), after=0.0015), loose=True),
    "race": Step(lambda _, a: race(a, a), _timed, _sound),
    "race_any": Step(lambda w, a: race(a, w.says("B")), loose=True),
    "catching": Step(lambda _, a: a.catching(_sorry), _caught, lambda told: told.known, unasked=True),
    "fallback": Step(lambda w, a: fallback(a, w.says("B")), _fallen, lambda told: told.known),
    "hold": Step(lambda w, a: fallback(a, w.says("B"), hold=True), _held, lambda told: told.known),
    "continue": Step(lambda w, a: a.catching(w.says("B"), after="continue"), loose=True),
    "told": Step(lambda _, a: a.errors_as_messages(), fits=_sound),
    "told_why": Step(lambda _, a: a.errors_as_messages(), loose=True),
    "judge": Step(lambda w, a: a | _judge(w), _judged),
    "both": Step(lambda w, a: a & w.says("B"), _beside),
    "upper": Step(lambda _, a: a | flows.upper, _raised, _shown),
    "map": Step(lambda _, a: a | flows.piped, _mapped, _shown),
    "each": Step(lambda _, a: a | flows.each, unasked=True),
    "echo": Step(lambda _, a: a | flows.echo, _placed, unasked=True),
    "twice": Step(lambda _, a: a | flows.twice, _twice),
    "called": Step(lambda _, a: a | flows.called),
    "looks": Step(lambda _, a: a | flows.looks, fits=lambda told: _sound(told) and _shown(told)),
    "one_by_one": Step(lambda _, a: a | flows.one_by_one, _awaited),
    "at_last": Step(lambda _, a: a | flows.at_last, _finished),
    "identity": Step(lambda _, a: identity | a, unasked=True),
    "slow_input": Step(lambda _, a: flows.each | a, unasked=True),
    "prompt": Step(lambda _, a: prompt("q {x}: {text}", x=["x", "y"]) | a),
    "system": Step(lambda w, a: prompt(SystemMessage("q {x}"), x=w.says("x ", "y").inquire("q")) | a, _timed),
    "rows": Step(lambda _, a: _rows(a, concurrency=2), _in_rows),
    "rows_in_turn": Step(lambda _, a: _rows(a, key=type), _in_rows),
    "rows_any": Step(lambda _, a: _rows(a, ordered=False, on_error="stop"), _in_rows, _sound),
    "row": Step(lambda _, a: _row(a), _placed),
    "route": Step(lambda _, a: route().otherwise(a), _placed),
    "dialog": Step(lambda w, a: _dialog(w, a, kept=False), _finished),
    "kept_dialog": Step(lambda w, a: _dialog(w, a, kept=True), _finished),
    "loop": Step(lambda _, a: _loop(a), _finished),
    "outer": Step(
        lambda w, a: w.calls("inner", "done", a.described(alias="inner", description="Inner.")),
        _as_tool,
    ),
    "interactive": Step(lambda _, a: a.interactive()),
    "queued": Step(lambda _, a: _says(a, "queue", 0.0), _queued, _sound),
    "queued_late": Step(lambda _, a: _says(a, "queue", 0.004), _queued, _sound),
    "steered": Step(lambda _, a: _says(a, "steer", 0.002), loose=True),
    "interrupted": Step(lambda _, a: _says(a, "interrupt", 0.0015), loose=True),
    "rolled_back": Step(lambda _, a: _says(a, "rollback", 0.0015), loose=True),
}
"""All steps by name."""
SAME: Final = {
    *("fork", "around", "awaits", "limit", "rate", "tokens", "budget", "timeout", "retry"),
    *("guard", "guards", "told", "identity"),
}
"""Those that do the same with each question of a dialog."""


# -- readers ------------------------------------------------------------------------------------------------

READERS: Final = (*flows.READERS, "message_parts", "nothing")
TYPED: Final = ("parsed", "partials", "elements", "field")
"""How an answer in a type can be read."""
CITY: Final = City(name="Oslo", list=["a", "b"], n=1)


async def _texts(how: str, given: Any) -> AsyncGenerator[str]:  # noqa: C901, PLR0912 - a case for each
    """Yield what a reader gets, piece by piece."""
    match how:
        case "parts":
            async for _ in given.parts:
                yield ""
        case "message_parts":
            async for message in given:
                pieces = ["\n"]
                try:
                    async for part in message.parts:
                        if isinstance(part, Restart):
                            del pieces[1:]
                        elif isinstance(part, str):
                            pieces.append(part)
                except (ValueError, MiniAgentsError):
                    pieces.append(FAILS)
                yield "".join(pieces)
        case "nothing":
            await asyncio.sleep(0.01)
        case "parsed":
            yield repr(await given.parsed)
        case "partials":
            seen = [repr(partial) async for partial in given.partials]
            yield seen[-1]
        case "elements":
            async for element in given.elements("list"):
                yield element
        case "field":
            async for piece in given.field("name"):
                yield piece
        case _:
            async with aclosing(flows.texts_read(how, given)) as texts:
                async for text in texts:
                    yield text


def _due(how: str, told: Told) -> str | None:
    """Return what a reader gets; None if the model does not say it."""
    due = _due_of(how, told)
    return None if due is None or "?" in due else due


def _due_of(how: str, told: Told) -> str | None:  # noqa: PLR0911 - a case for each reader
    if how in {"parts", "nothing"}:
        return FAILS * (told.fails and how == "parts")
    if how in TYPED:
        if told.fails:
            return None if how in {"elements", "field"} else FAILS
        return {"elements": "ab", "field": CITY.name}.get(how, repr(CITY))
    end = [FAILS] * told.end
    if how in {"whole", "resolve"}:
        return flows.due_of(how, [*(said.text for said in told.said), *end])
    if how in {"held", "backwards"} and told.end:
        return FAILS
    if how == "message_parts":
        texts = [said.text if said.shown != "" else FAILS * said.fails for said in told.said]
        return flows.due_of("messages", texts) + "".join(end)
    texts = ["?" if said.shown is None else said.shown for said in told.said]
    return (
        flows.due_of("messages", texts) + "".join(end)
        if how == "messages"
        else flows.due_of(how, [*texts, *end])
    )


# -- the generator ------------------------------------------------------------------------------------------


def drawn(seed: int) -> Talk:
    """Return the talk of a seed."""
    random = Random(f"talk {seed}")  # noqa: S311 - no secret
    tools, mode = random.random() < 0.65, random.choice(["", "", "", "native", "tool"])
    asks, keeps = random.random() < 0.25, random.random() < 0.15
    calls = [*RESULTS, *ASKED, *ASKED] if asks else [*RESULTS]
    turns = tuple(
        Turn(
            tuple(random.choice(["a", "b+", "c ", "d"]) for _ in range(random.choice([0, 1, 3, 6]))),
            tuple(random.choice(calls) for _ in range(random.choice([1, 1, 2, 4]))),
            not mode and random.random() < 0.15,
        )
        for _ in range(random.choice([0, 1, 1, 2, 3]))
    )
    question = tuple(random.choice(["q", "qa b", "q+"]) for _ in range(random.choice([1, 1, 2, 5])))
    talk = Talk(
        (*question, "q" + FAILS) if random.random() < 0.06 else question,
        turns,
        (),
        streams=random.random() < 0.5,
        tools=tools,
        max_turns=random.choice([9, 9, 1, 2]),
        typed=mode,
        bad=tuple(random.choice([*BAD]) for _ in range(random.choice([0, 0, 1, 2]))),
        repairs=random.choice([0, 1, 1, 2]),
        together=random.random() < 0.5,
        times=random.choice([1, 1, 1, 2]),
        lasting=random.random() < 0.15,
        limited=random.random() < 0.1,
        patience=random.choice([0.001, 0.02, 1.0]) if asks else None,
        kept=random.choice(["recorded", "cache", "durable", *["cassette"] * (not asks)]) if keeps else "",
        answers=random.choice([MANY, MANY, MANY, 0, 1]),
        delay=random.choice([0.0, 0.0, 0.001]),
        prefetch=random.choice([1, 1, 2, 3, 4, 8, 1024]),
        order=random.randrange(1000),
    )
    if talk.unasked:
        talk = replace(talk, kept="")  # nothing is called
    for _ in range(random.randrange(6)):
        name = random.choice([*STEPS])
        if _fits(talk, name):
            talk = replace(talk, steps=(*talk.steps, name))
    typed = talk.typed and all(STEPS[name].typed for name in talk.steps)
    known = (*READERS, *TYPED * 3) if typed else READERS
    readers = [flows.drawn_reader(random, known) for _ in range(random.choice([1, 1, 2, 3]))]
    return replace(talk, readers=tuple(readers))


def _fits(talk: Talk, name: str) -> bool:  # noqa: PLR0911 - a reason each
    step = STEPS[name]
    if "interactive" in talk.steps or not step.fits(expected(talk)):
        return False
    if (talk.unasked and not step.unasked) or (name.startswith("asked") and talk.patience is None):
        return False
    match name:
        case "interactive":
            return not (talk.streams or talk.kept)  # what comes later is an answer of its own
        case "replaces":
            return not talk.typed
        case "route" | "row":
            return len(talk.question) == 1  # it asks for each message
        case "system":
            return not talk.kept and {"route", "row"}.isdisjoint(talk.steps)  # it asks when it is made
        case "queued" | "queued_late":
            return SAME.issuperset(talk.steps)  # it says the same to what is said later
        case "flaky" | "checked" | "spent":
            # It calls in another way the second time.
            return not (talk.lasting or talk.kept) and talk.patience is None
        case "judge":
            return not (talk.limited or "outer" in talk.steps)
        case _:
            # What becomes a message does so behind all other steps of the same agent.
            return not (step.typed and "told_why" in talk.steps)


# -- the run ------------------------------------------------------------------------------------------------


class Watch(Observer):
    """Sees which runs go on."""

    def __init__(self) -> None:
        self.going_on: set[RunInfo] = set()
        self.wrong: list[str] = []

    @override
    def on_event(self, event: RunEvent, /) -> None:
        run = event.run
        if isinstance(event, RunBegan):
            self.going_on.add(run)
        elif run not in self.going_on:
            self.wrong.append(f"observer: {type(event).__name__} of {run}, which does not go on")
        elif isinstance(event, RunEnded):
            self.going_on.remove(run)


def expected(talk: Talk) -> Told:
    """Return what readers get."""
    told = _core(talk)
    for name in talk.steps:
        told = STEPS[name].model(told)
    return _kept(told) if talk.kept in {"recorded", "cache"} else told


def check(talk: Talk, loops: str = "asyncio") -> Outcome:
    """Run a talk, and compare it with the model; if its calls are kept, do so once more."""
    if not talk.kept:
        return Outcome(_live(World(talk), loops, [[] for _ in talk.readers * talk.times])[0])
    if loops == "uvloop":  # its time does not wait for the thread of a journal
        return check(replace(talk, kept=""), loops)
    told, whole, wrong = expected(talk), False, list[str]()
    fails = any(turn.fails or "dead" in turn.calls for turn in talk.turns)
    before: list[str] = []
    with TemporaryDirectory() as folder:
        for life in range(2):
            # What is played depends on time if what was made does.
            same = whole and (talk.kept in {"recorded", "cache"} or (told.asked is not None and not fails))
            mode: Any = "replay" if same else "record"
            with (
                Cassette(f"{folder}/calls", mode=mode) if talk.kept == "cassette" else nullcontext() as tape,
                _on_disk(f"{folder}/journal") if talk.kept != "cassette" else nullcontext() as journal,
            ):
                world, got = World(talk, journal, tape), [list[str]() for _ in talk.readers * talk.times]
                wrong, whole = _live(world, loops, got, later=bool(life) and not same)
            if wrong or (life and not same):
                return Outcome([f"{line} (life {life})" for line in wrong])
            if life and any(model.requests for model in world.models):
                wrong.append("kept: models are asked again")
            if life and ["".join(pieces) for pieces in got] != before:
                wrong.append(f"kept: {got}, not {before}")
            before = ["".join(pieces) for pieces in got]
    return Outcome(wrong)


@contextmanager
def _on_disk(path: str) -> Generator[Journal]:
    """A journal whose thread is waited for: while it works, time does not jump."""
    with Journal(path) as journal:
        thread: Any = journal._thread
        ask = thread.ask

        def waited(*arguments: Any) -> Any:
            loop: Any = asyncio.get_running_loop()
            loop._jobs += 1
            job = ask(*arguments)
            job.add_done_callback(loop._job_ended)
            return job

        thread.ask = waited
        yield journal


def ran(
    main: Callable[[], Coroutine[object, object, None]], loops: str, order: int
) -> tuple[list[str], list[str]]:
    """Run a program; return what it leaves or raises, and what it has logged."""
    wrong, log = list[str](), Log()
    logging.getLogger("miniagents").addHandler(log)
    loop = loop_of(loops, order)
    try:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(without_leaks(main, None))
    except BaseException as error:  # noqa: BLE001 - also that something is left, or that nothing can happen
        wrong.append(f"{type(error).__name__}: {error!s}"[:400])
        gc.collect()  # what it has left must not be seen in the next program
    logging.getLogger("miniagents").removeHandler(log)
    return wrong, log.texts


def _live(
    world: World, loops: str, got: Sequence[list[str]], *, later: bool = False
) -> tuple[list[str], bool]:
    """Return what is wrong, and whether all was read, and nothing depends on time or has failed.

    Args:
        world: of the talk.
        loops: the event loop.
        got: of each reader.
        later: whether some calls are played, and others made.
    """
    talk, watch, usage = world.talk, Watch(), RunUsage()
    told = expected(talk)
    wrong, log = ran(lambda: _run(world, [watch, usage], got), loops, talk.order)
    loose, whole = later or any(STEPS[name].loose for name in talk.steps), not world.given_up
    parked = [(reader, [text], True) for reader, text in world.parked]
    for reader, pieces, stopped in [
        *((*each, world.given_up) for each in zip(talk.readers * talk.times, got, strict=True)),
        *parked,
    ]:
        due, came = _due(reader.how, told), "".join(pieces)
        cut = stopped or reader.how == "nothing" or reader.stops is not None or len(pieces) == reader.leaves
        whole = whole and (stopped or (not cut and FAILS not in came))
        if loose or wrong or due is None:
            continue
        some = due.startswith(came.removesuffix(FAILS))
        if not (some if cut or (reader.how == "pipe" and came.endswith(FAILS)) else due == came):
            wrong.append(f"texts: {reader.how}: {came!r}, not {due!r}")
    whole = whole and not loose
    wrong += [f"log: {text}" for text in log if not planned(text, talk, whole=whole)]
    if not wrong:
        wrong += watch.wrong + [f"observer: {run} did not end" for run in watch.going_on]
    if not wrong and not (talk.kept and (later or not any(model.requests for model in world.models))):
        wrong += _counts(talk, told, world, usage, whole=whole)
    return wrong, whole


def planned(text: str, talk: Talk, *, whole: bool) -> bool:
    """Return whether this may be logged."""
    if "made other calls than before" in text or "it was cancelled; prune" in text:
        # Who has left did not ask for all, and what was cancelled for that has no answer.
        return (talk.lasting or talk.patience is not None or talk.kept == "durable") and not whole
    if "An answer that was kept" in text:
        return "valid integer" in text
    errors = {"'broken'", "TypedAnswerError", "MaxTurnsError", "WithdrawnError"}
    if talk.kept == "cassette" and not whole:
        # A call that was cut is made again; a call whose answer is replaced may be read to its end.
        errors |= {"CassetteError", "so none was made"}
    loose = any(STEPS[name].loose for name in talk.steps)
    if loose:
        errors |= {"AgentTimeoutError", "GuardError", "BudgetExceededError"}
    return any(each in text for each in errors)


def _counts(talk: Talk, told: Told, world: World, usage: RunUsage, *, whole: bool) -> list[str]:
    """Compare how often models were asked, and what they used."""
    asked = sum(len(model.requests) for model in world.models)
    used, requests = usage.total.output_tokens or 0, usage.requests
    wrong = (
        [f"counts: {used} used of {asked}, {requests} requests"] if used > asked or requests != asked else []
    )
    if told.asked is None or told.used is None or any(STEPS[name].loose for name in talk.steps):
        return wrong
    due = told.asked * talk.times, told.used * talk.times
    if (whole and not talk.lasting and (asked, used) != due) or used > due[1]:
        wrong.append(f"counts: {asked} asked and {used} used, not {due}")
    return wrong


async def _run(world: World, observers: Sequence[Observer], got: Sequence[list[str]]) -> None:
    talk, journal, count = world.talk, world.journal, len(world.talk.readers)
    around = [model_limits(requests_per_minute=60_000)] if talk.limited else []
    async with asyncio.timeout(LIMIT), MiniAgents(prefetch=talk.prefetch, observers=observers, around=around):
        agent = world.core()
        for name in talk.steps:
            agent = STEPS[name].build(world, agent)
        if talk.kept == "recorded":
            agent = recorded(agent, journal, version="1")
        elif talk.kept == "cache":
            agent = agent.around(cache(journal))
        people = asyncio.create_task(_people(world, journal))
        for time in range(talk.times):
            its = got[time * count : (time + 1) * count]
            if talk.lasting or talk.patience is not None or talk.kept == "durable":
                await _lasting(world, journal, "talk" if talk.lasting else f"talk {time}", agent, its)
            else:
                await _once(talk, agent, its)
        people.cancel()
        if talk.kept:
            await asyncio.sleep(0.01)  # a wait for an event that was cancelled is written nevertheless


async def _lasting(
    world: World, journal: RunStore, run_id: str, agent: Agent, got: Sequence[list[str]]
) -> None:
    """Run it in a block of `durable`, which begins again when it was parked, if people answer."""
    left, talk = PARKED, world.talk
    while left > 0:
        try:
            async with (
                asyncio.timeout(STOPPED if talk.answers < MANY else None),
                durable(journal, run_id=run_id),
            ):
                await _once(talk, agent, got)
                return
        except QuestionError as error:
            if error.reason != "parked":
                raise
        except TimeoutError:
            break
        world.parked += zip(talk.readers, map("".join, got), strict=True)
        for pieces in got:
            pieces.clear()
        await asyncio.sleep(0.02 + (talk.patience or 0.0))
        left -= 1 if world.answers else PARKED // 8
    else:
        assert not world.answers, "it does not go on"
    world.given_up = True


async def _people(world: World, journal: RunStore) -> None:
    """Answer what the runs of a talk ask."""
    talk, random = world.talk, Random(world.talk.order)  # noqa: S311 - no secret
    while talk.patience is not None and world.answers:
        await asyncio.sleep(max(0.005, talk.patience) * random.random())  # not too often: turns are bounded
        for question in await open_questions(journal):
            text = str(question.shown.get("text") or question.shown["tool"])
            if world.answers and text in ANSWERS and random.random() < 0.7:
                wrong = random.random() < 0.2 and text in {"How many?", "edited"}
                with suppress(QuestionError):
                    answer = {"How many?": "x", "edited": Allow({"x": "x"})}[text] if wrong else ANSWERS[text]
                    await answer_question(journal, question.run, question.id, answer)
                    world.answers -= not wrong
        for event in sorted(world.events):
            if world.answers:
                world.answers -= 1
                world.events.discard(event)
                await send_event(journal, event, 5)


async def _once(talk: Talk, agent: Agent, got: Sequence[list[str]]) -> None:
    question: Any = [message_of(text, talk) for text in talk.question]
    given = agent.inquire(slowly(question, talk.delay) if talk.streams else question)
    async with asyncio.TaskGroup() as group:
        for reader, pieces in zip(talk.readers, got, strict=True):
            reading = group.create_task(flows.reads(reader, given, pieces, _texts))
            if not talk.together:
                await reading


def message_of(text: str, talk: Talk) -> Any:
    """Return a message of a question."""
    if not talk.streams and FAILS not in text:
        return text
    return Message.promise(lambda _: slowly([*text.removesuffix(FAILS)], talk.delay, FAILS in text))
