"""Random programs of model agents that several servers serve: runs that wait for people, and move.

The agent is that of a talk (`talks.py`) that asks people. Up to four servers share a journal: they open and
close at random moments, in order or not, and a last one stays until the run has ended. Their `linger` decides
whether the run is parked. People answer, events come, and things are said through any server, or the journal
alone. Clients read the frames through any server, leave, and come back with the position that they have.

Whatever happens, each position has the same frame for all, nothing is left out, and the texts are those of
the model of the talk. A question has one answer. What was said counts once, if it was not refused. A call
that has ended is not made again. Nothing is left, and nothing else is logged. With a cassette the program
has a second life, with other servers, in which no model is asked.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import aclosing, suppress
from contextvars import Context as Variables, copy_context
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count
from random import Random
from tempfile import TemporaryDirectory
from typing import Any, Final, TypeVar

from typing_extensions import override

from miniagents import InteractionContext, MiniAgents, miniagent
from miniagents.errors import NoActiveContextError
from miniagents.ext.journal import Lease, MemoryJournal, answer_question, open_questions, send_event
from miniagents.ext.limits import model_limits
from miniagents.ext.usage import RunUsage
from miniagents.ext.web import (
    Frame,
    MessageBegan,
    MessagePart,
    QuestionAnswered,
    QuestionAsked,
    RequestError,
    RunEnded,
    Runs,
)
from miniagents.observers import RunEnded as CallEnded, RunEvent
from miniagents.parts import Restart, ToolResult
from miniagents.runs import Json
from miniagents.testing import Cassette
from miniagents.tools import Allow, QuestionError
from miniagents.types import InputMessage
from tests.model import talks
from tests.model.flows import LIMIT, slowly
from tests.model.pipes import Outcome
from tests.model.talks import ANSWERS, SAME, STEPS, Said, Talk, Told, Watch, World, expected, message_of, ran

__all__ = ["Client", "Life", "Served", "check", "drawn"]

T = TypeVar("T")

MORE: Final = "q more"
"""What is said to an agent that works."""
PAUSES: Final = (0.0, 0.0, 0.0, 0.001, 0.003)
"""Seconds before and behind what a slow journal does."""
VISITS: Final = 8
"""How often a client comes; the last time it stays."""
LIMITED: Final = frozenset({"total", "stall", "first", "hedge_late"})
"""Steps with a limit of time: one that expires since the journal is slow may not do so in the next server."""


@dataclass(frozen=True)
class Life:
    """A server, from its start to its end.

    Attributes:
        begins: seconds until it opens.
        lasts: seconds until it closes.
        drain: for how many seconds it waits for its runs then; None: until they have ended, or are parked.
        fails: whether it ends with an error, and waits for nothing.
    """

    begins: float = 0.0
    lasts: float = 0.0
    drain: float | None = None
    fails: bool = False


@dataclass(frozen=True)
class Client:
    """Who reads the run.

    Attributes:
        begins: seconds until it comes, and comes again.
        leaves: how many frames it reads at a time; None: all that come.
        stays: for how many seconds it reads at a time; None: until it has read these.
        back: how many of the frames that it has it reads again.
        pause: seconds for each frame.
    """

    begins: float = 0.0
    leaves: int | None = None
    stays: float | None = None
    back: int = 0
    pause: float = 0.0


@dataclass(frozen=True)
class Served:
    """What is served, where, and to whom.

    Attributes:
        talk: the agent, and who answers it.
        lives: of the servers but the last one.
        clients: who reads.
        linger: seconds before the run is parked.
        other: that of the second life, with a cassette.
        said: when something is said, in seconds since the beginning.
        tape: whether the calls of the models are in a cassette, for a second life.
        slow: whether the journal takes its time; else what it does is done at once.
    """

    talk: Talk
    lives: tuple[Life, ...] = ()
    clients: tuple[Client, ...] = ()
    linger: float = 0.0
    other: float = 0.0
    said: tuple[float, ...] = ()
    tape: bool = False
    slow: bool = False


class Slow(MemoryJournal):
    """A journal that is slow, as a database is: it does what was requested, also for cancelled callers."""

    def __init__(self, random: Random) -> None:
        super().__init__()
        self._random = random

    async def do(self, what: Callable[[], Awaitable[T]]) -> T:
        """Do something a little later."""

        async def doing() -> T:
            await asyncio.sleep(self._random.choice(PAUSES))
            return await what()

        task = asyncio.create_task(doing(), context=Variables())
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        try:
            return await asyncio.shield(task)
        finally:
            await asyncio.sleep(self._random.choice(PAUSES))

    @override
    async def __aexit__(self, *_: object) -> None:
        await asyncio.sleep(1.0)  # what was begun is written, also if who wanted it was cancelled
        await super().__aexit__()

    @override
    def listen(self, lease: Lease, on_sent: Callable[[str, Json], None], /) -> None:
        sent, later = deque[tuple[str, Json]](), asyncio.get_running_loop().call_later

        def note(key: str, data: Json) -> None:
            sent.append((key, data))
            later(self._random.choice(PAUSES), lambda: on_sent(*sent.popleft()), context=Variables())

        super().listen(lease, note)


def _slow(name: str) -> Any:
    def slow(self: Slow, *args: Any, **options: Any) -> Any:
        return self.do(lambda: getattr(MemoryJournal, name)(self, *args, **options))

    return slow


for _name in ("take", "claim", "begin", "append", "end", "leave", "read", "find", "send", "delete"):
    setattr(Slow, _name, _slow(_name))


@dataclass(eq=False)
class Server:
    """A server that is open.

    Attributes:
        runs: its runs.
        variables: of what it does.
        open: whether it is.
    """

    runs: Runs
    variables: Variables = field(default_factory=copy_context)

    open: bool = True

    async def do(self, what: Callable[[Runs], Awaitable[object]]) -> bool:
        """Let the server do something; return False if it has closed before that."""

        async def doing() -> bool:
            try:
                await what(self.runs)
            except NoActiveContextError:
                assert not self.open
                return False
            return True

        return await asyncio.create_task(doing(), context=self.variables.copy())


class Calls(Watch):
    """Sees how many calls of models have ended, and that all that began ends."""

    def __init__(self) -> None:
        super().__init__()
        self.done = 0

    @override
    def on_event(self, event: RunEvent, /) -> None:
        super().on_event(event)
        self.done += isinstance(event, CallEnded) and event.run.kind == "model" and event.outcome == "done"


class Place:
    """The servers of a program, and what others see of its run."""

    def __init__(self, served: Served, world: World, linger: float, random: Random) -> None:
        self.served = served
        self.world = world
        self.journal: MemoryJournal = world.journal
        self.linger = linger
        self.random = random
        self.watch, self.usage = Calls(), RunUsage()
        self.servers: list[Server] = []
        self.run = ""
        self.frames: dict[int, Frame] = {}
        self.heard: dict[str, bool] = {}  # what was said -> whether it was accepted
        self.given: dict[str, int] = {}  # question -> how often an answer was accepted
        self.cuts = 0  # servers that did not wait for their runs
        self.over = asyncio.Event()
        self.wrong: list[str] = []

    async def live(self) -> None:
        """Serve the run until it has ended."""
        try:
            async with asyncio.timeout(LIMIT), self.journal, asyncio.TaskGroup() as group:
                for life in self.served.lives:
                    group.create_task(self._serve(life))
                group.create_task(self._open(self._last(), self.over.wait))
                await self._do(self._begin)
                others = [group.create_task(self._reads(each)) for each in self.served.clients]
                others += [group.create_task(self._says(*each)) for each in enumerate(self.served.said)]
                people = group.create_task(self._people())
                await asyncio.gather(*others, self._until_ended())
                self.over.set()
                people.cancel()
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None

    # -- servers -----------------------------------------------------------------------------------------

    async def _serve(self, life: Life) -> None:
        with suppress(ZeroDivisionError):
            await self._open(life, lambda: asyncio.sleep(life.lasts))

    def _last(self) -> Life:
        """The server that opens when no other one opens any more, and has closed."""
        return Life(max((each.begins + each.lasts for each in self.served.lives), default=0.0))

    async def _open(self, life: Life, until: Callable[[], Awaitable[object]]) -> None:
        await asyncio.sleep(life.begins)
        talk, observers = self.served.talk, [self.watch, self.usage]
        around = [model_limits(requests_per_minute=60_000)] if talk.limited else []
        async with MiniAgents(
            prefetch=talk.prefetch, observers=observers, around=around, drain_timeout=life.drain
        ):
            agent = self.world.core()
            for name in talk.steps:
                agent = STEPS[name].build(self.world, agent)
            if talk.streams:
                agent = _streaming(talk, agent)
            if self.served.said:
                agent = agent.interactive()
            runs = Runs(self.journal, agents={"talk": agent}, linger=self.linger)
            await runs.open()
            self.servers.append(server := Server(runs))
            await until()
            server.open = False
            self.servers.remove(server)
            self.cuts += life.fails or life.drain is not None
            if life.fails:
                raise ZeroDivisionError

    async def _do(self, what: Callable[[Runs], Awaitable[object]]) -> None:
        """Let a server that is open do something."""
        done = False
        while not done:
            while not self.servers:  # noqa: ASYNC110 - time is virtual
                await asyncio.sleep(0.001)
            done = await self.random.choice(self.servers).do(what)

    async def _begin(self, runs: Runs) -> None:
        self.run = await runs.begin("talk", self.served.talk.question)

    async def _until_ended(self) -> None:
        """Wait until the run has ended, and read all of it."""
        async with aclosing(self.journal.follow(self.run)) as events:
            async for _ in events:
                pass
        await self._do(partial(self._take, [0], Client()))
        left = [each.run for each in await self.journal.find(ended=False)]
        self.wrong += [f"left: {each} has not ended" for each in left if not each.startswith("event:")]

    # -- who reads ---------------------------------------------------------------------------------------

    async def _reads(self, client: Client) -> None:
        at, visits = [0], 0  # the position of the last frame that it has
        while not isinstance(self.frames.get(at[0]), RunEnded):
            visits += 1
            now = client if visits < VISITS else Client()
            await asyncio.sleep(now.begins)
            at[0] = max(at[0] - now.back, 0)
            with suppress(TimeoutError):
                async with asyncio.timeout(now.stays):
                    await self._do(partial(self._take, at, now))

    async def _take(self, at: list[int], client: Client, runs: Runs) -> None:
        """Read frames, and note the position of the last one."""
        first = at[0]
        async with aclosing(runs.frames(self.run, first)) as frames:
            async for position, frame in frames:
                if position != at[0] + 1:
                    self.wrong.append(f"position: {position} behind {at[0]}")
                if frame != self.frames.setdefault(position, frame):
                    self.wrong.append(f"frame: {position} is {frame}, and was {self.frames[position]}")
                at[0] = position
                if position - first == client.leaves:
                    break
                await asyncio.sleep(client.pause)

    # -- who says something ------------------------------------------------------------------------------

    async def _says(self, number: int, when: float) -> None:
        await asyncio.sleep(when)
        message = InputMessage(MORE, when="queue", input_id=f"s{number}")
        for _ in range(self.random.choice([1, 1, 2])):
            try:
                await self._do(lambda runs: runs.say(self.run, message))
            except RequestError as error:
                if error.code != "run_over":
                    raise
                self.heard.setdefault(message.input_id, False)
            else:
                self.heard[message.input_id] = True

    async def _people(self) -> None:
        patience = self.served.talk.patience or 0.0
        while True:
            await asyncio.sleep(max(0.005, patience) * self.random.random())
            for question in await open_questions(self.journal, self.run):
                text = str(question.shown.get("text") or question.shown["tool"])
                if text in ANSWERS and self.random.random() < 0.7:
                    wrong = self.random.random() < 0.2 and text in {"How many?", "edited"}
                    bad: dict[str, object] = {"How many?": "x", "edited": Allow({"x": "x"})}
                    for _ in range(self.random.choice([1, 1, 2])):
                        await self._answers(question.id, bad[text] if wrong else ANSWERS[text], wrong=wrong)
            for event in sorted(self.world.events):
                self.world.events.discard(event)
                if self.random.random() < 0.5:
                    await send_event(self.journal, event, 5)
                else:
                    await self._do(partial(Runs.send_event, name=event, value=5))

    async def _answers(self, question: str, answer: object, *, wrong: bool) -> None:
        reason: str | None
        try:
            if self.random.random() < 0.3:
                await answer_question(self.journal, self.run, question, answer)
            else:
                await self._do(lambda runs: runs.answer(self.run, question, answer))
        except QuestionError as error:
            reason = error.reason
        except RequestError as error:
            reason = error.code
        else:
            self.given[question] = self.given.get(question, 0) + (not wrong)
            return
        if reason not in {"changed", "expired", "ended", "run_over"} | (
            {"invalid", "invalid_answer"} if wrong else set()
        ):
            self.wrong.append(f"answer: {answer!r} is refused: {reason}")


def _streaming(talk: Talk, agent: Any) -> Any:
    @miniagent
    async def streaming(ctx: InteractionContext) -> None:
        question: Any = [message_of(text, talk) for text in talk.question]
        ctx.reply(agent.inquire(slowly(question, talk.delay)))

    return streaming


# -- the model ----------------------------------------------------------------------------------------------


def _due(served: Served, taken: int) -> Told:
    """Return what is replied if so many messages were said that count."""
    told = expected(served.talk)
    if told.asked is not None and told.used is not None:
        told = replace(told, asked=told.asked * (taken + 1), used=told.used * (taken + 1))
    return replace(told, said=(*told.said, *(Said(MORE, MORE), *told.said) * taken))


def _texts(frames: Iterable[Frame]) -> list[str]:
    """Return the text of each message; of a tool, its result."""
    texts, tool = list[str](), False
    for frame in frames:
        match frame:
            case MessageBegan(message, role):
                assert message == len(texts)
                texts.append("")
                tool = role == "tool"
            case MessagePart(message, str(text)):
                texts[message] += text
            case MessagePart(message, Restart()):
                texts[message] = ""
            case MessagePart(message, ToolResult() as result) if tool:
                texts[message] = result.text
            case _:
                pass
    return texts


def _questions(place: Place, frames: Iterable[Frame]) -> list[str]:
    """Return what is wrong with the questions: one that is open is closed once, and an answer counts."""
    wrong, open_ones, closed = list[str](), set[str](), dict[str, str]()
    for frame in frames:
        match frame:
            case QuestionAsked(key):
                if key in open_ones or closed.get(key, "void") != "void":
                    wrong.append(f"question: {frame} is asked again, and was {closed.get(key, 'open')}")
                open_ones.add(key)
            case QuestionAnswered(key, how):
                if key not in open_ones:
                    wrong.append(f"question: {frame} is not open")
                if how not in {"void", "expired"} and not place.given.get(key):
                    wrong.append(f"question: no client has given {frame}")
                open_ones.discard(key)
                closed[key] = how
            case _:
                pass
    return wrong


def _judged(place: Place, texts: Sequence[str], log: Sequence[str]) -> list[str]:
    """Compare what happened with the model."""
    served, frames = place.served, [place.frames[at] for at in sorted(place.frames)]
    talk, ending = served.talk, frames[-1]
    ids = [each.id for each in frames if isinstance(each, MessageBegan) and each.id in place.heard]
    told, wrong = _due(served, len(ids)), _questions(place, frames)
    loose = any(STEPS[name].loose for name in talk.steps)
    if sorted(ids) != sorted(key for key, taken in place.heard.items() if taken):
        wrong.append(f"said: {ids}, not {place.heard}")
    if not isinstance(ending, RunEnded) or any(isinstance(each, RunEnded) for each in frames[:-1]):
        wrong.append(f"end: {frames[-2:]}")
    elif not loose and ending.how != ("failed" if told.fails else "finished"):
        wrong.append(f"end: {ending}, not {told}")
    due = [said.text for said in told.said]
    failing = next((at for at, said in enumerate(told.said) if said.fails), len(due))
    for said, text in () if loose else zip(told.said[:failing], texts, strict=False):
        # The result of a tool is shown, unless only its text was passed on.
        if said.text not in {text, "?"} and not said.shown == "" == text:
            wrong.append(f"texts: {text}, not {said.text}: {texts}, not {due}")
    if not loose and not failing <= len(texts) <= len(due) + told.end:
        wrong.append(f"texts: {len(texts)}, not {len(due)}: {texts}, not {due}")
    wrong += [f"log: {text}" for text in log if not _planned(text, place, fails=told.fails or loose)]
    if not wrong:
        wrong += place.watch.wrong + [f"observer: {run} did not end" for run in place.watch.going_on]
    if not wrong and not loose and told.asked is not None:
        wrong += _counts(place, told)
    return wrong


def _planned(text: str, place: Place, *, fails: bool) -> bool:
    if "had not ended drain_timeout" in text:
        return place.cuts > 0
    if "A run failed" in text:
        return fails
    return talks.planned(text, place.served.talk, whole=not place.cuts)


def _counts(place: Place, told: Told) -> list[str]:
    """Compare how often models were asked: a call that has ended is not made again."""
    asked = sum(len(model.requests) for model in place.world.models)
    done, used = place.watch.done, place.usage.total.output_tokens or 0
    whole = not place.cuts and not told.fails
    if whole and (asked, used) != (told.asked, told.used):
        return [f"counts: {asked} asked and {used} used, not {told.asked} and {told.used}"]
    if used > (told.used or 0) + place.cuts or done > (told.asked or 0) + place.cuts:
        return [f"counts: {done} done and {used} used, not {told.asked} and {told.used}; {place.cuts} cuts"]
    return []


# -- the generator ------------------------------------------------------------------------------------------


def drawn(seed: int) -> Served:
    """Return the program of a seed."""
    random = Random(f"served {seed}")  # noqa: S311 - no secret
    tape = random.random() < 0.2
    says = not tape and random.random() < 0.4  # what is said comes at another time in another life
    talk = next(
        each
        for each in map(talks.drawn, count(1000 * seed))
        if each.patience is not None
        and not (each.unasked or "system" in each.steps)
        and (not says or (SAME.issuperset(each.steps) and not expected(each).fails))
        and (not tape or _sure(each))
        # Found and left: what a limit of tokens let through first need not come first in the next server.
        and not ("tokens" in each.steps and {"hedge_at_once", "race"} & {*each.steps})
    )
    talk = replace(
        talk,
        readers=(),
        streams=talk.streams and not says,
        times=1,
        lasting=False,
        together=False,
        kept="",
        answers=talks.MANY,
    )
    moments = (0.0, 0.001, 0.002, 0.004, 0.008, 0.02, 0.05)
    drains = (None,) if tape else (None, None, 0.0, 0.002, 0.02)

    def life() -> Life:
        drain = random.choice(drains)
        fails = not tape and random.random() < 0.2
        return Life(random.choice(moments), random.choice((*moments, 0.2)), drain, fails)

    def client() -> Client:
        leaves, back = random.choice((None, 1, 2, 5)), random.choice((0, 0, 1, 3))
        if leaves is not None:
            leaves += back
        stays = random.choice((None, 0.001, 0.003, 0.02)) if leaves is None and not back else None
        return Client(random.choice(moments), leaves, stays, back, random.choice((0.0, 0.0, 0.001)))

    return Served(
        talk,
        tuple(life() for _ in range(random.choice((0, 1, 2, 4)))),
        tuple(client() for _ in range(random.choice((1, 2, 3)))),
        random.choice((0.0, 0.0, 0.003, 0.02, 9.0)),
        random.choice((0.0, 9.0)),
        tuple(random.choice(moments) for _ in range(random.choice((1, 2, 3)))) if says else (),
        tape,
        random.random() < 0.4 and LIMITED.isdisjoint(talk.steps),
    )


def _sure(talk: Talk) -> bool:
    """Whether the same calls are made in each life."""
    told = expected(talk)
    sure = told.asked is not None and not any(STEPS[name].loose for name in talk.steps)
    return sure and not any(turn.fails or "dead" in turn.calls for turn in talk.turns)


def check(served: Served, loops: str = "asyncio") -> Outcome:
    """Run a program, and compare it with the model; with a cassette, in two lives."""
    before: list[str] = []
    with TemporaryDirectory() as folder:
        for life in range(1 + served.tape):
            mode: Any = "replay" if life else "record"
            random = Random(served.talk.order)  # noqa: S311 - no secret
            tape = Cassette(f"{folder}/calls", mode=mode) if served.tape else None
            world = World(served.talk, Slow(random) if served.slow else MemoryJournal(), tape)
            place = Place(served, world, served.other if life else served.linger, random)
            wrong, log = ran(place.live, loops, served.talk.order)
            if not wrong:
                wrong = place.wrong
            texts = _texts(place.frames[at] for at in sorted(place.frames))
            if not wrong and not life:
                wrong = _judged(place, texts, log)
            if not wrong and life and (before != texts or any(each.requests for each in world.models)):
                wrong = [f"tape: {texts}, not {before}, or models are asked"]
            if not wrong and tape is not None:
                tape.check()
            if wrong:
                return Outcome([f"{line} (life {life})" for line in wrong])
            before = texts
    return Outcome([])
