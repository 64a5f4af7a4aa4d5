"""Which answers count, how long a row may take, and what a row may be: what users found (J1 to J5)."""

import asyncio
import json
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import pytest
from pydantic import BaseModel

from miniagents import (
    AssistantMessage,
    InteractionContext,
    Message,
    MessageType,
    MiniAgent,
    MiniAgents,
    Usage,
    UserMessage,
    miniagent,
)
from miniagents.errors import AgentTimeoutError, LLMError, LLMRefusalError, LLMTruncatedError, partial_text
from miniagents.ext.jobs import Limits, Row, map_file, map_rows
from miniagents.ext.journal import Journal, JournalError, MemoryJournal, recorded
from miniagents.parts import Image
from miniagents.testing import Marbles, scripted_model
from tests.support.amounts import amount
from tests.support.noting import noting
from tests.support.spoken import Anthropic, Asked, Chat, ContentMessage, Responses, Said
from tests.support.sse_server import answer, sse
from tests.support.wires import CHAT, WIRES, Wire, asking

CUT = AssistantMessage("The kettle is", finish_reason="length", usage=Usage(5, 3))
EMPTY = AssistantMessage(" \n", finish_reason="stop")
STOPPED = AssistantMessage("The", finish_reason="content_filter")
GOOD = AssistantMessage("good", finish_reason="stop", usage=Usage(5, 1))


class City(BaseModel):
    """A typed answer."""

    name: str


class Judged(AssistantMessage):
    """An answer with a field."""

    verdict: str


def judging(asked: list[str]) -> MiniAgent:
    """A model that answers as the row says."""
    answers: dict[str, MessageType] = {"cut": CUT, "empty": EMPTY, "stopped": STOPPED, "none": ""}
    return noting(asked, lambda text: answers.get(text, GOOD))


async def test_answers_that_do_not_count(tmp_path: Path) -> None:
    """J2: an answer that was cut off, is empty or was refused is by default the error of its row."""
    asked: list[str] = []
    rows = ["cut", "empty", "stopped", "none", "good"]
    kinds = [LLMTruncatedError, LLMError, LLMRefusalError, LLMError, type(None)]
    path = tmp_path / "j"
    found: list[Row[str, Message]] = []
    async with MiniAgents():
        for cached in (False, True):
            found = [row async for row in map_rows(judging(asked), rows, journal=path)]
            assert kinds == [type(row.error) for row in found]
            assert [cached] * 5 == [row.cached for row in found]
            assert ["length", "stop", "content_filter", None, "stop"] == [row.finish for row in found]
        cut = found[0].error
        assert cut is not None
        assert ("The kettle is", True) == (partial_text(cut), "accept='length'" in str(cut))
        assert len(rows) == len(asked), "a retry would be cut off as well"
        accepting = map_rows(judging(asked), rows, journal=path, accept=["length", "empty", "refusal"])
        found = [row async for row in accepting]
        assert [None] * 5 == [row.error for row in found]
        assert len(rows) == len(asked), "the answers were paid and kept, so they are not paid again"
        found = [row async for row in map_rows(judging(asked), rows, journal=path, retry_failed=True)]
        assert sorted([*rows, *rows[:4]]) == sorted(asked)


async def test_the_failed_rows_of_a_run_that_stopped(tmp_path: Path) -> None:
    """The errors file has the failed rows of the last run, also if the job was done before."""
    source, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text('{"text": "good"}\n{"text": "empty"}\n')
    errors = tmp_path / "out.jsonl.errors.jsonl"
    agent = judging([])

    async def failed(accept: Sequence[Literal["empty"]], max_failures: int | None = None) -> bool:
        await map_file(
            agent,
            source,
            out,
            message=lambda row: str(row["text"]),
            accept=accept,
            max_failures=max_failures,
        )
        return errors.exists()

    async with MiniAgents():
        assert [False, True, False] == [
            await failed(["empty"]),
            await failed([], max_failures=0),
            await failed(["empty"]),
        ]


SAID_NOTHING = {
    "nothing": Said(1, (), "", (), ()),
    "white space": Said(1, (), "", (" ", "\n"), ()),
    "a thought": Said(1, ("Hm.",), "signed", (), ()),
    "a call": Said(1, (), "", (), (Asked("1", "look", ("{}",), ""),)),
}


