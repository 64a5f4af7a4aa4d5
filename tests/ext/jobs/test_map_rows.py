"""``map_rows``: rows through an agent, kept, paid for, limited, asked again, and none of them lost."""

import asyncio
import json
import math
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterator
from contextlib import nullcontext
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Never, TypeAlias, cast

import pytest
from pydantic import BaseModel, field_serializer
from typing_extensions import override

from miniagents import (
    AssistantMessage,
    InteractionContext,
    LLMConfigError,
    LLMConnectionError,
    LLMError,
    LLMStatusError,
    Message,
    MessageType,
    MiniAgent,
    MiniAgents,
    Reasoning,
    RetryPolicy,
    Usage,
    miniagent,
)
from miniagents.errors import BudgetExceededError
from miniagents.ext.jobs import (
    JobOptions,
    Limits,
    Progress,
    Row,
    TooManyFailuresError,
    map_file,
    map_rows,
    read_rows,
)
from miniagents.ext.jobs._kept_rows import KeptRows
from miniagents.ext.jobs._options import JobSettings
from miniagents.ext.journal import Journal, JournalError, recorded
from miniagents.ext.llm.openai import openai_agent
from miniagents.operators import map_agent
from miniagents.testing import scripted_model
from tests.support.amounts import amount
from tests.support.noting import noting
from tests.support.sse_server import answer, cut, hold, serve, sse
from tests.support.wires import CHAT, WIRES, Wire, asking


class Mood(Message):
    """An answer of data only."""

    mood: str


class City(BaseModel):
    """A typed answer."""

    name: str


def one_cent(usage: Usage, model: str, provider: str | None) -> Decimal | None:
    """A price of a cent a token."""
    return Decimal("0.01") * ((usage.input_tokens or 0) + (usage.output_tokens or 0))


def unknown(usage: Usage, model: str, provider: str | None) -> Decimal | None:
    """No price."""
    return None


