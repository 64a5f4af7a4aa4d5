"""Random schedules of live input: what is said to an agent while it works, and what becomes of it.

A schedule is an agent, and what is sent to it when. Of an agent with one tool loop, a model says the whole
transcript. Of every agent the laws of `agent.interactive()` must hold: each message is in exactly one place
of the replies unless it was replaced (2); a steer is in every request that begins after it (3); what is sent
in one way is taken in that order (4); every request is valid (5), with any operator inside, and an agent that
is a tool gets nothing (6); nothing is left, also if the replies are dropped or cancelled (7). On closed input
the agent does what it does without (1). In a block of `durable` that is killed at any write, and runs again,
clients see the same transcript, and what was kept is not asked again (8).
"""

import asyncio
import gc
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, MutableMapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from typing import Final, Literal, TypeAlias, TypeVar, cast
from zlib import crc32

from typing_extensions import override

from miniagents import (
    AssistantMessage,
    Finish,
    InteractionContext,
    Message,
    MessageSequencePromise,
    MiniAgent,
    MiniAgents,
    MiniAgentsError,
    Promise,
    RetryPolicy,
    ToolMessage,
    miniagent,
    model_agent,
    race,
    tool,
)
from miniagents.errors import MaxTurnsError
from miniagents.ext.journal import Event, JournalError, Lease, MemoryJournal, RunRecord, durable
from miniagents.parts import Part, Reasoning, ToolCallDelta, ToolResult
from miniagents.tools import AnyTool, ToolSpec
from miniagents.types import Delivery, InputMessage, InteractiveCall, ModelAgent, ToolAgent
from tests.model.loops import loop_of
from tests.model.run import Outcome

__all__ = ["Request", "Said", "Schedule", "check", "drawn"]

T = TypeVar("T")

When: TypeAlias = Literal["steer", "queue", "interrupt", "rollback"]

KINDS: Final = (
    *("tools", "tools", "tools", "plain", "around", "timeout", "retry", "both", "race", "quiet", "chain"),
    *("inner", "hedge", "catching", "guard"),
)
EXACT: Final = frozenset({"tools", "plain", "around", "timeout"})
"""The kinds with at most one tool loop, of which the model says everything."""

RACES: Final = frozenset({"race", "hedge"})
"""What they do depends on when, so it is not the same when calls are played."""

FAILING: Final = frozenset({"retry", "catching"})
"""What fails is not kept, and so it is asked again."""

KILLED: Final = 5
"""One of so many schedules is killed at each write, too, if it can be; of those of a night, one of 50."""

NIGHT: Final = 100_000
"""The first seed of a night."""

SAME: Final = 1e-8
"""Moments that differ by less are the same: what was sent then, and what it began."""

MAIN: Final = 2
"""The tasks that run a schedule: its own, and the limit of its time."""

MODES: Final[tuple[When, ...]] = ("steer", "steer", "queue", "interrupt", "rollback")


@dataclass(frozen=True)
class Request:
    """What the model does with one request.

    Attributes:
        pauses: before each token; the text is one token for each.
        calls: for how long each tool runs that it calls.
        fails: whether it fails before its first token.
        thinks: whether it thinks, without a signature, before it says anything.
    """

    pauses: tuple[float, ...]
    calls: tuple[float, ...] = ()
    fails: bool = False
    thinks: bool = False


@dataclass(frozen=True)
class Said:
    """What is sent, and when."""

    at: float
    when: When
    name: str


@dataclass(frozen=True)
class Schedule:
    """An agent, and what is sent to it.

    Attributes:
        seed: of it.
        kind: of the agent.
        requests: what its models do, request by request.
        said: what is sent.
        question: whether there is a question when the run begins.
        max_turns: of its tool loops.
        end: when, and how the input ends: `finish`, `idle`, `cancel`, `drop`.
    """

    seed: int
    kind: str
    requests: tuple[Request, ...]
    said: tuple[Said, ...]
    question: bool
    max_turns: int
    end: tuple[float, str]


