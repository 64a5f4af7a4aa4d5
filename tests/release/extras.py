"""What each extra alone gives, as programs that run where nothing else is installed."""

from collections.abc import Mapping
from typing import Final

__all__ = ["GIVES", "MODULES"]

MODULES: Final = """
import importlib, pkgutil, sys
import miniagents
there, told = 0, []
for found in pkgutil.walk_packages(miniagents.__path__, "miniagents.", onerror=lambda name: None):
    if any(part.startswith("_") for part in found.name.split(".")):
        continue
    try:
        importlib.import_module(found.name)
        there += 1
    except ImportError as error:
        assert "pip install 'miniagents[" in str(error), f"{found.name}: {error}"
        for extra in sys.argv[1:]:
            assert f"miniagents[{extra}]" not in str(error), f"{found.name} with miniagents[{extra}]: {error}"
        told.append(found.name)
assert there and (told or sys.argv[1:]), (there, told)
for name in miniagents.__all__:
    getattr(miniagents, name)
print(f"{there} public modules are there, {len(told)} name the extra that they need")
"""
"""Imports each public module; one that cannot be imported names its extra, which is no argument of this."""

_CHAT: Final = """
import asyncio
from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput
from miniagents.ext.console._prompt import new_prompt
async def main():
    with create_pipe_input() as keyboard, create_app_session(input=keyboard, output=DummyOutput()):
        keyboard.send_text("hello\\r")
        assert "hello" == await new_prompt(KeyboardInterrupt)("YOU")
asyncio.run(main())
"""

_OPENAI: Final = """
from miniagents.ext.llm.openai import create_openai_agent
from miniagents.ext.llm.openai_responses import openai_responses_agent
create_openai_agent(model="m"), openai_responses_agent.fork(model="m")
"""

_ANTHROPIC: Final = """
from miniagents.ext.llm.anthropic import create_anthropic_agent
create_anthropic_agent(model="m")
"""

_OTEL: Final = """
from miniagents import MiniAgents
from miniagents.ext.eliza import eliza_agent
from miniagents.ext.otel import tracing
async def main():
    assert str(await eliza_agent.inquire("Hello"))
MiniAgents(observers=[tracing()]).run(main())
"""

_PRICES: Final = """
from miniagents import Usage
from miniagents.ext.usage import dollars
assert dollars(Usage(input_tokens=1_000_000), "gpt-4o") > 0
"""

_SCHEMA: Final = """
import asyncio
from miniagents.tools import Tool
schema = {"properties": {"celsius": {"type": "number"}}, "required": ["celsius"]}
warm = Tool.from_schema("warm", "Is it warm?", schema, lambda given: given["celsius"] > 20)
assert asyncio.run(warm.invoke('{"celsius": 25}')) == "true"
"""

_MCP: Final = """
import sys
from miniagents import MiniAgents
from mcp import StdioServerParameters
from miniagents.ext.mcp import mcp_tools
words = ["-m", "miniagents", "mcp", "miniagents.ext.eliza:eliza_agent"]
async def main():
    async with mcp_tools(StdioServerParameters(command=sys.executable, args=words)) as tools:
        assert [tool.spec.name for tool in tools] == ["ELIZA_AGENT"], tools
MiniAgents().run(main())
"""

_WEB: Final = """
import miniagents.cli._server, uvicorn
from miniagents.ext.eliza import eliza_agent
from miniagents.ext.journal import Journal
from miniagents.ext.web import Runs, chat_routes
from starlette.applications import Starlette
Starlette(routes=chat_routes(eliza_agent, runs=Runs(Journal("runs.journal"))))
"""

# The agents of providers use it, and their SDKs are other extras.
_FAST: Final = """
import aiohttp
"""

_POSTGRES: Final = """
from miniagents.ext.journal import JournalError, PostgresJournal
try:
    PostgresJournal("postgresql://127.0.0.1:1/none")
except JournalError:
    pass
"""

_JOBS: Final = """
import pathlib, subprocess, sys
pathlib.Path("rows.jsonl").write_text('{"text": "Hello"}\\n')
words = ["map", "eliza", "rows.jsonl", "--text-column", "text", "--out", "out.parquet", "--progress", "bar"]
subprocess.run([sys.executable, "-m", "miniagents", *words], check=True, stderr=subprocess.DEVNULL)
import pyarrow.parquet
assert len(pyarrow.parquet.read_table("out.parquet")) == 1
"""

_RAY: Final = """
import ray
from miniagents.ext.eliza import eliza_agent
from miniagents.ext.ray import remote
remote(eliza_agent)
"""

GIVES: Final[Mapping[str, str]] = {
    "chat": _CHAT,
    "openai": _OPENAI,
    "anthropic": _ANTHROPIC,
    "otel": _OTEL,
    "prices": _PRICES,
    "schema": _SCHEMA,
    "mcp": _MCP,
    "web": _WEB,
    "fast": _FAST,
    "postgres": _POSTGRES,
    "jobs": _JOBS,
    "ray": _RAY,
    "all": _CHAT + _OPENAI + _ANTHROPIC + _OTEL + _PRICES + _SCHEMA + _MCP + _WEB + _POSTGRES + _FAST + _JOBS,
}
"""For each extra that users install, a program that fails without it."""
