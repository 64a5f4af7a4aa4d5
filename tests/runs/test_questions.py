"""Questions to people: they wait for their answers through restarts, and an answer is used once.

Crosses modules: tools, runs, journals, the routes of `ext.web`.
"""

import asyncio
import sqlite3
import time
from collections.abc import Awaitable, Callable
from contextlib import closing, nullcontext, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar

import httpx2
import pytest
from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.requests import Request
from typing_extensions import override

from miniagents import (
    AssistantMessage,
    InteractionContext,
    Message,
    MiniAgent,
    MiniAgents,
    ToolCall,
    ToolMessage,
    miniagent,
    model_agent,
    tool,
)
from miniagents.cli import main
from miniagents.ext.journal import (
    Event,
    Journal,
    JournalError,
    Lease,
    MemoryJournal,
    Question,
    RunPage,
    RunRecord,
    RunStore,
    answer_question,
    durable,
    open_questions,
    send_event,
)
from miniagents.ext.web import (
    MessagePart,
    QuestionAnswered,
    QuestionAsked,
    RequestError,
    RunEnded,
    Runs,
    chat_routes,
)
from miniagents.ext.web._source import FrameView
from miniagents.parts import Restart, ToolResult
from miniagents.testing import ScriptedModel, scripted_model, virtual_time
from miniagents.tools import Allow, QuestionError, Reject, approval, ask
from tests.support.web import served

T = TypeVar("T")


class Flight(BaseModel):
    """An answer with fields."""

    number: str
    seats: int


@miniagent(alias="BOOKER")
async def booker(ctx: InteractionContext) -> None:
    """Ask, and say what was answered."""
    flight = await ask("Which flight?", Flight)
    ctx.reply(f"{flight.seats} seats on {flight.number}.")


@model_agent(alias="CAREFUL")
async def careful(
    ctx: InteractionContext[Message, AssistantMessage], *, tools: tuple[object, ...] = ()
) -> None:
    """Call the tool, and be done when its result is there."""
    del tools
    done = isinstance((await ctx.messages)[-1], ToolMessage)
    call = ToolCall("c1", "pay", '{"amount": 100}')
    ctx.reply(AssistantMessage("Done.") if done else AssistantMessage(parts=[call]))


def payer(paid: list[int], *, expires: float | None = None) -> MiniAgent:
    """An agent whose tool a person has to allow."""

    @tool
    async def pay(amount: int) -> str:
        """Pay an amount."""
        paid.append(amount)
        return f"{amount} paid"

    return careful.with_tools(pay, approve=approval(expires=expires)).bind()


async def eventually(look: Callable[[], Awaitable[T]]) -> T:
    """What is found, when something is."""
    for _ in range(2000):  # a question that was given up before is asked again after 10 seconds
        if found := await look():
            return found
        await asyncio.sleep(0.01)
    raise AssertionError("nothing was found")


async def asked(runs: Runs, run: str, *, owner: str = "") -> Question:
    """The open question of a run."""
    (question,) = await eventually(lambda: runs.questions(run, owner=owner))
    return question


async def is_closed(runs: Runs, question: Question) -> bool:
    """Whether a question is not open any more."""
    return question not in await runs.questions(question.run)


async def texts(runs: Runs, run: str) -> tuple[list[str], str]:
    """What a run says and how it ends."""
    said: dict[int, str] = {}
    how = ""
    async for _, frame in runs.frames(run):
        match frame:
            case MessagePart(number, Restart()):
                said.pop(number, None)
            case MessagePart(number, str(text) | ToolResult(content=str(text))):
                said[number] = text
            case RunEnded():
                how = frame.how
            case _:
                pass
    return list(said.values()), how


async def test_a_value() -> None:
    """An answer of the right type goes on with the run; another one is refused with its place, and waits."""
    async with MiniAgents():
        runs = Runs(agents={"booker": booker})
        run = await runs.begin("booker")
        question = await asked(runs, run)
        assert ("question", "Which flight?") == (question.kind, question.shown["text"])
        with pytest.raises(RequestError, match="seats: Input should be a valid integer") as refused:
            await runs.answer(run, question.id, {"number": "MA 7", "seats": "many"})
        assert (422, "invalid_answer") == (refused.value.status, refused.value.code)
        await runs.answer(run, question.id, Flight(number="MA 7", seats=2), digest=question.digest)
        assert (["2 seats on MA 7."], "finished") == await texts(runs, run)
        assert [] == await runs.questions(run)


