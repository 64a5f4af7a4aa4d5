"""What a request reads of a run that no process works on here, however long its log is.

Crosses modules: the journals, `Runs`, and the questions of runs.
"""

import sqlite3
from collections.abc import Callable, Generator
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Final, TypeAlias, cast
from uuid import uuid4

import psycopg
import pytest
from typing_extensions import override

from miniagents import MiniAgents
from miniagents.ext.journal import (
    Event,
    Journal,
    Lease,
    MemoryJournal,
    PostgresJournal,
    RunPage,
    RunRecord,
    RunStore,
    answer_question,
    open_questions,
    send_event,
)
from miniagents.ext.web import RequestError, Runs
from miniagents.testing import scripted_model
from miniagents.types import InputMessage
from tests.support.postgres import postgres_server

POSTGRES: Final = pytest.param("postgres", marks=pytest.mark.gate("starts a server"))
LATER: Final = "DROP TABLE asked; DROP INDEX inbox_of; ALTER TABLE runs DROP COLUMN agent;"
BEGUN: Final[list[Event]] = [
    ["began", 0, {"agent": "guide", "messages": [], "keywords": {}}],
    ["question", 0, "gone", "question", {"text": "Why?"}, "", None],
    ["question", 0, "open", "question", {"text": "How many?"}, "", None],
    ["question", 0, "paid", "event", {"event": "payment"}, "", None],
    ["void", 0, "gone"],
]
Block: TypeAlias = Journal | PostgresJournal | MemoryJournal
Open: TypeAlias = Callable[[Callable[[int], object]], Block]


class Counting(MemoryJournal):
    """Tells how many events are read."""

    def __init__(self, tell: Callable[[int], object]) -> None:
        super().__init__()
        self._tell = tell

    @override
    async def read(self, run: str, after: int = 0, /) -> RunPage:
        page = await super().read(run, after)
        self._tell(len(page.events) + len(page.asked or ()))
        return page


class Plain(MemoryJournal):
    """A store like one of a user: it keeps nothing apart from the log."""

    @override
    async def read(self, run: str, after: int = 0, /) -> RunPage:
        page = await super().read(run, after)
        return RunPage(page.record, page.events, page.sent)


@pytest.fixture(scope="module")
def server() -> Generator[str]:
    """A server of Postgres."""
    with postgres_server() as dsn:
        yield dsn


@pytest.fixture
def schema() -> str:
    """The name of a schema of a test."""
    return f"t{uuid4().hex}"


@pytest.fixture
def opened(kind: str, tmp_path: Path, schema: str, request: pytest.FixtureRequest) -> Open:
    """Opens a journal of a kind, which tells how many bytes, or events, it reads."""

    def opened(tell: Callable[[int], object]) -> Block:
        def unseal(data: bytes) -> bytes:
            tell(len(data))
            return data

        if kind == "memory":
            return Counting(tell)
        if kind == "sqlite":
            return Journal(tmp_path / "runs.journal", seal=bytes, unseal=unseal)
        dsn = cast("str", request.getfixturevalue("server"))
        return PostgresJournal(dsn, schema=schema, seal=bytes, unseal=unseal)

    return opened


async def begin(store: RunStore, agent: str = "") -> Lease:
    """Begin a run that asks people, and waits for an event."""
    await store.begin(lease := Lease(RunRecord("r", "ada", restart="server", agent=agent)), BEGUN)
    await store.begin(Lease(RunRecord("event:payment", restart="program")), [["waits", 0, "r", "paid"]])
    return lease


async def use(store: RunStore, told: Callable[[str], object] = lambda _: None) -> None:
    """Do with the run what its users do, and say so after each step."""
    agents = {"guide": scripted_model("Hello").interactive()}
    async with MiniAgents(app_wide=True):
        runs = Runs(store, agents=agents)
        await runs.open()
        told("open")
        await runs.say("r", InputMessage("Paris", input_id="1"), owner="ada")
        told("say")
        for run in ("r", None):
            assert ["open"] == [each.id for each in await runs.questions(run, owner="ada")]
            told(f"questions of {run}")
        found = await runs.question("r", "open")
        told("question")
        assert found is not None
        assert {"text": "How many?"} == found.shown
        await answer_question(store, "r", "open", 3)
        told("answer")
        await send_event(store, "payment", 250)
        told("event")
    sent = (await store.read("r")).sent
    assert ["say", "answer:open", "answer:paid"] == [key.rpartition(":")[0] for key in sent]
    assert ["open"] == [each.id for each in await open_questions(store, "r", answered=True)]


@pytest.mark.parametrize(
    "kind", ["memory", pytest.param("sqlite", marks=pytest.mark.gate("writes much")), POSTGRES]
)
async def test_a_long_log(opened: Open) -> None:
    """To say something, or to look at questions or answer them, a server reads only the end of a log."""
    amounts: list[int] = []
    read: dict[str, int] = {}

    def told(step: str) -> None:
        read[step] = sum(amounts)
        amounts.clear()

    text = Random(1)  # noqa: S311 - no secret
    async with opened(amounts.append) as journal:
        lease = await begin(journal, "guide")
        for _ in range(40):
            await journal.append(lease, [["x", 0, text.randbytes(300).hex()] for _ in range(100)])
        amounts.clear()
        await use(journal, told)
        amounts.clear()
        await journal.read("r")
        told("all")
        assert {} == {step: amount for step, amount in read.items() if amount * 8 > read["all"] != amount}


async def test_a_run_that_takes_nothing() -> None:
    """To refuse what is said to a run of `Runs.start`, another server reads nothing of its log."""
    amounts: list[int] = []
    journal = Counting(amounts.append)
    await journal.begin(Lease(RunRecord("r")), [["began", 0, None], *BEGUN])
    async with MiniAgents(app_wide=True):
        with pytest.raises(RequestError, match="takes nothing while it works"):
            await Runs(journal).say("r", InputMessage("Paris"))
    assert [] == amounts


async def test_a_store_that_keeps_only_logs() -> None:
    """A store that keeps nothing apart from the log does all that others do."""
    await begin(store := Plain())
    await use(store)


@pytest.mark.parametrize("kind", ["sqlite", POSTGRES])
async def test_a_run_of_an_earlier_form(
    kind: str, opened: Open, schema: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """A run that was begun before open questions were kept apart goes on, and its questions are found."""
    async with opened(lambda _: None) as earlier:
        await begin(earlier)
        if kind == "sqlite":
            with closing(sqlite3.connect(tmp_path / "runs.journal")) as file:
                file.executescript(f"{LATER} PRAGMA user_version = 3")
        else:
            dsn = cast("str", request.getfixturevalue("server"))
            with psycopg.connect(dsn, autocommit=True) as connection:
                version = "UPDATE journal SET version = 2"
                connection.execute(f"SET search_path = {schema}; {LATER} {version}".encode())
        async with opened(lambda _: None) as journal:
            await use(journal)
            await journal.begin(Lease(RunRecord("new")), BEGUN[:3])
            assert [None, BEGUN[1:3]] == [(await journal.read(run, 9)).asked for run in ("r", "new")]
