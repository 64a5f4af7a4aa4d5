"""A program: two nodes of Ray on this machine, and what happens to remote agents on them.

Crosses modules: it is run by `test_two_nodes.py`, and prints what came of its scenarios as JSON.
"""

import asyncio
import faulthandler
import json
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from importlib import import_module
from pathlib import Path
from statistics import median
from typing import Final, Protocol, cast

from miniagents import InteractionContext, MiniAgents, Part, Restart, miniagent, partial_text
from miniagents.ext.ray import RemoteError, remote
from miniagents.messages import MessageSequencePromise
from tests.ext.ray.agents import Number, OddError, Square, noted, scribe, strict
from tests.support.ray_processes import ray_processes

CONCURRENCY: Final = 16
WORKERS: Final = 4
BEGAN: Final = time.monotonic()
STUCK: Final = 270  # seconds; on a busy machine all takes three times the 35 s of an idle one
_NODE: Final = {"num_cpus": 1, "object_store_memory": 80 * 2**20, "include_dashboard": False}


class Cluster(Protocol):
    """What is used of `ray.cluster_utils.Cluster`."""

    address: str

    def add_node(self, **options: object) -> object:
        """Start a node."""
        ...

    def remove_node(self, node: object, *, allow_graceful: bool) -> None:
        """End all processes of a node."""
        ...

    def shutdown(self) -> None:
        """End all processes."""
        ...


class Ray(Protocol):
    """What is used of `ray`."""

    def init(self, address: str, **options: object) -> object:
        """Become a driver."""
        ...

    def shutdown(self) -> None:
        """Be one no more."""
        ...


class Place:
    """Where a scenario is.

    Attributes:
        cluster: the nodes.
        second: the node that is not the first one.
        folder: for files of agents, one for each scenario.
    """

    folder: Path

    def __init__(self) -> None:
        ray = cast("Ray", import_module("ray"))
        make = cast("Callable[..., Cluster]", import_module("ray.cluster_utils").Cluster)
        quick = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 300}
        head = {**_NODE, "_system_config": {**quick, "health_check_failure_threshold": 4}}
        self.ray = ray
        self.cluster = make(initialize_head=True, head_node_args=head)
        self.second = self.cluster.add_node(**_NODE)
        ray.init(address=self.cluster.address, log_to_driver=False, configure_logging=False)

    def close(self) -> None:
        """End everything."""
        self.ray.shutdown()
        self.cluster.shutdown()


@miniagent
async def by_value(ctx: InteractionContext) -> None:
    """An agent of a program, which no module has."""
    ctx.reply(f"{os.getpid() != DRIVER} {await ctx.messages}")


DRIVER: Final = os.getpid()


async def rows(
    place: Place, count: int, break_it: Callable[[list[int]], Awaitable[object]]
) -> dict[str, object]:
    """Make many calls, and break something when a fifth of them has ended."""
    agent = remote(noted, replicas=WORKERS, concurrency=CONCURRENCY)
    pids: set[int] = set()
    ended: list[int] = []
    fifth = asyncio.Event()

    async def one(number: int) -> int:
        replies: MessageSequencePromise[Square] = agent.inquire(
            Number(number=number), folder=str(place.folder), delay=0.02
        )
        (reply,) = await replies
        pids.add(reply.pid)
        ended.append(number)
        if len(ended) == count // 5:
            fifth.set()
        return reply.square

    async with MiniAgents():
        while len(pids) < WORKERS:  # they begin one after the other
            await asyncio.gather(*[one(-1) for _ in range(CONCURRENCY)])
        ended.clear()
        fifth.clear()
        tasks = [asyncio.create_task(one(number)) for number in range(count)]
        await fifth.wait()
        await break_it(sorted(pids))
        squares = await asyncio.gather(*tasks)
    lines = [each for file in place.folder.glob("*.txt") for each in file.read_text().split() if each != "-1"]
    repeated = [number for number, times in Counter(lines).items() if times > 1]
    return {
        "right": squares == [number**2 for number in range(count)],
        "made": len(set(lines)),
        "repeated": len(repeated),
        "most": max(Counter(lines).values()),
        "workers": len(pids),
    }


async def whole(place: Place) -> dict[str, object]:
    """Nothing breaks."""

    async def nothing(_: list[int]) -> None:
        pass

    told = await rows(place, 400, nothing)
    async with MiniAgents():
        here = str(await by_value.inquire("x"))
        there = str(await remote(by_value, replicas=1).inquire("x"))
        try:
            await remote(strict, replicas=1).inquire("13")
        except OddError as error:
            told["error"] = [str(error), error.number]
    return {**told, "here": here, "there": there, "addresses": sorted(listening())}