def drawn(seed: int) -> Schedule:
    """Return the schedule of a seed."""
    chance = Random(seed)  # noqa: S311 - no secret
    kind = chance.choice(KINDS)

    def pause() -> float:
        return round(chance.uniform(0.05, 1.0), 6) + chance.random() * 1e-7  # no two times are equal

    requests = tuple(
        Request(
            tuple(pause() for _ in range(chance.randint(0, 3))),
            tuple(pause() for _ in range(chance.choice((0, 0, 1, 2)))) if kind != "plain" else (),
            kind in ("retry", "catching") and chance.random() < 0.2,
            chance.random() < 0.2,
        )
        for _ in range(40)
    )
    moment, said = 0.0, list[Said]()
    for number in range(chance.randint(1, 9)):
        moment += pause() * chance.choice((0.02, 0.5, 1, 3))
        said.append(Said(moment, chance.choice(MODES), f"m{number}"))
    how = chance.choice(("finish", "finish", "finish", "idle", "cancel", "drop"))
    end = moment + pause() * 2 if how in ("finish", "idle") else chance.uniform(0.01, moment + 1)
    return Schedule(
        seed, kind, requests, tuple(said), chance.random() < 0.5, chance.choice((2, 20, 20)), (end, how)
    )


@dataclass
class World:
    """What happens while a schedule runs.

    Attributes:
        by_content: whether a request decides what its answer is; else its number does.
        requests: when each request began, who made it, and what it has.
        tools: how many tools run now.
    """

    schedule: Schedule
    by_content: bool = False
    requests: list[tuple[float, str, tuple[Message, ...]]] = field(
        default_factory=list[tuple[float, str, tuple[Message, ...]]]
    )
    tools: int = 0

    def model(self, name: str = "model") -> ModelAgent:
        """Return a model, which notes its requests."""

        @model_agent(alias=name)
        async def model(
            ctx: InteractionContext[Message, AssistantMessage], *, tools: tuple[ToolSpec, ...] = ()
        ) -> None:
            messages = await ctx.messages
            before = sum(each == name for _, each, _ in self.requests)
            number = before if name == "model" else 2 * before + 100 + (name == "b")
            if self.by_content:
                number = crc32(repr((name, [*map(_shown, messages)])).encode())
            self.requests.append((asyncio.get_running_loop().time(), name, tuple(messages)))
            request = self.schedule.requests[number % len(self.schedule.requests)]
            ctx.reply(AssistantMessage.promise_of_parts(self._written(number, request, bool(tools))))

        return model

    def _written(
        self, number: int, request: Request, calls: bool
    ) -> Callable[[MutableMapping[str, object]], AsyncIterator[Part]]:
        async def written(_: MutableMapping[str, object]) -> AsyncIterator[Part]:
            if request.thinks:
                yield Reasoning("hm")
            for at, pause in enumerate(request.pauses):
                await asyncio.sleep(pause)
                if request.fails:
                    raise ConnectionError(f"request {number}")
                yield f"{number}.{at} "
            if calls:
                for at, seconds in enumerate(request.calls):
                    arguments = f'{{"seconds": {seconds!r}}}'
                    yield ToolCallDelta(at, f"c{number}.{at}", "work", arguments)
            yield Finish("stop")

        return written

    def agent(self) -> MiniAgent[Message, Message]:
        """Return the agent."""
        make: dict[str, Callable[[], MiniAgent[Message, Message]]] = {
            "plain": self.model,
            "around": lambda: self.loop().around(_around),
            "timeout": lambda: self.loop().timeout(stall=10, total=1000),
            "retry": lambda: self.loop().retry(RetryPolicy(attempts=9, delay=0.01, jitter=0.0)),
            "catching": lambda: self.loop().catching(lambda error, ctx: "sorry"),
            "guard": lambda: self.loop().guard(during=lambda text: None, hold=5),
            "both": lambda: self.loop("a") & self.loop("b"),
            "race": lambda: race(self.loop("a"), self.loop("b")),
            "hedge": lambda: self.loop("a").hedge(self.loop("b"), after=0.3),
            "chain": lambda: self.loop() | self.model("last"),
            "quiet": lambda: _quiet(self.loop()),
            "inner": lambda: self.loop(inner=_asking(self.loop("expert"))),
        }
        return make.get(self.schedule.kind, self.loop)()

    def loop(self, name: str = "model", *, inner: AnyTool | None = None) -> ToolAgent:
        """Return a model with a tool, which is an agent if one is given."""

        @tool
        async def work(seconds: float) -> str:
            """Work."""
            self.tools += 1
            try:
                await asyncio.sleep(seconds)
            finally:
                self.tools -= 1
            return "done"

        turns = self.schedule.max_turns
        return self.model(name).with_tools(inner or work, max_turns=turns, timeout=None)