def priced(text: str = "fine", tokens: int = 1) -> AssistantMessage:
    """An answer of a model that tells what it took."""
    return AssistantMessage(text, model="m", usage=Usage(tokens, 0))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the journal is."""
    return tmp_path / "job.journal"


async def test_asked_once(path: Path) -> None:
    """A row is asked once; from then on it comes from the journal, in its place."""
    asked: list[str] = []
    async with MiniAgents():
        for cached in (False, True):
            rows = [row async for row in map_rows(noting(asked), ["a", "b"], journal=path)]
            assert [(0, "a", "A", cached), (1, "b", "B", cached)] == [
                (row.index, row.input, str(row.value), row.cached) for row in rows
            ]
    assert ["a", "b"] == sorted(asked)


async def test_inserted_and_changed_rows(path: Path) -> None:
    """An inserted row is asked, and no other one; so is a changed one; the same row twice has two answers."""
    asked: list[str] = []
    async with MiniAgents():
        for given, new in (("aab", "aab"), ("xaab", "x"), ("xaabb", "b"), ("yaabb", "y")):
            asked.clear()
            rows = [row async for row in map_rows(noting(asked), [*given], journal=path)]
            assert (sorted(new), [*given.upper()]) == (sorted(asked), [str(row.value) for row in rows])


async def test_ids(path: Path) -> None:
    """With an id rows that ask the same are told apart by it; changed content is asked again."""
    asked: list[str] = []
    first = [{"key": 1, "text": "a"}, {"key": 2, "text": "a"}]
    async with MiniAgents():
        for given, times in ((first, 2), (first[::-1], 0), ([{"key": 2, "text": "b"}, first[0]], 1)):
            asked.clear()
            job = map_rows(noting(asked), given, id="key", message=lambda row: str(row["text"]), journal=path)
            rows = [row async for row in job]
            assert times == len(asked)
            assert [str(row["key"]) for row in given] == [row.id for row in rows]


async def test_version_name_and_refresh(path: Path) -> None:
    """Another version or name, and `refresh`, ask again; another message asks another question."""
    asked: list[str] = []
    agent = noting(asked)
    async with MiniAgents():
        for job, times in (
            (map_rows(agent, ["a"], journal=path), 1),
            (map_rows(agent, ["a"], journal=path), 0),
            (map_rows(agent, ["a"], journal=path, version="2"), 1),
            (map_rows(agent, ["a"], journal=path, name="OTHER"), 1),
            (map_rows(agent, ["a"], journal=path, refresh=True), 1),
            (map_rows(agent, ["a"], journal=path, message=lambda row: f"{row}!"), 1),
        ):
            asked.clear()
            assert 1 == len([row async for row in job])
            assert times == len(asked)


async def test_the_keys_of_recorded(path: Path) -> None:
    """What a job has kept, `recorded` plays, and the other way round, for texts, mappings and messages."""
    asked: list[str] = []
    rows = ["a", {"text": "b", "n": 1}, Message("c", tags=["x"])]
    with Journal(path) as journal:
        async with MiniAgents():
            agent = noting(asked)
            assert 3 == len([row async for row in map_rows(agent, rows, journal=journal)])
            for row in rows:
                await recorded(agent, journal, version="1").inquire(cast("str", row))
            assert 3 == len(asked)
            await recorded(agent, journal, version="1").inquire("d")
            (played,) = [row async for row in map_rows(agent, ["d"], journal=journal)]
            assert (True, "D", 4) == (played.cached, str(played.value), len(asked))


@pytest.mark.parametrize(
    "answer",
    [
        "text",
        Mood(mood="good"),
        Mood("a text, too", mood="good"),
        Message("with data", tags=("a", "b"), price=Decimal("1.10")),
        AssistantMessage(parts=[Reasoning("Hm.", signature="s"), "Hello"], usage=Usage(3, 2), model="m"),
    ],
)
async def test_values_are_the_same(path: Path, answer: MessageType) -> None:
    """What comes from the journal is equal to what the agent replied, of every class."""

    @miniagent
    async def agent(ctx: InteractionContext[Message, Message | Mood | AssistantMessage]) -> None:
        ctx.reply("before")
        ctx.reply(answer)

    async with MiniAgents():
        values = [
            [row.value async for row in map_rows(agent, ["a"], journal=path, message_classes=[Mood])]
            for _ in range(2)
        ]
        (reply,) = [replies async for replies in map_agent(agent)(["a"])]
        assert [(await reply)[-1]] * 2 == [value for (value,) in values]
        assert type(values[0][0]) is type(values[1][0])


async def test_typed_values(path: Path) -> None:
    """The rows of a model with a type have its value, also from the journal."""
    for model in (scripted_model('{"name": "Oslo"}'), scripted_model()):
        async with MiniAgents():
            async for row in map_rows(model.as_type(City), ["Which?"], journal=path):
                assert City(name="Oslo") == row.value.parsed


async def test_one_bad_row(path: Path, tmp_path: Path) -> None:
    """A row that fails harms no other one; its error stands in it and in a file, also the next time."""
    asked: list[str] = []
    errors = tmp_path / "errors.jsonl"

    def answer(text: str) -> MessageType:
        if text == "b":
            raise ValueError("no sk-abcdefghijklmnopqrstuvwxyz123456")
        return text

    async with MiniAgents():
        for times in (3, 0):
            asked.clear()
            rows = [
                row async for row in map_rows(noting(asked, answer), [*"abc"], journal=path, errors=errors)
            ]
            assert [None, "ValueError", None] == [row.error and type(row.error).__name__ for row in rows]
            with pytest.raises(ValueError, match="no"):
                _ = rows[1].value
            (line,) = [json.loads(line) for line in errors.read_text().splitlines()]
            assert (1, "b", "ValueError", 1) == (
                line["index"],
                line["input"],
                line["error"]["type"],
                line["attempts"],
            )
            assert "abcdefghijkl" not in errors.read_text()
            assert times == len(asked)
        asked.clear()
        rows = [
            row
            async for row in map_rows(noting(asked), [*"abc"], journal=path, errors=errors, retry_failed=True)
        ]
        assert (["b"], "B") == (asked, str(rows[1].value))
        assert not errors.exists()


async def test_rows_that_cannot_be_asked(path: Path) -> None:
    """A row of which no message can be made, or that has no id, fails alone, and the agent is not asked."""
    asked: list[str] = []
    given: list[dict[str, object]] = [{"text": "a", "id": 1}, {"no": "text", "id": 2}, {"text": "c"}]
    async with MiniAgents():
        for _ in range(2):
            job = map_rows(noting(asked), given, id="id", message=lambda row: str(row["text"]), journal=path)
            assert [None, "KeyError", "KeyError"] == [
                row.error and type(row.error).__name__ async for row in job
            ]
    assert ["a"] == asked


class Unwritable(Message):
    """A message of which no text can be made if `n` is 1."""

    n: int

    @field_serializer("n")
    def _n(self, n: int) -> int:
        return n if n != 1 else int("no number")


Deep: TypeAlias = "list[Deep]"


async def test_rows_of_which_no_json_can_be_made(path: Path, tmp_path: Path) -> None:
    """A row fails alone if its message has no JSON, it is nested too deep, or its keys are no texts."""
    deep: Deep = []
    for _ in range(700):
        deep = [deep]
    given: list[object] = [{"a": 0}, Unwritable(n=1), {"a": deep}, {("a", "b"): math.nan}, {"a": 2}]
    errors = tmp_path / "errors.jsonl"

    def no_constant(name: str) -> Never:
        raise ValueError(name)

    async with MiniAgents():
        for journal in (None, path, path):
            job = map_rows(noting([]), given, journal=journal, errors=errors)
            assert [True, False, False, False, True] == [row.error is None async for row in job]
            lines = errors.read_text().splitlines()
            assert [1, 2, 3] == [json.loads(line, parse_constant=no_constant)["index"] for line in lines]


async def test_an_error_without_a_text(path: Path, tmp_path: Path) -> None:
    """A row whose error cannot make its text fails alone."""

    class SilentError(Exception):
        """As one whose `__str__` needs an attribute that is not there."""

        @override
        def __str__(self) -> str:
            raise AttributeError("response")

    errors = tmp_path / "errors.jsonl"
    async with MiniAgents():
        for journal in (None, path):
            job = map_rows(scripted_model(SilentError(), "fine"), ["a", "b"], journal=journal, errors=errors)
            assert ["SilentError", "NoneType"] == [type(row.error).__name__ async for row in job]
            assert "its text cannot be made: AttributeError" in errors.read_text()


async def test_a_failed_row_with_nan(tmp_path: Path) -> None:
    """In the file of failed rows, a number that is NaN is null, as in OUT: JSON does not have it."""
    errors = tmp_path / "errors.jsonl"
    async with MiniAgents():
        job = map_rows(noting([]), [{"a": math.nan}], message=lambda row: str(row["b"]), errors=errors)
        assert ["KeyError"] == [type(row.error).__name__ async for row in job]
    assert '"input": {"a": null}' in errors.read_text()


def of_module(module: str, name: str, base: type[object], **more: object) -> object:
    """A value of a class of a package that the tests do not install."""
    return type(name, (base,), {"__module__": module, **more})()


def seven(_: object) -> int:
    """What a number of numpy is in Python."""
    return 7


async def test_values_of_pandas(path: Path) -> None:
    """Missing values of pandas (NaT, NA) are None, and numbers of numpy are numbers, for the agent."""
    row: dict[str, object] = {
        "day": of_module("pandas._libs.tslibs.nattype", "NaTType", object),
        "stars": of_module("pandas.api.typing", "NAType", object),
        "count": of_module("numpy", "int64", object, item=seven),
    }
    async with MiniAgents():
        for journal in (None, path):
            (answered,) = [each async for each in map_rows(noting([]), [row], journal=journal)]
            assert '{"DAY":NULL,"STARS":NULL,"COUNT":7}' == str(answered.value)
            assert row is answered.input


async def test_an_agent_that_replies_nothing(path: Path) -> None:
    """A row to which nothing is replied has failed, and stays so in the journal."""

    @miniagent
    async def silent(ctx: InteractionContext) -> None:
        await ctx.messages

    async with MiniAgents():
        for cached in (False, True):
            (row,) = [row async for row in map_rows(silent, ["a"], journal=path)]
            assert ("The agent replied nothing.", cached) == (str(row.error), row.cached)


@pytest.mark.loop(virtual=True)
async def test_retries() -> None:
    """An error that may pass is asked again as often as was said, after what the provider asked to wait."""
    loop = asyncio.get_running_loop()
    at: list[float] = []

    @miniagent
    async def flaky(ctx: InteractionContext) -> None:
        at.append(loop.time())
        if len(at) < 3:
            raise LLMStatusError("busy", status=429, retry_after=20.0)
        ctx.reply("fine")

    async with MiniAgents():
        (row,) = [row async for row in map_rows(flaky, ["a"], retries=2)]
        assert ("fine", 3) == (str(row.value), row.attempts)
        assert [20, 20] == [round(b - a) for a, b in pairwise(at)]
        at.clear()
        (row,) = [row async for row in map_rows(flaky, ["a"], retries=1)]
        assert (LLMStatusError, 2) == (type(row.error), row.attempts)


@pytest.mark.loop(virtual=True)
@pytest.mark.parametrize(
    ("error", "ends"),
    [
        (LLMStatusError("busy", status=429), None),
        (LLMStatusError("a wrong key", status=401), LLMStatusError),
        (ValueError("no"), TooManyFailuresError),
    ],
)
async def test_a_source_that_waits(error: Exception, ends: type[Exception] | None) -> None:
    """While the source waits for its next row, others are sent again, and the job ends if it must."""
    answered = asyncio.Event()
    closed: list[bool] = []

    async def live() -> AsyncGenerator[str]:
        try:
            yield "a"
            await answered.wait()
            yield "b"
        finally:
            closed.append(True)

    rows: list[tuple[str, int]] = []
    async with MiniAgents():
        with pytest.raises(ends) if ends else nullcontext():
            async for row in map_rows(scripted_model(error, "A", "B"), live(), max_failures=0):
                if row.error is None:
                    rows.append((row.input, row.attempts))
                    answered.set()
        assert closed == [True]
    assert rows == ([] if ends else [("a", 2), ("b", 1)])


@pytest.mark.loop(virtual=True)
async def test_a_server_that_asks_for_a_year() -> None:
    """A row waits an hour at most before it is sent again, whatever pause the provider asks for."""
    loop = asyncio.get_running_loop()
    model = scripted_model(LLMStatusError("busy", status=429, retry_after=365 * 86400.0), "fine")
    async with MiniAgents():
        began = loop.time()
        (row,) = [row async for row in map_rows(model, ["a"])]
    assert ("fine", 3600) == (str(row.value), round(loop.time() - began))


@pytest.mark.loop(virtual=True)
@pytest.mark.parametrize(
    ("error", "times"),
    [
        (LLMConnectionError("gone"), 4),
        (LLMConnectionError("gone", attempts=3), 1),  # it was asked again below
        (LLMStatusError("wrong", status=400), 1),
        (TimeoutError(), 4),
        (ValueError("of the row"), 1),
    ],
)
async def test_one_layer_asks_again(error: Exception, times: int) -> None:
    """What may pass is asked again, but not if somebody below has done that, or if it cannot help."""
    asked: list[str] = []

    def fail(_: str) -> MessageType:
        raise error

    async with MiniAgents():
        (row,) = [row async for row in map_rows(noting(asked, fail), ["a"])]
    assert (times, times) == (len(asked), row.attempts)


@pytest.mark.parametrize("error", [LLMConfigError("no key"), LLMStatusError("wrong key", status=401)])
async def test_what_every_row_would_fail_with(path: Path, error: Exception) -> None:
    """No key, or a wrong one, ends the job with that error, and no row has failed by it."""
    asked: list[str] = []

    def fail(text: str) -> MessageType:
        if text == "b":
            raise error
        return text

    async with MiniAgents():
        with pytest.raises(type(error), match="key"):
            _ = [row async for row in map_rows(noting(asked, fail), [*"abc"], journal=path, concurrency=1)]
        rows = [row async for row in map_rows(noting(asked), [*"abc"], journal=path)]
        assert [True, False, False] == [row.cached for row in rows]


async def test_max_failures(path: Path) -> None:
    """A job with too many failed rows stops, after what is under way, and says why."""
    asked: list[str] = []

    def fail(text: str) -> MessageType:
        raise ValueError(text)

    async with MiniAgents():
        job = map_rows(
            noting(asked, fail), map(str, range(1000)), journal=path, max_failures=5, concurrency=2
        )
        with pytest.raises(TooManyFailuresError, match=r"max_failures=5.*ValueError") as caught:
            _ = [row async for row in job]
        assert 6 <= caught.value.failed <= 8
        share = map_rows(noting(asked, fail), map(str, range(1000)), max_failures=0.1, concurrency=1)
        with pytest.raises(TooManyFailuresError) as caught:
            _ = [row async for row in share]
        assert 100 <= caught.value.ended <= 102


@pytest.mark.parametrize("journaled", [True, False])
async def test_budget(path: Path, journaled: bool) -> None:
    """A budget is never passed, also with many rows at once; a journal knows what runs before have spent."""
    made = [0]

    def answer(_: object) -> AssistantMessage:
        made[0] += 1
        return priced(tokens=3)

    journal = path if journaled else None
    async with MiniAgents():
        for budget, total in (
            ("0.30", 10),
            ("0.30", 10 if journaled else 20),
            ("0.61", 20 if journaled else 40),
        ):
            job = map_rows(
                scripted_model(then=answer),
                map(str, range(100)),
                journal=journal,
                budget=budget,
                price=one_cent,
                concurrency=16,
            )
            with pytest.raises(BudgetExceededError, match=f"The budget of {budget} dollars is spent"):
                assert all([row.error is None async for row in job])
            assert total == made[0]
            assert job.progress.cost is not None
            assert Decimal(budget) >= job.progress.cost


@pytest.mark.parametrize("refresh", [False, True])
async def test_what_earlier_rows_have_cost(path: Path, refresh: bool) -> None:
    """A journal tells what rows cost: with less than that left, none is asked, also a new first row."""
    made = [0]

    def answer(_: object) -> AssistantMessage:
        made[0] += 1
        return priced(tokens=100)  # a dollar

    model = scripted_model(then=answer)
    async with MiniAgents():
        job = map_rows(model, ["a", "b"], journal=path, price=one_cent, budget="9")
        assert 2 == len([row async for row in job])
        with pytest.raises(BudgetExceededError, match=r"2\.00 dollars, and one more may cost 1\.00"):
            _ = [
                row
                async for row in map_rows(
                    model,
                    ["new", "a", "b"],
                    journal=path,
                    price=one_cent,
                    budget="2.50",
                    refresh=refresh,
                )
            ]
    assert 2 == made[0]


async def test_a_budget_covers_all_runs_on_the_journal(path: Path) -> None:
    """A budget also covers earlier runs with another model, name or version on the same journal."""
    model = scripted_model(then=priced(tokens=100))  # a dollar
    spent: list[Decimal | None] = []
    async with MiniAgents():
        for agent, name, version in (
            (model.fork(model="m-1"), None, "1"),
            (model.fork(model="m-2"), None, "1"),
            (model, "OTHER", "1"),
            (model, "OTHER", "2"),
        ):
            job = map_rows(agent, ["a"], journal=path, price=one_cent, budget=9, name=name, version=version)
            assert 1 == len([row async for row in job])
            spent.append(job.progress.cost)
        job = map_rows(model, ["a"], journal=path, price=one_cent, budget=4, version="3")
        with pytest.raises(BudgetExceededError, match=r"4\.00 dollars"):
            _ = [row async for row in job]
    assert [1, 2, 3, 4] == spent


async def test_what_rows_of_an_older_state_have_cost(path: Path) -> None:
    """What rows cost is learned from the rows themselves where the state of the job does not tell it."""
    model = scripted_model(then=priced(tokens=100))
    async with MiniAgents():
        assert 1 == len([row async for row in map_rows(model, ["a"], journal=path, price=one_cent)])
        with Journal(path) as journal:
            settings = JobSettings(journal=journal)
            kept = KeptRows(journal, settings.records(model.bind()))
            state = await kept.begin()
            assert (Decimal(1), Decimal(1)) == (state.spent, state.highest_cost)
            await kept.keep_all([], state._replace(highest_cost=None))
        job = map_rows(model, ["a", "b"], journal=path, price=one_cent, budget="1.50")
        with pytest.raises(BudgetExceededError, match=r"may cost 1\.00"):
            _ = [row async for row in job]
        assert (1, 0) == (job.progress.cached, job.progress.requests)


async def test_what_earlier_runs_have_cost_is_not_known(path: Path) -> None:
    """A budget counts earlier runs; where their cost is not known, it is refused before anything is asked."""
    made = [0]

    def answer(_: object) -> AssistantMessage:
        made[0] += 1
        return priced()

    model = scripted_model(then=answer)
    async with MiniAgents():
        assert 1 == len([row async for row in map_rows(model, ["a"], journal=path, price=unknown)])
        with pytest.raises(JournalError, match="The cost of earlier runs on this journal is not known"):
            _ = [row async for row in map_rows(model, ["a", "b"], journal=path, price=one_cent, budget=1)]
        assert 1 == made[0]
        assert 2 == len([row async for row in map_rows(model, ["a", "b"], journal=path, price=one_cent)])


async def test_budget_without_a_price() -> None:
    """With a budget, a model whose price is not known ends the job after one call."""
    made = [0]

    def answer(_: object) -> AssistantMessage:
        made[0] += 1
        return priced()

    async with MiniAgents():
        job = map_rows(scripted_model(then=answer), [*"abc"], budget=1, price=unknown)
        with pytest.raises(LookupError, match="price of m is not known"):
            _ = [row async for row in job]
    assert 1 == made[0]


async def test_budget_without_usage() -> None:
    """With a budget, an answer that tells no tokens ends the job after one call; a failed one does not."""
    async with MiniAgents():
        silent = scripted_model(ConnectionError("gone"), then="fine")
        job = map_rows(silent, [*"abc"], budget=1, price=one_cent, retries=0)
        with pytest.raises(LookupError, match=r"An answer of .* does not report its tokens"):
            _ = [row async for row in job]
        assert (1, 1) == (job.progress.failed, job.progress.requests - 1)
        free = map_rows(scripted_model(then="fine"), [*"abc"], price=one_cent)
        assert 3 == len([row async for row in free])


@pytest.mark.parametrize("wire", WIRES, ids=repr)
async def test_budget_with_answers_that_break(wire: Wire, path: Path) -> None:
    """An answer that breaks off costs its prompt, as large as the largest so far, and the text that came."""
    scripts = [sse(*wire.good("fine")), *[sse(*wire.begun("x" * 46, "y" * 46), cut)] * 9]
    rows: list[Row[str, Message]] = []
    costs: list[Decimal | None] = []
    async with asking(wire, *scripts) as asked:
        for _ in range(2):
            job = map_rows(
                asked.agent,
                map(str, range(9)),
                journal=path,
                budget=1,
                price=one_cent,
                concurrency=1,
                retries=RetryPolicy(attempts=2, delay=0.0, errors=(LLMError,)),
            )
            with pytest.raises(BudgetExceededError, match="The budget of 1 dollars is spent"):
                await _take(job, rows)
            costs.append(job.progress.cost)
            assert 3 == len(asked.server.requests)
    first, broken, *again = rows
    prompt = first.usage.input_tokens or 0
    assert [prompt + 3, 2 * (prompt + 20)] == [_tokens(row.usage) for row in (first, broken)]
    assert [(row.usage, row.cost) for row in (first, broken)] == [(row.usage, row.cost) for row in again]
    assert [Decimal("0.01") * (_tokens(first.usage) + _tokens(broken.usage))] * 2 == costs


async def test_a_retry_without_money(path: Path) -> None:
    """A row is no failed row if no money is left to send it again: a larger budget sends it."""
    begun = sse(*CHAT.begun("x" * 46), cut)
    scripts = [sse(*CHAT.good("fine")), begun, *[sse(*CHAT.good("fine"))] * 2]
    rows: list[Row[str, Message]] = []
    async with asking(CHAT, *scripts) as asked:
        for budget, done in (("0.20", 1), ("9", 3)):
            job = map_rows(
                asked.agent,
                [*"abc"],
                journal=path,
                budget=budget,
                price=one_cent,
                concurrency=1,
                retries=RetryPolicy(delay=0.0),
            )
            with pytest.raises(BudgetExceededError) if done == 1 else nullcontext():
                await _take(job, rows)
            assert (done, 0) == (job.progress.done, job.progress.failed)
    assert [*"a", *"abc"] == [row.input for row in rows]


async def test_rows_after_one_that_was_not_sent_again() -> None:
    """If a job stops, also the rows that ended after one that was not sent again come, in their order."""

    def answer(messages: object) -> str | Exception:
        errors = {"a": LLMConnectionError("the line was cut"), "c": ValueError("no")}
        return errors.get(str(messages), "fine")

    rows: list[Row[str, Message]] = []
    async with MiniAgents():
        job = map_rows(
            scripted_model(then=answer),
            [*"abcd"],
            max_failures=0,
            concurrency=1,
            retries=RetryPolicy(errors=(LLMConnectionError,)),
        )
        with pytest.raises(TooManyFailuresError):
            await _take(job, rows)
    assert [("b", False), ("c", True)] == [(row.input, row.error is not None) for row in rows]


async def _take(job: AsyncIterable[Row[str, Message]], rows: list[Row[str, Message]]) -> None:
    async for row in job:
        rows.append(row)  # noqa: PERF401 - also before an error


async def test_calls_that_were_stopped_or_refused() -> None:
    """A call that was stopped costs its prompt and what has come; a call that was refused costs nothing."""
    begun = sse(*CHAT.begun("x" * 40), hold)
    async with asking(CHAT, begun, answer(400, {"error": {"message": "no"}})) as asked:

        @miniagent
        async def first_word(ctx: InteractionContext) -> None:
            async with asked.agent.inquire(ctx.messages) as replies:
                async for message in replies:
                    async for piece in message:
                        ctx.reply(piece)
                        return

        job = map_rows(first_word, ["a", "b"], price=one_cent, concurrency=1)
        assert [Usage(1000, 9), Usage()] == [row.usage async for row in job]


def _tokens(usage: Usage) -> int:
    return (usage.input_tokens or 0) + (usage.output_tokens or 0)


async def test_a_price_that_is_known_to_be_unknown(path: Path) -> None:
    """A model that has a name and no price is refused with a budget, before anything is asked or written."""
    model = scripted_model(then=priced())
    asked: list[str] = []

    @miniagent
    async def note(ctx: InteractionContext) -> None:
        asked.append(str(await ctx.messages))
        ctx.reply("noted")

    said = r"price of m-1 is not known, so a budget cannot be kept; give price=\.$"
    with pytest.raises(LookupError, match=said):
        map_rows(note | model.fork(model="m-1"), [*"abc"], budget=1, price=unknown, journal=path)
    with pytest.raises(LookupError, match=said):
        await map_file(model.fork(model="m-1"), path, path.with_suffix(".jsonl"), budget=1, price=unknown)
    assert ([], []) == (asked, [*path.parent.iterdir()])


async def test_usage_and_cost(path: Path) -> None:
    """Rows tell what they took and cost, also of models within an agent, and from the journal the same."""
    model = scripted_model(then=priced(tokens=7))

    @miniagent
    async def twice(ctx: InteractionContext) -> None:
        await model.inquire("a")
        ctx.reply(str(await model.inquire("b")))

    async with MiniAgents():
        for cached in (False, True):
            job = map_rows(twice, ["a"], journal=path, price=one_cent)
            (row,) = [row async for row in job]
            assert (14, Decimal("0.14"), cached) == (row.usage.input_tokens, row.cost, row.cached)
            assert (0 if cached else 2, Decimal("0.14")) == (job.progress.requests, job.progress.cost)


async def test_progress(path: Path) -> None:
    """Progress is told with time, tokens and money, and at the end; a handler that fails harms nothing."""
    told: list[Progress] = []
    async with MiniAgents():
        job = map_rows(
            scripted_model(then=priced()), ["a", "b"], price=one_cent, progress=told.append, journal=path
        )
        assert 2 == len([row async for row in job])
    last = told[-1]
    assert (2, 0, 0, 2, 2, Decimal("0.02"), Decimal("0.02")) == (
        last.done,
        last.failed,
        last.cached,
        last.total,
        last.requests,
        last.cost,
        last.projected_cost,
    )


async def test_the_total_of_a_file(tmp_path: Path) -> None:
    """The progress of a file whose number of rows is in the file, as in Parquet, has the total."""
    parquet, arrow = pytest.importorskip("pyarrow.parquet"), pytest.importorskip("pyarrow")
    parquet.write_table(arrow.table({"text": [*"abc"]}), tmp_path / "in.parquet")
    async with MiniAgents():
        job = map_rows(noting([]), read_rows(tmp_path / "in.parquet"), message=lambda row: str(row["text"]))
        async for _ in job:
            assert 3 == job.progress.total


@pytest.mark.logs("progress of a job is not told")
async def test_progress_that_fails(caplog: pytest.LogCaptureFixture) -> None:
    """What a handler of progress raises is logged, and the rows come."""

    def fail(_: Progress) -> None:
        raise RuntimeError("no terminal")

    async with MiniAgents():
        assert 1 == len([row async for row in map_rows(scripted_model(then="a"), ["a"], progress=fail)])
    assert "it is not called again" in caplog.text


@pytest.mark.loop(virtual=True)
async def test_limits() -> None:
    """Models are asked as fast as was said, and no faster."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with MiniAgents():
        rows = map_rows(scripted_model(then="a"), map(str, range(121)), limits=Limits(rpm=60))
        assert 121 == len([row async for row in rows])
    assert 119 <= loop.time() - began <= 121


