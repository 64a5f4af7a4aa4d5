"""A real server on a real socket: clients that leave, do not read, come after a crash.

Crosses modules: responses, runs, routes, and the server around them.
"""

import asyncio
import gc
import json
import os
import signal
import sys
import textwrap
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from miniagents import Message, MiniAgents, miniagent
from miniagents.agents import InteractionContext
from miniagents.ext.web import chat_routes, end_on_signals, stream_response
from miniagents.testing import scripted_model
from tests.support.forked import start_program
from tests.support.web import served


class Talkers:
    """An agent that talks on, and how many of its sources are open."""

    def __init__(self, every: float = 0.01, text: str = "x") -> None:
        self.open = self.began = 0

        @miniagent
        async def talk(ctx: InteractionContext) -> None:
            async def tokens(_: object) -> AsyncGenerator[str]:
                self.open += 1
                self.began += 1
                try:
                    while True:
                        yield text
                        await asyncio.sleep(every)
                finally:
                    self.open -= 1

            ctx.reply(Message.promise(tokens))

        self.agent = talk


def app_of(talkers: Talkers) -> Starlette:
    """An app with one attached route."""

    async def ask(_: Request) -> Response:
        return stream_response(talkers.agent.inquire("?"), limit=100_000)

    return Starlette(routes=[Route("/ask", ask)])


async def asked(port: int | None, path: str = "/ask") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection on which this was asked."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.1\r\nhost: test\r\n\r\n".encode())
    return reader, writer


async def leave_together(count: int) -> float:
    """Have so many clients read and leave at once; the seconds until all their runs are gone."""
    talkers = Talkers(every=1.0)
    async with MiniAgents(app_wide=True) as context, served(app_of(talkers)) as url:
        port = urlsplit(url).port
        await asyncio.sleep(0.05)  # the task of the lifespan has begun
        before = asyncio.all_tasks()
        clients = [await asked(port) for _ in range(count)]
        for reader, _ in clients:
            await reader.readuntil(b"data: ")
        while talkers.open < count:  # noqa: ASYNC110 - what is waited for sets no event
            await asyncio.sleep(0.01)
        gc.collect()
        gc.disable()
        try:
            loop = asyncio.get_running_loop()
            began = loop.time()
            for _, writer in clients:
                writer.transport.abort()
            while talkers.open or context.tasks:  # noqa: ASYNC110 - what is waited for sets no event
                await asyncio.sleep(0.001)
            took = loop.time() - began
        finally:
            gc.enable()
        await asyncio.sleep(0.05)
        assert (count, before) == (talkers.began, asyncio.all_tasks())
    return took


async def test_a_client_leaves() -> None:
    """A client that leaves a silent answer frees its run within 50 ms, without the garbage collector."""
    assert await leave_together(1) < 0.05


@pytest.mark.gate("1,000 connections")
async def test_a_thousand_leave() -> None:
    """When 1,000 clients leave at once, all of their runs end, and nothing is left."""
    assert await leave_together(1_000) < 5.0


async def test_a_client_that_reads_nothing() -> None:
    """A client that does not read holds a bound; its run is stopped, and it can still read why."""
    talkers = Talkers(every=0.0, text="x" * 10_000)
    async with MiniAgents(app_wide=True), served(app_of(talkers)) as url:
        reader, writer = await asked(urlsplit(url).port)
        await reader.readuntil(b"data: ")
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        while not talkers.began or talkers.open:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.01)
        reader._transport.resume_reading()  # type: ignore[attr-defined]
        body = b""
        while not body.endswith(b"0\r\n\r\n"):
            body = body[-1000:] + await reader.read(100_000)
        assert b"did not read" in body
        writer.close()
        await writer.wait_closed()


PROGRAM = textwrap.dedent("""
    import asyncio, sys
    from contextlib import asynccontextmanager
    import uvicorn
    from starlette.applications import Starlette
    from starlette.routing import Route
    from miniagents import Message, MiniAgents, miniagent
    from miniagents.ext.journal import Journal
    from miniagents.ext.web import Runs, chat_routes, end_on_signals, stream_response

    @miniagent
    async def talk(ctx):
        async def tokens(_):
            while True:
                yield "x"
                await asyncio.sleep(0.01)
        ctx.reply(Message.promise(tokens))

    @asynccontextmanager
    async def lifespan(app):
        async with MiniAgents(app_wide=True, drain_timeout=0.2):
            end_on_signals()
            yield

    async def ask(_):
        return stream_response(talk.inquire("?"))

    runs = Runs(Journal(sys.argv[1], lease=0.1), version=sys.argv[2])
    app = Starlette(routes=[Route("/ask", ask), *chat_routes(talk, runs=runs)], lifespan=lifespan)

    class Server(uvicorn.Server):
        async def startup(self, sockets=None):
            await super().startup(sockets)
            print(self.servers[0].sockets[0].getsockname()[1], flush=True)

    Server(uvicorn.Config(app, port=0, log_config=None, access_log=False)).run()
""")