async def _around(ctx: InteractionContext, call: MiniAgent[Message, Message, ...]) -> None:
    ctx.reply(call.inquire(ctx.messages))


def _quiet(inner: MiniAgent[Message, Message]) -> MiniAgent[Message, Message]:
    """An agent that replies a text of its own, and not what the agent in it has replied."""

    @miniagent
    async def quiet(ctx: InteractionContext) -> None:
        ctx.reply(AssistantMessage(str(await inner.inquire(ctx.messages).final)))

    return quiet


def _asking(expert: MiniAgent[Message, Message]) -> MiniAgent[Message, Message]:
    """An agent that is a tool, and has a tool loop of its own."""

    @miniagent(alias="work", description="Works.")
    async def working(ctx: InteractionContext) -> None:
        ctx.reply(expert.inquire("What is it?"))

    return working


@dataclass
class Got:
    """What came of a schedule."""

    transcript: list[Message] = field(default_factory=list[Message])
    deliveries: dict[str, Delivery] = field(default_factory=dict[str, Delivery])
    sent: dict[str, Said] = field(default_factory=dict[str, Said])
    failed: BaseException | None = None
    left: list[str] = field(default_factory=list[str])


class Stage:
    """Sends what a schedule says, and reads what is replied.

    Args:
        schedule: what is sent.
        got: gets what came.
    """

    def __init__(self, schedule: Schedule, got: Got) -> None:
        self._schedule = schedule
        self._got = got
        self._learning: list[asyncio.Task[None]] = []

    async def read(self, replies: MessageSequencePromise[Message]) -> None:
        """Read to the end, and hold what was read."""
        kept: list[object] = []
        try:
            async for promise in replies:
                kept.append(promise)
                try:
                    self._got.transcript.append(await promise)
                except Exception as error:  # noqa: BLE001 - what it is, the checks say
                    self._got.failed = error
        except Exception as error:  # noqa: BLE001 - the same
            self._got.failed = error

    async def send(self, call: InteractiveCall[Message, Message], replies: "asyncio.Task[None]") -> None:
        """Send everything, some of it twice."""
        loop, (end, how) = asyncio.get_running_loop(), self._schedule.end
        send = {
            "steer": call.steer,
            "queue": call.queue,
            "interrupt": call.interrupt,
            "rollback": call.rollback,
        }
        for said in self._schedule.said:
            if how in ("cancel", "drop") and said.at > end:
                break
            await asyncio.sleep(said.at - loop.time())
            if replies.done():
                break
            self._got.sent[said.name] = said
            for _ in range(1 + (said.at * 1000 % 3 < 1)):
                taken = send[said.when](said.name, id=said.name)
                self._learning.append(asyncio.create_task(self._learn(said.name, taken)))
        await asyncio.sleep(max(0.0, end - loop.time()))

    async def _learn(self, name: str, taken: Promise[Delivery]) -> None:
        self._got.deliveries[name] = await taken

    async def learned(self, *, stop: bool = False) -> None:
        """Wait until it is known what became of everything."""
        for each in self._learning if stop else ():
            each.cancel()
        await asyncio.gather(*self._learning, return_exceptions=stop)
        self._learning.clear()