@pytest.mark.parametrize(
    ("answer", "paid", "told"),
    [
        (Allow(), [100], "100 paid"),
        (Allow({"amount": 5}), [5], "5 paid"),
        (Reject("Too much."), [], "Too much."),
        (Reject(), [], "The user does not allow this call."),
    ],
)
async def test_approval(answer: object, paid: list[int], told: str) -> None:
    """Only a call that a person allows runs, with the arguments that were allowed; the model gets reasons."""
    done: list[int] = []
    async with MiniAgents():
        runs = Runs(agents={"payer": payer(done)})
        run = await runs.begin("payer", "Pay.")
        question = await asked(runs, run)
        assert ("pay", {"amount": 100}) == (question.shown["tool"], question.shown["arguments"])
        assert [] == done
        with pytest.raises(RequestError, match="amount: Input should be a valid integer") as refused:
            await runs.answer(run, question.id, Allow({"amount": "all"}))
        assert 422 == refused.value.status
        await runs.answer(run, question.id, answer)
        said, how = await texts(runs, run)
    assert (paid, "finished", True) == (done, how, any(told in each for each in said)), said


async def asked_and_left(journal: RunStore, agent: MiniAgent, paid: str = "Pay.") -> Question:
    """The question of a run whose server has ended."""
    async with MiniAgents():
        runs = Runs(journal, agents={"agent": agent})
        run = await runs.begin("agent", paid)
        question = await asked(runs, run)
        await eventually(lambda: _is_parked(journal, run))
    return question


async def _is_parked(journal: RunStore, run: str) -> bool:
    return (await journal.find(run=run))[0].state == "parked"


async def test_answers_while_no_server_runs(caplog: pytest.LogCaptureFixture) -> None:
    """A wrong answer that no server has checked does not refuse the right one; the first that fits counts.

    The question has an answer meanwhile: it is listed only for those who want to see such ones, too. Who has
    given the wrong one was not told so: the log of the server that checks it says why it does not fit.
    """
    paid: list[int] = []
    journal = MemoryJournal()
    question = await asked_and_left(journal, payer(paid))
    run = question.run
    for amount in ("all", 5, 7, 5):
        assert not await answer_question(journal, run, question.id, Allow({"amount": amount}))
    assert [] == await open_questions(journal, run)
    assert [replace(question, answered=True)] == await open_questions(journal, run, answered=True)
    async with MiniAgents():
        runs = Runs(journal, agents={"agent": payer(paid)})
        assert [True] == [each.answered for each in await runs.questions(run, answered=True)]
        await runs.open()
        assert "finished" == (await texts(runs, run))[1]
    assert [5] == paid
    (said,) = [each.getMessage() for each in caplog.records if each.levelname == "WARNING"]
    assert said.startswith(f"An answer that was kept for the run {run!r} does not fit: ")


@pytest.mark.parametrize(("first", "second"), [(Allow(), Reject()), (Reject(), Allow({"amount": 5}))])
async def test_a_decision_while_no_server_runs(first: object, second: object) -> None:
    """A decision that fits in any case is final, also while no server has checked it: another is refused."""
    journal = MemoryJournal()
    question = await asked_and_left(journal, payer([]))
    await answer_question(journal, question.run, question.id, first)
    with pytest.raises(QuestionError, match="answered already") as refused:
        await answer_question(journal, question.run, question.id, second)
    assert "answered" == refused.value.reason


async def test_edited_arguments_after_a_restart() -> None:
    """The model gets the arguments that a person has given a call, also after a restart behind its result."""
    paid: list[int] = []

    @tool
    async def pay(amount: int) -> str:
        """Pay an amount."""
        paid.append(amount)
        return f"{amount} paid"

    async def approve(call: ToolCall) -> ToolCall:
        return replace(call, arguments='{"amount": 5}')

    call = AssistantMessage(parts=[ToolCall("c1", "pay", '{"amount": 100}')])
    model = ScriptedModel(call, ConnectionError("killed"), "Done.", alias="MODEL")
    journal = MemoryJournal()
    for end in (ConnectionError, None):
        with nullcontext() if end is None else pytest.raises(end):
            async with MiniAgents(), durable(journal, run_id="r"):
                await model.agent.with_tools(pay, approve=approve).inquire("Pay.")
    (_, before, after) = [request.messages[-1] for request in model.requests]
    assert ([5], '{"amount": 5}', before) == (paid, before.model_dump()["edited_arguments"], after)