@asynccontextmanager
async def program(
    folder: Path, *, version: str = "1"
) -> AsyncGenerator[tuple[asyncio.subprocess.Process, int]]:
    """A server in a process of its own, and its port."""
    path = folder / "server.py"
    path.write_text(PROGRAM)
    server = await start_program(
        *(sys.executable, str(path), str(folder / "runs.journal"), version),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert server.stdout is not None
    try:
        yield server, int(await server.stdout.readline())
    finally:
        with suppress(ProcessLookupError):
            server.kill()
        await server.wait()


async def begun(port: int) -> str:
    """The id of a run that was begun there."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    body = b'{"text":"Hi"}'
    writer.write(
        b"POST /runs HTTP/1.1\r\nhost: test\r\nconnection: close\r\ncontent-type: application/json\r\n"
        b"content-length: %d\r\n\r\n%b" % (len(body), body)
    )
    answer = (await reader.read()).partition(b"\r\n\r\n")[2]
    writer.close()
    await writer.wait_closed()
    return str(json.loads(answer)["run"])


@pytest.mark.gate("starts two servers")
async def test_kill(tmp_path: Path) -> None:
    """After a kill -9 and a new version, a reader who comes back gets what was recorded; the rest is lost."""
    async with program(tmp_path) as (server, port):
        run = await begun(port)
        reader, writer = await asked(port, f"/runs/{run}")
        for _ in range(20):
            await reader.readuntil(b'"part":"')
        server.kill()
        seen = 20 + (await reader.read()).count(b'"part":"')
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
    async with program(tmp_path, version="2") as (_, port):
        reader, writer = await asked(port, f"/runs/{run}")
        body = await reader.readuntil(b"0\r\n\r\n")
        recorded, last = body.count(b'"part":"'), body[body.rindex(b"id: ") :]
        assert (True, True) == (recorded >= seen, b'"how":"lost"' in last)
        writer.write(b"GET /runs/%b HTTP/1.1\r\nhost: test\r\n" % run.encode())
        writer.write(b"last-event-id: %b\r\n\r\n" % last[4 : last.index(b"\n")])
        assert (await reader.readline()).startswith(b"HTTP/1.1 204")
        writer.close()
        await writer.wait_closed()


async def test_signals_of_the_host() -> None:
    """The library sets no handler of signals unless it is asked to; at the end the former ones are back."""

    def own(number: int, frame: object) -> None:
        del number, frame

    finite = scripted_model("Hi")
    before = signal.signal(signal.SIGTERM, own)
    try:
        app = Starlette(routes=chat_routes(finite))
        server = uvicorn.Server(uvicorn.Config(app, log_config=None))
        async with MiniAgents(app_wide=True), served(app) as url:
            with server.capture_signals():
                async with httpx2.AsyncClient(base_url=url, trust_env=False, verify=False) as client:
                    run = (await client.post("/runs", json={"text": "Hi"})).json()["run"]
                    assert '"how":"finished"' in (await client.get(f"/runs/{run}")).text
                of_server = signal.getsignal(signal.SIGTERM)
                assert "uvicorn" in repr(of_server)
                end_on_signals()
                assert signal.getsignal(signal.SIGTERM) != of_server
        assert signal.getsignal(signal.SIGTERM) is own
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.mark.gate("starts a server")
async def test_shutdown(tmp_path: Path) -> None:
    """A server that is told to end ends its readers first, then its runs; attached ones are told so."""
    async with program(tmp_path) as (server, port):
        run = await begun(port)
        attached, one = await asked(port)
        detached, other = await asked(port, f"/runs/{run}")
        await attached.readuntil(b'"part":"')
        await detached.readuntil(b'"part":"')
        server.send_signal(signal.SIGTERM)
        async with asyncio.timeout(2):
            attached_end, detached_end = await attached.read(), await detached.read()
            await server.wait()
        assert (True, False) == (b"shutting down" in attached_end, b"run_ended" in detached_end)
        for writer in (one, other):
            writer.close()
            await writer.wait_closed()
