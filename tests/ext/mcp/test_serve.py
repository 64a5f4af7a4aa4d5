"""`serve_mcp`: agents as servers, asked by the official client over sockets and pipes."""

import asyncio
import gc
import os
import re
import socket
import sys
from collections.abc import AsyncGenerator, AsyncIterator, MutableMapping
from contextlib import asynccontextmanager
from contextvars import ContextVar
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from mcp_types import CallToolResult, ImageContent, TextContent
from typing_extensions import override

from miniagents import (
    AssistantMessage,
    Image,
    InteractionContext,
    Message,
    MiniAgents,
    SchemaError,
    miniagent,
    tool,
)
from miniagents.ext.mcp import _serve, mcp_tools, serve_mcp
from miniagents.ext.mcp._errors import MCPServerError, MCPToolError
from miniagents.parts import AgentPart
from miniagents.streams._context import current_context
from miniagents.tools import AnyTool
from tests.cli.processes import imported_by
from tests.support.forked import start_program
from tests.support.mcp_servers import ROOT

HERE = Path(__file__).parent
TOKEN = "open sesame"  # noqa: S105 - of these tests
ACCEPTED = {"accept": "application/json, text/event-stream"}
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    },
}


@miniagent(alias="talker", description="Says what it is told.")
async def talker(ctx: InteractionContext) -> None:
    said = str(await ctx.messages)

    async def words(_: MutableMapping[str, object]) -> AsyncIterator[str]:
        for word in said.split():
            await asyncio.sleep(0)
            yield f"{word} "

    ctx.reply(Message.promise(words))


@miniagent(alias="failing")
async def failing(ctx: InteractionContext) -> None:
    msg = "no luck with sk-1234567890abcdefghijklmnop"
    raise ValueError(msg)


@tool
def double(number: int) -> int:
    """Double a number."""
    return 2 * number


@asynccontextmanager
async def served(
    *agents: AnyTool,
    name: str = "miniagents",
    http: str = "127.0.0.1:0",
    token: str | None = None,
    hosts: tuple[str, ...] = (),
) -> AsyncGenerator[str]:
    """Serve over HTTP; gives the address."""
    at: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(
        serve_mcp(
            *agents,
            name=name,
            instructions="Be kind.",
            http=http,
            token=token,
            hosts=hosts,
            on_start=at.set_result,
        )
    )
    await asyncio.wait((at, serving), return_when=asyncio.FIRST_COMPLETED)
    try:
        yield at.result() if at.done() else str(serving.result())
    finally:
        serving.cancel()
        await asyncio.wait((serving,))


async def test_half_of_a_surrogate_pair() -> None:
    """What UTF-8 cannot encode is replaced in a token, a result and an error; the server goes on."""

    @miniagent(alias="half")
    async def half(ctx: InteractionContext) -> None:
        ctx.reply(f"{await ctx.messages} \ud800")

    @tool
    def broken() -> str:
        """Fail."""
        raise ValueError("\udfff")

    told: list[str | None] = []

    async def note(progress: float, total: float | None, message: str | None) -> None:
        told.append(message)

    async with served(half, broken) as url, Client(url) as client:
        assert "ValueError: ?" == text_of(await client.call_tool("broken", {}))
        answer = await client.call_tool("half", {"text": "x"}, progress_callback=note)
        assert ("x ?", ["x ?"]) == (text_of(answer), told)


async def test_images() -> None:
    """A client gets the images and texts that a tool returns, and those that an agent replies."""

    @tool
    def look() -> list[str | Image]:
        """Look."""
        return ["A dot:", Image(data=b"GIF8")]

    @miniagent(alias="painter")
    async def painter(ctx: InteractionContext) -> None:
        await ctx.messages
        ctx.reply(AssistantMessage(parts=["A dot:", Image(data=b"GIF8")]))

    shown = [TextContent(text="A dot:"), ImageContent(data="R0lGOA==", mime_type="image/gif")]
    async with served(look, painter) as url, Client(url) as client:
        for name, given in (("look", {}), ("painter", {"text": "Draw."})):
            assert shown == (await client.call_tool(name, given)).content