async def _play(schedule: Schedule, world: World, got: Got) -> None:
    how, stage = schedule.end[1], Stage(schedule, got)
    agent = world.agent().interactive(idle=5.0 if how == "idle" else None)
    async with MiniAgents():
        call: InteractiveCall[Message, Message] = agent.initiate_inquiry()
        if schedule.question:
            call.send_message("question")
        replies = call.reply_sequence(finish_call=False)
        reading = asyncio.create_task(stage.read(replies))
        await stage.send(call, reading)
        if how == "finish":
            call.finish()
        elif how == "cancel":
            replies.cancel()
        if how == "drop":
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
            await stage.learned(stop=True)
            del replies, call, reading
            await asyncio.sleep(0.001)
            if len(asyncio.all_tasks()) > MAIN or world.tools:
                got.left.append(f"law 7: left {asyncio.all_tasks()}, {world.tools} tools")
        else:
            await reading
            await stage.learned()


async def _closed(schedule: Schedule, *, interactive: bool, racer: str = "") -> list[object]:
    """Return what readers get on closed input, and when; of a race, perhaps of one racer alone."""
    world = World(schedule)
    agent = race(world.loop(racer)) if racer else world.agent()
    loop, came = asyncio.get_running_loop(), list[object]()
    async with MiniAgents():
        sent: list[str | Message] = [
            "question",
            InputMessage("said before"),
            AssistantMessage("Yes?"),
            "another one",
        ]
        replies = (agent.interactive() if interactive else agent).inquire(sent)
        try:
            async for promise in replies:
                async for part in promise.parts:
                    came.append((loop.time(), repr(part)))
                came.append((loop.time(), _shown(await promise)))
        except Exception as error:  # noqa: BLE001 - the same error is wanted
            came.append((loop.time(), repr(error)))
    return came


def _when_it_came(came: list[object]) -> object:
    return cast("tuple[float, object]", came[0])[0]


def check(schedule: Schedule, loops: str = "asyncio") -> Outcome:
    """Run a schedule; what is wrong with it.

    Args:
        schedule: what to run.
        loops: the event loop.
    """
    outcome, world, got = Outcome(), World(schedule), Got()
    gc.disable()
    try:
        _run(_play(schedule, world, got), loops, schedule.seed)
        came, wanted = (
            _run(_closed(schedule, interactive=each), loops, schedule.seed) for each in (True, False)
        )
    except Exception as error:  # noqa: BLE001 - anything is wrong
        outcome.wrong.append(f"raised: {error!r}")
        return outcome
    finally:
        gc.enable()
    if wanted != came and schedule.kind == "race":
        first, second = (
            _run(_closed(schedule, interactive=False, racer=each), loops, schedule.seed) for each in "ab"
        )
        if _when_it_came(first) == _when_it_came(second):  # either of them may win
            wanted = second if wanted == first else first
    if wanted != came:
        outcome.wrong.append(f"law 1: wanted {wanted}\n  got    {came}")
    if schedule.end[1] == "drop":
        outcome.wrong += got.left
        return outcome
    outcome.wrong += _laws(schedule, world, got)
    every = KILLED if schedule.seed < NIGHT else 10 * KILLED
    if schedule.kind not in RACES and schedule.end[1] == "finish" and schedule.seed % every == 0:
        outcome.wrong += _kills(schedule, loops)
    if schedule.kind in EXACT and schedule.end[1] != "cancel" and not outcome.wrong:
        expected, found = Model(schedule).transcript(), list(map(_shown, got.transcript))
        if expected != found:
            outcome.wrong.append(f"transcript: wanted {expected}\n  got    {found}")
    return outcome