def test_expired() -> None:
    """A call that is not allowed in time is rejected, and a question ends with an error that says so."""

    @miniagent
    async def asks(ctx: InteractionContext) -> None:
        try:
            ctx.reply(await ask("Well?", expires=60))
        except QuestionError as error:
            ctx.reply(f"{error.reason}: {error}")

    async def main() -> tuple[list[str], list[str]]:
        async with MiniAgents():
            runs = Runs(agents={"payer": payer([], expires=60), "asks": asks})
            paying = (await texts(runs, await runs.begin("payer", "Pay.")))[0]
            run = await runs.begin("asks")
            asking = (await texts(runs, run))[0]
            with pytest.raises(RequestError, match="does not exist"):
                await runs.answer("nothing", "q", 1)
            return paying, asking

    with virtual_time():
        paying, asking = asyncio.run(main())
    assert "Nobody has allowed this call in time." in paying
    assert ["expired: the question 'Well?' was not answered within 60 s."] == asking


async def test_refused() -> None:
    """What is no question, another one, or answered is refused with a reason; the same again is not."""
    async with MiniAgents():
        runs = Runs(agents={"payer": payer([])})
        run = await runs.begin("payer", "Pay.", owner="ada")
        (question,) = await eventually(lambda: runs.questions(owner="ada"))
        cases: list[tuple[dict[str, Any], str]] = [
            ({"question": "nothing"}, "no_such_question"),
            ({"owner": "eve"}, "no_such_run"),
            ({"digest": "other"}, "changed"),
            ({"answer": Allow({"amount": "all"})}, "invalid_answer"),
        ]
        right: dict[str, Any] = {"question": question.id, "answer": Allow(), "owner": "ada"}
        for changed, code in cases:
            with pytest.raises(RequestError) as refused:
                await runs.answer(run, **right | changed)
            assert code == refused.value.code
        await runs.answer(run, question.id, Allow(), owner="ada")
        async for _ in runs.frames(run, owner="ada"):
            pass
        await runs.answer(run, question.id, Allow(), owner="ada")
        with pytest.raises(RequestError, match="answered already") as refused:
            await runs.answer(run, question.id, Reject(), owner="ada")
        assert (409, "answered") == (refused.value.status, refused.value.code)


async def test_numbers_that_json_does_not_have() -> None:
    """What people are asked and decide is JSON that all clients read: no infinite number, and no NaN."""

    @tool
    async def pay(amount: float) -> str:
        """Pay an amount."""
        return f"{amount} paid"

    calls = [AssistantMessage(parts=[ToolCall("c", "pay", f'{{"amount": {each}}}')]) for each in ("NaN", "1")]
    model = ScriptedModel(*calls, then=lambda seen: str(seen[-1])).agent.with_tools(pay, approve=approval())
    async with MiniAgents():
        runs = Runs(agents={"payer": model.bind()})
        run = await runs.begin("payer", "Pay.")
        question = await asked(runs, run)
        assert {"amount": 1} == question.shown["arguments"]
        with pytest.raises(RequestError, match="a number is infinite or NaN"):
            await runs.answer(run, question.id, Allow({"amount": float("inf")}))
        await runs.answer(run, question.id, Allow())
        told = (await texts(runs, run))[0]
    assert ["a number is infinite or NaN, which JSON does not have", "1.0 paid"] == [
        each.removeprefix("ToolArgumentsError: ") for each in told if "NaN" in each or "paid" in each
    ][:2]


async def test_a_question_that_never_expires() -> None:
    """A question with an infinite time to answer has none: JSON could not have it."""

    @miniagent
    async def asker(ctx: InteractionContext) -> None:
        ctx.reply(await ask("Why?", expires=float("inf")))

    async with MiniAgents():
        runs = Runs(agents={"asker": asker})
        run = await runs.begin("asker")
        question = await asked(runs, run)
        await runs.answer(run, question.id, "So.")
        assert (["So."], "finished") == await texts(runs, run)
    assert None is question.due


@pytest.mark.logs("had not ended drain_timeout")
@pytest.mark.parametrize("when", [pytest.param("before", marks=pytest.mark.gate("waits a second")), "after"])
async def test_another_process(tmp_path: Path, when: Literal["before", "after"]) -> None:
    """A question outlives its server: it is answered elsewhere, before or after the next one starts; once."""
    path, paid = tmp_path / "runs.journal", list[int]()
    agents = {"payer": payer(paid)}
    async with Journal(path) as journal, MiniAgents(drain_timeout=0):
        runs = Runs(journal, agents=agents)
        run = await runs.begin("payer", "Pay.")
        question = await asked(runs, run)
    async with Journal(path) as other, Journal(path) as journal:
        if when == "before":
            async with MiniAgents():
                await Runs(other).answer(run, question.id, Allow(), digest=question.digest)
        async with MiniAgents():
            runs = Runs(journal, agents=agents)
            await runs.open()
            if when == "after":
                assert [question] == await open_questions(other, run)
                await runs.answer(run, question.id, Allow(), digest=question.digest)
            assert (["100 paid", "Done."], "finished") == await texts(runs, run)
            frames = [frame async for _, frame in runs.frames(run)]
    assert [100] == paid
    assert 1 == sum(isinstance(each, QuestionAsked) for each in frames)
    assert [QuestionAnswered(question.id, "allowed")] == [
        each for each in frames if isinstance(each, QuestionAnswered)
    ]


