"""The cases S1 to S17, and D for decoding: what is measured, and the limit that it is measured against."""

import os
import subprocess
import sys
from dataclasses import dataclass
from importlib import import_module
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import cast

from .map_cases import map_limit, map_ours
from .prompt_cases import guarded_limit, guarded_live_ours, guarded_ours, prompt_limit, prompt_ours
from .rewrite_cases import HOPS, rewriting_limit, rewriting_ours
from .run_cases import (
    answers_limit,
    answers_ours,
    calls_limit,
    calls_ours,
    first_token_limit,
    first_token_ours,
    flatten_limit,
    flatten_ours,
    message,
    promise,
)
from .sources import Role, bulk, live
from .stream_cases import (
    operators_limit,
    operators_ours,
    piped_limit,
    piped_ours,
    range_limit,
    range_ours,
    replay_limit,
    replay_ours,
    stream_limit,
    stream_ours,
)


@dataclass(frozen=True, slots=True)
class Case:
    """A case: both roles take a count and return the seconds that it took.

    Attributes:
        limit: the least that the interpreter allows, or what is compared with.
        ours: the same through the library.
        count: the size of a full run.
        small: the size of a check that it runs.
        target: what the ratio must not exceed.
        in_us: the target is no ratio but so many microseconds an item.
        added: the target is so many microseconds an item that ours may take more than the limit.
    """

    limit: Role
    ours: Role
    count: int
    small: int
    target: float
    in_us: bool = False
    added: bool = False


def import_seconds(statement: str, compiled: str) -> float:
    """How long a statement takes in a fresh interpreter, with bytecode of its own in ``compiled``."""
    code = f"import time\nt = time.process_time()\n{statement}\nprint(time.process_time() - t)"
    world = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(  # noqa: S603 - ours
        [sys.executable, "-c", code],
        env={**world, "PYTHONPYCACHEPREFIX": compiled},
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout)


def imports(statement: str) -> Role:
    """Import ``count`` times, each in a fresh interpreter; once before, so that all is compiled."""

    def role(count: int) -> float:
        with TemporaryDirectory() as compiled:
            import_seconds(statement, compiled)
            return sum(import_seconds(statement, compiled) for _ in range(count))

    return role


def sdk_role(module: str, name: str) -> Role:
    """A role of a module that is imported when it is run: only there the SDKs may be in the heap.

    What is in the heap is looked at by the garbage collector, whatever is measured.
    """

    def role(count: int) -> float:
        return cast("Role", getattr(import_module(f"tests.bench.{module}"), name))(count)

    return role


def sdk_case(module: str, name: str, count: int, small: int, target: float, *, added: bool = False) -> Case:
    """A case of which both roles are in such a module, as ``name_limit`` and ``name_ours``."""
    limit, ours = sdk_role(module, f"{name}_limit"), sdk_role(module, f"{name}_ours")
    return Case(limit, ours, count, small, target, added=added)


PYDANTIC_IN_USE = """
import asyncio, reactivex
from pydantic import BaseModel, Field
class Model(BaseModel):
    number: int = Field(1)
async def main():
    Model()
asyncio.run(main())
"""
"""What the two cost a program that uses them: pydantic imports much of itself at the first model."""

AN_AGENT = """
from miniagents import MiniAgents, miniagent
@miniagent
async def hello(ctx):
    ctx.reply("hello")
async def main():
    await hello.inquire()
MiniAgents().run(main())
"""
"""The first agent of a program, and its run."""

CASES = MappingProxyType(
    {
        "S1": Case(stream_limit(bulk), stream_ours(bulk), 100_000, 2_000, 3.0),
        "S1L": Case(stream_limit(live), stream_ours(live), 50_000, 500, 2.2),
        "S2-4": Case(operators_limit(4), operators_ours(4), 100_000, 200, 1.0),
        "S2-16": Case(operators_limit(16), operators_ours(16), 100_000, 200, 0.6),
        "S2-64": Case(operators_limit(64), operators_ours(64), 50_000, 200, 0.5),
        "S3": Case(replay_limit, replay_ours, 20_000, 200, 1.2),
        "S4": Case(calls_limit, calls_ours, 10_000, 100, 3.0),
        "S4b": Case(answers_limit, answers_ours, 10_000, 100, 3.5),
        "S5": Case(first_token_limit, first_token_ours, 100, 2, 1.0),
        "S6": Case(flatten_limit(promise), flatten_ours(promise), 100_000, 1_000, 0.5),
        "S6b": Case(flatten_limit(message), flatten_ours(message), 100_000, 1_000, 2.5),
        "S7": Case(
            imports("import reactivex; from pydantic import BaseModel"),
            imports("import miniagents"),
            3,
            1,
            1.2,
        ),
        "S7-agent": Case(
            imports(PYDANTIC_IN_USE),
            imports(AN_AGENT),
            3,
            1,
            1.3,
        ),
        **{
            f"S8-{hops}": Case(rewriting_limit(hops), rewriting_ours(hops), 40_000, 2 * hops, 1.5)
            for hops in HOPS
        },
        "S9": sdk_case("http_cases", "answers", 30_000, 20, 1.3),
        "S9L": sdk_case("http_cases", "live", 30_000, 20, 1.3),
        "S10": Case(map_limit, map_ours, 5_000, 20, 400.0, in_us=True),
        **{
            f"S15-{at_once}": sdk_case("call_cases", f"calls_{at_once}", 8 * max(at_once, 250), 20, 6.0)
            for at_once in (16, 128, 1_000)
        },
        "S16": Case(piped_limit, piped_ours, 100_000, 200, 6.0),
        "S16-range": Case(range_limit, range_ours, 50_000, 200, 1.1),
        "S13": Case(prompt_limit, prompt_ours, 50_000, 100, 5.0, added=True),
        "S14": sdk_case("observe_cases", "watched", 30_000, 20, 1.05),
        "S14L": sdk_case("observe_cases", "watched_live", 30_000, 20, 1.05),
        "S14-otel": sdk_case("observe_cases", "traced", 30_000, 20, 15.0, added=True),
        "S17": Case(guarded_limit, guarded_ours, 50_000, 100, 1.0, added=True),
        "S17L": Case(prompt_limit, guarded_live_ours, 50_000, 100, 1.0, added=True),
        "D-chat": sdk_case("decode_cases", "chat", 10_000, 100, 0.2),
        "D-responses": sdk_case("decode_cases", "responses", 10_000, 100, 0.2),
        "D-anthropic": sdk_case("decode_cases", "anthropic", 20_000, 100, 0.2),
    }
)