@pytest.mark.parametrize("said", SAID_NOTHING.values(), ids=SAID_NOTHING)
@pytest.mark.parametrize("speaker", [Chat(), Anthropic(), Responses()], ids=lambda each: repr(each.wire))
async def test_answers_of_servers_that_say_nothing(speaker: ContentMessage, said: Said) -> None:
    """An answer over HTTP without text (nothing, white space, a thought, a call) is the error of its row."""
    async with asking(speaker.wire, sse(*speaker.events(said))) as asked:
        found = [row async for row in map_rows(asked.agent, ["a"])]
        assert ["The answer is empty. Such answers count only with accept='empty'."] == [
            str(row.error) for row in found
        ]
    async with asking(speaker.wire, sse(*speaker.events(said))) as asked:
        found = [row async for row in map_rows(asked.agent, ["a"], accept=["empty"])]
        assert [None] == [row.error for row in found]


async def test_null_content_is_empty() -> None:
    """A whole answer whose content is null is empty."""
    async with asking(CHAT, answer(200, CHAT.whole(None)), stream=False) as asked:
        (row,) = [row async for row in map_rows(asked.agent, ["a"])]
    assert "The answer is empty" in str(row.error)


@pytest.mark.parametrize(
    ("answered", "counts"),
    [
        (" \n", False),
        (Message(" "), False),
        (Message(mood="glad"), True),
        (Judged("", verdict="good"), True),
        (AssistantMessage(parts=[Image(url="https://example.org/a.png")]), True),
    ],
    ids=str,
)
async def test_what_is_an_answer(answered: MessageType, counts: bool) -> None:
    """White space is no answer; pictures and the fields of a message are; nothing else is."""
    async with MiniAgents():
        (row,) = [row async for row in map_rows(noting([], lambda _: answered), ["a"])]
    assert counts == (row.error is None)


@pytest.mark.parametrize("wire", WIRES, ids=repr)
async def test_a_row_that_cannot_be_sent(wire: Wire, tmp_path: Path) -> None:
    """A row without text, or with a picture that is not there, is an error of its own, and no other row's."""
    missing = UserMessage(parts=[Image(path=tmp_path / "none.png")])
    rows: list[str | UserMessage] = ["", "a", " ", missing, "b"]
    async with asking(wire, *[sse(*wire.good("fine"))] * 2) as asked:
        job = map_rows(asked.agent, rows, message=lambda row: row, journal=tmp_path / "j")
        errors = [str(row.error) async for row in job]
    told = [
        "there is nothing to answer",
        "None",
        "there is nothing to answer",
        "none.png cannot be read",
        "None",
    ]
    assert [True] * 5 == [text in error for text, error in zip(told, errors, strict=True)]


async def test_columns_about_answers(tmp_path: Path) -> None:
    """J2: the finish reason, the tokens and the cost of each row stand in the file if they are wanted."""
    source, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text('{"text": "cut"}\n{"text": "good"}\n')
    model = scripted_model(then=lambda messages: CUT if "cut" in str(messages[-1]) else GOOD)
    async with MiniAgents():
        await map_file(
            model,
            source,
            out,
            message=lambda row: str(row["text"]),
            price=lambda usage, model, provider: (usage.output_tokens or 0) * 2,  # type: ignore[arg-type, return-value]  # pyright: ignore[reportArgumentType]
            columns=["finish", "usage", "cost"],
        )
    cut, good = map(json.loads, out.read_text().splitlines())
    assert ("length", 3, 6) == (cut["finish"], cut["usage"]["output_tokens"], cut["cost"])
    assert cut["output"] is None
    assert ("stop", 1, 2, "good") == (
        good["finish"],
        good["usage"]["output_tokens"],
        good["cost"],
        good["output"],
    )


@pytest.mark.loop(virtual=True)
async def test_a_row_that_hangs() -> None:
    """J3: a row that takes too long fails, and holds no other one; waiting for limits does not count."""
    model = scripted_model(then="fine")

    @miniagent
    async def hangs(ctx: InteractionContext) -> None:
        text = str(await ctx.messages)
        await asyncio.sleep(10_000 if text == "1" else 5)
        ctx.reply(model.inquire(text))

    begun = asyncio.get_running_loop().time()
    async with MiniAgents():
        # A request every 20 seconds: the last row waits for a minute, which is not its fault.
        job = map_rows(hangs, [*"0123"], timeout=30, retries=0, limits=Limits(rpm=3))
        rows = [row async for row in job]
    assert [None, AgentTimeoutError, None, None] == [row.error and type(row.error) for row in rows]
    assert "HANGS did not answer within 30 s (timeout)" in str(rows[1].error)
    assert asyncio.get_running_loop().time() - begun < 60


@pytest.mark.loop(virtual=True)
@pytest.mark.parametrize("typed", [False, True])
async def test_text_of_a_row_that_was_stopped(typed: bool) -> None:
    """A row that its time limit stopped keeps the text that had come, also in a `MemoryJournal`."""
    model = Marbles().model("a 1000s b|", {"a": '{"name": "Os', "b": 'lo"}'})
    agent: MiniAgent = model.as_type(City) if typed else model
    journal = MemoryJournal()
    async with MiniAgents():
        for cached in (False, True):
            job = map_rows(agent, ["x"], timeout=5, retries=0, journal=journal)
            (row,) = [row async for row in job]
            assert isinstance(row.error, AgentTimeoutError)
            assert ('{"name": "Os', cached) == (row.error.partial_text, row.cached)