@pytest.mark.logs("had not ended drain_timeout")
async def test_equal_questions() -> None:
    """Equal questions of a run are different ones, in the order in which they come, also after a restart."""
    go = asyncio.Event()

    @miniagent
    async def thrice(ctx: InteractionContext) -> None:
        answers = [await ask("Well?") for _ in range(2)]
        await go.wait()
        ctx.reply(" ".join([*answers, await ask("Well?")]))

    journal = MemoryJournal()
    keys: list[str] = []
    for number, words in enumerate((["a", "b"], ["c"])):
        async with MiniAgents(drain_timeout=0.01 if number == 0 else 10):
            runs = Runs(journal, agents={"thrice": thrice})
            await runs.open()
            run = await runs.begin("thrice") if number == 0 else (await journal.find())[0].run
            for word in words:
                question = await asked(runs, run)
                keys.append(question.id)
                await runs.answer(run, question.id, word)
                await eventually(partial(is_closed, runs, question))
            go.set() if number == 0 else None
            if number:
                assert (["a b c"], "finished") == await texts(runs, run)
    assert 3 == len(set(keys))


def test_killed_at_any_write() -> None:
    """Killed at any write, a run goes on to the same end, and asks nothing again that was answered."""

    async def main() -> None:
        whole, paid = MemoryJournal(), list[int]()
        agents = {"payer": payer(paid)}
        async with MiniAgents():
            runs = Runs(whole, agents=agents)
            run = await runs.begin("payer", "Pay.")
            question = await asked(runs, run)
            await runs.answer(run, question.id, Allow({"amount": 7}))
            end = await texts(runs, run)
        assert (["7 paid", "Done."], "finished") == end
        page = await whole.read(run)
        for cut in range(1, len(page.events)):
            journal = MemoryJournal()
            await journal.begin(lease := Lease(RunRecord(run, restart="server")), page.events[:cut])
            for key, data in page.sent.items():
                await journal.send(run, key, data)
            await journal.leave(lease)
            paid.clear()
            async with MiniAgents():
                runs = Runs(journal, agents=agents)
                await runs.open()
                left = [event[0] for event in page.events[:cut]]
                if "intent" in left and not any(
                    event[0] == "kept" and event[3] == "pay" for event in page.events[:cut]
                ):
                    unknown = await asked(runs, run)  # was it paid? nothing was: it is paid now
                    assert ("unknown", {"amount": 7}) == (unknown.kind, unknown.shown["arguments"])
                    await runs.answer(run, unknown.id, Allow())
                assert end == await texts(runs, run), cut
            assert paid in ([], [7]), cut
            frames = FrameView().take((await journal.read(run)).events)
            assert 1 == sum(isinstance(each, QuestionAsked) and each.kind == "approval" for each in frames)

    with virtual_time():
        asyncio.run(main())


@pytest.mark.parametrize("known", [Allow(), Reject("The bank is closed."), "paid: it was broken"])
def test_killed_while_an_allowed_call_asks(known: object) -> None:
    """Killed while a call that was allowed asks on, a run asks what became of it, and goes on with that."""
    advise = scripted_model(then="Ask why.", alias="ADVISE")

    @tool
    async def pay(amount: int) -> str:
        """Pay an amount."""
        del amount
        why = await ask(str(await advise.inquire("What shall I ask?")))
        return f"{await ask('Is it sure?')}: {why}"

    agents = {"payer": careful.with_tools(pay, approve=approval()).bind()}
    answers: dict[object, object] = {"pay": Allow(), "Ask why.": "it was broken", "Is it sure?": "paid"}

    async def answer(runs: Runs, run: str, shown: str) -> None:
        def text(question: Question) -> object:
            return question.kind if question.kind == "unknown" else question.shown.get("text", "pay")

        async def look() -> list[Question]:
            return [each for each in await runs.questions(run) if text(each) == shown]

        (question,) = await eventually(look)
        await runs.answer(run, question.id, known if shown == "unknown" else answers[shown])

    async def main() -> None:
        first, second = MemoryJournal(), MemoryJournal()
        async with MiniAgents(drain_timeout=0):
            runs = Runs(first, agents=agents)
            run = await runs.begin("payer", "Pay.")
            for shown in ("pay", "Ask why."):
                await answer(runs, run, shown)
            await asked(runs, run)
            events = (await first.read(run)).events
        await second.begin(lease := Lease(RunRecord(run, restart="server")), events)
        await second.leave(lease)
        async with MiniAgents():
            runs = Runs(second, agents=agents)
            await runs.open()
            await answer(runs, run, "unknown")
            if isinstance(known, Allow):
                await answer(runs, run, "Is it sure?")
            told = known.reason if isinstance(known, Reject) else "paid: it was broken"
            assert ([told, "Done."], "finished") == await texts(runs, run)

    with virtual_time():
        asyncio.run(main())


