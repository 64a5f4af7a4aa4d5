"""Runs that wait beside code that does not: what keeps them from being parked, and waits that were given up.

Crosses modules: operators on agents, runs, journals, the runs of `ext.web`.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType
from typing import Final

import pytest
from typing_extensions import override

from miniagents import InteractionContext, Message, MiniAgent, MiniAgents, fallback, miniagent
from miniagents.ext.journal import (
    Event,
    Lease,
    MemoryJournal,
    RunStore,
    answer_question,
    durable,
    open_questions,
)
from miniagents.ext.web import QuestionAnswered, Runs
from miniagents.testing import scripted_model
from miniagents.tools import QuestionError, ask
from tests.runs.test_parked import frames_of, parked, running
from tests.runs.test_questions import texts

Agent = MiniAgent[Message, Message]

_backup = scripted_model(then="backup", delay=0.1, alias="BACKUP").bind()


def _asking(text: str) -> Agent:
    @miniagent(alias=text)
    async def person(ctx: InteractionContext) -> None:
        ctx.reply(await ask(f"{text}?"))

    return person


@miniagent(alias="IMPATIENT")
async def _impatient(ctx: InteractionContext) -> None:
    try:
        async with asyncio.timeout(0.2):
            ctx.reply(str(await _asking("Shall I").inquire()))
    except TimeoutError:
        ctx.reply(str(await _asking("Shall you").inquire()))


WAYS: Final[Mapping[str, Agent]] = MappingProxyType(
    {
        "hedge": _asking("Shall I").hedge(_backup, after=0.2),
        "hedge, and ask": _asking("Shall I").hedge(_backup | _asking("Shall you"), after=0.2),
        "timeout": fallback(_asking("Shall I").timeout(total=0.2), _backup),
        "stall": fallback(_asking("Shall I").timeout(stall=0.2), _backup),
    }
)


async def _answer(runs: Runs, run: str, text: str) -> None:
    (question,) = [each for each in await runs.questions(run) if each.shown["text"] == text]
    await runs.answer(run, question.id, "yes")


@pytest.mark.loop(virtual=True)
@pytest.mark.parametrize("way", WAYS)
async def test_a_wait_that_was_given_up(way: str) -> None:
    """What gave up its wait for a person while other calls worked gives it up again after a restart."""
    slow = scripted_model(then="slow", delay=1.0, alias="SLOW").bind()
    async with running({"trip": slow & WAYS[way] & _asking("Well")}) as (runs, journal):
        run = await runs.begin("trip")
        await asyncio.sleep(5)
        assert await parked(journal, run)
        await _answer(runs, run, "Well?")
        await asyncio.sleep(5)
        for question in await runs.questions(run):
            assert "hedge, and ask" == way
            await runs.answer(run, question.id, question.shown["text"])
        last = "Shall I?" if "ask" in way else "backup"
        assert (["slow", last, "yes"], "finished") == await texts(runs, run)


@pytest.mark.loop(virtual=True)
async def test_a_wait_that_was_given_up_before_a_kill() -> None:
    """What gave up its wait for a person gives it up again, too, in a block of `durable` that was killed."""
    journal, asked = MemoryJournal(), _asking("Shall I").timeout(total=0.2)
    trip = fallback(asked, _asking("Well") | scripted_model(ConnectionError(), "Bye", alias="MODEL"))
    slow = scripted_model(then="slow", delay=1.0, alias="SLOW").bind()
    with suppress(ConnectionError):
        async with MiniAgents(), durable(journal, run_id="7"):
            replies = (slow & trip).inquire()
            await asyncio.sleep(0.5)
            (question,) = await open_questions(journal, "7")
            await answer_question(journal, "7", question.id, "yes")
            await replies
    async with MiniAgents(), durable(journal, run_id="7"):
        assert ["slow", "Bye"] == [str(each) for each in await (slow & trip).inquire()]


@pytest.mark.loop(virtual=True)
async def test_a_person_who_is_not_waited_for() -> None:
    """Code that waited for an agent of a person in vain, and asked another one, comes to that one again."""
    slow = scripted_model(then="slow", delay=1.0, alias="SLOW").bind()
    async with running({"trip": slow & _impatient}) as (runs, journal):
        run = await runs.begin("trip")
        await asyncio.sleep(5)
        assert await parked(journal, run)
        await _answer(runs, run, "Shall you?")
        assert (["slow", "yes"], "finished") == await texts(runs, run)


@pytest.mark.loop(virtual=True)
async def test_a_person_who_is_not_waited_for_after_a_kill() -> None:
    """So does code of a process that was killed before the other one had answered."""
    journal, slow = MemoryJournal(), scripted_model(then="slow", delay=1.0, alias="SLOW").bind()
    for error in (ConnectionError(), None):
        with suppress(ConnectionError, QuestionError):
            async with MiniAgents(), durable(journal, run_id="7"):
                done, waiting = slow.inquire(), _impatient.inquire()
                await done
                if error is not None:
                    raise error
                await waiting
    waits = {each.shown["text"]: each.id for each in await open_questions(journal, "7")}
    await answer_question(journal, "7", waits["Shall you?"], "yes")
    async with MiniAgents(), durable(journal, run_id="7"):
        done, waiting = slow.inquire(), _impatient.inquire()
        assert ("slow", "yes") == (str(await done), str(await waiting))


@pytest.mark.loop(virtual=True)
async def test_what_a_limit_says() -> None:
    """What the error of a limit says is the same when a run goes on, so that what follows is the same."""
    limited = (_backup & _asking("Shall I")).timeout(stall=0.3).catching(lambda error, _: f"Sorry: {error}")
    slow = scripted_model(then="slow", delay=1.0, alias="SLOW").bind()
    async with running({"trip": slow & limited & _asking("Well")}) as (runs, _):
        run = await runs.begin("trip")
        await asyncio.sleep(5)
        await _answer(runs, run, "Well?")
        said, how = await texts(runs, run)
        assert (["slow", "backup"], "yes", "finished") == (said[:2], said[-1], how)
        assert "was stopped: its limit stall=0.3 s was up" in said[2]


@pytest.mark.loop(virtual=True)
@pytest.mark.parametrize("text", ["Shall I?", "Shall you?"])
async def test_a_hedge_of_people(text: str) -> None:
    """A second person is asked if the first one has not answered in time, and the first answer counts."""
    async with running({"trip": WAYS["hedge, and ask"]}) as (runs, journal):
        run = await runs.begin("trip")
        await asyncio.sleep(5)
        assert await parked(journal, run)
        assert 2 == len(await runs.questions(run))
        await _answer(runs, run, text)
        assert (["yes"], "finished") == await texts(runs, run)


class _Slow(MemoryJournal):
    """A journal that needs a while to let go of a run."""

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
        await asyncio.sleep(1)
        await super().leave(lease, events, wake_at=wake_at, heard=heard, counts=counts)


@pytest.mark.loop(virtual=True)
async def test_a_limit_that_expires_while_its_run_is_parked(caplog: pytest.LogCaptureFixture) -> None:
    """A limit around a wait that expires just when the run is parked changes nothing, and logs nothing."""
    model = scripted_model(then="Hm.", alias="MODEL")

    @miniagent(alias="IMPATIENT")
    async def impatient(ctx: InteractionContext) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(0.5):
                ctx.reply(await ask("Now?"))
                return
        await asyncio.gather(ask("Then?"), model.inquire("What now?"))

    async with running({"impatient": impatient}, _Slow()) as (runs, journal):
        run = await runs.begin("impatient")
        await asyncio.sleep(5)
        assert await parked(journal, run)
        await _answer(runs, run, "Now?")
        assert (["yes"], "finished") == await texts(runs, run)
    assert not caplog.records


@pytest.mark.loop(virtual=True)
async def test_a_question_that_is_given_up_is_closed() -> None:
    """Readers learn at once that a question is not asked any more, when the code gave up its wait."""
    journal: RunStore = MemoryJournal()
    slow = scripted_model(then="slow", delay=1.0, alias="SLOW").bind()
    async with running({"trip": slow & WAYS["timeout"]}, journal) as (runs, _):
        run = await runs.begin("trip")
        closed = [each.how for each in await frames_of(runs, run) if isinstance(each, QuestionAnswered)]
        assert ["void"] == closed
