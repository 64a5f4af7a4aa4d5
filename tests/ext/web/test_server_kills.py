"""A server that is killed again and again in the middle of answers, and its clients.

Crosses modules: runs, responses, journals, and the server around them.
"""

import asyncio
import json
import os
import random
import signal
import sys
import textwrap
from collections import defaultdict
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.support.forked import start_program
from tests.support.kills import kills_wanted
from tests.support.postgres import postgres_server

PROGRAM = textwrap.dedent("""
    import asyncio, os, random, sys
    from contextlib import asynccontextmanager
    import uvicorn
    from starlette.applications import Starlette
    from miniagents import AssistantMessage, MiniAgents, ToolMessage, miniagent, tool
    from miniagents.ext.journal import Journal, PostgresJournal
    from miniagents.ext.web import Runs, chat_routes, end_on_signals
    from miniagents.models import model_agent
    from miniagents.values import ToolCallDelta

    folder, dsn = sys.argv[1:]
    out = os.open(f"{folder}/out", os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def note(*words):
        os.write(out, (" ".join(words) + "\\n").encode())

    @model_agent(alias="WORK")
    async def work(ctx, *, name: str = "", tools=()):
        messages = await ctx.messages
        asked = str(messages[0])
        called = isinstance(messages[-1], ToolMessage)
        note("made", f"{name}{int(called)}", asked)

        async def parts(_):
            for _word in range(random.randrange(8, 16)):
                yield f"{random.randrange(10**6)} "
                await asyncio.sleep(random.uniform(0, 0.008))
            if tools and not called:
                yield ToolCallDelta(0, "call-1", "look", '{"what": "%s"}' % asked)
        ctx.reply(AssistantMessage.promise_of_parts(parts))

    async def noted(ctx, call):  # when its run has ended, a call is finished
        replies = call.inquire(ctx.messages)
        ctx.reply(replies)
        (answer,) = await replies
        messages = await ctx.messages
        called = int(isinstance(messages[-1], ToolMessage))
        note("done", f"{call.defaults['name']}{called}", str(messages[0]), *str(answer).split())

    @tool
    async def look(what: str) -> str:
        note("made", "look", what)
        await asyncio.sleep(random.uniform(0, 0.02))
        return str(random.randrange(10**6))

    def model(name):
        return work.fork(name=name).around(noted)

    @miniagent(alias="report")
    async def report(ctx):
        facts = work.fork(name="research").with_tools(look).around(noted_all).inquire(ctx.messages)
        ctx.reply(facts)
        ctx.reply(model("critic").inquire([ctx.messages, facts]))
        ctx.reply(model("writer").inquire([ctx.messages, facts]))

    async def noted_all(ctx, call):
        replies = call.inquire(ctx.messages)
        ctx.reply(replies)
        asked = str((await ctx.messages)[0])
        first, result, second = await replies
        note("done", "research0", asked, *str(first).split())
        note("done", "look", asked, str(result))
        note("done", "research1", asked, *str(second).split())

    journal = PostgresJournal(dsn) if dsn else Journal(f"{folder}/runs.journal")
    runs = Runs(journal, max_attempts=1000)

    @asynccontextmanager
    async def lifespan(app):
        async with MiniAgents(app_wide=True, drain_timeout=0):
            end_on_signals()
            await runs.open()
            yield

    class Server(uvicorn.Server):
        async def startup(self, sockets=None):
            await super().startup(sockets)
            print(self.servers[0].sockets[0].getsockname()[1], flush=True)

    app = Starlette(routes=chat_routes(report, runs=runs), lifespan=lifespan)
    Server(uvicorn.Config(app, port=0, log_config=None, access_log=False)).run()
""")