async def test_order_and_bounds() -> None:
    """J4: rows come in order however they end, and a slow one holds no other one back."""
    gate = asyncio.Event()
    asked: list[str] = []
    count = amount(800, 3_000)

    @miniagent
    async def slow_first(ctx: InteractionContext) -> None:
        text = str(await ctx.messages)
        asked.append(text)
        if text == "0":
            await gate.wait()
        ctx.reply(text)

    async with MiniAgents():
        job = map_rows(slow_first, map(str, range(count)))
        first = asyncio.ensure_future(anext(job))
        while len(asked) < count:  # noqa: ASYNC110 - all of them
            await asyncio.sleep(0)
        gate.set()
        assert 0 == (await first).index
        assert [*range(1, count)] == [row.index async for row in job]
        unordered = map_rows(slow_first, map(str, range(10)), ordered=False)
        assert [*range(10)] == sorted([row.index async for row in unordered])


async def test_concurrency() -> None:
    """No more rows are asked at once than was said."""
    now, most = 0, 0

    @miniagent
    async def busy(ctx: InteractionContext) -> None:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0)
        now -= 1
        ctx.reply("a")

    async with MiniAgents():
        assert 50 == len([row async for row in map_rows(busy, map(str, range(50)), concurrency=3)])
    assert 3 == most