@pytest.mark.gate("starts three servers")
async def test_other_sites() -> None:
    """M1: at whatever address it listens, no page of another site reaches the agents (DNS rebinding)."""
    for http, token, hosts in (
        ("127.0.0.1:0", None, ()),
        ("127.0.0.2:0", None, ()),
        ("127.0.0.1:0", TOKEN, ("x.example",)),
    ):
        async with served(talker, http=http, token=token, hosts=hosts) as url:
            at = urlsplit(url)
            async with httpx2.AsyncClient(trust_env=False, verify=False) as client:
                for foreign in (
                    {"host": "evil.example"},
                    {"host": f"evil.example:{at.port}"},
                    {"host": "127.0.0.1:1"},
                    {"origin": "http://evil.example"},
                    {"origin": "null"},
                    {"origin": f"http://localhost:{at.port}"},
                    {"host": "x.example", "origin": "http://evil.example"},
                ):
                    refused = await client.post(url, json=INITIALIZE, headers={**ACCEPTED, **foreign})
                    assert 403 == refused.status_code, (foreign, http)
                sent = {**ACCEPTED, "origin": f"http://{at.netloc}", "authorization": f"Bearer {TOKEN}"}
                assert 200 == (await client.post(url, json=INITIALIZE, headers=sent)).status_code


async def test_token() -> None:
    """M1: with a token, only clients that send it can use the agents; wrong ones have a budget."""
    async with served(talker, token=TOKEN, hosts=("x.example",)) as url:
        async with httpx2.AsyncClient(trust_env=False, verify=False, headers=ACCEPTED) as client:
            for sent in ({}, {"authorization": "Bearer x"}, {"authorization": f"Basic {TOKEN}"}):
                refused = await client.post(url, json=INITIALIZE, headers=sent)
                assert (401, "Bearer") == (refused.status_code, refused.headers["www-authenticate"])
        async with httpx2.AsyncClient(
            trust_env=False, verify=False, headers={"authorization": f"Bearer {TOKEN}"}
        ) as http:
            for more in ({}, {"host": "x.example", "origin": "https://x.example"}):
                http.headers.update(more)
                async with Client(streamable_http_client(url, http_client=http)) as client:
                    assert "hi " == text_of(await client.call_tool("talker", {"text": "hi"}))


@pytest.mark.parametrize(
    ("http", "hosts"), [("0.0.0.0:0", ()), ("[::]:0", ()), ("127.0.0.1:0", ("x.example",))]
)
async def test_no_token_for_other_machines(http: str, hosts: tuple[str, ...]) -> None:
    """M1: an address that other machines can reach is refused without a token."""
    with pytest.raises(ValueError, match=r"Other machines can reach .*, so it needs a token"):
        await serve_mcp(talker, http=http, hosts=hosts)


async def test_no_host() -> None:
    """The name of a proxy is a host name."""
    with pytest.raises(ValueError, match=r"'https://x.example' is not a host name"):
        await serve_mcp(talker, http="127.0.0.1:0", token=TOKEN, hosts=["https://x.example"])


def text_of(result: CallToolResult) -> str:
    return "".join(block.text for block in result.content if isinstance(block, TextContent))


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_over_http(mode: str) -> None:
    """Agents and tools are listed and called at once, and what they say is the result, in both protocols."""
    async with served(talker, double, failing, name="mine") as url, Client(url, mode=mode) as client:
        assert client.server_info is not None
        assert (client.server_info.name, client.instructions) == ("mine", "Be kind.")
        listed = (await client.list_tools()).tools
        assert [each.name for each in listed] == ["talker", "double", "failing"]
        assert listed[0].description == "Says what it is told."
        assert listed[0].input_schema["required"] == ["text"]
        results = await asyncio.gather(*(client.call_tool("talker", {"text": f"a {n}"}) for n in range(8)))
        assert [text_of(each) for each in results] == [f"a {n} " for n in range(8)]
        assert text_of(await client.call_tool("double", {"number": 4})) == "8"
        failed = await client.call_tool("failing", {"text": "x"})
        assert failed.is_error
        assert text_of(failed).startswith("ValueError: no luck with ")
        assert "567890" not in text_of(failed)
        wrong = await client.call_tool("talker", {"txt": "x"})
        assert (wrong.is_error, text_of(wrong)) == (
            True,
            "ToolArgumentsError: txt: Extra inputs are not permitted",
        )
        missing = await client.call_tool("nobody", {})
        assert text_of(missing) == "There is no tool called 'nobody'; there are: talker, double, failing."