@pytest.mark.loop(virtual=True)
async def test_a_row_without_a_sign_of_life() -> None:
    """J3: by default, a row that shows nothing for ten minutes is stopped; one that streams goes on."""

    async def slowly(metadata_so_far: object) -> object:
        for _ in range(50):
            await asyncio.sleep(50)
            yield "word "

    @miniagent
    async def streams(ctx: InteractionContext) -> None:
        if str(await ctx.messages) == "0":
            await asyncio.sleep(100_000)
        ctx.reply(Message.promise(slowly))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

    async with MiniAgents():
        rows = [row async for row in map_rows(streams, [*"01"], retries=0)]
        assert "no sign of life for 600 s" in str(rows[0].error)
        assert rows[1].error is None
        model = scripted_model(then="fine").around(_never)
        (row,) = [row async for row in map_rows(model, ["a"], retries=0)]
        assert "no sign of life for 600 s" in str(row.error), "also within a call of a model"


async def _never(ctx: InteractionContext, call: MiniAgent[Message, Message, ...]) -> None:
    del ctx, call
    await asyncio.Event().wait()


async def test_rows_behind_a_slow_one(tmp_path: Path) -> None:
    """J4: behind a slow row all others are sent; their answers wait on the disk, and come as they were."""
    gate = asyncio.Event()
    asked: list[str] = []

    @miniagent
    async def slow_first(ctx: InteractionContext) -> None:
        text = str(await ctx.messages)
        asked.append(text)
        if text == "0":
            await gate.wait()
        ctx.reply(AssistantMessage(f"answer {text}", model="m"))

    count = amount(500, 4_000)
    async with MiniAgents():
        job = map_rows(slow_first, map(str, range(count)), journal=tmp_path / "j")
        first = asyncio.ensure_future(anext(job))
        async with asyncio.timeout(25):
            while len(asked) < count:  # noqa: ASYNC110 - another task asks
                await asyncio.sleep(0)
        gate.set()
        rows = [await first, *[row async for row in job]]
    assert [*range(count)] == [row.index for row in rows]
    assert [AssistantMessage(f"answer {n}", model="m") for n in range(count)] == [row.value for row in rows]


BAD_COLUMNS: Sequence[dict[str, object]] = [
    {"json": 1, "copy": 2},
    {"schema": "s", "dict": None, "model_config": {"a": [1]}},
    {"content": "only"},
    {"text": 5},
    {"text": ["a"], "role": "nurse"},
    {"role": "user", "text": "x"},
    {"row": 1, "text": 2},
    {"class": "c", "__init__": 1, "": 0},
]


@pytest.mark.parametrize("row", BAD_COLUMNS, ids=str)
async def test_a_row_is_data(row: dict[str, object]) -> None:
    """J5: whatever its columns are called, an agent gets the row: as data, with its values."""
    got: list[dict[str, object]] = []

    @miniagent
    async def take(ctx: InteractionContext) -> None:
        (message,) = await ctx.messages
        got.append(json.loads(json.dumps(dict(message), default=dict)))
        ctx.reply(json.dumps(json.loads(str(message)), sort_keys=True))

    async with MiniAgents():
        (answered,) = [each async for each in map_rows(take, [row])]
    assert [row] == got
    assert json.dumps(row, sort_keys=True) == str(answered.value)


async def test_rows_that_differ_only_in_such_columns(tmp_path: Path) -> None:
    """J5: rows that differ only in a column such as `text` with numbers are different rows of the journal."""
    asked: list[str] = []
    async with MiniAgents():
        for _ in range(2):
            job = map_rows(noting(asked), [{"text": 1}, {"text": 2}, {"json": 1}], journal=tmp_path / "j")
            assert ['{"TEXT":1}', '{"TEXT":2}', '{"JSON":1}'] == [str(row.value) async for row in job]
    assert 3 == len(asked)


class Review(Message):
    """A row, as an agent takes it."""

    product: str
    stars: int = 0
    note: str = ""


