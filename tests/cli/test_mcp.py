"""`miniagents mcp`: what is served is found in modules of the user, and what is wrong is told in one line."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest
from mcp.client import Client

from miniagents import MiniAgent, Tool
from miniagents.cli import main
from miniagents.cli._arguments import BadInputError, McpOptions, parse_arguments
from miniagents.cli._named import named_agents
from tests.support.mcp_servers import ROOT

AGENTS = """
from miniagents import miniagent, tool

print("imported")

@miniagent
async def echo(ctx):
    ctx.reply(ctx.messages)

@tool
def now() -> str:
    return "noon"

class Box:
    inner = echo

number = 7
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module in the current folder."""
    (tmp_path / "my_served_agents.py").write_text(AGENTS)
    (tmp_path / "my_broken_agents.py").write_text("1 / 0")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    return "my_served_agents"


def test_found(module: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Agents and tools are found in modules of the current folder; what these print goes to stderr."""
    echo, now, inner = named_agents([f"{module}:{name}" for name in ("echo", "now", "Box.inner")])
    assert isinstance(echo, MiniAgent)
    assert isinstance(now, Tool)
    assert inner is echo
    told = capsys.readouterr()
    assert (told.out, told.err) == ("", "imported\n")


@pytest.mark.parametrize(
    ("named", "text"),
    [
        ("my_served_agents", "names no agent; write MODULE:AGENT"),
        (":echo", "names no agent; write MODULE:AGENT"),
        ("my_served_agents.py:echo", "is the path of a file, and not its module; write MODULE:AGENT"),
        (r"C:\my\served_agents.py:echo", "is the path of a file, and not its module; write MODULE:AGENT"),
        ("no_such_module:echo", "cannot be imported: ModuleNotFoundError"),
        ("my_broken_agents:echo", "cannot be imported: ZeroDivisionError: division by zero"),
        ("my_served_agents:nobody", "the module my_served_agents has no nobody"),
        ("my_served_agents:number", "is a int; name an agent, or a function with @tool"),
    ],
)
def test_not_found(module: str, named: str, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What is not there, or is no agent, is told."""
    with pytest.raises(BadInputError) as caught:
        named_agents([named])
    assert text in str(caught.value)
    assert capsys.readouterr().out == ""  # what the module prints stands on stderr


def test_options(monkeypatch: pytest.MonkeyPatch) -> None:
    """A port alone is one of this machine only."""
    assert parse_arguments(["mcp", "a:b"]) == McpOptions(("a:b",), None)
    assert parse_arguments(["mcp", "a:b", "c:d", "--http", "8000"]) == McpOptions(
        ("a:b", "c:d"), "127.0.0.1:8000"
    )
    words = ["mcp", "a:b", "--http", "0.0.0.0:80"]
    assert parse_arguments([*words, "--token", "x", "--name", "c.example"]) == McpOptions(
        ("a:b",), "0.0.0.0:80", "x", ("c.example",)
    )
    monkeypatch.setenv("MINIAGENTS_TOKEN", "y")
    assert parse_arguments(words) == McpOptions(("a:b",), "0.0.0.0:80", "y")
    assert parse_arguments(["mcp", "a:b"]) == McpOptions(("a:b",), None)
    with pytest.raises(BadInputError, match="--token and --name are for --http"):
        parse_arguments(["mcp", "a:b", "--token", "x"])


def test_wrong_input(module: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Wrong input ends with the exit code 2 and one line on stderr."""
    assert main(["mcp", f"{module}:echo", "--http", "nowhere"]) == 2
    assert capsys.readouterr().err.splitlines()[-1] == (
        "miniagents: 'nowhere' is not an address to listen on; write it like 127.0.0.1:8000."
    )
    assert main(["mcp", f"{module}:echo", "--http", "0.0.0.0:0"]) == 2
    assert "Other machines can reach 0.0.0.0:0, so it needs a token" in capsys.readouterr().err
    assert main(["mcp", f"{module}:echo", f"{module}:Box.inner", "--http", "0"]) == 2
    assert "Two tools are called 'ECHO'" in capsys.readouterr().err


@pytest.mark.gate("starts programs with the SDK")
@pytest.mark.parametrize("http", [True, False])
async def test_signals(module: str, http: bool, tmp_path: Path) -> None:
    """A signal ends a server that has answered at once, also while its client is silent."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-X", "dev", "-W", "error", "-m", "miniagents", "mcp", f"{module}:echo"),
        *(("--http", "0") if http else ()),
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONMALLOC": "pymalloc"},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    async with asyncio.timeout(20):
        assert await process.stderr.readline() == b"imported\n"
        if http:
            address = (await process.stderr.readline()).decode().split()[3].rstrip(";")
            async with Client(address) as client:
                assert [each.name for each in (await client.list_tools()).tools] == ["ECHO"]
        else:
            process.stdin.write(b'{"jsonrpc": "2.0", "id": 1, "method": "ping"}\n')
            assert b'"id":1' in await process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        out, _ = await asyncio.gather(process.stdout.read(), process.wait())
        err = await process.stderr.read()
        process.stdin.close()
    assert (process.returncode, out) == (128 + signal.SIGTERM, b"")
    assert b"Traceback" not in err