@pytest.mark.loop(virtual=True)
async def test_concurrency_of_retries() -> None:
    """Rows whose pauses end at the same time are not sent all at once."""
    now, most = 0, 0
    failed: set[str] = set()

    @miniagent
    async def busy(ctx: InteractionContext) -> None:
        nonlocal now, most
        text = str(await ctx.messages)
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.01)
        now -= 1
        if text not in failed:
            failed.add(text)
            raise ConnectionError(text)
        ctx.reply("a")

    policy = RetryPolicy(attempts=2, errors=(ConnectionError,), delay=60, max_delay=60, jitter=0)
    async with MiniAgents():
        rows = [row async for row in map_rows(busy, map(str, range(50)), concurrency=3, retries=policy)]
    assert ([None] * 50, 3) == ([row.error for row in rows], most)


async def test_leaving(path: Path) -> None:
    """Who leaves stops what is under way; what has ended is kept, and the journal is free again."""
    asked: list[str] = []
    stopped: list[str] = []

    @miniagent(alias="NOTING")
    async def some_wait(ctx: InteractionContext) -> None:
        text = str(await ctx.messages)
        asked.append(text)
        if text in "cd":
            try:
                await asyncio.Event().wait()
            finally:
                stopped.append(text)
        ctx.reply(text)

    async with MiniAgents():
        async with map_rows(some_wait, [*"abcd"], journal=path) as job:
            async for row in job:
                if row.index == 1:
                    break
        assert ["c", "d"] == sorted(stopped)
        with Journal(path) as journal:
            assert ["a", "b"] == sorted(call.text for call in journal.calls() if call.text)