@pytest.mark.logs("have no column")
async def test_a_column_that_is_called_otherwise(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    """If an optional field has no column, and a column is called almost like it, a warning says so once."""
    (tmp_path / "in.jsonl").write_text('{"product": "a", "star": 5}\n{"product": "b", "star": 4}\n')
    (tmp_path / "right.jsonl").write_text('{"product": "a", "stars": 5, "day": 1}\n')

    @miniagent
    async def judge(ctx: InteractionContext[Review, Message]) -> None:
        (review,) = await ctx.messages
        ctx.reply(f"{review.product} {review.stars}")

    async with MiniAgents():
        await map_file(judge, tmp_path / "in.jsonl", tmp_path / "out.jsonl")
        await map_file(judge, tmp_path / "right.jsonl", tmp_path / "right.out.jsonl")
    assert "a 5" == json.loads((tmp_path / "right.out.jsonl").read_text())["output"]
    assert ["The rows have no column 'stars', but 'star': Review.stars has its default in all of them."] == [
        record.getMessage() for record in caplog.records
    ]


async def test_what_cannot_work_is_refused(tmp_path: Path) -> None:
    """J5: a column that identifies rows and is not there is refused before the first call."""
    asked: list[str] = []
    (tmp_path / "in.jsonl").write_text('{"a": 1}\n')
    with pytest.raises(ValueError, match=r"in.jsonl has no column 'key'; its columns are a"):
        await map_file(noting(asked), tmp_path / "in.jsonl", tmp_path / "out.jsonl", id="key")
    with pytest.raises(TypeError, match=r"map_file needs a journal in a file or in Postgres"):
        await map_file(noting(asked), tmp_path / "in.jsonl", tmp_path / "out.jsonl", journal=MemoryJournal())
    with pytest.raises(TypeError, match=r"A row is of type int, .*; give message="):
        async with MiniAgents():
            _ = [row async for row in map_rows(noting(asked), [1, 2])]  # pyright: ignore[reportArgumentType, reportCallIssue]
    assert [] == asked


# -- journals that were damaged ---------------------------------------------------------------------------


def damage(path: Path, change: str) -> None:
    """Change a journal, as a broken disk does."""
    with sqlite3.connect(path) as connection:
        connection.execute(change)
    connection.close()


@pytest.mark.logs("cannot be read")
async def test_one_unreadable_call(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """J1: a call that cannot be read is told and made again; all others come from the journal."""
    asked: list[str] = []
    path = tmp_path / "j"
    async with MiniAgents():
        assert 3 == len([row async for row in map_rows(noting(asked), [*"abc"], journal=path)])
        damage(path, "UPDATE calls SET output = x'00' WHERE number = 3 AND scope = ''")
        for times in (4, 4):
            rows = [row async for row in map_rows(noting(asked), [*"abc"], journal=path)]
            assert [*"ABC"] == [str(row.value) for row in rows]
            assert times == len(asked)
    (told,) = [record.getMessage() for record in caplog.records]
    assert "Call 3 of the journal" in told
    assert "is made again" in told


@pytest.mark.logs("cannot be read")
async def test_an_answer_of_another_row(tmp_path: Path) -> None:
    """J1: a fault of the disk that puts the answer of one row under the key of another one is noticed."""
    asked: list[str] = []
    path = tmp_path / "j"
    async with MiniAgents():
        assert 2 == len([row async for row in map_rows(noting(asked), [*"ab"], journal=path)])
        swap = "UPDATE calls SET output = (SELECT output FROM calls AS b WHERE b.number = 2) WHERE number = 1"
        damage(path, swap)
        rows = [row async for row in map_rows(noting(asked), [*"ab"], journal=path)]
    assert [*"AB"] == [str(row.value) for row in rows]
    assert 3 == len(asked)


@pytest.mark.logs("cannot be read")
async def test_an_unreadable_call_of_recorded(tmp_path: Path) -> None:
    """J1: `recorded` makes a call again that cannot be read; a call of a durable run is an error."""
    asked: list[str] = []
    path = tmp_path / "j"
    for _ in range(2):
        with Journal(path) as journal:
            async with MiniAgents():
                await recorded(noting(asked), journal, version="1").inquire("a")
        damage(path, "UPDATE calls SET output = x'00'")
    assert 2 == len(asked)


@pytest.mark.logs("cannot be read")
async def test_the_unreadable_state_of_a_job(tmp_path: Path) -> None:
    """J1: if the cost of earlier runs cannot be read, a budget is refused; a job without one goes on."""
    asked: list[str] = []
    path = tmp_path / "j"
    async with MiniAgents():
        assert 1 == len([row async for row in map_rows(noting(asked), ["a"], journal=path)])
        damage(path, "UPDATE calls SET output = x'00' WHERE scope = ':job'")
        with pytest.raises(JournalError, match="cost of earlier runs on this journal is not known"):
            _ = [row async for row in map_rows(noting(asked), [*"ab"], journal=path, budget=1, price=None)]
        assert 2 == len([row async for row in map_rows(noting(asked), [*"ab"], journal=path)])
    assert 2 == len(asked)
