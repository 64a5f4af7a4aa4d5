"""Runs with questions whose process is killed before and after each of its writes.

Crosses modules: tools, runs, journals, the runs of `ext.web`; a person answers from another process.
"""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import pytest

from miniagents.ext.journal import answer_question, open_questions
from miniagents.tools import Allow, QuestionError
from tests.support.kills import kills_wanted
from tests.support.postgres import postgres_server
from tests.support.write_kills import AnyJournal, Place, kill_at_writes, text_of

SEED = 7
PROGRAM = """
    from miniagents.tools import ToolContext, approval

    async def main(journal, path, count, questions):
        @model_agent(alias="PAYER")
        async def payer(ctx, *, tools=()):
            results = [each for each in await ctx.messages if isinstance(each, ToolMessage)]
            calls = [ToolCall(f"c{n}", "pay", '{"amount": %s}' % n) for n in range(questions)]
            ctx.reply(AssistantMessage("Done.") if results else AssistantMessage(parts=calls))

        @tool
        async def pay(ctx: ToolContext, amount: int) -> str:
            "Pay an amount."
            count(False)
            with open(f"{path}.effects", "a") as effects:
                effects.write(f"{ctx.call_id} {amount} {ctx.call_key}\\n")
            count(True)
            return "paid"

        agents = {"payer": payer.with_tools(pay, approve=approval()).bind()}
        runs = Runs(journal, agents=agents, max_attempts=1000)
        await runs.open()
        found = await journal.find()
        run = found[0].run if found else await runs.begin("payer", "Pay.")
        async for _ in runs.frames(run):
            pass
"""


async def answer_all(journal: AnyJournal, effects: Path) -> None:
    """Allow each call, with another amount; and say what became of calls, as it is."""
    while True:
        for record in await journal.find():
            if record.ended:
                continue
            for question in await open_questions(journal, record.run):
                call = question.shown["call"]
                answer: object = Allow({"amount": 10 + int(str(call)[1:])})
                if question.kind == "unknown":
                    answer = "paid, says the bank" if f"{call} " in text_of(effects) else Allow()
                try:
                    await answer_question(journal, record.run, question.id, answer, digest=question.digest)
                except QuestionError as error:
                    if error.reason not in {"unknown", "answered"}:  # it has gone on meanwhile
                        raise
        await asyncio.sleep(0.01)


@asynccontextmanager
async def answering(journal: AnyJournal, path: Path) -> AsyncGenerator[None]:
    """A person who answers meanwhile."""
    person = asyncio.create_task(answer_all(journal, Path(f"{path}.effects")))
    try:
        yield
    finally:
        person.cancel()
        await asyncio.wait((person,))


def check(path: Path, told: Mapping[str, object], where: str) -> None:
    """Look at what was paid."""
    paid = Counter(tuple(each.split()[:2]) for each in text_of(Path(f"{path}.effects")).splitlines())
    assert {(f"c{n}", f"{10 + n}"): 1 for n in range(cast("int", told["questions"]))} == paid, where


async def kills(folder: Path, wanted: int, dsn: str = "") -> int:
    """Kill so many processes."""
    places: list[Place] = [
        ({"questions": questions}, at, after)
        for questions in (1, 2, 3)
        for at in range(1, 40)
        for after in (False, True)
    ]
    random.Random(SEED).shuffle(places)  # noqa: S311 - when they are killed
    return await kill_at_writes(
        PROGRAM, places, wanted, folder=folder, dsn=dsn, beside=answering, check=check
    )


@pytest.mark.gate("kills processes")
@pytest.mark.loop(timeout=60 + 4 * kills_wanted(12))
async def test_kills(tmp_path: Path) -> None:
    """Killed before or after any write, with one, two or three questions: each call is made exactly once.

    With the arguments that were allowed, if people say truthfully what became of a call.
    """
    assert await kills(tmp_path, kills_wanted(12)) > 0


@pytest.mark.gate("starts Postgres, and kills processes")
@pytest.mark.loop(timeout=60 + 4 * kills_wanted(6))
async def test_kills_with_postgres(tmp_path: Path) -> None:
    """So it is where the journal is in Postgres."""
    with postgres_server() as dsn:
        assert await kills(tmp_path, kills_wanted(6), dsn) > 0