async def test_durable() -> None:
    """A block of `durable` carries questions, too: their answers are kept with the run."""
    journal = MemoryJournal()

    async def answer(store: RunStore) -> None:
        (question,) = await eventually(lambda: open_questions(store, "7"))
        await answer_question(store, "7", question.id, Flight(number="MA 7", seats=1))

    async with MiniAgents():
        with pytest.raises(QuestionError, match="The run '7' waits for an answer: begin the block") as parked:
            async with durable(journal, run_id="7"):
                await booker.inquire()
        assert "parked" == parked.value.reason
        await answer(journal)
        for _ in range(2):
            async with durable(journal, run_id="7"):
                assert "1 seats on MA 7." == str(await booker.inquire())


async def test_a_run_that_has_waited_thousands_of_times() -> None:
    """The questions of a run that has waited many thousand times are read in a moment."""
    waited: list[list[Any]] = []
    for number in range(15_000):
        waited += [["question", 0, str(number), "sleep", {}, "", None], ["parked", 0, None]]
        waited += [["answer", 0, str(number), {"value": None}]]
    journal = MemoryJournal()
    await journal.begin(Lease(RunRecord("7")), [*waited, ["question", 0, "q", "question", {}, "", None]])
    began = time.process_time()
    assert ["q"] == [each.id for each in await open_questions(journal, "7")]
    assert time.process_time() - began < 2  # 0.1; 10 if each wait looks at all before it


class Counting(MemoryJournal):
    """Counts the events that are read."""

    events = 0

    @override
    async def read(self, run: str, after: int = 0, /) -> RunPage:
        page = await super().read(run, after)
        self.events += len(page.events)
        return page


async def test_an_answer_to_a_long_run() -> None:
    """An answer reads the end of a log, as far back as to its question, and not what came long before."""
    journal = Counting()
    before: list[Event] = [["parts", 1, 0, [], []]] * 100_000
    for run, behind in (("now", 0), ("earlier", 2000)):
        asked: Event = ["question", 0, "q", "question", {"text": "?"}, "", None]
        await journal.begin(Lease(RunRecord(run)), [*before, asked, *before[:behind]])
        await answer_question(journal, run, "q", "Because.")
        assert journal.events < 3000
    assert [True, True] == [each.answered for each in await open_questions(journal, answered=True)]


@pytest.mark.loop(virtual=True)
async def test_an_answer_that_was_refused_before() -> None:
    """An answer that does not fit is refused again, too, if its question was given up and is asked again."""
    journal, model = MemoryJournal(), scripted_model(*["Hello"] * 80)
    asking: list[asyncio.Future[int]] = []

    @miniagent
    async def asks(_: InteractionContext) -> None:
        asking.append(asyncio.ensure_future(ask("How many?", int)))
        with suppress(asyncio.CancelledError):
            await asking[-1]
        for each in range(80):
            await model.inquire(f"Hi {each}")

    @miniagent
    async def gives_up(_: InteractionContext) -> None:
        (question,) = await eventually(lambda: open_questions(journal, "7"))
        with pytest.raises(QuestionError, match="does not fit"):
            await answer_question(journal, "7", question.id, "two", wait=5)
        asking[-1].cancel()

    async with MiniAgents():
        for _ in range(2):
            with suppress(ConnectionError):
                async with durable(journal, run_id="7"):
                    given_up = gives_up.inquire()
                    await asks.inquire()
                    await given_up
                    raise ConnectionError


async def test_nobody() -> None:
    """Where nothing carries a question to a person, it is an error that says what to do."""
    async with MiniAgents():
        with pytest.raises(QuestionError, match=r"run the agent with Runs .*, in a block of durable"):
            await booker.inquire()