async def kill(place: Place) -> dict[str, object]:
    """A worker is killed in mid-run."""

    async def one(pids: list[int]) -> None:
        os.kill(random.choice(pids), signal.SIGKILL)  # noqa: S311 - no secret

    return await rows(place, 400, one)


async def remove_node(place: Place) -> dict[str, object]:
    """A node is removed in mid-run, with all its workers."""

    async def node(_: list[int]) -> None:
        remove = place.cluster.remove_node
        await asyncio.to_thread(remove, place.second, allow_graceful=False)

    return await rows(place, 400, node)


async def leave(place: Place) -> dict[str, object]:
    """Readers leave in the middle of a message."""
    agent = remote(scribe, replicas=1)
    stops: list[float] = []

    async def read_one(file: Path) -> float:
        async for message in agent.inquire(str(file), words=100_000, delay=0.001):
            async for _ in message:
                return time.time()
        raise AssertionError

    async with MiniAgents():
        for number in range(10):
            file = place.folder / f"{number}.stopped"
            left = await read_one(file)
            while not (file.exists() and file.read_text()):  # noqa: ASYNC110 - another process writes it
                await asyncio.sleep(0.001)
            stops.append(float(file.read_text()) - left)
    return {"stopped": sorted(stops), "median": median(stops)}


async def cut(place: Place) -> dict[str, object]:
    """A worker is killed in the middle of a message; where that may come again, and where it may not."""
    parts: list[Part] = []
    text = lost = partial = ""
    async with MiniAgents():
        again = remote(scribe, replicas=1).inquire(str(place.folder / "again"), words=50, delay=0.005)
        async for message in again:
            async for part in message.parts:
                parts.append(part)
                if len(parts) == 10:
                    os.kill(int(str(parts[0])), signal.SIGKILL)
            text = str(await message).split(maxsplit=1)[1]
        once = remote(scribe, replicas=1, attempts=1)
        words: list[str] = []
        async for message in once.inquire(str(place.folder / "once"), words=50, delay=0.005):
            try:
                async for word in message:
                    words.append(word)
                    if len(words) == 10:
                        os.kill(int(words[0]), signal.SIGKILL)
            except RemoteError as error:
                lost, partial = str(error), partial_text(error)
    return {
        "restarts": sum(isinstance(each, Restart) for each in parts),
        "text": text == "".join(f"{number} " for number in range(50)),
        "lost": lost,
        "partial": partial.split(maxsplit=1)[1],
    }


async def command(place: Place) -> dict[str, object]:
    """The command line has rows asked by workers, and writes what it writes without them."""
    source = place.folder / "in.jsonl"
    source.write_text("".join(f'{{"text": "row {number}"}}\n' for number in range(500)), encoding="utf-8")
    written: list[bytes] = []
    codes: list[int | None] = []
    for words in ((), ("--ray", place.cluster.address, "--replicas", "3")):
        out = place.folder / f"out{len(words)}.jsonl"
        program = (sys.executable, "-m", "miniagents", "map", "tests.ext.ray.agents:echo", str(source))
        job = await asyncio.create_subprocess_exec(*program, "-o", str(out), *words)
        codes.append(await job.wait())
        written.append(out.read_bytes())
    return {"codes": codes, "same": written[0] == written[1], "rows": written[0].count(b"row ")}


def listening() -> set[str]:
    """The addresses at which processes of this cluster listen, in hexadecimal."""
    inodes: set[str] = set()
    for process in ray_processes():
        for each in (Path("/proc") / process / "fd").iterdir():
            try:
                target = str(each.readlink())
            except OSError:
                continue
            if target.startswith("socket:["):
                inodes.add(target[8:-1])
    found: set[str] = set()
    for name in ("tcp", "tcp6"):
        for line in Path("/proc/net", name).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in inodes:
                found.add(fields[1].partition(":")[0])
    return found


SCENARIOS: Final = (
    whole,
    kill,
    leave,
    cut,
    command,
    remove_node,
)  # which ends a node


def _say(text: str) -> None:
    sys.stderr.write(f"{text} after {time.monotonic() - BEGAN:.0f} s\n")


def main() -> None:
    """Run the scenarios one after the other, and print what came of each."""
    faulthandler.dump_traceback_later(STUCK)
    place = Place()
    told: dict[str, object] = {}
    try:
        for scenario in SCENARIOS:
            place.folder = Path(sys.argv[1]) / scenario.__name__
            place.folder.mkdir()
            told[scenario.__name__] = MiniAgents().run(scenario(place))
            _say(scenario.__name__)
    finally:
        place.close()
        _say("closed")
    print("told", json.dumps(told))  # noqa: T201 - for the test


if __name__ == "__main__":
    main()
