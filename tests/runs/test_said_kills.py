"""Dialogs whose process is killed before and after each of its writes, while two processes say things to it.

Crosses modules: interactive agents, runs, journals, the runs of `ext.web`.
"""

import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from miniagents.runs import RunLog
from miniagents.types import InputMessage
from tests.support.kills import kills_wanted
from tests.support.postgres import postgres_server
from tests.support.write_kills import AnyJournal, Place, kill_at_writes, text_of

SEED = 11
SAID = [
    InputMessage("m1", when="queue", input_id="m1"),
    InputMessage("m2", when="steer", input_id="m2"),
    InputMessage("m3", when="interrupt", input_id="m3"),
    InputMessage("m4", when="queue", input_id="m4"),
    InputMessage("m5", when="steer", input_id="m5"),
]
PROGRAM = """
    from miniagents.types import InputMessage

    async def main(journal, path, count, said):
        @model_agent(alias="TALKER")
        async def talker(ctx, *, tools=()):
            messages = await ctx.messages
            calls = [each for each in messages if isinstance(each, AssistantMessage)]
            heard = " ".join(each.text for each in messages if each.role == "user")
            with open(f"{path}.requests", "a") as requests:
                requests.write(json.dumps([[each.role, each.text] for each in messages]) + "\\n")
            if not calls or not calls[-1].tool_calls:
                ctx.reply(AssistantMessage(parts=[ToolCall(f"c{len(messages)}", "look", "{}")]))
                return

            async def parts(_):
                yield "heard "
                await asyncio.sleep(0.002)
                yield heard
            ctx.reply(AssistantMessage.promise_of_parts(parts))

        @tool
        async def look() -> str:
            "Wait until all is said."
            while not {f"say:{key}" for _, key in said} <= {*(await journal.read(run)).sent}:
                await asyncio.sleep(0.005)
            return "done"

        async def say_all():
            for when, key in said:
                try:
                    await runs.say(run, InputMessage(key, when=when, input_id=key))
                except RequestError as error:
                    assert error.code == "run_over", error

        runs = Runs(journal, agents={"a": talker.with_tools(look).interactive()}, max_attempts=1000)
        await runs.open()
        found = await journal.find()
        run = found[0].run if found else await runs.begin("a", "m0")
        saying = asyncio.create_task(say_all())
        frames = [frame.as_data() async for _, frame in runs.frames(run)]
        await saying
        with open(f"{path}.frames", "w") as out:
            json.dump(frames, out)
"""


@asynccontextmanager
async def another_process(journal: AnyJournal, _: Path) -> AsyncGenerator[None]:
    """What another server does: it says the same, under the same ids, through the store."""

    async def say() -> None:
        while not (found := await journal.find()):  # noqa: ASYNC110 - of another process
            await asyncio.sleep(0.005)
        for each in SAID:
            await journal.send(found[0].run, *RunLog.saying(each))
            await asyncio.sleep(0.005)

    saying = asyncio.create_task(say())
    try:
        yield
    finally:
        saying.cancel()
        await asyncio.wait((saying,))


def check(path: Path, _: object, where: str) -> None:
    """Look at what a client was shown, and at what the model was sent."""
    frames = json.loads(text_of(Path(f"{path}.frames")))
    shown = [each["id"] for each in frames if each.get("when")]
    assert sorted(shown) == [each.input_id for each in SAID], where
    for when in ("queue", "steer", "interrupt"):
        wanted = [each.input_id for each in SAID if each.when == when]
        assert wanted == [each for each in shown if each in wanted], f"{where}: {when}"
    texts = [each["part"] for each in frames if each["type"] == "part" and isinstance(each["part"], str)]
    assert ["m0", *shown] == "".join(texts).rpartition("heard ")[2].split(), where  # in the last answer
    again = Counter(text_of(Path(f"{path}.requests")).splitlines())
    assert sum(again.values()) - len(again) <= 1, where


async def kills(folder: Path, wanted: int, dsn: str = "") -> int:
    """Kill so many processes."""
    chance = random.Random(SEED)  # noqa: S311 - when they are killed
    told = {"said": [(each.when, each.input_id) for each in SAID]}
    once: list[Place] = [(told, at, after) for at in range(1, 40) for after in (False, True)]
    places = [place for _ in range(100) for place in chance.sample(once, len(once))]
    return await kill_at_writes(
        PROGRAM, places, wanted, folder=folder, dsn=dsn, beside=another_process, check=check
    )


@pytest.mark.gate("kills processes")
@pytest.mark.loop(timeout=60 + 4 * kills_wanted(8))
async def test_kills(tmp_path: Path) -> None:
    """Killed before or after any write: each message is taken once, in order, answered, and shown once.

    At most the request that was cut is made again.
    """
    assert await kills(tmp_path, kills_wanted(8)) > 0


@pytest.mark.gate("starts Postgres, and kills processes")
@pytest.mark.loop(timeout=60 + 4 * kills_wanted(4))
async def test_kills_with_postgres(tmp_path: Path) -> None:
    """So it is where the journal is in Postgres."""
    with postgres_server() as dsn:
        assert await kills(tmp_path, kills_wanted(4), dsn) > 0