async def test_routes() -> None:
    """Over HTTP: a question is a frame, it is listed with its digest, and answered; others are refused."""
    paid: list[int] = []
    app = Starlette(routes=chat_routes(payer(paid)))
    async with (
        MiniAgents(app_wide=True),
        served(app) as url,
        httpx2.AsyncClient(base_url=url, trust_env=False) as client,
    ):
        run = (await client.post("/runs", json={"text": "Pay."})).json()["run"]

        async def listed() -> list[dict[str, object]]:
            found: list[dict[str, object]] = (await client.get(f"/runs/{run}/questions")).json()["questions"]
            return found

        (question,) = await eventually(listed)
        where = f"/runs/{run}/questions/{question['question']}"
        wrong = [{"allow": True}, {"digest": question["digest"]}, {"digest": "x", "allow": True}]
        assert [400, 400, 409] == [(await client.post(where, json=each)).status_code for each in wrong]
        right = {"digest": question["digest"], "allow": True, "arguments": {"amount": 3}}
        assert 204 == (await client.post(where, json=right)).status_code
        told = (await client.get(f"/runs/{run}")).text
    assert [3] == paid
    assert ('"type":"question"' in told, '"how":"allowed"' in told) == (True, True)


class Deleting(MemoryJournal):
    """A journal in which the run `gone` is deleted as soon as it is found."""

    @override
    async def find(self, **which: Any) -> list[RunRecord]:
        found = await super().find(**which)
        await self.delete("gone")
        return found


async def test_questions_among_many_runs() -> None:
    """A question is listed among any number of newer runs; one that is deleted meanwhile has none."""
    journal = Deleting()
    async with MiniAgents():
        runs = Runs(journal, agents={"booker": booker})
        run = await runs.begin("booker")
        await asked(runs, run)
        for number in range(1001):
            await journal.begin(lease := Lease(RunRecord(str(number), restart="program")), [])
            await journal.end(lease, [], how="finished")
        for number in range(1001):
            await send_event(journal, str(number))
        await journal.begin(Lease(RunRecord("gone")), [])
        assert [run] == [each.run for each in await runs.questions()]
        await runs.stop(run)


