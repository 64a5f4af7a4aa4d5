"""Law 7: what stands in the rows of a journal, and what does not.

Crosses modules: journals, runs, timelines, usage.
"""

import asyncio
import sqlite3
import zlib
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final, cast
from uuid import uuid4

import psycopg
import pytest

from miniagents import (
    AssistantMessage,
    Image,
    InteractionContext,
    LLMStatusError,
    Message,
    MiniAgent,
    MiniAgents,
    ToolCall,
    Usage,
    miniagent,
    tool,
)
from miniagents.ext._journal import _runs
from miniagents.ext.journal import (
    Journal,
    JournalError,
    Lease,
    PostgresJournal,
    RunRecord,
    durable,
    events_of_run,
    recorded,
)
from miniagents.ext.timeline import Timeline
from miniagents.ext.usage import RunUsage
from miniagents.ext.web import Frame, MessagePart, RunEnded, Runs
from miniagents.testing import scripted_model
from tests.support.canaries import KEY
from tests.support.postgres import postgres_server

SHAPED: Final = "sk-" + "a1B2" * 12
PROMPT: Final = "My cat is called Anchovy."
WORD: Final = b"Anchovy"


class Place:
    """Where a journal is, and all that is there.

    Args:
        path: of a file.
        dsn: of a server; ``""`` for the file.
    """

    def __init__(self, path: Path, dsn: str) -> None:
        self.path = path
        self._dsn = dsn
        self._schema = f"t{uuid4().hex}"

    def open(self, **options: Any) -> Journal | PostgresJournal:
        """Open the journal."""
        if self._dsn:
            return PostgresJournal(self._dsn, schema=self._schema, **options)
        return Journal(self.path, **options)

    def has(self, word: bytes) -> bool:
        """Whether something in any row has a word."""
        return any(word in each for each in self._values())

    def _values(self) -> Iterator[bytes]:
        for row in self._rows():
            for value in row:
                data = value if isinstance(value, bytes) else str(value).encode()
                yield data
                try:
                    yield zlib.decompressobj().decompress(data)
                except zlib.error:
                    continue

    def _rows(self) -> Iterator[tuple[object, ...]]:
        if not self._dsn:
            with closing(sqlite3.connect(self.path)) as file:
                for (name,) in file.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
                    yield from file.execute(f"SELECT * FROM {name}")  # noqa: S608 - of the file
            return
        with psycopg.connect(self._dsn) as server:
            names = server.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s", (self._schema,))
            for (name,) in names.fetchall():
                yield from server.execute(f'SELECT * FROM {self._schema}."{name}"'.encode()).fetchall()  # noqa: S608 - a name of this test