async def test_an_error_without_a_text() -> None:
    """An agent whose error cannot make its text fails for the client as any other."""

    class SilentError(Exception):
        """As one whose `__str__` needs an attribute that is not there."""

        @override
        def __str__(self) -> str:
            raise AttributeError("response")

    @miniagent(alias="silent")
    async def silent(ctx: InteractionContext) -> None:
        raise SilentError

    async with served(silent) as url, Client(url) as client:
        failed = await client.call_tool("silent", {"text": "x"})
        assert "SilentError: (its text cannot be made: AttributeError)" == text_of(failed)
        assert failed.is_error


@pytest.mark.gate("servers with real times")
async def test_tokens_as_progress() -> None:
    """Each token is told as progress to a client that asks for it, in order."""
    async with served(talker) as url, Client(url) as client:
        told: list[tuple[float, str | None]] = []

        async def note(progress: float, total: float | None, message: str | None) -> None:
            told.append((progress, message))

        await client.call_tool("talker", {"text": "one two"}, progress_callback=note)
        assert told == [(1, "one "), (2, "two ")]
    async with served(talker) as url, mcp_tools(url) as (again,):
        pieces = [piece async for piece in again.run('{"text": "one two"}')]
        assert pieces == [AgentPart(("talker",), "one "), AgentPart(("talker",), "two "), "one two "]


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_cancelled_by_the_client(mode: str) -> None:
    """A cancelled call stops the agent, through its `finally`, without a garbage collection; others go on."""
    begun, stopped = asyncio.Event(), asyncio.Event()

    @miniagent(alias="waiter")
    async def waiter(ctx: InteractionContext) -> None:
        try:
            ctx.reply("I wait.")
            begun.set()
            await asyncio.sleep(3600)
        finally:
            stopped.set()

    gc.disable()
    try:
        async with served(waiter, talker) as url, Client(url, mode=mode) as client:
            call = asyncio.create_task(client.call_tool("waiter", {"text": "x"}))
            await begun.wait()
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            async with asyncio.timeout(5):
                await stopped.wait()
            assert text_of(await client.call_tool("talker", {"text": "still here"})) == "still here "
    finally:
        gc.enable()


async def test_cancelled_server() -> None:
    """A server that is cancelled stops its agents and frees its address."""
    begun, stopped = asyncio.Event(), asyncio.Event()

    @miniagent(alias="waiter")
    async def waiter(ctx: InteractionContext) -> None:
        try:
            begun.set()
            await asyncio.sleep(3600)
        finally:
            stopped.set()

    async with served(waiter) as url, mcp_tools(url) as (wait,):
        call = asyncio.create_task(wait.invoke('{"text": "x"}'))
        await begun.wait()
        call.cancel()
        await asyncio.wait((call,))
    assert stopped.is_set()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", int(url.split(":")[2].partition("/")[0])), timeout=1)


async def test_in_a_context() -> None:
    """Agents run in the context that is active where they are served, with its context variables."""
    variable = ContextVar("variable", default="not set")

    @miniagent(alias="teller")
    async def teller(ctx: InteractionContext) -> None:
        ctx.reply(f"{variable.get()}, {current_context() is context}")

    async with MiniAgents() as context:
        variable.set("set")
        async with served(teller) as url, mcp_tools(url) as (tell,):
            assert await tell.invoke('{"text": "x"}') == "set, True"


@pytest.mark.gate("servers with real times")
async def test_timeout_of_a_tool() -> None:
    """A tool of a served function keeps its own time limit."""

    @tool(timeout=0.01)
    async def wait() -> None:
        """Wait."""
        await asyncio.sleep(3600)

    async with served(wait) as url, mcp_tools(url) as (told,):
        with pytest.raises(MCPToolError, match="TimeoutError"):
            await told.invoke()


