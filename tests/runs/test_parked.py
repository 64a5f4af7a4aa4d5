"""Runs that wait without a task: for people, for a time, and for what happens elsewhere.

Crosses modules: tools, runs, journals, the runs of `ext.web`.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
from pydantic import BaseModel, field_validator
from typing_extensions import override

from miniagents import (
    AssistantMessage,
    InteractionContext,
    Message,
    MiniAgent,
    MiniAgents,
    ToolCall,
    ToolMessage,
    UserMessage,
    miniagent,
    model_agent,
    race,
    tool,
)
from miniagents.ext.chat_history import InMemoryChatHistory
from miniagents.ext.journal import (
    Event,
    Journal,
    Lease,
    MemoryJournal,
    Question,
    RunRecord,
    RunStore,
    answer_question,
    durable,
    open_questions,
    send_event,
)
from miniagents.ext.limits import budget, limit
from miniagents.ext.web import (
    Frame,
    MessageBegan,
    MessageEnded,
    MessagePart,
    QuestionAnswered,
    QuestionAsked,
    RequestError,
    RunEnded,
    RunParked,
    Runs,
)
from miniagents.testing import ScriptedModel, scripted_model, virtual_time
from miniagents.tools import (
    Allow,
    QuestionError,
    Reject,
    ToolContext,
    ask,
    sleep_until,
    wait_for_event,
)
from tests.runs.test_questions import asked, eventually, is_closed, texts


@miniagent(alias="ASKS")
async def asks(ctx: InteractionContext) -> None:
    """Ask twice at the same time."""
    ctx.reply(" ".join(await asyncio.gather(ask("A?"), ask("B?"))))


async def parked(journal: RunStore, run: str) -> bool:
    """Whether no process works on a run."""
    return (await journal.find(run=run))[0].state == "parked"


async def frames_of(runs: Runs, run: str) -> list[Frame]:
    """The frames of a run that ends."""
    return [frame async for _, frame in runs.frames(run)]


@asynccontextmanager
async def running(
    agents: dict[str, MiniAgent[Message, Message, ...]], journal: RunStore | None = None, **settings: object
) -> AsyncGenerator[tuple[Runs, RunStore]]:
    """Runs with a journal."""
    journal = MemoryJournal() if journal is None else journal
    async with MiniAgents():
        runs = Runs(journal, agents=agents, **settings)  # type: ignore[arg-type]
        await runs.open()
        yield runs, journal


async def test_parked() -> None:
    """A run whose calls all wait counts in no limit and has no task; each answer goes on with it."""
    async with running({"asks": asks}, max_live=1) as (runs, journal):
        waiting = [await runs.begin("asks") for _ in range(3) if await _free(runs)]
        for run in waiting:
            await eventually(lambda run=run: parked(journal, run))  # type: ignore[misc]
        here = asyncio.current_task()
        await eventually(lambda: _only(here))
        run = waiting[0]
        for answer in "ab":
            question = next(each for each in await eventually(lambda: runs.questions(run)))
            await runs.answer(run, question.id, answer, digest=question.digest)
        assert (["a b"], "finished") == await texts(runs, run)
        kinds = [type(each) for each in await frames_of(runs, run)]
        assert [QuestionAsked, QuestionAsked, RunParked, QuestionAnswered] == kinds[:4]
        assert 1 == kinds.count(RunEnded)
        assert (await runs.stop(waiting[1]), await runs.delete(waiting[2])) == (True, True)
        assert RunEnded("stopped", "The answer was stopped.") == (await frames_of(runs, waiting[1]))[-1]


def with_a_limit(agent: MiniAgent) -> MiniAgent:
    """One call at once."""
    return agent.around(limit(concurrency=1))


def with_a_budget(agent: MiniAgent) -> MiniAgent:
    """Some tokens for all calls."""
    return agent.around(budget(tokens=100))


@pytest.mark.loop(virtual=True)
@pytest.mark.parametrize("limited", [with_a_limit, with_a_budget])
async def test_parked_within_a_limit(limited: Callable[[MiniAgent], MiniAgent]) -> None:
    """A limit or a budget around an agent does not keep its run from being parked."""
    journal = MemoryJournal()

    async def block() -> str:
        async with durable(journal, run_id="r"), asyncio.timeout(100):
            return str(await limited(asks).inquire())

    with pytest.raises(QuestionError, match="waits for"):
        await block()
    for question, answer in zip(await open_questions(journal, "r"), "ab", strict=True):
        assert await answer_question(journal, "r", question.id, answer) is not None
    assert "a b" == await block()


async def _only(task: object) -> bool:
    return {task} == {each for each in asyncio.all_tasks() if each.get_name() != "taking of runs"}


async def _free(runs: Runs) -> bool:
    await eventually(lambda: _none_live(runs))
    return True


async def _none_live(runs: Runs) -> bool:
    return not runs._live


async def test_an_error_that_is_read_later(caplog: pytest.LogCaptureFixture) -> None:
    """When a run is parked, an error that no reader has got yet is not logged: one gets it later."""

    @miniagent
    async def fails(_: InteractionContext) -> None:
        raise ValueError("It failed.")

    @miniagent(alias="CLERK")
    async def clerk(ctx: InteractionContext) -> None:
        failing = fails.inquire()
        answer = await ask("Why?")
        with pytest.raises(ValueError, match="It failed"):
            await failing
        ctx.reply(answer)

    async with running({"clerk": clerk}) as (runs, journal):
        run = await runs.begin("clerk")
        await eventually(lambda: parked(journal, run))
        await runs.answer(run, (await asked(runs, run)).id, "Because.")
        assert (["Because."], "finished") == await texts(runs, run)
    assert "No reader" not in caplog.text


@pytest.mark.parametrize("reads", [True, False])
async def test_a_question_that_is_paused(*, reads: bool) -> None:
    """A run is parked also if a stream in it is paused, because its reader waits for a person."""

    async def words(_: object) -> AsyncGenerator[str]:
        for _ in range(50):
            yield "word "

    @miniagent(alias="READER")
    async def reader(ctx: InteractionContext) -> None:
        message = await anext(aiter(ctx.messages))
        if reads:
            await anext(aiter(message))
        ctx.reply(await ask("Go on?"))
        ctx.reply(str(len(str(await message).split())))

    @miniagent(alias="WRITER")
    async def writer(ctx: InteractionContext) -> None:
        ctx.reply(reader.inquire(Message.promise(words)))

    async with MiniAgents(prefetch=2):
        journal = MemoryJournal()
        runs = Runs(journal, agents={"writer": writer})
        run = await runs.begin("writer")
        await eventually(lambda: parked(journal, run))
        await runs.answer(run, (await asked(runs, run)).id, "yes")
        assert (["yes", "50"], "finished") == await texts(runs, run)


async def test_an_answer_and_the_end_of_the_wait() -> None:
    """A question that is given up in the moment in which its answer is written is closed once for readers."""
    asked: Event = ["question", 0, "q", "question", {"text": "Why?"}, "", None]
    voided: Event = ["void", 0, "q", 1.0]
    journal, lease = MemoryJournal(), Lease(RunRecord("7"))
    await journal.begin(lease, [asked, ["answer", 0, "q", {"value": 1}], voided, asked, voided, voided])
    await journal.end(lease, [["ended", 0, "finished", "", 5]], how="finished")
    async with MiniAgents():
        frames = await frames_of(Runs(journal), "7")
    assert ["answered", "void"] == [each.how for each in frames if isinstance(each, QuestionAnswered)]


class Quick(MemoryJournal):
    """A journal in which the value of an event is taken as soon as it is there."""

    @override
    async def leave(self, lease: Lease, *args: Sequence[Event], **options: Any) -> None:
        await self.delete(lease.run)
        await super().leave(lease, *args, **options)


async def test_an_event_that_is_taken_at_once() -> None:
    """It is no error for who sends an event that a run has taken it before the journal lets go of it."""
    journal = Quick()
    await send_event(journal, "paid", 5)
    assert [] == await journal.find()


class Voiding(MemoryJournal):
    """A journal in which a run stops waiting just before it is looked up for the second time."""

    looked: int = 0

    @override
    async def find(self, **options: Any) -> list[RunRecord]:
        self.looked += options.get("run") == "7"
        if self.looked == 2:
            self.looked += 1
            lease = await self.claim("7")
            assert lease is not None
            await self.leave(lease, [["void", 0, "q"]])
        return await super().find(**options)


async def waiting_for_an_event(journal: MemoryJournal) -> None:
    """Write that the run 7 waits for an event."""
    asked: Event = ["question", 0, "q", "event", {"event": "paid", "schema": {}}, "", None]
    waits: Event = ["waits", 0, "7", "q"]
    for run, topic, first in (("7", "", asked), ("event:paid", "7:q", waits)):
        lease = Lease(RunRecord(run, topic=topic))
        await journal.begin(lease, [first])
        await journal.leave(lease)


async def test_an_event_when_a_run_stops_waiting() -> None:
    """An event is kept if the run stops waiting for it just when it comes: the run may wait again."""
    journal = Voiding()
    await waiting_for_an_event(journal)
    await send_event(journal, "paid", 5)
    assert ["sent", 0, {"value": 5}] == (await journal.read("event:paid")).events[0][:3]


async def test_an_event_when_a_run_is_told_to_stop() -> None:
    """An event is kept for another run if that which waits for it was told to stop, and has not done so."""
    journal = MemoryJournal()
    await waiting_for_an_event(journal)
    await journal.send("7", "stop", None)
    await send_event(journal, "paid", 5)
    assert ["sent", 0, {"value": 5}] == (await journal.read("event:paid")).events[0][:3]


class Slow(MemoryJournal):
    """A journal that needs a second to begin a run."""

    @override
    async def begin(self, lease: Lease, events: Sequence[Event], /) -> None:
        await asyncio.sleep(1.0)
        await super().begin(lease, events)


@pytest.mark.loop(virtual=True)
async def test_who_sends_an_event_is_cancelled() -> None:
    """Who is cancelled while an event is kept goes on when it is kept: no task of it stays behind."""
    journal = Slow()
    sending = asyncio.create_task(send_event(journal, "paid", 5))
    await asyncio.sleep(0.5)
    sending.cancel()
    await asyncio.wait([sending])
    assert sending.cancelled()
    assert ["left"] == [each.state for each in await journal.find()]


async def test_a_reader_stays() -> None:
    """A reader who is there when the run is parked gets the rest, too; as often as it is parked."""

    @miniagent(alias="THRICE")
    async def thrice(ctx: InteractionContext) -> None:
        for number in range(3):
            ctx.reply(await ask(f"{number}?"))

    async with running({"thrice": thrice}) as (runs, _):
        run = await runs.begin("thrice")
        async for _, frame in runs.frames(run):
            if isinstance(frame, RunParked):
                (question,) = await runs.questions(run)
                await runs.answer(run, question.id, "yes")
        assert (["yes"] * 3, "finished") == await texts(runs, run)


async def test_work_goes_on() -> None:
    """While a call of the run works, the run is not parked; nor without a journal that outlives it."""
    go = asyncio.Event()

    @tool
    async def work() -> str:
        """Work for a while."""
        await go.wait()
        return "worked"

    @tool
    async def question() -> str:
        """Ask a person."""
        return await ask("Well?")

    both = [ToolCall("1", "work", "{}"), ToolCall("2", "question", "{}")]
    model = scripted_model(AssistantMessage(parts=both), "Done.").with_tools(work, question).bind()
    async with running({"model": model}) as (runs, journal):
        run = await runs.begin("model")
        await asked(runs, run)
        await asyncio.sleep(0.1)
        assert not await parked(journal, run)
        go.set()
        await eventually(lambda: parked(journal, run))
        await runs.answer(run, (await asked(runs, run)).id, "yes")
        assert (["worked", "yes", "Done."], "finished") == await texts(runs, run)
        alone = Runs(agents={"asks": asks})
        run = await alone.begin("asks")
        await eventually(lambda: alone.questions(run))
        await asyncio.sleep(0.05)
        assert [QuestionAsked] * 2 == [type(each) for each in alone._live[run].frames]
        await alone.stop(run)


def test_linger() -> None:
    """A run waits in its task for `linger` seconds; an answer within them needs no second beginning."""
    begun: list[int] = []

    @miniagent(alias="SLOW")
    async def slow(ctx: InteractionContext) -> None:
        begun.append(1)
        ctx.reply(await ask("Well?"))

    async def main() -> None:
        async with running({"slow": slow}, linger=60.0) as (runs, journal):
            first, second = await runs.begin("slow"), await runs.begin("slow")
            await asyncio.sleep(59)
            await runs.answer(first, (await asked(runs, first)).id, "a")
            assert (2, False) == (len(begun), await parked(journal, second))
            await asyncio.sleep(2)
            assert await parked(journal, second)
            await runs.answer(second, (await asked(runs, second)).id, "b")
            assert (["a"], ["b"], 3) == (
                (await texts(runs, first))[0],
                (await texts(runs, second))[0],
                len(begun),
            )

    with virtual_time():
        asyncio.run(main())


def test_sleep() -> None:
    """A run sleeps without a task, and goes on at the time that was given first; also several times."""
    woken: list[int] = []

    @miniagent(alias="NIGHTLY")
    async def nightly(ctx: InteractionContext) -> None:
        for night in range(3):
            await sleep_until(datetime.now(UTC) + timedelta(days=night + 1))
            woken.append(round(asyncio.get_running_loop().time() / 86400))
        await sleep_until(datetime.now(UTC) - timedelta(days=1))
        ctx.reply("Good morning.")

    async def main() -> None:
        async with running({"nightly": nightly}) as (runs, journal):
            run = await runs.begin("nightly")
            await asyncio.sleep(60)
            assert ([], True, []) == (woken, await parked(journal, run), await runs.questions())
            assert (["Good morning."], "finished") == await texts(runs, run)
            kinds = [type(each) for each in await frames_of(runs, run)]
            assert (3, 0) == (kinds.count(RunParked), kinds.count(QuestionAsked))
        with pytest.raises(ValueError, match="has no time zone"):
            await sleep_until(datetime(2026, 1, 1))  # noqa: DTZ001

    with virtual_time():
        asyncio.run(main())
    assert [1, 3, 3, 6, 6, 6] == woken  # the agent has begun again on these days


def test_a_time_beside_a_question() -> None:
    """A run that asks while it sleeps goes on once when its time has come, and once with the answer."""
    begun: list[float] = []

    @miniagent(alias="WAITS")
    async def waits(ctx: InteractionContext) -> None:
        begun.append(round(asyncio.get_running_loop().time()))
        morning = datetime.now(UTC) + timedelta(days=1)
        answer, _ = await asyncio.gather(ask("Well?"), sleep_until(morning))
        ctx.reply(answer)

    async def main() -> None:
        async with running({"waits": waits}) as (runs, journal):
            run = await runs.begin("waits")
            await asyncio.sleep(2 * 86_400)
            assert ([0, 86_400], True) == (begun, await parked(journal, run))
            await runs.answer(run, (await asked(runs, run)).id, "yes")
            assert (["yes"], "finished") == await texts(runs, run)
        assert [0, 86_400, 172_800] == begun

    with virtual_time():
        asyncio.run(main())


async def test_what_follows_one_of_two_answers() -> None:
    """What an agent does with an answer is done at once, also while another task of it waits for a person."""
    model = scripted_model("Paid.", alias="MODEL")

    @miniagent(alias="CLERK")
    async def clerk(ctx: InteractionContext) -> None:
        async def pay() -> None:
            ctx.reply(model.inquire(await ask("Pay?")))

        await asyncio.gather(pay(), ask("Anything else?"))

    async with running({"clerk": clerk}) as (runs, journal):
        run = await runs.begin("clerk")
        await eventually(lambda: parked(journal, run))
        pay, other = await runs.questions(run)
        await runs.answer(run, pay.id, "yes")
        async for _, frame in runs.frames(run):
            if isinstance(frame, MessageEnded):
                break
        assert [other.id] == [each.id for each in await runs.questions(run)]
        await eventually(lambda: parked(journal, run))
        await runs.answer(run, other.id, "no")
        assert (["Paid."], "finished") == await texts(runs, run)


@pytest.mark.parametrize("at_once", [True, False])
async def test_a_race_of_people(at_once: bool) -> None:
    """The first who has answered all wins a race, also if another one had answered something before."""
    look = scripted_model(then="Paris?", alias="LOOK")

    @miniagent(alias="TRAVEL_OFFICE")
    async def office(ctx: InteractionContext) -> None:
        where = await ask(str(await look.inquire("Where?")))
        ctx.reply(f"{where} on {await ask('When?')}")

    @miniagent(alias="BOSS")
    async def boss(ctx: InteractionContext) -> None:
        ctx.reply(await ask("Shall nobody travel?"))

    async with running({"trip": race(office, boss)}) as (runs, journal):
        run = await runs.begin("trip")

        async def question(text: str) -> Question | None:
            found = [each for each in await runs.questions(run) if each.shown["text"] == text]
            return found[0] if found and await parked(journal, run) else None

        for text in ("Paris?", *([] if at_once else ["When?"]), "Shall nobody travel?"):
            waits = await eventually(partial(question, text))
            if text != "When?":
                await runs.answer(run, cast("Question", waits).id, "No.")
        assert (["No."], "finished") == await texts(runs, run)


async def test_a_wait_that_is_given_up() -> None:
    """A question is not open any more, and a name is free again, when code that gave up its wait asks on."""

    @miniagent(alias="IMPATIENT")
    async def impatient(ctx: InteractionContext) -> None:
        for wait in (ask("Now?"), wait_for_event("ready", int)):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.02):
                    await wait
        ctx.reply(str(await wait_for_event("ready", int)))

    async with running({"impatient": impatient}, linger=60) as (runs, journal):
        run = await runs.begin("impatient")
        now = await asked(runs, run)
        await eventually(lambda: is_closed(runs, now))
        with pytest.raises(RequestError, match="has no question"):
            await runs.answer(run, now.id, "yes", digest=now.digest)
        await eventually(lambda: _asked_thrice(journal, run))
        await runs.send_event("ready", 7)
        assert (["7"], "finished") == await texts(runs, run)


@pytest.mark.logs("A value of the event 'paid' came early")
async def test_an_early_value_that_does_not_fit() -> None:
    """A value that came before its wait and does not fit is named in the log; the run waits for one."""

    @miniagent(alias="CLERK")
    async def clerk(ctx: InteractionContext) -> None:
        ctx.reply(str(await wait_for_event("paid", int)))

    async with running({"clerk": clerk}) as (runs, journal):
        await runs.send_event("paid", "a lot")
        run = await runs.begin("clerk")
        await eventually(lambda: parked(journal, run))
        await runs.send_event("paid", 7)
        assert (["7"], "finished") == await texts(runs, run)


@pytest.mark.logs("A value of the event 'paid' came early")
async def test_an_early_value_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """What the log quotes of a value from outside has no keys and no control characters."""

    class Paid(BaseModel):
        by: str

        @field_validator("by")
        @classmethod
        def check(cls, by: str) -> str:
            """Refuse it, and quote it."""
            raise ValueError(f"no customer is called {by}")

    @miniagent(alias="CLERK")
    async def clerk(ctx: InteractionContext) -> None:
        await wait_for_event("paid", Paid)

    async with running({"clerk": clerk}) as (runs, journal):
        await runs.send_event("paid", {"by": "\x1b[31mada sk-abcdefghijklmnopqrstuvwx"})
        run = await runs.begin("clerk")
        await eventually(lambda: parked(journal, run))
        await runs.stop(run)
    (said,) = [each.getMessage() for each in caplog.records if "came early" in each.getMessage()]
    assert "no customer is called" in said
    assert "\x1b" not in said
    assert "sk-abcdefghijklmnopqrstuvwx" not in said


async def _asked_thrice(journal: RunStore, run: str) -> bool:
    return 3 == [event[0] for event in (await journal.read(run)).events].count("question")


async def test_events() -> None:
    """An event is heard once, before or after its wait; a name is that of one wait; values are checked."""

    @miniagent(alias="CLERK")
    async def clerk(ctx: InteractionContext) -> None:
        try:
            ctx.reply(str(await wait_for_event(str((await ctx.messages)[0]), int)))
        except QuestionError as error:
            ctx.reply(str(error))

    async with running({"clerk": clerk}) as (runs, journal):
        early, late = await runs.begin("clerk", "late"), ""
        await eventually(lambda: parked(journal, early))
        with pytest.raises(RequestError, match="valid integer") as refused:
            await runs.send_event("late", "many")
        assert 422 == refused.value.status
        second = await runs.begin("clerk", "late")
        assert "waits for the event 'late' already" in (await texts(runs, second))[0][0]
        await runs.send_event("late", 7)
        assert (["7"], "finished") == await texts(runs, early)
        for _ in range(2):
            await runs.send_event("early", 1)
        with pytest.raises(RequestError, match="another value was sent"):
            await runs.send_event("early", 2)
        late = await runs.begin("clerk", "early")
        assert (["1"], "finished") == await texts(runs, late)
        stopped = await runs.begin("clerk", "again")
        await eventually(lambda: parked(journal, stopped))
        await runs.stop(stopped)
        await texts(runs, stopped)
        await runs.send_event("again", 3)
        assert (["3"], "finished") == await texts(runs, await runs.begin("clerk", "again"))


@pytest.mark.logs("does not fit")
async def test_a_refused_answer_leaves_the_run_parked() -> None:
    """An answer that does not fit leaves a run parked, and its log as it was; so does a value of an event.

    In the next process, which has not seen the run ask, the first one begins the run again: it tells nothing.
    """
    begun: list[int] = []

    @miniagent(alias="BOOKER")
    async def booker(ctx: InteractionContext) -> None:
        begun.append(1)
        ctx.reply(f"{await ask('How many?', int)} {await wait_for_event('paid', int)}")

    async def refused(runs: Runs, question: Question | None, answers: Sequence[str]) -> None:
        for each in answers:
            with pytest.raises(RequestError, match="valid integer"):
                await (
                    runs.send_event("paid", each)
                    if question is None
                    else runs.answer(question.run, question.id, each)
                )

    async with running({"booker": booker}) as (runs, journal):
        run = await runs.begin("booker")
        question = await asked(runs, run)
        await eventually(lambda: parked(journal, run))
        before = await journal.read(run)
        await refused(runs, question, ["many", "more"])
        assert (1, before) == (len(begun), await journal.read(run))
    async with running({"booker": booker}, journal) as (runs, _):
        await refused(runs, question, ["some"])
        await eventually(lambda: parked(journal, run))
        await refused(runs, question, ["none"])
        assert (2, True) == (len(begun), await parked(journal, run))
        await runs.answer(run, question.id, 2)
        await eventually(lambda: parked(journal, run))
        before = await journal.read(run)
        await refused(runs, None, ["a lot", "more"])
        assert (3, before) == (len(begun), await journal.read(run))
        await runs.send_event("paid", 7)
        assert (["2 7"], "finished") == await texts(runs, run)
        kinds = [type(each) for each in await frames_of(runs, run)]
    assert [QuestionAsked, RunParked, QuestionAnswered, RunParked] == kinds[:4]


@pytest.mark.logs("had not ended drain_timeout")
async def test_a_working_run_of_a_version_that_is_gone() -> None:
    """`take_over` decides also about a run that was working, not waiting, when its version vanished."""
    go = asyncio.Event()

    @miniagent(alias="WORKS")
    async def works(ctx: InteractionContext) -> None:
        await go.wait()
        ctx.reply("Done.")

    journal, seen = MemoryJournal(), list[str]()

    def decide(record: RunRecord) -> str | None:
        seen.append(record.version)
        return "Ask again, please." if record.run == first else None

    async with MiniAgents(drain_timeout=0):
        runs = Runs(journal, agents={"works": works}, version="1")
        first, second = await runs.begin("works"), await runs.begin("works")
    go.set()
    async with running({"works": works}, journal, version="2", take_over=decide) as (runs, _):
        assert RunEnded("lost", "Ask again, please.") == (await frames_of(runs, first))[-1]
        assert (["Done."], "finished") == await texts(runs, second)
    assert ["1", "1"] == seen


@pytest.mark.logs("had not ended drain_timeout")
async def test_what_take_over_knows() -> None:
    """`take_over` is told whether a run waits, also if it was answered meanwhile, or works; and its agent."""

    @miniagent
    async def works(_: InteractionContext) -> None:
        await asyncio.Event().wait()

    @miniagent
    async def asks(ctx: InteractionContext) -> None:
        ctx.reply(await ask("Well?"))

    journal, agents, seen = MemoryJournal(), {"works": works, "asks": asks}, dict[str, tuple[str, str]]()

    def decide(record: RunRecord) -> str:
        seen[record.run] = record.state, record.agent
        return "Ask again, please."

    async with MiniAgents(drain_timeout=0):
        runs = Runs(journal, agents=agents, version="1")
        begun = [await runs.begin(name) for name in ("works", "asks", "asks")]
        for run in begun[1:]:
            await eventually(lambda run=run: parked(journal, run))  # type: ignore[misc]
    (question,) = await open_questions(journal, begun[1])
    await answer_question(journal, begun[1], question.id, "Yes.")
    async with running(agents, journal, version="2", take_over=decide) as (runs, _):
        for run in begun:
            assert RunEnded("lost", "Ask again, please.") == (await frames_of(runs, run))[-1]
    assert [("left", "works"), ("parked", "asks"), ("parked", "asks")] == [seen[run] for run in begun]


@pytest.mark.logs("had not ended drain_timeout", "take_over failed")
@pytest.mark.parametrize("said", [KeyError("agent"), 7], ids=repr)
async def test_a_take_over_that_fails(said: object, caplog: pytest.LogCaptureFixture) -> None:
    """A run of another version goes on only if `take_over` says so: an error, or anything else, ends it."""
    paid: list[str] = []

    @miniagent(alias="PAYS")
    async def pays(_: InteractionContext) -> None:
        await asyncio.sleep(1)
        paid.append("paid")

    def decide(_: RunRecord) -> str | None:
        if isinstance(said, Exception):
            raise said
        return cast("str", said)

    journal = MemoryJournal()
    async with MiniAgents(drain_timeout=0):
        run = await Runs(journal, agents={"pays": pays}, version="1").begin("pays")
    async with running({"pays": pays}, journal, version="2", take_over=decide) as (runs, _):
        last = (await frames_of(runs, run))[-1]
        assert isinstance(last, RunEnded)
        assert ("lost", True) == (last.how, "agents have changed" in last.sentence)
    assert [] == paid
    assert f"take_over failed, so a run of another version ends: {run}" in caplog.text

    async def later(_: RunRecord) -> str:
        return "Sorry."

    with pytest.raises(TypeError, match=r"take_over=...\) is async"):
        Runs(journal, take_over=later)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


@pytest.mark.logs("A run failed")
async def test_a_second_wait_is_said() -> None:
    """A run that waits for an event that another run waits for already ends, and its client learns why."""

    @miniagent(alias="CLERK")
    async def clerk(ctx: InteractionContext) -> None:
        ctx.reply(str(await wait_for_event("paid", int)))

    async with running({"clerk": clerk}) as (runs, journal):
        first = await runs.begin("clerk")
        await eventually(lambda: parked(journal, first))
        last = (await frames_of(runs, await runs.begin("clerk")))[-1]
        sentence = "Another run waits already for the event that this one waits for."
        assert RunEnded("failed", sentence) == last
        await runs.stop(first)


class Ticking(MemoryJournal):
    """A journal in which the event `tick` happens again as soon as an answer is written."""

    @override
    async def append(self, lease: Lease, events: Sequence[Event], /, *, hard: bool = False) -> None:
        await super().append(lease, events, hard=hard)
        if any(each[:1] == ["answer"] and each[3] == {"value": 1} for each in events):
            await send_event(self, "tick", 2)


@pytest.mark.logs("A value of the event 'tick' came early")
async def test_events_one_after_another() -> None:
    """A value that comes while the one before is taken is kept; an early one that does not fit is dropped."""

    @miniagent(alias="CLOCK")
    async def clock(ctx: InteractionContext) -> None:
        for _ in range(2):
            ctx.reply(str(await wait_for_event("tick", int)))

    async with running({"clock": clock}, Ticking()) as (runs, journal):
        await runs.send_event("tick", "many")
        run = await runs.begin("clock")
        await eventually(lambda: parked(journal, run))
        await runs.send_event("tick", 1)
        async with asyncio.timeout(5):
            assert (["1", "2"], "finished") == await texts(runs, run)
        assert [run] == [each.run for each in await journal.find()]


@pytest.mark.parametrize("early", [True, False])
async def test_an_event_before_its_run_goes_on(early: bool) -> None:
    """A value for the next wait is kept while a run that was parked does again what it did before."""

    @miniagent(alias="CLOCK")
    async def clock(ctx: InteractionContext) -> None:
        first = await wait_for_event("tick", int)
        name = await ask("Whose?")
        ctx.reply(f"{name} {first} {await wait_for_event('tick', int)}")

    async with running({"clock": clock}) as (runs, journal):
        if early:
            await runs.send_event("tick", 1)
        run = await runs.begin("clock")
        await eventually(lambda: parked(journal, run))
        if not early:
            await runs.send_event("tick", 1)
        question = await asked(runs, run)
        await eventually(lambda: parked(journal, run))
        await runs.send_event("tick", 2)
        await runs.answer(run, question.id, "Ada")
        async with asyncio.timeout(5):
            assert (["Ada 1 2"], "finished") == await texts(runs, run)


@model_agent(alias="PAYER")
async def payer(
    ctx: InteractionContext[Message, AssistantMessage], *, tools: tuple[object, ...] = ()
) -> None:
    """Call the tool, and be done when its result is there."""
    del tools
    done = isinstance((await ctx.messages)[-1], ToolMessage)
    call = ToolCall("c1", "pay", '{"amount": 100}')
    ctx.reply(AssistantMessage("Done.") if done else AssistantMessage(parts=[call]))


@pytest.mark.logs("had not ended drain_timeout")
@pytest.mark.parametrize(
    ("answer", "paid", "result"),
    [
        (Allow(), 2, "paid"),
        ("It was paid.", 1, "It was paid."),
        (Reject("Ask the bank."), 1, "Ask the bank."),
    ],
)
async def test_effects(tmp_path: Path, answer: object, paid: int, result: str) -> None:
    """A call with effects that was interrupted is made again only if a person says so, with the same key."""
    keys: list[str | None] = []
    halt = asyncio.Event()

    @tool(effects="write")
    async def pay(ctx: ToolContext, amount: int) -> str:
        """Pay an amount."""
        del amount
        keys.append(ctx.call_key)
        if len(keys) == 1:
            halt.set()
            await asyncio.Event().wait()
        return "paid"

    agents: dict[str, MiniAgent] = {"payer": payer.with_tools(pay).bind()}
    path = tmp_path / "runs.journal"
    async with Journal(path) as journal, MiniAgents(drain_timeout=0):
        runs = Runs(journal, agents=agents)
        run = await runs.begin("payer", "Pay.")
        await halt.wait()
    async with Journal(path) as journal, running(agents, journal) as (runs, _):
        question = await asked(runs, run)
        shown = {"tool": "pay", "arguments": {"amount": 100}, "call": "c1", "attempt": 1}
        assert ("unknown", shown) == (question.kind, question.shown)
        await eventually(lambda: parked(journal, run))
        await runs.answer(run, question.id, answer, digest=question.digest)
        assert ([result, "Done."], "finished") == await texts(runs, run)
    assert (paid, 1) == (len(keys), len({*keys}))
    assert keys[0]


async def test_not_parked_in_effects() -> None:
    """A tool with effects that asks is not interrupted by that: its run keeps its task."""
    begun: list[int] = []

    @tool(effects="write")
    async def pay(amount: int) -> str:
        """Pay an amount."""
        begun.append(amount)
        return await ask("Why?")

    async with running({"payer": payer.with_tools(pay).bind()}) as (runs, journal):
        run = await runs.begin("payer", "Pay.")
        question = await asked(runs, run)
        await asyncio.sleep(0.05)
        assert not await parked(journal, run)
        await runs.answer(run, question.id, "Because.")
        assert (["Because.", "Done."], "finished") == await texts(runs, run)
    assert [100] == begun


def _changing(*ways: Callable[[InteractionContext], object]) -> MiniAgent:
    """An agent that does something else each time that it begins."""
    left = iter(ways)

    @miniagent(alias="CHANGING")
    async def changing(ctx: InteractionContext) -> None:
        await next(left)(ctx)  # type: ignore[misc]

    return changing


async def test_conversation_goes_on() -> None:
    """A run whose keywords say how much of a history it knows goes on, also if the history grew meanwhile."""
    history = InMemoryChatHistory([UserMessage("Hi"), AssistantMessage("Hello!")])
    model = scripted_model(then=lambda messages: f"I see {len(messages)} messages.", alias="MODEL")

    @miniagent(alias="CHAT")
    async def chat(ctx: InteractionContext, *, known: int) -> None:
        answer = await model.inquire([(await history.load())[:known], ctx.messages])
        ctx.reply(f"{answer} {await ask('Why?')}")

    async with running({"chat": chat}) as (runs, journal):
        run = await runs.begin("chat", "Why?", keywords={"known": len(await history.load())})
        await eventually(lambda: parked(journal, run))
        await history.append(UserMessage("Are you there?"))
        (question,) = await runs.questions(run)
        await runs.answer(run, question.id, "Because.")
        assert (["I see 3 messages. Because."], "finished") == await texts(runs, run)


@pytest.mark.logs("No reader ever saw this error", "failed", "goes on in another way than before")
async def test_diverged() -> None:
    """A run that does not come again to what it did is lost, before it makes a new call, and says what."""
    made: list[str] = []

    @model_agent(alias="ORACLE")
    async def oracle(
        ctx: InteractionContext[Message, AssistantMessage], *, tools: tuple[object, ...] = ()
    ) -> None:
        del tools
        made.append(str((await ctx.messages)[0]))
        ctx.reply(AssistantMessage("Yes."))

    async def first(ctx: InteractionContext) -> None:
        await oracle.inquire("old")
        ctx.reply(await ask("Well?"))

    async def new_call(ctx: InteractionContext) -> None:
        await oracle.inquire("new")
        await first(ctx)

    async def no_call(ctx: InteractionContext) -> None:
        ctx.reply(await ask("Well?"))

    async def other_question(ctx: InteractionContext) -> None:
        await oracle.inquire("old")
        ctx.reply(await ask("Really?"))

    for then, names in ((new_call, "it calls ORACLE"), (no_call, "does not come again to ORACLE")):
        made.clear()
        async with running({"changing": _changing(first, then)}) as (runs, journal):
            run = await runs.begin("changing")
            await eventually(lambda run=run, journal=journal: parked(journal, run))  # type: ignore[misc]
            await runs.answer(run, (await asked(runs, run)).id, "fine")
            last = (await frames_of(runs, run))[-1]
        assert isinstance(last, RunEnded)
        assert ("lost", True, ["old"]) == (last.how, names in last.sentence, made), last
    async with running({"changing": _changing(first, other_question, other_question)}) as (runs, journal):
        run = await runs.begin("changing")
        await eventually(lambda: parked(journal, run))
        void = await asked(runs, run)
        page = await journal.read(run)
        lease = await journal.claim(run)  # of a server that was killed
        assert lease is not None
        await journal.leave(lease)
        (new,) = await eventually(lambda: _others(runs, void))
        with pytest.raises(RequestError, match="has no question"):
            await runs.answer(run, void.id, "fine")
        await runs.answer(run, new.id, "fine")
        assert (["fine"], "finished") == await texts(runs, run)
        assert len(page.events) < len((await journal.read(run)).events)


async def _others(runs: Runs, void: Question) -> list[Question]:
    found = await runs.questions(void.run)
    return [] if void in found else found


async def test_durable() -> None:
    """A block of `durable` whose calls all wait ends with an error that says until when; it goes on later."""
    journal = MemoryJournal()

    @miniagent(alias="LATE")
    async def late(ctx: InteractionContext) -> None:
        await sleep_until(datetime.now(UTC) + timedelta(seconds=0.1))
        ctx.reply("Good morning.")

    async with MiniAgents():
        with pytest.raises(QuestionError, match=r"waits for an answer, or until .* UTC: begin") as waits:
            async with durable(journal, run_id="7"):
                await late.inquire()
        assert "parked" == waits.value.reason
        await asyncio.sleep(0.1)
        async with durable(journal, run_id="7"):
            assert "Good morning." == str(await late.inquire())


@pytest.mark.logs("No reader ever saw this error")
async def test_durable_diverged() -> None:
    """A block of `durable` that waited, and makes another call before it asks again, ends with "diverged"."""
    journal, oracle = MemoryJournal(), ScriptedModel(then="Yes.", alias="ORACLE")

    async def work(question: str) -> str:
        async with durable(journal, run_id="7"):
            await oracle.agent.inquire(question)
            return await ask("Well?")

    async with MiniAgents():
        for question, reason in (("old", "parked"), ("new", "diverged"), ("old", "parked")):
            with pytest.raises(QuestionError) as error:
                await work(question)
            assert reason == error.value.reason
        (open_question,) = await open_questions(journal, "7")
        await answer_question(journal, "7", open_question.id, "Well.", wait=0)
        assert "Well." == await work("old")
    assert ["old"] == [str(request.messages) for request in oracle.requests]


async def test_a_message_before_the_question() -> None:
    """A run is parked behind the end of its message, and `take_over` sees that it waits."""
    journal, states, frames = MemoryJournal(), list[str](), list[Frame]()

    @miniagent(alias="BOOKER")
    async def booker(ctx: InteractionContext) -> None:
        ctx.reply("I ask.")
        await wait_for_event("paid", int)

    def decide(record: RunRecord) -> None:
        states.append(record.state)

    async with MiniAgents():
        old = Runs(journal, agents={"booker": booker})
        run = await old.begin("booker")
        async for _, frame in old.frames(run):
            frames.append(frame)
            if isinstance(frame, RunParked):
                break
    assert [MessageBegan, MessagePart, MessageEnded, RunParked] == [*map(type, frames)]
    async with MiniAgents():
        new = Runs(journal, agents={"booker": booker}, version="2", take_over=decide)
        await new.send_event("paid", 5)
        assert "finished" == (await texts(new, run))[1]
    assert ["parked"] == states


@pytest.mark.gate("two seconds of real time")
@pytest.mark.logs("Runs of the version")
async def test_versions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A run that waits goes on under the version that asked; another one takes it over if it wants to.

    If no server of its version is there, the log says so once, and an answered question can be seen.
    """
    monkeypatch.setattr("miniagents.ext._journal._runs._PATIENCE", 0.1)
    path = tmp_path / "runs.journal"
    waiting: list[str] = []
    seen: list[str] = []

    def decide(record: RunRecord) -> str | None:
        seen.append(record.run)
        return "Ask again, please." if record.run == waiting[1] else None

    async with Journal(path) as journal, running({"asks": asks}, journal, version="1") as (runs, _):
        for _ in range(3):
            waiting.append(await runs.begin("asks"))
            await eventually(lambda: parked(journal, waiting[-1]))
    async with (
        Journal(path, lease=0.5) as journal,
        running({"asks": asks}, journal, version="2") as (runs, _),
    ):
        (question, *_) = await runs.questions(waiting[0])
        assert "1" == question.version
        assert not await runs.answer(waiting[0], question.id, "yes")  # it is kept
        await asyncio.sleep(1)
        shown = {each.id: each.answered for each in await runs.questions(waiting[0], answered=True)}
        assert (True, 2) == (shown[question.id], len(shown))
        (said,) = {each.getMessage() for each in caplog.records}
        assert said.startswith("Runs of the version '1' wait, and no server of it is there")
        assert ["parked", "parked", "left"] == [each.state for each in await journal.find()]
    async with Journal(path) as journal, running({"asks": asks}, journal, version="1") as (runs, _):
        (question,) = await eventually(lambda: _one_left(runs, waiting[0]))
        await runs.answer(waiting[0], question.id, "no")
        assert "finished" == (await texts(runs, waiting[0]))[1]
    async with (
        Journal(path, lease=0.5) as journal,
        running(
            {"asks": asks},
            journal,
            version="2",
            take_over=decide,
        ) as (runs, _),
    ):
        last = (await frames_of(runs, waiting[1]))[-1]
        assert RunEnded("lost", "Ask again, please.") == last
        for answer in "ab":
            (question, *_) = await eventually(lambda: runs.questions(waiting[2]))
            await runs.answer(waiting[2], question.id, answer)
        assert (["a b"], "finished") == await texts(runs, waiting[2])
        assert waiting[1:] == sorted(seen, key=waiting.index), "each once"


async def _one_left(runs: Runs, run: str) -> list[Question]:
    found = await runs.questions(run)
    return found if len(found) == 1 else []