@pytest.fixture(scope="module")
def server() -> Generator[str]:
    """A server of Postgres."""
    with postgres_server() as dsn:
        yield dsn


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.gate("starts a server"))])
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A journal whose tables are tidied often."""
    monkeypatch.setattr(_runs, "_TIDY", 0.1)
    is_server = request.param == "postgres"
    return Place(tmp_path / "j", cast("str", request.getfixturevalue("server")) if is_server else "")


def talkative() -> MiniAgent[Message, Message, ...]:
    """An agent with a text at every place at which a run can have one."""

    @tool
    async def look(what: str) -> list[str | Image]:
        return [f"Seen: {what}", Image(data=b"Anchovy" * 3000, media_type="image/png")]

    call = ToolCall("1", "look", f'{{"what": "{PROMPT}"}}')
    answer = AssistantMessage(f"{PROMPT} {'long ' * 3000}", model="gpt-4o", usage=Usage(7, 3))
    looks = scripted_model(AssistantMessage(parts=[PROMPT, call]), answer, alias="LOOKS").with_tools(look)
    refused = LLMStatusError(f"{PROMPT} {SHAPED}", provider="p", model="m", status=400)
    fails = scripted_model(refused, alias="FAILS")

    @miniagent(alias="TALKS")
    async def talks(ctx: InteractionContext, *, wish: str = "", api_key: str = "") -> None:
        ctx.reply(looks.fork(temperature=0.5).inquire([ctx.messages, wish]))
        ctx.reply(f"{PROMPT} {len(api_key)}")
        try:
            await fails.inquire(wish, api_key=KEY)
        except LLMStatusError as error:
            raise ValueError(str(error)) from None

    return talks


async def frames_of(runs: Runs, run: str) -> list[Frame]:
    return [frame async for _, frame in runs.frames(run)]


async def talk(journal: Journal | PostgresJournal) -> tuple[str, list[Frame]]:
    """A run of that agent, and what its clients see; and the same as `durable`."""
    async with MiniAgents():
        runs = Runs(journal, agents={"TALKS": talkative()}, error_text=str)
        run = await runs.begin("TALKS", PROMPT, keywords={"wish": PROMPT})
        frames = await frames_of(runs, run)
    with pytest.raises(ValueError, match="Anchovy"):
        async with durable(journal, run_id="durable"):
            await talkative().inquire(PROMPT, api_key=KEY)
    return run, frames


pytestmark = pytest.mark.logs("A run failed")


async def test_no_keys(place: Place) -> None:
    """Keys are in no row, also where agents and errors name them; texts are there."""
    async with place.open(keep="text") as journal:
        await talk(journal)
        async with MiniAgents():
            agent = recorded(scripted_model(PROMPT, alias="KEPT"), journal, version="1")
            await agent.inquire(f"{PROMPT} {SHAPED}", api_key=KEY)
    assert [False, False, True] == [place.has(each) for each in (KEY.encode(), SHAPED.encode(), WORD)]


async def test_off(place: Place) -> None:
    """With content="off" no row has a text; usage and times are there; answers and questions are refused."""
    async with place.open(content="off") as journal:
        run, frames = await talk(journal)
        assert any(isinstance(each, MessagePart) and WORD.decode() in str(each.part) for each in frames)
        assert not place.has(WORD)
        usage, timeline = RunUsage(), Timeline()
        for observer in (usage, timeline):
            await events_of_run(journal, run, observer)
        assert (Usage(7, 3), 3) == (usage.total, usage.requests)
        assert "LOOKS" in str(timeline)
        async with MiniAgents():
            again = await frames_of(Runs(journal), run)
            assert [type(each) for each in frames] == [type(each) for each in again]
            assert RunEnded("failed", "…") == again[-1]
            with pytest.raises(JournalError, match="content='off'"):
                await recorded(scripted_model(PROMPT), journal, version="1").inquire(PROMPT)
        await journal.begin(lease := Lease(RunRecord("r")), [])
        for refused in (
            journal.append(lease, [["question", 0, "q", "question", {"text": PROMPT}, "", None]]),
            journal.send("r", "answer:q:1", {"value": PROMPT}),
        ):
            with pytest.raises(JournalError, match="content='off'"):
                await refused
        await journal.send("r", "stop", None)
        assert {"stop": None} == (await journal.read("r")).sent


async def test_dropped(place: Place) -> None:
    """With content="run" the texts of a run go some seconds after its end; a run that goes on keeps them."""
    async with place.open(content="run") as journal, place.open(content="run") as other:
        await journal.begin(Lease(RunRecord("goes on")), [["began", 0, {"text": "Pepper"}]])
        run, frames = await talk(journal)
        lease = await journal.claim("durable")
        assert lease is not None
        await journal.end(lease, [], how="finished")
        await until(lambda: not place.has(WORD))
        async with MiniAgents():
            again = await frames_of(Runs(other), run)
        assert [type(each) for each in frames] == [type(each) for each in again]
        assert [["began", 0, {"text": "Pepper"}]] == [*(await other.read("goes on")).events]
        async with MiniAgents():
            async with durable(other, run_id="durable") as calls:  # nothing is left to be played
                await scripted_model("Hi").inquire("Hello")
            assert (1, 0) == (calls.made, calls.played)
    assert place.has(b"Pepper")
    assert not place.path.exists() or WORD not in place.path.read_bytes()


async def test_deleted(place: Place) -> None:
    """No row has a text of a run that was deleted, also if something of it was written at the same time."""
    async with place.open() as journal:
        await journal.begin(lease := Lease(RunRecord("r")), [])
        await asyncio.gather(journal.append(lease, [["x", 0, PROMPT]]), journal.delete("r"))
        assert not place.has(WORD)


async def test_dropped_later(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """With content="run", a server that is closed leaves texts to those that go on, the last one nothing."""
    monkeypatch.setattr(_runs, "_TIDY", 60.0)
    async with place.open(content="run") as other:
        part = await other.join("1", lambda: None)
        async with place.open(content="run") as journal:
            await journal.begin(lease := Lease(RunRecord("r")), [["x", 0, {"text": PROMPT}]])
            await journal.end(lease, [], how="finished")
        assert [["x", 0, {"text": PROMPT}]] == [*(await other.read("r")).events]
        part()
    assert not place.has(WORD)


async def test_dropped_while_nothing_goes_on(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """With content="run", texts also go from a journal that is open, and in which no run goes on any more."""
    monkeypatch.setattr(_runs, "_TIDY", 0.05)
    async with place.open(content="run", lease=0.05) as journal, MiniAgents():
        async with durable(journal, run_id="r"):
            await scripted_model("Hi").inquire(f"{PROMPT} {'long ' * 3000}")
        assert place.has(WORD)
        await until(lambda: not place.has(WORD))


def flip(data: bytes) -> bytes:
    """A seal for a test."""
    return bytes(each ^ 0x5A for each in data[::-1])


def check(data: bytes) -> bytes:
    """Like it, but of another key, which notices."""
    raise KeyError(len(data))


async def test_sealed(place: Place) -> None:
    """With seal= no row has a text, nor a digest with which one could be guessed; unseal= reads all."""
    async with place.open(keep="text", seal=flip, unseal=flip) as journal:
        run, frames = await talk(journal)
        await journal.begin(Lease(RunRecord("r")), [])
        await journal.send("r", "answer", PROMPT)
        async with MiniAgents():
            agent = recorded(scripted_model(PROMPT, alias="KEPT"), journal, version="1")
            await agent.inquire(PROMPT)
    assert not place.has(WORD)
    async with place.open(seal=flip, unseal=flip) as journal:
        async with MiniAgents():
            agent = recorded(scripted_model(alias="KEPT"), journal, version="1")
            assert PROMPT == str(await agent.inquire(PROMPT))
            assert frames == await frames_of(Runs(journal), run)
        assert {"answer": PROMPT} == (await journal.read("r")).sent
        (call,) = journal.calls()
        assert (PROMPT, True) == (call.text, PROMPT in (call.asked or ""))
    for options, why in (
        ({}, "is sealed"),
        ({"seal": flip}, "both seal= and unseal="),
        ({"seal": flip, "unseal": check}, r"sealed in another way.*KeyError"),
        ({"content": "none"}, "content='none'"),
    ):
        with pytest.raises(JournalError, match=why):
            place.open(**options)
    if place.path.exists():
        with pytest.raises(JournalError, match="is sealed"):
            next(Journal.read_calls(place.path))


async def test_not_sealed(place: Place) -> None:
    """A journal that can be read by all cannot be sealed later."""
    place.open().close()
    with pytest.raises(JournalError, match="was begun without seal="):
        place.open(seal=flip, unseal=flip)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that the thread of a journal does."""
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - it tells by no event
            await asyncio.sleep(0.01)