async def test_cancelled(path: Path) -> None:
    """A job that is cancelled keeps what has ended, and goes on from there."""
    asked: list[str] = []
    ended = asyncio.Event()

    @miniagent(alias="NOTING")
    async def slow(ctx: InteractionContext) -> None:
        text = str(await ctx.messages)
        asked.append(text)
        if text == "c" and asked.count("c") == 1:
            ended.set()
            await asyncio.Event().wait()
        ctx.reply(text)

    async def run() -> list[Row[str, Message]]:
        return [row async for row in map_rows(slow, [*"abc"], journal=path)]

    async with MiniAgents():
        task = asyncio.create_task(run())
        await ended.wait()
        for _ in range(5):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        rows = await run()
    assert [True, True, False] == [row.cached for row in rows]
    assert ["a", "b", "c", "c"] == sorted(asked)


async def test_sources(path: Path) -> None:
    """Async iterables and tables of any kind are rows; what is none is refused with a sentence."""

    async def some() -> AsyncGenerator[str]:
        for each in "ab":
            yield each

    class Frame:
        """As pandas has them."""

        columns = ("text", "n")

        def itertuples(self, index: bool = True, name: str | None = None) -> Iterator[tuple[object, ...]]:
            yield from (("a", 1), ("b", 2))

    class Polars:
        """As polars has them."""

        def iter_rows(self, *, named: bool = False) -> Iterator[object]:
            yield from ({"text": "a"}, {"text": "b"})

    class Batch:
        """Some rows."""

        def to_pylist(self) -> list[dict[str, object]]:
            return [{"text": "a"}, {"text": "b"}]

    class Arrow:
        """As Arrow has them."""

        def __len__(self) -> int:
            return 2

        def to_batches(self, max_chunksize: int | None = None) -> list[Batch]:
            return [Batch()]

    agent = noting([])
    async with MiniAgents():
        assert ["A", "B"] == [str(row.value) async for row in map_rows(agent, some())]
        for table in (Frame(), Polars(), Arrow()):
            job = map_rows(agent, table, message=lambda row: str(row["text"]))
            assert ["A", "B"] == [str(row.value) async for row in job]
            assert ({2, None} if table.__class__ is not Arrow else {2}) >= {job.progress.total}
        for wrong in ("text", {"a": 1}, 5):
            with pytest.raises(TypeError, match="once for each row"):
                map_rows(agent, cast("list[str]", wrong))