async def test_refused() -> None:
    """What cannot be served, or listened at, is refused with a sentence."""
    with pytest.raises(SchemaError):
        await serve_mcp()
    with pytest.raises(SchemaError, match="Two tools are called 'talker'"):
        await serve_mcp(talker, talker, http="127.0.0.1:0")
    for wrong in ("127.0.0.1", ":80", "127.0.0.1:x", "127.0.0.1:70000"):
        with pytest.raises(ValueError, match="is not an address to listen on; write it like"):
            await serve_mcp(talker, http=wrong)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match=f"127.0.0.1:{port} cannot be listened at: "):
            await serve_mcp(talker, http=f"127.0.0.1:{port}")


def _stdio(folder: Path) -> StdioServerParameters:
    served = ("talker", "waiter", "double")
    return StdioServerParameters(
        command=sys.executable,
        args=["-W", "error", "-m", "miniagents", "mcp", *(f"served_agents:{each}" for each in served)],
        env={"PYTHONPATH": os.pathsep.join((str(ROOT), str(HERE)))},
        cwd=folder,
    )


@pytest.mark.gate("starts a program with the SDK")
async def test_over_stdio(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Over pipes: results, progress, a cancellation that stops the agent; nothing else is on stdout."""
    errors = tmp_path / "errors.txt"
    with errors.open("w") as errlog:
        async with Client(stdio_client(_stdio(tmp_path), errlog=errlog)) as client:
            told: list[str | None] = []

            async def note(progress: float, total: float | None, message: str | None) -> None:
                told.append(message)

            said = await client.call_tool("talker", {"text": "one two"}, progress_callback=note)
            assert (text_of(said), told) == ("one two ", ["one ", "two "])
            with pytest.raises(MCPError):
                await client.call_tool("waiter", {"text": "x"}, read_timeout_seconds=0.3)
            async with asyncio.timeout(10):
                while "the waiter was stopped" not in errors.read_text():  # noqa: ASYNC110 - another process
                    await asyncio.sleep(0.01)
            assert text_of(await client.call_tool("double", {"number": 4})) == "8"
    # What is no message of the protocol, the client logs.
    assert [each.message for each in caplog.records if "parse" in each.message] == []
    assert errors.read_text().count("printed while it") == 3


@pytest.mark.gate("starts a program with the SDK")
async def test_killed_over_http(tmp_path: Path) -> None:
    """M3: a server of HTTP that is killed is an error of the call that runs; calls find the next server."""

    async def start(port: str) -> tuple[asyncio.subprocess.Process, str]:
        process = await start_program(
            *(sys.executable, "-m", "miniagents", "mcp", "served_agents:waiter", "served_agents:double"),
            *("--http", port),
            imported=imported_by("mcp"),
            cwd=tmp_path,
            env={**os.environ, **(_stdio(tmp_path).env or {})},
            stderr=asyncio.subprocess.PIPE,
        )
        assert process.stderr is not None
        while not (line := (await process.stderr.readline()).decode()).startswith("miniagents: serving at "):
            assert line
        return process, line.split()[3].rstrip(";")

    async with asyncio.timeout(40):
        process, url = await start("0")
        try:
            async with mcp_tools(url) as (wait, double):
                pieces = wait.run('{"text": "x"}')
                assert await anext(pieces) == AgentPart(("waiter",), "I wait.")
                process.kill()
                gone = re.escape(f"The MCP server 'miniagents' ({url}) has gone during the call of waiter")
                with pytest.raises(MCPServerError, match=gone):
                    _ = [piece async for piece in pieces]
                await process.communicate()
                with pytest.raises(
                    MCPServerError, match=r"has gone, and cannot be reached again: .*ConnectError"
                ):
                    await double.invoke('{"number": 2}')
                process, _ = await start(urlsplit(url).netloc)
                assert await double.invoke('{"number": 2}') == "4"
                process.kill()
                await process.communicate()
                process, _ = await start(urlsplit(url).netloc)
                assert await double.invoke('{"number": 3}') == "6"
        finally:
            if process.returncode is None:
                process.kill()
            await process.communicate()


def test_answers_over_http_are_not_held_back() -> None:
    """What is written to a connection goes out at once, also if the client has not read the last."""
    with (
        _serve._listener("127.0.0.1:0", None, ()) as listener,
        socket.create_connection(listener.getsockname()),
    ):
        connection, _ = listener.accept()
        with connection:
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
