"""Several servers behind one address that share a journal: a deploy of a new version, and a kill.

Crosses modules: runs, journals, responses, and the servers around them.
"""

import asyncio
import json
import os
import random
import signal
import socket
import sys
import textwrap
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import httpx2
import pytest

from tests.support.forked import start_program
from tests.support.kills import kills_wanted
from tests.support.postgres import postgres_server

PROGRAM = textwrap.dedent("""
    import asyncio, socket, sys
    from contextlib import asynccontextmanager
    import uvicorn
    from starlette.applications import Starlette
    from miniagents import AssistantMessage, MiniAgents, ToolCall, ToolMessage, miniagent, tool
    from miniagents.ext.journal import Journal, PostgresJournal
    from miniagents.ext.web import Runs, chat_routes, end_on_signals
    from miniagents.models import model_agent
    from miniagents.tools import approval

    folder, dsn, version, fd = sys.argv[1:]

    @model_agent(alias="PAYER")
    async def payer(ctx, *, tools=()):
        messages = await ctx.messages
        results = [str(each) for each in messages if isinstance(each, ToolMessage)]
        call = AssistantMessage(parts=[ToolCall("c1", "pay", '{"to": "%s", "amount": 5}' % messages[0])])
        ctx.reply(AssistantMessage("; ".join(results)) if results else call)

    @tool
    async def pay(to: str, amount: int) -> str:
        with open(f"{folder}/paid", "a") as paid:
            paid.write(f"{to} {amount}\\n")
        return f"paid {amount}"

    @model_agent(alias="WORK")
    async def work(ctx, *, tools=()):
        asked = str((await ctx.messages)[0])

        async def words(_):
            for number in range(40):
                yield f"{asked}.{number} "
                await asyncio.sleep(0.05)
        ctx.reply(AssistantMessage.promise_of_parts(words))

    @miniagent(alias="chat")
    async def chat(ctx):
        ctx.reply(work.inquire(ctx.messages))
        ctx.reply(work.inquire(["again", ctx.messages]))

    journal = PostgresJournal(dsn, lease=1) if dsn else Journal(f"{folder}/runs.journal", lease=1)
    runs = Runs(journal, version=version)

    @asynccontextmanager
    async def lifespan(app):
        async with journal, MiniAgents(app_wide=True, drain_timeout=30):
            end_on_signals()
            await runs.open()
            print("ready", flush=True)
            yield

    agents = {"chat": chat, "payer": payer.with_tools(pay, approve=approval())}
    app = Starlette(routes=chat_routes(agents, runs=runs), lifespan=lifespan)
    listener = socket.socket(fileno=int(fd))
    uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False)).run(sockets=[listener])
""")


@dataclass
class Client:
    """A client of a run, which comes back when it is cut.

    Attributes:
        pause: the longest time between two frames, in seconds.
    """

    asked: str
    run: str = ""
    position: int = 0
    texts: dict[int, str] = field(default_factory=dict[int, str])
    how: str = ""
    pause: float = 0.0

    async def talk(self, url: str) -> None:
        """Begin a run, and read it to its end, wherever it goes on."""
        timeout = httpx2.Timeout(20, read=20)
        last = asyncio.get_running_loop().time()
        async with httpx2.AsyncClient(trust_env=False, timeout=timeout, base_url=url) as http:
            while not self.how:
                with suppress(httpx2.HTTPError):
                    if not self.run:
                        answer = await http.post("/runs", json={"text": self.asked, "agent": "chat"})
                        self.run = answer.json()["run"]
                    headers = {"last-event-id": str(self.position)} if self.position else {}
                    async with http.stream("GET", f"/runs/{self.run}", headers=headers) as told:
                        async for line in told.aiter_lines():
                            if line.startswith("id: "):
                                assert int(line[4:]) == self.position + 1, "each frame is told once"
                                self.position += 1
                            elif line.startswith("data: "):
                                now = asyncio.get_running_loop().time()
                                self.pause, last = max(self.pause, now - last), now
                                self.take(json.loads(line[6:]))
                await asyncio.sleep(0.02)

    def take(self, frame: dict[str, object]) -> None:
        """Take a frame."""
        if frame["type"] == "run_ended":
            self.how = str(frame["how"])
        elif frame["type"] == "part":
            number, part = int(str(frame["message"])), frame["part"]
            if isinstance(part, str):
                self.texts[number] = self.texts.get(number, "") + part
            else:  # a restart
                self.texts[number] = ""