async def test_two_columns_of_one_name() -> None:
    """A table with two columns of one name is refused: a row would have only one of the two values."""

    class Frame:
        """As pandas has them."""

        columns = ("text", "text", 1)

        def itertuples(self, index: bool = True, name: str | None = None) -> Iterator[tuple[object, ...]]:
            yield ("a", "b", 2)

    pyarrow = pytest.importorskip("pyarrow")
    for table in (Frame(), pyarrow.table([["a"], ["b"]], names=["text", "text"])):
        with pytest.raises(ValueError, match="2 columns called 'text'"):
            map_rows(noting([]), table)


async def test_an_error_of_the_source(path: Path) -> None:
    """An error of the rows comes after all rows before it, which are kept."""

    def rows() -> Iterator[str]:
        yield "a"
        raise OSError("the file has gone")

    async with MiniAgents():
        job = map_rows(noting([]), one_by_one(rows()), journal=path)
        assert "A" == str((await anext(job)).value)
        with pytest.raises(OSError, match="gone"):
            await anext(job)
        with Journal(path) as journal:
            assert ["A"] == [call.text for call in journal.calls() if call.text]


async def test_a_source_that_was_cancelled() -> None:
    """If what makes the rows was cancelled, the job is, too; it does not end as if it had all rows."""

    async def rows() -> AsyncGenerator[str]:
        yield "a"
        task = asyncio.create_task(asyncio.sleep(10))
        asyncio.get_running_loop().call_soon(task.cancel)
        await task

    async with MiniAgents():
        job = map_rows(noting([]), rows())
        assert str((await anext(job)).value) == "A"
        with pytest.raises(asyncio.CancelledError):
            await anext(job)