@asynccontextmanager
async def serving(folder: Path, dsn: str = "") -> AsyncGenerator[tuple[asyncio.subprocess.Process, str]]:
    """A server in a process of its own, and its address; it is killed at the end of the block."""
    server = await start_program(
        *(sys.executable, "-c", PROGRAM, str(folder), dsn),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert server.stdout is not None
    try:
        yield server, f"http://127.0.0.1:{int(await server.stdout.readline())}"
    finally:
        with suppress(ProcessLookupError):
            server.kill()
        await server.wait()


@dataclass
class Reader:
    """A client that follows a run, and comes back behind what it has read."""

    asked: str
    run: str = ""
    position: int = 0
    messages: dict[int, str] = field(default_factory=dict[int, str])
    how: str = ""
    restarts: int = 0

    async def follow(self, url: str, *, protocol: str = "sse") -> None:
        """Read until the run ends, or the server does."""
        headers = {"last-event-id": str(self.position)} if self.position else {}
        with suppress(httpx2.HTTPError):
            async with (
                httpx2.AsyncClient(trust_env=False, verify=False, timeout=20) as http,
                http.stream("GET", f"{url}/runs/{self.run}?protocol={protocol}", headers=headers) as told,
            ):
                async for line in told.aiter_lines():
                    if line.startswith("id: "):
                        at = int(line[4:])
                        assert at == self.position + 1, "each frame is told once"
                        self.position = at
                    elif line.startswith("data: "):
                        self.take(json.loads(line[6:]))
                    elif line.startswith("{"):
                        self.take(json.loads(line))

    def take(self, frame: dict[str, Any]) -> None:
        """Take a frame."""
        if frame["type"] == "run_ended":
            self.how = frame["how"]
        elif frame["type"] == "part":
            part, number = frame["part"], frame["message"]
            if isinstance(part, str):
                self.messages[number] = self.messages.get(number, "") + part
            elif part["kind"] == "tool_result":
                self.messages[number] = part["content"]
            elif part["kind"] == "restart":
                self.messages[number] = ""
                self.restarts += 1


async def begun(url: str, asked: str) -> Reader:
    """A run that was begun there, and its reader."""
    async with httpx2.AsyncClient(trust_env=False, verify=False, timeout=20) as http:
        answer = await http.post(f"{url}/runs", json={"text": asked})
    return Reader(asked, answer.json()["run"])


NAMES = ("research0", "look", "research1", "critic0", "writer0")


KEPT_BEFORE = {"research1": ("research0", "look"), "critic0": ("research1",)}
"""Call -> what has ended when it is made."""


def history_of(folder: Path) -> tuple[dict[tuple[str, str], set[str]], list[str]]:
    """What each call has answered, each time that it had ended; and which were made after they had ended."""
    done: dict[tuple[str, str], set[str]] = defaultdict(set)
    ended: set[tuple[str, str]] = set()
    again: list[str] = []
    for line in (folder / "out").read_text().splitlines():
        what, name, asked, *answer = line.split()
        if what == "done":
            done[asked, name].add(" ".join(answer))
            ended.add((asked, name))
            continue
        if (asked, name) in ended:
            again.append(line)
        ended |= {(asked, each) for each in KEPT_BEFORE.get(name, ())}
    return done, again


@pytest.mark.gate("kills servers")
@pytest.mark.loop(timeout=30 + 5 * kills_wanted(6))
async def test_kills(tmp_path: Path) -> None:
    """Runs of a server that is killed in mid-answer go on by themselves; clients have what the history has.

    No call that had ended is made again.
    """
    await kill(tmp_path, kills_wanted(6))


@pytest.mark.gate("starts Postgres, and kills servers")
@pytest.mark.loop(timeout=60 + 5 * kills_wanted(6))
async def test_kills_with_postgres(tmp_path: Path) -> None:
    """So they do where the journal is in Postgres."""
    with postgres_server() as dsn:
        await kill(tmp_path, kills_wanted(6), dsn=dsn)


async def kill(tmp_path: Path, wanted: int, *, dsn: str = "") -> None:
    """Kill servers so often, and look what became of their runs."""
    seed = 5
    chance = random.Random(seed)  # noqa: S311 - when it is killed
    readers: list[Reader] = []
    for _ in range(wanted):
        async with serving(tmp_path, dsn) as (server, url):
            new = [await begun(url, f"q{len(readers) + number}") for number in range(2)]
            readers += new
            # The second of each two comes only when all is over.
            following = [asyncio.create_task(each.follow(url)) for each in readers[::2] if not each.how]
            enough = chance.randrange(1, 70)
            deadline = asyncio.get_running_loop().time() + 10
            while new[0].position < enough and not new[0].how:
                assert asyncio.get_running_loop().time() < deadline
                await asyncio.sleep(0.002)
            server.kill()
            await asyncio.gather(*following)
    async with serving(tmp_path, dsn) as (_, url):
        # Nobody asks for the runs: they go on by themselves.
        async with asyncio.timeout(60):
            while True:
                done, _ = history_of(tmp_path)
                if all((each.asked, NAMES[-1]) in done for each in readers):
                    break
                await asyncio.sleep(0.05)
        await asyncio.gather(*[each.follow(url) for each in readers if not each.how])
        late = [Reader(each.asked, each.run) for each in readers]
        await asyncio.gather(*[each.follow(url, protocol="ndjson") for each in late])
    done, again = history_of(tmp_path)
    assert [] == again, f"seed {seed}"
    for reader in (*readers, *late):
        told = [" ".join(reader.messages[number].split()) for number in sorted(reader.messages)]
        assert ("finished", [{each} for each in told]) == (
            reader.how,
            [done[reader.asked, name] for name in NAMES],
        ), f"seed {seed}"
    assert any(each.restarts for each in readers)


@pytest.mark.gate("starts servers")
async def test_servers_that_are_told_to_end(tmp_path: Path) -> None:
    """A server that is told to end cuts its readers, who come back to the next one, where the run goes on."""
    async with serving(tmp_path) as (server, url):
        reader = await begun(url, "q0")
        following = asyncio.create_task(reader.follow(url))
        while reader.position < 5:  # noqa: ASYNC110 - of another process
            await asyncio.sleep(0.002)
        server.send_signal(signal.SIGTERM)
        await asyncio.gather(following, server.wait())
        assert "" == reader.how
    async with serving(tmp_path) as (_, url):
        await reader.follow(url)
    done, again = history_of(tmp_path)
    assert ("finished", []) == (reader.how, again)
    told = [" ".join(reader.messages[number].split()) for number in sorted(reader.messages)]
    assert [{each} for each in told] == [done["q0", name] for name in NAMES]


@pytest.mark.gate("kills servers")
@pytest.mark.loop(timeout=120)
@pytest.mark.parametrize("with_postgres", [False, True])
async def test_a_stop_that_was_confirmed(tmp_path: Path, *, with_postgres: bool) -> None:
    """A run that was stopped is never run again, even if its server is killed right after its answer."""
    async with AsyncExitStack() as stack:
        dsn = stack.enter_context(postgres_server()) if with_postgres else ""
        readers: list[Reader] = []
        number = 0
        while len(readers) < 4:
            number += 1
            assert number < 20
            async with serving(tmp_path, dsn) as (server, url):
                reader = await begun(url, f"q{number}")
                following = asyncio.create_task(reader.follow(url))
                while reader.position < 5:  # noqa: ASYNC110 - of another process
                    await asyncio.sleep(0.002)
                async with httpx2.AsyncClient(trust_env=False, verify=False, timeout=20) as http:
                    stopped = await http.post(f"{url}/runs/{reader.run}/stop")
                server.kill()
                await following
                if stopped.json()["stopped"]:  # else it had ended on a busy machine
                    readers.append(reader)
        made = (tmp_path / "out").read_text()
        async with serving(tmp_path, dsn) as (_, url):
            late = [Reader(each.asked, each.run) for each in readers]
            await asyncio.gather(*[each.follow(url) for each in late])
        assert ["stopped"] * 4 == [each.how for each in late]
        assert made == (tmp_path / "out").read_text()