class Killed(MemoryJournal):
    """A journal whose process is killed when it writes for the last time.

    Args:
        writes: how often it writes.
        got: what came until then.

    Attributes:
        written: the events that it has.
        seen: how many messages clients may have seen, of which all is written.
    """

    def __init__(self, writes: int, got: Got) -> None:
        super().__init__()
        self._left = writes
        self._got = got
        self.written: list[Event] = []
        self.seen = 0

    @property
    def killed(self) -> bool:
        """Whether it was to write once more than it does."""
        return self._left < 0

    @override
    async def leave(
        self,
        lease: Lease,
        events: Sequence[Event] = (),
        /,
        *,
        wake_at: float | None = None,
        heard: int = 0,
        counts: bool = False,
    ) -> None:
        await self.append(lease, events)

    @override
    async def end(
        self, lease: Lease, events: Sequence[Event], /, *, how: str, keep: float | None = None
    ) -> None:
        await self.append(lease, events)

    @override
    async def append(self, lease: Lease, events: Sequence[Event], /, *, hard: bool = False) -> None:
        complete = len(self._got.transcript)
        self._left -= 1
        if self.killed:
            raise JournalError("killed")
        await super().append(lease, events, hard=hard)
        self.written += [json.loads(json.dumps(each)) for each in events]
        self.seen = complete


async def _durably(schedule: Schedule, world: World, got: Got, journal: MemoryJournal) -> None:
    """Run a schedule in a block that a journal keeps; it is killed if the journal is."""
    stage = Stage(schedule, got)
    async with MiniAgents(), durable(journal, run_id="7"):
        call: InteractiveCall[Message, Message] = world.agent().interactive().initiate_inquiry()
        call.send_message("question")
        reading = asyncio.create_task(stage.read(call.reply_sequence(finish_call=False)))
        await stage.send(call, reading)
        call.finish()
        await reading
        await stage.learned()


def _kill(schedule: Schedule, writes: int, loops: str) -> tuple[list[str], bool]:
    """Kill a run, and run it again; return what is wrong, and whether it was killed."""
    first, world = Got(), World(schedule, by_content=True)
    journal = Killed(writes, first)
    with suppress(JournalError, ExceptionGroup):  # as the end of the process
        _run(_durably(schedule, world, first, journal), loops, schedule.seed)
    killed = journal.killed
    seen = [*map(_shown, first.transcript[: max(0, journal.seen - 1)])]

    second, later, store = Got(), World(schedule, by_content=True), MemoryJournal()

    async def again() -> list[Event]:
        lease = Lease(RunRecord("7", version="1", restart="program"))
        await store.begin(lease, [["began", 0, None], *journal.written])
        await store.leave(lease)
        await _durably(schedule, later, second, store)
        return [*(await store.read("7")).events[1 + len(journal.written) :]]

    new = _run(again(), loops, schedule.seed + 1)
    found = [*map(_shown, second.transcript)]
    wrong = _laws(schedule, later, second, killed=True)
    if found[: len(seen)] != seen:
        wrong.append(f"law 8: seen {seen}\n  then {found}")
    kept = [event for event in journal.written if event[0] == "kept"]
    keys, places = {str(each[2]) for each in kept}, [each[6] for each in kept]
    for each in new:
        # "last" gets only replies, and these may be the same twice; but not at the same place.
        if each[0] == "kept" and ((each[2] in keys and each[3] != "last") or each[6] in places):
            wrong.append(f"law 8: asked again: {each[2:4]}")
    if not killed and later.requests and schedule.kind not in FAILING:
        wrong.append(f"law 8: {len(later.requests)} requests of a run that had ended")
    return [f"{each} (killed at write {writes})" for each in wrong], killed


def _kills(schedule: Schedule, loops: str) -> list[str]:
    """Kill a run at some of its writes, and after the last one."""
    chance = Random(schedule.seed)  # noqa: S311 - no secret
    at = chance.randint(1, 6)
    while True:
        wrong, killed = _kill(schedule, at, loops)
        if wrong or not killed:
            return wrong
        at += chance.randint(1, 9)


