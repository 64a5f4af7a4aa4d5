"""S11: many clients of a server, each told 20 tokens a second; what an event costs the server.

`python -m tests.bench.web_clients --clients 400 --seconds 5` runs a server for each kind of response, one
after the other: a bare `StreamingResponse` that sends the same events, an agent behind `stream_response`,
runs that outlive their clients, with a journal in memory and in SQLite, and an agent in the words of the
Vercel AI SDK; and, where they are installed (`pip install -e '.[bench]'`), sse-starlette with the same
events, and an agent of pydantic-ai with the same tokens behind its adapter for the Vercel AI SDK. Where there
are two processors, the server has one and the clients the other.
"""

import argparse
import asyncio
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, AsyncIterator, Generator
from contextlib import asynccontextmanager, contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from socket import socket
from typing import Final

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from typing_extensions import override

from miniagents import Message, MiniAgents, miniagent
from miniagents.agents import InteractionContext
from miniagents.ext.journal import Journal, MemoryJournal
from miniagents.ext.web import Runs, stream_response
from miniagents.ext.web._protocols import SSEEncoder
from miniagents.ext.web._response import FrameResponse

__all__ = ["KINDS", "installed", "measure", "run_server", "serving"]

OURS: Final = ("bare", "stream_response", "memory", "sqlite", "vercel")
PEERS: Final = {"sse-starlette": "sse_starlette", "pydantic-ai": "pydantic_ai"}
"""Peer -> its module."""
KINDS: Final = (*OURS, *PEERS)
PAUSE: Final = 0.05  # seconds between two tokens of a client


@miniagent
async def talk(ctx: InteractionContext) -> None:
    """Say a token 20 times a second, with the time in it."""

    async def tokens(_: object) -> AsyncIterator[str]:
        while True:
            yield f"{time.monotonic():.6f} "
            await asyncio.sleep(PAUSE)

    ctx.reply(Message.promise(tokens))


async def bare(_: Request) -> Response:
    """Send the same events without an agent."""

    async def events() -> AsyncIterator[bytes]:
        position = 0
        while True:
            position += 1
            data = json.dumps(
                {"type": "part", "message": 0, "part": f"{time.monotonic():.6f} "}, separators=(",", ":")
            )
            yield f"id: {position}\ndata: {data}\n\n".encode()
            await asyncio.sleep(PAUSE)

    return StreamingResponse(events(), media_type="text/event-stream")


async def attached(_: Request) -> Response:
    """Send what an agent says."""
    return stream_response(talk.inquire("?"))


async def in_vercels_words(_: Request) -> Response:
    """Send what an agent says to `useChat`."""
    return stream_response(talk.inquire("?"), "vercel")


async def of_sse_starlette(_: Request) -> Response:
    """Send the same events by sse-starlette."""

    async def events() -> AsyncIterator[dict[str, object]]:
        position = 0
        while True:
            position += 1
            event = {"type": "part", "message": 0, "part": f"{time.monotonic():.6f} "}
            yield {"id": str(position), "data": json.dumps(event, separators=(",", ":"))}
            await asyncio.sleep(PAUSE)

    response: Response = import_module("sse_starlette").EventSourceResponse(events())
    return response


async def of_pydantic_ai(request: Request) -> Response:
    """Send what an agent of pydantic-ai says to `useChat`."""

    async def tokens(*_: object) -> AsyncIterator[str]:
        while True:
            yield f"{time.monotonic():.6f} "
            await asyncio.sleep(PAUSE)

    model = import_module("pydantic_ai.models.function").FunctionModel(stream_function=tokens)
    adapter = import_module("pydantic_ai.ui.vercel_ai").VercelAIAdapter
    agent = import_module("pydantic_ai").Agent(model)
    response: Response = await adapter.dispatch_request(request, agent=agent)
    return response


def installed(kind: str) -> bool:
    """Whether a kind of response can be measured here."""
    return kind not in PEERS or find_spec(PEERS[kind]) is not None