async def test_replies_as_rows() -> None:
    """Replies of an agent are rows as any async iterable is."""
    async with MiniAgents():
        replies = scripted_model("a").inquire("Go on.")
        assert ["A"] == [str(row.value) async for row in map_rows(noting([]), replies)]


async def one_by_one(rows: Iterator[str]) -> AsyncGenerator[str]:
    """The same rows, not in batches."""
    for row in rows:
        yield row


def test_wrong_options() -> None:
    """A wrong number, option or agent is refused at once, with a sentence."""
    agent = noting([])

    @miniagent
    async def needs(ctx: InteractionContext, language: str) -> None:
        ctx.reply(language)

    none: list[str] = []
    wrong: list[tuple[Callable[[], object], str]] = [
        (lambda: map_rows(agent, none, concurrency=0), r"map_rows\(concurrency=0\): it must be at least 1"),
        (lambda: map_rows(agent, none, retries=-1), r"map_rows\(retries=-1\): it must be at least 0"),
        (lambda: map_rows(agent, none, max_failures=-1), "0 or more"),
        (lambda: map_rows(agent, none, budget=0), "more than 0"),
        (lambda: map_rows(agent, none, budget="nan"), "more than 0"),
        (lambda: map_rows(agent, none, budget="5 dollars"), "budget='5 dollars' is no number"),
        (lambda: Limits(rpm=0), "greater than 0"),
    ]
    for make, what in wrong:
        with pytest.raises(ValueError, match=what):
            make()
    wrong = [
        (lambda: map_rows(agent, none, **cast("JobOptions", {"colour": "red"})), "no option 'colour'"),
        (lambda: map_rows(cast("MiniAgent", needs), none), "language"),
        (lambda: map_rows(cast("MiniAgent", "agent"), none), "needs an agent"),
    ]
    for make, what in wrong:
        with pytest.raises(TypeError, match=what):
            make()