def _run(main: Coroutine[object, object, T], loops: str, seed: int) -> T:
    loop = loop_of(loops, seed)
    try:
        result = loop.run_until_complete(asyncio.wait_for(main, 100_000))
        left = asyncio.all_tasks(loop)
        if left:
            raise AssertionError(f"law 7: left {left}")
        return result
    finally:
        loop.close()


def _laws(schedule: Schedule, world: World, got: Got, *, killed: bool = False) -> list[str]:
    failed, stopped = got.failed, schedule.end[1] == "cancel"
    wrong: list[str] = []
    if failed is not None and not stopped and not isinstance(failed, ConnectionError | MiniAgentsError):
        wrong.append(f"failed: {failed!r}")
    places = [each.input_id for each in got.transcript if isinstance(each, InputMessage)]
    wrong += [f"law 2: {name} has {count} places" for name, count in Counter(places).items() if count != 1]
    for name in got.sent:
        wrong += _delivered(got, name, places, may_fail=killed or stopped or failed is not None)
    modes = {each.name: each.when for each in schedule.said}
    for when in ("queue", "steer"):
        in_order = [name for name in places if modes[name] == when]
        if in_order != sorted(in_order):
            wrong.append(f"law 4: {when}: {in_order}")
    for at, name, messages in world.requests if not killed else ():
        wrong += _request(schedule, got, at, name, messages)
    wrong += [f"law 5: {each}" for _, _, messages in world.requests for each in _invalid(messages)]
    if world.tools:
        wrong.append(f"law 7: {world.tools} tools run on")
    return wrong


def _delivered(got: Got, name: str, places: list[str], *, may_fail: bool) -> list[str]:
    """Check what is known of a message that was sent."""
    delivery = got.deliveries.get(name)
    if delivery is None:
        return [f"law 2: nothing is known of {name}"]
    if (delivery.outcome == "taken") != (name in places):
        return [f"law 2: {name} is {delivery}, of {places}"]
    if delivery.outcome in ("failed", "cancelled") and not may_fail:
        return [f"law 2: {name} is {delivery}, in a run that ended"]
    later = [each for each in got.sent.values() if each.when == "rollback" and each.at >= got.sent[name].at]
    if delivery.outcome == "replaced" and not later:
        return [f"law 2: {name} was replaced by nothing"]
    return []


def _request(schedule: Schedule, got: Got, at: float, name: str, messages: tuple[Message, ...]) -> list[str]:
    """Check what a request has."""
    names = [each.input_id for each in messages if isinstance(each, InputMessage)]
    wrong: list[str] = []
    if len(names) != len(set(names)):
        wrong.append(f"law 2: twice in a request: {names}")
    if name == "expert" and names:
        wrong.append(f"law 6: a tool got {names}")
    if name in ("expert", "last") or schedule.kind == "quiet":
        return wrong
    last = max(
        (each.at for each in got.sent.values() if each.when == "rollback" and each.at <= at + SAME), default=0
    )
    wanted = [
        each.name
        for each in got.sent.values()
        if each.when != "queue" and last <= each.at < at - SAME and each.name not in names
    ]
    return [*wrong, *(f"law 3: the request at {at} has no {each}" for each in wanted)]


def _invalid(messages: tuple[Message, ...]) -> list[str]:
    wrong: list[str] = []
    open_calls: list[str] = []
    known: set[str] = set()
    for message in messages:
        if isinstance(message, ToolMessage):
            for part in message.parts:
                if isinstance(part, ToolResult):
                    if part.call_id in open_calls:
                        open_calls.remove(part.call_id)
                    else:
                        wrong.append(f"a result of {part.call_id}, which is not open")
            continue
        if open_calls:
            wrong.append(f"{type(message).__name__} before the results of {open_calls}")
        open_calls = [call.id for call in message.tool_calls] if isinstance(message, AssistantMessage) else []
        if known & set(open_calls):
            wrong.append(f"a call again: {open_calls}")
        known |= set(open_calls)
    return wrong + ([f"no result of {open_calls}"] if open_calls else [])