@asynccontextmanager
async def server(
    folder: Path, dsn: str, version: str, listener: socket.socket
) -> AsyncGenerator[asyncio.subprocess.Process]:
    """A server that accepts on a socket which it shares with others."""
    process = await start_program(
        *(sys.executable, "-c", PROGRAM, str(folder), dsn, version, str(listener.fileno())),
        stdout=asyncio.subprocess.PIPE,
        pass_fds=[listener.fileno()],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert process.stdout is not None
    try:
        assert b"ready\n" == await process.stdout.readline()
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


@pytest.mark.gate("starts eight servers")
@pytest.mark.loop(timeout=300)
@pytest.mark.parametrize("database", ["sqlite", "postgres"])
async def test_a_rolling_deploy_and_a_kill(
    database: str, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """Law 4: through a deploy and a kill -9 every run ends once, with the same text; clients see a pause.

    It is at most as long as the lease (1 s) and another second, on a machine that is not busy.
    """
    seed, chats = 7, 24 if kills_wanted(1) == 1 else 200
    chance = random.Random(seed)  # noqa: S311 - when clients come
    clients = [Client(f"q{number}") for number in range(chats)]

    async def come(client: Client, url: str) -> None:
        await asyncio.sleep(chance.uniform(0, 6))
        await client.talk(url)

    async with AsyncExitStack() as stack:
        dsn = stack.enter_context(postgres_server()) if database == "postgres" else ""
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=500))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        old = [await stack.enter_async_context(server(tmp_path, dsn, "1", listener)) for _ in range(4)]
        talking = [asyncio.create_task(come(client, url)) for client in clients]
        await asyncio.sleep(3)
        old[0].kill()
        for each in old[1:]:
            await stack.enter_async_context(server(tmp_path, dsn, "2", listener))
            each.send_signal(signal.SIGTERM)
        async with asyncio.timeout(120):
            await asyncio.gather(*talking)
    answers = ["".join(f"{{}}.{number} " for number in range(40))] * 2
    expected = {
        client.asked: [answers[0].format(*[client.asked] * 40), answers[0].format(*["again"] * 40)]
        for client in clients
    }
    assert {client.asked: "finished" for client in clients} == {each.asked: each.how for each in clients}
    told = {client.asked: [client.texts[number] for number in sorted(client.texts)] for client in clients}
    assert expected == told, f"seed {seed}"
    record_property("longest pause", max(each.pause for each in clients))


async def question_of(http: httpx2.AsyncClient, run: str) -> dict[str, str]:
    """The question of a run, when it has been put."""
    while True:
        listed = (await http.get(f"/runs/{run}/questions")).json()["questions"]
        if listed:
            return cast("dict[str, str]", listed[0])
        await asyncio.sleep(0.01)


@pytest.mark.gate("starts two servers and Postgres for each kill")
@pytest.mark.loop(timeout=60 + 20 * kills_wanted(2))
async def test_asked_on_one_and_answered_through_another(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """A server is killed with approvals open; through another one they are answered, once each.

    It lists the questions at once. A call that is allowed is made once, with the arguments that were allowed.
    """
    seed, pauses = 3, list[float]()
    chance = random.Random(seed)  # noqa: S311 - when it is killed
    ways: dict[str, tuple[dict[str, object], str]] = {
        "allowed": ({"allow": True}, "paid 5"),
        "edited": ({"allow": True, "arguments": {"to": "edited", "amount": 7}}, "paid 7"),
        "refused": ({"allow": False, "reason": "Too much."}, "Too much."),
    }
    with postgres_server() as dsn:
        for number in range(kills_wanted(2)):
            folder = tmp_path / str(number)
            folder.mkdir()
            async with AsyncExitStack() as stack:
                sockets = [socket.create_server(("127.0.0.1", 0), backlog=100) for _ in range(2)]
                one, two = [
                    await stack.enter_async_context(server(folder, dsn, "1", stack.enter_context(each)))
                    for each in sockets
                ]
                first, other = [
                    await stack.enter_async_context(
                        httpx2.AsyncClient(
                            trust_env=False, timeout=20, base_url=f"http://127.0.0.1:{each.getsockname()[1]}"
                        )
                    )
                    for each in sockets
                ]
                runs: dict[str, str] = {}
                for way in ways:
                    begun = await first.post("/runs", json={"text": way, "agent": "payer"})
                    runs[way] = begun.json()["run"]
                listed = {way: await question_of(first, run) for way, run in runs.items()}
                await asyncio.sleep(chance.choice([0, 0.01, 0.1]))  # some are parked already
                one.kill()
                await one.wait()
                asked = asyncio.get_running_loop().time()
                for way, run in runs.items():
                    assert listed[way] == await question_of(other, run), f"seed {seed}"
                    body: dict[str, object] = {"digest": listed[way]["digest"], **ways[way][0]}
                    for _ in range(2):  # a client may send it again
                        answer = await other.post(
                            f"/runs/{run}/questions/{listed[way]['question']}", json=body
                        )
                        assert 204 == answer.status_code, f"seed {seed}: {answer.text}"
                for way, run in runs.items():
                    told = (await other.get(f"/runs/{run}?protocol=text")).text
                    assert ways[way][1] in told, f"seed {seed}: {told}"
                pauses.append(asyncio.get_running_loop().time() - asked)
                assert two.returncode is None
            assert ["allowed 5", "edited 7"] == sorted((folder / "paid").read_text().splitlines())
    record_property("longest pause", max(pauses))