async def test_another_function(path: Path) -> None:
    """Another function under the same name and version is refused before anything is asked."""
    asked: list[str] = []

    @miniagent(alias="NOTING")
    async def other(ctx: InteractionContext) -> None:
        asked.append("other")

    async with MiniAgents():
        assert 1 == len([row async for row in map_rows(noting([]), ["a"], journal=path)])
        with pytest.raises(JournalError, match="another name= or version="):
            _ = [row async for row in map_rows(other, ["b"], journal=path)]
    assert [] == asked


async def test_two_jobs_on_one_journal(path: Path) -> None:
    """Jobs can share a journal, and the file of one."""
    async with MiniAgents():
        with Journal(path) as journal:
            two = [
                map_rows(noting([]), rows, journal=its) for rows, its in (([*"ab"], journal), ([*"cd"], path))
            ]
            got = await asyncio.gather(*[_values(job) for job in two])
            assert [["A", "B"], ["C", "D"]] == got


async def _values(job: object) -> list[str]:
    return [str(row.value) async for row in cast("AsyncGenerator[Row[str, Message]]", job)]


async def test_a_clock_that_is_set_back(path: Path) -> None:
    """A clock that goes backwards changes nothing of what is kept."""
    times = iter(range(10**6, 0, -1000))
    asked: list[str] = []
    async with MiniAgents():
        for _ in range(2):
            with Journal(path, clock=lambda: float(next(times))) as journal:
                job = map_rows(noting(asked), [*"abc"], journal=journal)
                assert ["A", "B", "C"] == [str(row.value) async for row in job]
    assert ["a", "b", "c"] == sorted(asked)


@pytest.mark.parametrize("typed", [False, True])
async def test_requests_of_a_provider(typed: bool) -> None:
    """Asked once more, a row is two requests, also of agents that ask again by themselves."""
    busy = answer(429, {"error": {"message": "busy"}}, {"Retry-After": "0.01"})
    async with MiniAgents(), serve(*[busy] * 8) as server:
        model = openai_agent.bind(model="m", base_url=f"{server.url}/v1", api_key="k")
        agent: MiniAgent[Message, AssistantMessage] = model.as_type(City) if typed else model
        job = map_rows(agent, ["a"], retries=RetryPolicy(attempts=2, delay=0.0))
        (row,) = [row async for row in job]
        assert (LLMStatusError, 2, 2) == (type(row.error), row.attempts, len(server.requests))
