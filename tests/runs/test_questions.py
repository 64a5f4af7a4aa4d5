"""Questions to people: they wait for their answers through restarts, and an answer is used once.

Crosses modules: tools, runs, journals, the routes of `ext.web`.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Literal, TypeVar

import httpx2
import pytest
from pydantic import BaseModel
from starlette.applications import Starlette

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
from miniagents.ext.journal import (
    Journal,
    MemoryJournal,
    Question,
    RunHead,
    RunStore,
    answer_question,
    durable,
    open_questions,
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
from miniagents.ext.web._frame_view import FrameView
from miniagents.parts import Restart, ToolResult
from miniagents.testing import virtual_time
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
    for _ in range(1000):
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
        (Allow({"amount": "all"}), [], "amount: Input should be a valid integer"),
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
        await runs.answer(run, question.id, answer)
        said, how = await texts(runs, run)
    assert (paid, "finished", True) == (done, how, any(told in each for each in said)), said


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
        for wrong, code in (
            ({"run": run, "question": "nothing", "owner": "ada"}, "no_such_question"),
            ({"run": run, "question": question.id, "owner": "eve"}, "no_such_run"),
            ({"run": run, "question": question.id, "owner": "ada", "digest": "other"}, "changed"),
        ):
            with pytest.raises(RequestError) as refused:
                await runs.answer(answer=Allow(), **wrong)
            assert code == refused.value.code
        await runs.answer(run, question.id, Allow(), owner="ada")
        async for _ in runs.frames(run, owner="ada"):
            pass
        await runs.answer(run, question.id, Allow(), owner="ada")
        with pytest.raises(RequestError, match="answered already") as refused:
            await runs.answer(run, question.id, Reject(), owner="ada")
        assert (409, "answered") == (refused.value.status, refused.value.code)


@pytest.mark.logs("had not ended drain_timeout")
@pytest.mark.parametrize("when", ["before", "after"])
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
            await journal.begin(RunHead(run, restart="server"), page.events[:cut])
            for key, data in page.sent.items():
                await journal.send(run, key, data)
            await journal.leave(run)
            paid.clear()
            async with MiniAgents():
                runs = Runs(journal, agents=agents)
                await runs.open()
                assert end == await texts(runs, run), cut
            assert paid in ([], [7]), cut
            frames = FrameView().take((await journal.read(run)).events)
            assert 1 == sum(isinstance(each, QuestionAsked) for each in frames), cut

    with virtual_time():
        asyncio.run(main())


async def test_durable() -> None:
    """A block of `durable` carries questions, too: their answers are kept with the run."""
    journal = MemoryJournal()

    async def answer(store: RunStore) -> None:
        (question,) = await eventually(lambda: open_questions(store, "7"))
        await answer_question(store, "7", question.id, Flight(number="MA 7", seats=1))

    async with MiniAgents():
        for attempt in range(2):
            async with durable(journal, run_id="7"):
                replies = booker.inquire()
                if not attempt:
                    await answer(journal)
                assert "1 seats on MA 7." == str(await replies)


async def test_nobody() -> None:
    """Where nothing carries a question to a person, it is an error that says what to do."""
    async with MiniAgents():
        with pytest.raises(QuestionError, match=r"run the agent with Runs .* or in a block of durable"):
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


async def test_after_the_block() -> None:
    """After a block of durable, a question of the same task is no longer carried by the run."""
    async with durable(MemoryJournal(), run_id="7"):
        pass
    with pytest.raises(QuestionError, match="nothing carries the question 'Which flight"):
        await ask("Which flight?", expires=1)