async def stats(_: Request) -> Response:
    """Tell what the server has used: seconds of the processor, and KiB of memory at most."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return JSONResponse([usage.ru_utime + usage.ru_stime, usage.ru_maxrss])


def serve(kind: str, folder: str) -> None:
    """Run a server of this kind, and print its port."""
    journal = Journal(Path(folder) / "runs.journal") if kind == "sqlite" else MemoryJournal()
    runs = Runs(journal, max_live=10_000)

    async def detached(_: Request) -> Response:
        feed = await runs.read(await runs.start(talk.inquire("?")))
        assert feed is not None
        return FrameResponse(feed, SSEEncoder())

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None]:
        async with MiniAgents(app_wide=True, drain_timeout=0):
            yield

    endpoints = {
        "bare": bare,
        "stream_response": attached,
        "vercel": in_vercels_words,
        "sse-starlette": of_sse_starlette,
        "pydantic-ai": of_pydantic_ai,
    }
    ask_route = Route("/ask", endpoints.get(kind, detached), methods=["GET", "POST"])
    run_server(Starlette(routes=[ask_route, Route("/stats", stats)], lifespan=lifespan))


def run_server(app: Starlette) -> None:
    """Serve an app until the process is ended, and print the port."""

    class Server(uvicorn.Server):
        @override
        async def startup(self, sockets: list[socket] | None = None) -> None:
            await super().startup(sockets)
            print(self.servers[0].sockets[0].getsockname()[1], flush=True)  # noqa: T201 - for who started it

    Server(uvicorn.Config(app, port=0, log_config=None, access_log=False, backlog=4096)).run()


async def fetch(port: int) -> list[float]:
    """What the server has used."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /stats HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n")
    body = (await reader.read()).partition(b"\r\n\r\n")[2]
    writer.close()
    used: list[float] = json.loads(body)
    return used


QUESTION: Final = json.dumps(
    {
        "trigger": "submit-message",
        "id": "chat-1",
        "messages": [{"id": "u", "role": "user", "parts": [{"type": "text", "text": "?"}]}],
    }
).encode()
"""As the Vercel AI SDK sends it."""
REQUEST: Final = (
    b"POST /ask HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
    % (len(QUESTION), QUESTION)
)


async def read(port: int, delays: list[float], count: list[int]) -> None:
    """Read events until cancelled; note how late each is."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(REQUEST)
        while line := await reader.readline():
            _, found, rest = line.partition(b'"part":"')
            if not found:
                _, found, rest = line.partition(b'"delta":"')
            if found:
                count[0] += 1
                delays.append(time.monotonic() - float(rest.partition(b" ")[0]))
    finally:
        writer.close()


async def ask(port: int, clients: int, seconds: float) -> dict[str, float]:
    """The cost of an event, its delays, and the memory of a client."""
    delays: list[float] = []
    count = [0]
    _, before = await fetch(port)
    tasks: list[asyncio.Task[None]] = []
    for number in range(clients):
        tasks.append(asyncio.create_task(read(port, delays, count)))
        if number % 50 == 49:
            await asyncio.sleep(0.05)
    await asyncio.sleep(1.5)
    began, _ = await fetch(port)
    count[0] = 0
    delays.clear()
    await asyncio.sleep(seconds)
    events = count[0]
    ended, after = await fetch(port)
    for each in tasks:
        each.cancel()
    await asyncio.wait(tasks)
    delays.sort()
    return {
        "events_per_second": events / seconds,
        "microseconds_per_event": (ended - began) / max(events, 1) * 1e6,
        "p99_ms": delays[len(delays) * 99 // 100] * 1e3 if delays else 0.0,
        "kib_per_client": (after - before) / clients,
    }


def measure(kind: str, clients: int, seconds: float) -> dict[str, float]:
    """Start a server of a kind, ask it, and end it.

    Args:
        kind: one of `KINDS`.
        clients: how many read at once.
        seconds: how long.
    """
    with (
        tempfile.TemporaryDirectory() as folder,
        serving("tests.bench.web_clients", "--serve", kind, "--folder", folder) as port,
    ):
        return asyncio.run(ask(port, clients, seconds))


@contextmanager
def serving(*words: str) -> Generator[int]:
    """Run a program that serves and prints its port, on a processor of its own if there are two.

    Args:
        *words: the module, and its arguments.

    Yields:
        The port.
    """
    processors = sorted(os.sched_getaffinity(0))
    with subprocess.Popen([sys.executable, "-m", *words], stdout=subprocess.PIPE) as server:  # noqa: S603 - ours
        try:
            assert server.stdout is not None
            port = int(server.stdout.readline())
            if len(processors) > 1:
                os.sched_setaffinity(server.pid, processors[:1])
                os.sched_setaffinity(0, processors[1:])
            yield port
        finally:
            os.sched_setaffinity(0, processors)
            server.kill()


def main() -> None:
    """Print a line for each kind."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--serve", choices=KINDS)
    parser.add_argument("--folder", default=".")
    parser.add_argument("--clients", type=int, default=400)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--kinds", nargs="*", default=KINDS, choices=KINDS)
    given = parser.parse_args()
    if given.serve:
        serve(given.serve, given.folder)
        return
    for kind in given.kinds:
        if not installed(kind):
            print(f"{kind:16} is not installed: pip install -e '.[bench]'", flush=True)  # noqa: T201
            continue
        found = measure(kind, given.clients, given.seconds)
        print(f"{kind:16}", "  ".join(f"{name} {value:.1f}" for name, value in found.items()), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