async def test_a_damaged_run_among_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """A run whose log is damaged hides no question of another one: the log names it, also for the command."""
    path = tmp_path / "runs.journal"
    async with Journal(path) as journal:
        for run in ("first", "damaged", "last"):
            shown: Event = ["question", 0, "q", "question", {"text": run}, "", None]
            await journal.begin(lease := Lease(RunRecord(run, "ada")), [["began", 0, None], shown])
            await journal.leave(lease, wake_at=1e12)
        with closing(sqlite3.connect(path)) as database:
            database.execute("UPDATE packed SET data = x'5b5d01020304' WHERE run = 2")
            database.commit()
        async with MiniAgents():
            runs = Runs(journal)
            assert ["first", "last"] == [each.run for each in await runs.questions(owner="ada")]
            for refused in (runs.questions("damaged", owner="ada"), open_questions(journal, "damaged")):
                with pytest.raises(JournalError, match="damaged"):
                    await refused
            for each in (None, "first"):
                assert [] == await runs.questions(each, owner="eve")
    (warning,) = caplog.messages
    assert warning.startswith(f"The questions of a run are left out: The run 'damaged' of the journal {path}")
    assert 0 == await asyncio.to_thread(main, ["journal", "questions", str(path)])
    assert ["first", "last"] == [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert [warning] * 2 == caplog.messages


async def test_stopped_while_it_waits(tmp_path: Path) -> None:
    """A reader of a run that waits, and was parked, learns that it was stopped."""
    async with Journal(tmp_path / "runs.journal") as journal, MiniAgents():
        runs = Runs(journal, agents={"payer": payer([])})
        run = await runs.begin("payer", "Pay.")
        reading = asyncio.create_task(texts(runs, run))
        await asked(runs, run)
        assert await runs.stop(run)
        async with asyncio.timeout(10):
            assert "stopped" == (await reading)[1]


async def test_answers_to_an_ended_run() -> None:
    """An answer to a run that has ended is refused; one that it has taken may come again."""
    journal = MemoryJournal()
    questions: list[Event] = [["question", 0, key, "question", {"text": "?"}, "", None] for key in "qp"]
    await journal.begin(lease := Lease(RunRecord("r")), [*questions, ["answer", 0, "p", {"value": 1}]])
    await journal.end(lease, [], how="stopped")
    await answer_question(journal, "r", "p", 1)
    with pytest.raises(QuestionError, match="the run 'r' has ended") as refused:
        await answer_question(journal, "r", "q", 1)
    assert "ended" == refused.value.reason
    async with MiniAgents():
        with pytest.raises(RequestError) as over:
            await Runs(journal).answer("r", "q", 1)
    assert (409, "run_over") == (over.value.status, over.value.code)


async def test_answers_to_a_run_that_is_being_stopped() -> None:
    """Once a stop is recorded, no answer is accepted, also if the server of the run has not heard it yet."""
    journal = MemoryJournal()
    question: Event = ["question", 0, "q", "approval", {"tool": "pay"}, "", None]
    await journal.begin(Lease(RunRecord("r", restart="server")), [question])
    async with MiniAgents():
        runs = Runs(journal)
        assert await runs.stop("r")
        with pytest.raises(RequestError, match="has ended") as over:
            await runs.answer("r", "q", Allow())
    assert (409, "run_over") == (over.value.status, over.value.code)
    assert {"stop": None} == (await journal.read("r")).sent


async def test_bad_answers() -> None:
    """Over HTTP, an answer that cannot be used is refused with a code, and the question stays open."""
    paid: list[int] = []
    app = Starlette(routes=chat_routes(payer(paid), owner=lambda request: request.headers["user"]))
    async with (
        MiniAgents(app_wide=True),
        served(app) as url,
        httpx2.AsyncClient(base_url=url, trust_env=False, headers={"user": "ada"}) as client,
    ):
        run = (await client.post("/runs", json={"text": "Pay."})).json()["run"]

        async def listed() -> list[dict[str, object]]:
            found: list[dict[str, object]] = (await client.get(f"/runs/{run}/questions")).json()["questions"]
            return found

        (question,) = await eventually(listed)
        allow = {"digest": question["digest"], "allow": True}
        there = f"/runs/{run}/questions/{question['question']}"
        cases: list[tuple[int, str, dict[str, object]]] = [
            (404, "no_such_question", {"url": f"/runs/{run}/questions/nothing"}),
            (404, "no_such_run", {"url": f"/runs/other/questions/{question['question']}"}),
            (404, "no_such_run", {"headers": {"user": "eve"}}),
            (400, "invalid_request", {"json": {"allow": True}}),
            (400, "invalid_request", {"json": {"digest": question["digest"], "allow": "yes"}}),
            (400, "invalid_request", {"json": {**allow, "arguments": [1]}}),
            (400, "invalid_request", {"json": {**allow, "argments": {"amount": 5}}}),
            (409, "changed", {"json": {**allow, "digest": "0"}}),
            (422, "invalid_answer", {"json": {"digest": question["digest"], "value": 1}}),
            (422, "invalid_answer", {"json": {**allow, "arguments": {"amount": "all"}}}),
            (422, "invalid_answer", {"json": {**allow, "arguments": {"amount": "all"}}}),  # as before
            (413, "too_large", {"json": {**allow, "reason": "x" * 64_000}}),
        ]
        for status, code, changed in cases:
            sent: dict[str, Any] = {"url": there, "json": allow, **changed}
            told = await client.post(**sent)
            assert (status, code) == (told.status_code, told.json()["error"]["code"]), changed
            if status == 422 and "arguments" in str(changed):
                assert "amount: Input should be a valid integer" in told.text
        assert [question] == await listed()
        assert [204, 204, 409] == [
            (await client.post(there, json={**allow, "allow": each})).status_code
            for each in (True, True, False)
        ]
        await client.get(f"/runs/{run}")
    assert [100] == paid


def test_too_late() -> None:
    """An answer after its time is refused with 410."""

    async def main() -> None:
        async with MiniAgents():
            runs = Runs(agents={"payer": payer([], expires=60)})
            run = await runs.begin("payer", "Pay.")
            question = await asked(runs, run)
            await asyncio.sleep(100)
            with pytest.raises(RequestError) as refused:
                await runs.answer(run, question.id, Allow())
            assert (410, "expired") == (refused.value.status, refused.value.code)

    with virtual_time():
        asyncio.run(main())


async def test_may_answer() -> None:
    """A function of the app says who may answer a question, also if it is not the owner of the run."""
    paid: list[int] = []

    async def is_boss(request: Request, question: Question) -> bool:
        return request.headers["user"] == "boss" and question.shown["tool"] == "pay"

    app = Starlette(
        routes=chat_routes(payer(paid), owner=lambda request: request.headers["user"], may_answer=is_boss)
    )
    async with (
        MiniAgents(app_wide=True),
        served(app) as url,
        httpx2.AsyncClient(base_url=url, trust_env=False) as client,
    ):
        ada, boss = {"user": "ada"}, {"user": "boss"}
        run = (await client.post("/runs", json={"text": "Pay."}, headers=ada)).json()["run"]

        async def listed() -> list[dict[str, str]]:
            found: list[dict[str, str]] = (await client.get(f"/runs/{run}/questions", headers=boss)).json()[
                "questions"
            ]
            return found

        (question,) = await eventually(listed)
        assert [] == (await client.get(f"/runs/{run}/questions", headers=ada)).json()["questions"]
        where = f"/runs/{run}/questions/{question['question']}"
        allow = {"digest": question["digest"], "allow": True}
        assert [404, 204] == [
            (await client.post(where, json=allow, headers=who)).status_code for who in (ada, boss)
        ]
        assert 404 == (await client.get(f"/runs/{run}", headers=boss)).status_code
        await client.get(f"/runs/{run}", headers=ada)
    assert [100] == paid


async def answers_in(journal: RunStore, run: str) -> list[object]:
    """What the log of a run has of its answers, without their times."""
    answers: list[Any] = [event[3] for event in (await journal.read(run)).events if event[0] == "answer"]
    return [{name: its for name, its in each.items() if name != "at"} for each in answers]


async def test_who_has_answered() -> None:
    """The log has who answered; the same answer of another person is accepted, and changes nothing."""
    journal = MemoryJournal()
    async with MiniAgents():
        runs = Runs(journal, agents={"payer": payer([]), "booker": booker})
        paying, booking = await runs.begin("payer", "Pay."), await runs.begin("booker")
        question = await asked(runs, paying)
        for by in ("ada", "eve", None):
            assert await runs.answer(paying, question.id, Allow(), by=by)
        question = await asked(runs, booking)
        assert await runs.answer(booking, question.id, Flight(number="MA 7", seats=2))
        assert ["finished", "finished"] == [(await texts(runs, each))[1] for each in (paying, booking)]
    flight = {"value": {"number": "MA 7", "seats": 2}}
    assert [{"allow": True, "arguments": None, "by": "ada"}] == await answers_in(journal, paying)
    assert [flight] == await answers_in(journal, booking)


def anybody(request: Request, question: Question) -> bool:
    """Whether the user of a request may answer."""
    return bool(request.headers["user"] and question.id)


@pytest.mark.parametrize("by", ["ada", "boss"])
async def test_who_has_answered_over_http(by: str) -> None:
    """Over HTTP, that is the user of the request that answers, also if it is not the owner of the run."""
    journal = MemoryJournal()
    runs = Runs(journal)
    may_answer = None if by == "ada" else anybody
    app = Starlette(
        routes=chat_routes(
            payer([]), runs=runs, owner=lambda each: each.headers["user"], may_answer=may_answer
        )
    )
    async with (
        MiniAgents(app_wide=True),
        served(app) as url,
        httpx2.AsyncClient(base_url=url, trust_env=False, headers={"user": "ada"}) as client,
    ):
        run = (await client.post("/runs", json={"text": "Pay."})).json()["run"]
        question = await asked(runs, run, owner="ada")
        answer = {"digest": question.digest, "allow": False}
        where = f"/runs/{run}/questions/{question.id}"
        assert 204 == (await client.post(where, json=answer, headers={"user": by})).status_code
        await client.get(f"/runs/{run}")
    assert [{"allow": False, "reason": Reject().reason, "by": by}] == await answers_in(journal, run)


async def test_after_the_block() -> None:
    """After a block of durable, a question of the same task is no longer carried by the run."""
    async with durable(MemoryJournal(), run_id="7"):
        pass
    with pytest.raises(QuestionError, match="nothing carries the question 'Which flight"):
        await ask("Which flight?", expires=1)


def test_the_client_of_a_response() -> None:
    """A run that ends with its client does not go on in the next server, unless it waits for an approval."""

    async def main() -> None:
        whole, paid = MemoryJournal(), list[int]()
        agents = {"payer": payer(paid)}
        async with MiniAgents():
            runs = Runs(whole, agents=agents)
            run = await runs.begin("payer", "Pay.", topic="of its client")
            question = await asked(runs, run)
            await runs.answer(run, question.id, Allow())
            await texts(runs, run)
        events = (await whole.read(run)).events
        at = {str(event[0]): at for at, event in enumerate(events, start=1)}
        for cut, how in ((1, "lost"), (at["question"], "finished"), (at["answer"], "lost")):
            journal = MemoryJournal()
            await journal.begin(
                lease := Lease(RunRecord(run, topic="of its client", restart="server")), events[:cut]
            )
            await journal.leave(lease)
            paid.clear()
            async with MiniAgents():
                runs = Runs(journal, agents=agents)
                await runs.open()
                if how == "finished":
                    await runs.answer(run, question.id, Allow())
                assert how == (await texts(runs, run))[1], cut
            assert ([100] if how == "finished" else []) == paid

    with virtual_time():
        asyncio.run(main())
