"""A server that is used for long: its memory, its tasks and its files have to stay as they were.

`python -m tests.bench.web_soak --minutes 10` has clients come and go all that time: they read answers to
their ends, leave in the middle, come back to runs that went on, stop some, and send what is refused. It
prints a line now and then, and fails with a sentence if something has grown.
"""

import argparse
import asyncio
import gc
import json
import random
import resource
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from statistics import median
from typing import Final, NamedTuple

import httpx2
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from miniagents import AssistantMessage, Message, MiniAgents
from miniagents.agents import InteractionContext
from miniagents.ext.journal import Journal
from miniagents.ext.web import Runs, chat_routes, stream_response
from miniagents.models import model_agent
from tests.bench.web_clients import run_server, serving

__all__ = ["Used", "complaint", "soak"]

GROWS_BY: Final = 0.05  # share of the memory
AND_BY: Final = 4096  # KiB: what an allocator may hold back
KEEP: Final = 5.0  # seconds that a run is kept after its end


class Used(NamedTuple):
    """What the server uses.

    Attributes:
        kib: memory.
        tasks: of its event loop.
        files: open files and sockets.
    """

    kib: float
    tasks: int
    files: int


@model_agent
async def talk(ctx: InteractionContext[Message, AssistantMessage], *, tools: tuple[object, ...] = ()) -> None:
    """Say 40 tokens in a second."""
    del tools

    async def tokens(_: object) -> AsyncIterator[str]:
        for number in range(40):
            yield f"word{number} "
            await asyncio.sleep(0.025)

    ctx.reply(AssistantMessage.promise(tokens))


async def ask(_: Request) -> Response:
    """Send what the agent says."""
    return stream_response(talk.inquire("?"))


async def used(_: Request) -> Response:
    """Tell what the server uses."""
    gc.collect()
    kib = int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1024  # noqa: ASYNC240
    files = [*Path("/proc/self/fd").iterdir()]  # noqa: ASYNC240 - no disk
    return JSONResponse(Used(kib, len(asyncio.all_tasks()), len(files)))


def serve(folder: str) -> None:
    """Run the server, and print its port."""
    kept = Runs(Journal(Path(folder) / "runs.journal"), keep=KEEP)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None]:
        async with MiniAgents(app_wide=True, drain_timeout=0):
            await kept.open()
            yield

    routes = [Route("/ask", ask), Route("/used", used), *chat_routes({"talk": talk}, runs=kept)]
    run_server(Starlette(routes=routes, lifespan=lifespan))


# -- the clients -----------------------------------------------------------------------------------------


async def client(url: str, chance: random.Random) -> None:
    """Come and go until cancelled."""
    async with httpx2.AsyncClient(base_url=url, trust_env=False, verify=False, timeout=30) as http:
        while True:
            with suppress(httpx2.HTTPError, TimeoutError):
                await visit(http, chance)


async def visit(http: httpx2.AsyncClient, chance: random.Random) -> None:
    """Do one of the things that clients do."""
    kind = chance.randrange(5)
    if kind == 0:
        await http.post("/runs", json={"text": 7})  # which is refused
        await http.get("/runs/none")
        await asyncio.sleep(0.1)
    elif kind == 1:
        await read(http, "/ask", chance.uniform(0, 2))
    else:
        run = (await http.post("/runs", json={"text": "x" * chance.randrange(2_000)})).json()["run"]
        await read(http, f"/runs/{run}", chance.uniform(0, 1))
        if kind == 2:
            await http.post(f"/runs/{run}/stop")
        await read(http, f"/runs/{run}?after={chance.randrange(20)}", 3)


async def read(http: httpx2.AsyncClient, path: str, seconds: float) -> None:
    """Read for so long, and leave."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds), http.stream("GET", path) as told:
            async for _ in told.aiter_bytes():
                pass


async def watched(port: int, clients: int, seconds: float) -> tuple[list[Used], Used, Used]:
    """What the server uses, second by second; and before there were clients, and after they had left."""
    url = f"http://127.0.0.1:{port}"
    chance = random.Random(7)  # noqa: S311 - what clients do
    async with httpx2.AsyncClient(base_url=url, trust_env=False, verify=False, timeout=30) as http:

        async def look() -> Used:
            return Used(*(await http.get("/used")).json())

        await look()
        before, samples = await look(), list[Used]()
        coming = [asyncio.create_task(client(url, random.Random(chance.random()))) for _ in range(clients)]  # noqa: S311
        began = told = time.monotonic()
        while time.monotonic() - began < seconds:
            await asyncio.sleep(min(1.0, seconds / 50))
            samples.append(await look())
            if time.monotonic() - told > 30:
                told = time.monotonic()
                print(f"{told - began:6.0f} s  {samples[-1]}", flush=True)  # noqa: T201
        for each in coming:
            each.cancel()
        await asyncio.wait(coming)
        await asyncio.sleep(KEEP + 2)  # the last runs end, and are forgotten
        return samples, before, await look()


def complaint(samples: list[Used], before: Used, after: Used) -> str:
    """What has grown, in a sentence; empty if nothing has.

    Args:
        samples: as long as clients came and went.
        before: before there were any.
        after: when they had left.
    """
    fifth = max(1, len(samples) // 5)
    early = median(each.kib for each in samples[fifth : 2 * fifth] or samples)
    late = median(each.kib for each in samples[-fifth:])
    if late > early * (1 + GROWS_BY) + AND_BY:
        return f"The memory has grown from {early:,.0f} to {late:,.0f} KiB."
    if after.tasks > before.tasks + 3:
        return f"{after.tasks} tasks are left, and there were {before.tasks}."
    if after.files > before.files + 3:
        return f"{after.files} files are open, and there were {before.files}."
    return ""


def soak(seconds: float, clients: int = 100) -> tuple[str, list[Used]]:
    """Use a server for so long; what has grown, in a sentence, and what it used.

    Args:
        seconds: how long.
        clients: how many come and go.
    """
    with (
        tempfile.TemporaryDirectory() as folder,
        serving("tests.bench.web_soak", "--folder", folder) as port,
    ):
        samples, before, after = asyncio.run(watched(port, clients, seconds))
    return complaint(samples, before, after), samples


def main() -> None:
    """Soak, and say what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--clients", type=int, default=100)
    given = parser.parse_args()
    if given.folder:
        serve(given.folder)
        return
    sentence, samples = soak(given.minutes * 60, given.clients)
    kib = [each.kib for each in samples]
    print(json.dumps({"first KiB": kib[0], "most KiB": max(kib), "last KiB": kib[-1]}), flush=True)  # noqa: T201
    if sentence:
        sys.exit(sentence)


if __name__ == "__main__":
    main()