# -- the model -----------------------------------------------------------------------------------------------

Shown: TypeAlias = tuple[object, ...]


def _shown(message: Message) -> Shown:
    if isinstance(message, InputMessage):
        return message.when, message.input_id, message.replaces
    if isinstance(message, AssistantMessage):
        calls = tuple(call.id for call in message.tool_calls)
        return "answer", message.text, calls, message.finish_reason, bool(message.reasoning)
    results = [part for part in getattr(message, "parts", ()) if isinstance(part, ToolResult)]
    return ("result", results[0].call_id, results[0].is_error) if results else ("plain", message.text)


class Model:
    """The whole transcript of an agent with one tool loop, or none.

    Args:
        schedule: what is sent.
    """

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule
        self._left = list(schedule.said)  # what has not come yet
        self._steers: list[Said] = []
        self._queued: list[Said] = []
        self._requests = 0
        self._transcript: list[Shown] = []
        self._replaced = 0

    def transcript(self) -> list[Shown]:
        """Return it."""
        now, question = 0.0, self._schedule.question
        idle = 5.0 if self._schedule.end[1] == "idle" else None
        while True:
            if not (question or self._steers or self._queued):
                if not self._left or (idle is not None and self._left[0].at > now + idle):
                    return self._transcript
                now = self._left[0].at
                self._come(now)
            began = len(self._transcript)
            asked = int(question)
            taken = self._steers or ([] if question else [self._queued.pop(0)])
            question, self._steers = False, []
            for said in taken:
                self._show(said)
            try:
                now, cut = self._answer(now)
            except MaxTurnsError:
                return self._transcript
            if cut is not None and cut.when == "rollback":
                self._replaced = asked + len(self._transcript) - began

    def _come(self, until: float) -> Said | None:
        """Take what comes up to a time; return what cuts, and take nothing after that."""
        while self._left and self._left[0].at <= until:
            said = self._left.pop(0)
            if said.when == "queue":
                self._queued.append(said)
                continue
            if said.when == "rollback":
                self._steers = []
            self._steers.append(said)
            if said.when != "steer":
                return said
        return None

    def _show(self, said: Said) -> None:
        self._transcript.append((said.when, said.name, self._replaced))
        self._replaced = 0

    def _answer(self, now: float) -> tuple[float, Said | None]:
        turns = self._schedule.max_turns if self._schedule.kind != "plain" else 1
        for turn in range(turns):
            if turn:  # a boundary
                for said in self._steers:
                    self._show(said)
                self._steers = []
            number = self._requests
            self._requests += 1
            request = self._schedule.requests[number % len(self._schedule.requests)]
            ends = now + sum(request.pauses)
            calls = tuple(f"c{number}.{at}" for at in range(len(request.calls)))
            cut = self._come(ends)
            if cut is not None:
                came = [
                    at for at in range(len(request.pauses)) if now + sum(request.pauses[: at + 1]) < cut.at
                ]
                text = "".join(f"{number}.{at} " for at in came)
                self._transcript.append(("answer", text, (), "interrupted", False))
                return cut.at, cut
            text = "".join(f"{number}.{at} " for at in range(len(request.pauses)))
            self._transcript.append(("answer", text, calls, "stop", request.thinks))
            now = ends
            if calls:
                done = now + max(request.calls)
                cut = self._come(done)
                for call, seconds in zip(calls, request.calls, strict=True):
                    is_cut = cut is not None and now + seconds > cut.at
                    self._transcript.append(("result", call, is_cut))
                if cut is not None:
                    return cut.at, cut
                now = done
            elif not self._steers or turn == turns - 1:
                return now, None
        raise MaxTurnsError
