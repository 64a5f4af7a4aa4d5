"""`mcp_tools`: the tools of real servers of the official SDK."""

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest
from mcp import StdioServerParameters
from mcp.client import Client
from mcp.server import Server, ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp_types import (
    CallToolRequestParams,
    CallToolResult,
    ListToolsResult,
    PaginatedRequestParams,
    TextContent,
    Tool as ServerTool,
    ToolExecution,
)

from miniagents import (
    AssistantMessage,
    Image,
    MiniAgents,
    SchemaError,
    ToolArgumentsError,
    ToolCall,
    ToolMessage,
    ToolResult,
)
from miniagents.ext.mcp import mcp_tools
from miniagents.ext.mcp._errors import MCPServerError
from miniagents.ext.mcp._session import MCPTool
from miniagents.parts import AgentPart
from miniagents.testing import scripted_model
from tests.support.amounts import amount
from tests.support.mcp_servers import ROOT, SERVER, odd_server
from tests.support.sse_server import Exchange, Script, answer, serve


@asynccontextmanager
async def odd(
    counts: dict[str, int] | None = None, seconds: float | None = None
) -> AsyncGenerator[Mapping[str, MCPTool]]:
    async with mcp_tools(Client(odd_server({} if counts is None else counts)), timeout=seconds) as tools:
        yield {tool.spec.name: tool for tool in tools}


async def until(counts: Mapping[str, int], what: str, times: int = 1) -> None:
    async with asyncio.timeout(10):
        while counts.get(what, 0) < times:  # noqa: ASYNC110 - what counts is code of the SDK's server
            await asyncio.sleep(0)


@pytest.mark.logs("raised an unexpected exception")
async def test_tools() -> None:
    """A model is told the tools of a server, calls them, and is told their results and errors."""
    calls = [
        ToolCall("1", "add", '{"a": 2, "b": 3}'),
        ToolCall("2", "dotted_name", "{}"),
        ToolCall("3", "fail", "{}"),
        ToolCall("4", "add", '{"a": "two"}'),
        ToolCall("5", "picture", "{}"),
    ]
    model = scripted_model(AssistantMessage(parts=calls), "Done.")
    async with MiniAgents(), odd() as tools:
        replies = await model.with_tools(*tools.values()).inquire("Go!")
    told = [str(each) for each in replies]
    assert told[1:3] == ["5", "dots"]
    assert told[3] == "MCPToolError: Error executing tool fail"
    assert told[4] == "ToolArgumentsError: a: 'two' is not of type 'integer'"
    assert isinstance(replies[5], ToolMessage)
    png = Image(data=b"\x89PNG\r\n\x1a\n", media_type="image/png")
    assert ToolResult("5", (png,), name="picture") == replies[5].parts[0]
    assert tools["add"].spec.description == "Add two numbers."


async def test_numbers_that_json_does_not_have() -> None:
    """A call with NaN is refused with a sentence for the model; the server would get null instead."""
    async with odd() as tools:
        with pytest.raises(ToolArgumentsError, match="NaN, which JSON does not have"):
            await tools["add"].invoke('{"a": NaN}')


async def test_progress() -> None:
    """Progress streams on the way under the name of the tool: its message, else its numbers."""
    async with odd() as tools:
        pieces = [piece async for piece in tools["slow"].run("{}")]
        numbers = [piece async for piece in tools["numbers"].run("{}")]
    assert pieces == [*(AgentPart(("slow",), f"step {step}") for step in (1, 2, 3)), "done"]
    assert numbers == [AgentPart(("numbers",), "1/2"), AgentPart(("numbers",), "2"), ""]


async def test_at_once() -> None:
    """Calls come from any task, at once, and each has its own result."""
    async with odd() as tools:
        told = await asyncio.gather(*(tools["add"].invoke(f'{{"a": {a}}}') for a in range(50)))
    assert told == [str(a + 1) for a in range(50)]


async def test_cancelled() -> None:
    """A call that is cancelled is cancelled at the server too, and the session goes on."""
    counts: dict[str, int] = {}
    async with odd(counts) as tools:
        call = asyncio.create_task(tools["slow"].invoke('{"steps": 4}'))
        await until(counts, "waits")
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await until(counts, "cancelled")
        assert await tools["add"].invoke('{"a": 1}') == "2"


@pytest.mark.gate("half a second of real time")
async def test_timeout() -> None:
    """A call that takes too long is told to the model as that, cancelled at the server, and no other is."""
    counts: dict[str, int] = {}
    calls = [ToolCall("1", "slow", '{"steps": 4}'), ToolCall("2", "add", '{"a": 1}')]
    model = scripted_model(AssistantMessage(parts=calls), "Done.")
    async with MiniAgents(), odd(counts, seconds=0.5) as tools:
        told = [str(each) for each in await model.with_tools(*tools.values()).inquire("Go!")]
        await until(counts, "cancelled")
    assert told[1:3] == ["TimeoutError: slow did not end within 0.5 s.", "2"]


async def test_left_in_another_task() -> None:
    """The block may be left in another task than it was entered in."""
    session = mcp_tools(Client(odd_server({})))
    tools = await asyncio.create_task(session.__aenter__())
    assert await tools[0].invoke('{"a": 1}') == "2"
    await asyncio.create_task(session.__aexit__(None, None, None))


async def test_left_in_any_order() -> None:
    """Two sessions may be left in the order in which they were entered."""
    first, second = mcp_tools(Client(odd_server({}))), mcp_tools(Client(odd_server({})))
    await first.__aenter__()
    (add, *_) = await second.__aenter__()
    await first.__aexit__(None, None, None)
    assert await add.invoke('{"a": 1}') == "2"
    await second.__aexit__(None, None, None)


async def test_called_after_the_block() -> None:
    """A call after the block is an error that says so, and one that runs when it is left has an error too."""
    counts: dict[str, int] = {}
    async with odd(counts) as tools:
        call = asyncio.create_task(tools["slow"].invoke('{"steps": 4}'))
        await until(counts, "waits")
    left = "The session with the MCP server 'odd' has ended; call {} inside the block of mcp_tools."
    with pytest.raises(MCPServerError, match=re.escape(left.format("slow"))):
        await call
    await until(counts, "cancelled")
    with pytest.raises(MCPServerError, match=re.escape(left.format("add"))):
        await tools["add"].invoke('{"a": 1}')


async def test_left_by_an_error() -> None:
    """An error in the block leaves it, and is that very error."""
    error = ValueError("mine")
    with pytest.raises(ValueError, match="mine") as caught:
        async with odd():
            raise error
    assert caught.value is error


SCHEMAS: Mapping[str, dict[str, object]] = {
    "none": {"type": "object"},
    "ref": {
        "type": "object",
        "properties": {"x": {"$ref": "#/$defs/x"}},
        "$defs": {"x": {"type": "integer"}},
    },
    "any": {"type": "object", "anyOf": [{"required": ["x"]}, {"required": ["y"]}]},
    "bool": {"type": "object", "properties": {"x": True, "y": False}},
    "wrong": {"type": "object", "properties": {"x": {"type": "strange"}}},
}


async def _list_odd(_: ServerRequestContext, page: PaginatedRequestParams | None) -> ListToolsResult:
    at = int(page.cursor) if page is not None and page.cursor else 0
    name = list(SCHEMAS)[at]
    following = str(at + 1) if at + 1 < len(SCHEMAS) else None
    tool = ServerTool(name=name, title=f"The {name}", input_schema=SCHEMAS[name])
    return ListToolsResult(tools=[tool, tool], next_cursor=following)


@pytest.mark.logs("is left out")
async def test_odd_schemas(caplog: pytest.LogCaptureFixture) -> None:
    """All pages are read; a tool twice counts once; one whose schema is none is left out and logged."""
    async with mcp_tools(Client(Server("odd", on_list_tools=_list_odd))) as tools:
        assert [tool.spec.name for tool in tools] == ["none", "ref", "any", "bool"]
        assert tools[0].spec.description == "The none"
        for tool, bad in zip(tools, ("[]", '{"x": ""}', "{}", '{"y": 1}'), strict=True):
            with pytest.raises(ToolArgumentsError):
                await tool.invoke(bad)
        with pytest.raises(MCPServerError, match="'odd' refused the call of none: MCPError"):
            await tools[0].invoke("{}")
    (record,) = (each for each in caplog.records if each.name == "miniagents.ext.mcp")
    assert record.message.startswith("The MCP server 'odd': the tool 'wrong' is left out: The schema of the")


async def _list_for_ever(_: ServerRequestContext, page: PaginatedRequestParams | None) -> ListToolsResult:
    tool = ServerTool(name="x", input_schema={"type": "object"})
    return ListToolsResult(tools=[tool] * 5000, next_cursor="more")


async def _never_list(_: ServerRequestContext, page: PaginatedRequestParams | None) -> ListToolsResult:
    await asyncio.sleep(3600)
    raise AssertionError


@pytest.mark.gate("starts programs")
async def test_servers_that_cannot_be_used() -> None:
    """A server that lists without end, says nothing, or cannot be reached is an error that names it."""
    with pytest.raises(
        MCPServerError, match=r"The MCP server 'endless' lists more than 1,000 tools; no model can"
    ):
        await mcp_tools(Client(Server("endless", on_list_tools=_list_for_ever))).__aenter__()
    with pytest.raises(MCPServerError, match=r"did not list its tools within 0\.05 s"):
        await mcp_tools(Client(Server("mute", on_list_tools=_never_list)), connect_timeout=0.05).__aenter__()
    with pytest.raises(MCPServerError, match="server no-such-program cannot be used: FileNotFoundError"):
        await mcp_tools(StdioServerParameters(command="no-such-program")).__aenter__()
    with pytest.raises(MCPServerError) as caught:
        await mcp_tools("http://user:secret@127.0.0.1:9/mcp?key=secret").__aenter__()
    assert str(caught.value).startswith("The MCP server http://127.0.0.1:9/mcp cannot be used: ")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("server", ["python server.py", "ftp://127.0.0.1/mcp", "http://"])
async def test_no_addresses(server: str) -> None:
    """A text that is no address is refused, with how to write one."""
    with pytest.raises(ValueError, match="is not the address of an MCP server; write it like"):
        await mcp_tools(server).__aenter__()


def test_refused() -> None:
    """A prefix or a timeout that makes no sense is refused before anything is started."""
    with pytest.raises(SchemaError, match="cannot begin the name of a tool"):
        mcp_tools(SERVER, prefix="a.")
    with pytest.raises(SchemaError, match=r"timeout=0 of mcp_tools is not a positive number"):
        mcp_tools(SERVER, timeout=0)


async def test_cancelled_while_it_connects() -> None:
    """Entering can be cancelled, and nothing is left then."""
    entering = asyncio.create_task(mcp_tools(Client(Server("mute", on_list_tools=_never_list))).__aenter__())
    await asyncio.sleep(0.02)
    entering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await entering


@pytest.mark.gate("starts a program with the SDK")
async def test_killed_in_mid_call() -> None:
    """M3: a server that is killed is an error of the call that runs; the next call starts it again."""
    async with AsyncExitStack() as stack:
        tools = await stack.enter_async_context(mcp_tools(SERVER))
        by_name = {tool.spec.name: tool for tool in tools}
        pid = int(str(await by_name["pid"].invoke()))
        pieces = by_name["slow"].run('{"steps": 4}')
        assert await anext(pieces) == AgentPart(("slow",), "step 1")
        os.kill(pid, signal.SIGKILL)
        gone = r"server 'odd' \(python[\d.]*\) has gone during the call of slow.*; whether the call was"
        with pytest.raises(MCPServerError, match=gone):
            _ = [piece async for piece in pieces]
        assert await by_name["add"].invoke('{"a": 1}') == "2"
        assert int(str(await by_name["pid"].invoke())) != pid


@pytest.mark.gate("starts a program with the SDK")
async def test_killed_between_calls() -> None:
    """M3: calls that find their server gone start it again, once for all of them, and are answered."""
    async with mcp_tools(SERVER) as tools:
        by_name = {tool.spec.name: tool for tool in tools}
        for _ in range(amount(1, 1, 2)):
            os.kill(int(str(await by_name["pid"].invoke())), signal.SIGKILL)
            await asyncio.sleep(0.2)
            told = await asyncio.gather(*(by_name["add"].invoke(f'{{"a": {number}}}') for number in range(8)))
            assert [str(number + 1) for number in range(8)] == told


@pytest.mark.gate("starts programs with the SDK")
async def test_a_server_that_changed(tmp_path: Path) -> None:
    """M3: a tool that the server offers otherwise since it was started again is told so, and not called."""
    program = tmp_path / "changing.py"

    def write(description: str, more: str = "") -> None:
        program.write_text(
            "import os\nfrom mcp.server.mcpserver import MCPServer\nserver = MCPServer('changing')\n"
            f"@server.tool(description={description!r})\ndef send(text: str) -> str: return 'sent'\n"
            f"@server.tool()\ndef pid() -> int: return os.getpid()\n{more}server.run('stdio')\n"
        )

    write("Send to one.")
    async with mcp_tools(StdioServerParameters(command=sys.executable, args=[str(program)])) as tools:
        by_name = {tool.spec.name: tool for tool in tools}
        os.kill(int(str(await by_name["pid"].invoke())), signal.SIGKILL)
        await asyncio.sleep(0.2)
        write("Send to all.")
        assert str(await by_name["pid"].invoke()).isdecimal()
        with pytest.raises(
            MCPServerError, match=r"was started again, and does not offer send as it did before"
        ):
            await by_name["send"].invoke('{"text": "x"}')
        os.kill(int(str(await by_name["pid"].invoke())), signal.SIGKILL)
        await asyncio.sleep(0.2)
        program.write_text("1 / 0")
        for _ in range(2):
            with pytest.raises(MCPServerError, match="has gone, and cannot be reached again: The MCP server"):
                await by_name["pid"].invoke()


def _json(request: object, **said: object) -> str:
    return json.dumps({"jsonrpc": "2.0", "id": request, **said})


@dataclass
class OldServer:
    """A server of the old protocol over HTTP: its tools, sessions, calls, and how it refuses others."""

    refusal: Script
    tools: list[object] = field(default_factory=lambda: [{"name": "add", "inputSchema": {"type": "object"}}])
    sessions: list[str] = field(default_factory=list[str])
    calls: list[object] = field(default_factory=list[object])
    began: asyncio.Event = field(default_factory=asyncio.Event)
    go: asyncio.Event = field(default_factory=asyncio.Event)

    async def script(self, exchange: Exchange) -> None:
        """Answer a request; the first one of a session when it may go on."""
        asked = exchange.request.json if exchange.request.method == "POST" else {}
        session = exchange.request.headers.get("mcp-session-id")
        results: dict[object, dict[str, object]] = {
            "initialize": {
                "protocolVersion": "2025-06-18",
                "capabilities": {"tools": {}},
                "serverInfo": {"name": "old", "version": "1"},
            },
            "tools/list": {"tools": self.tools},
            "tools/call": {"content": [{"type": "text", "text": "done"}]},
        }
        method, number = asked.get("method"), asked.get("id")
        if session is None:
            self.began.set()
            await self.go.wait()
        if method == "initialize":
            self.sessions.append(f"session-{id(exchange)}")
            headers = {"Mcp-Session-Id": self.sessions[-1]}
            await answer(200, _json(number, result=results[method]).encode(), headers)(exchange)
        elif session is not None and session not in self.sessions and asked:
            await self.refusal(exchange)
        elif method in results:
            self.calls += [number] * (method == "tools/call")
            await answer(200, _json(number, result=results[method]).encode())(exchange)
        elif number is not None:
            said = {"code": -32_601, "message": "Method not found"}
            await answer(400, _json(number, error=said).encode())(exchange)
        else:
            await answer(202 if asked else 405, b"")(exchange)


@pytest.mark.logs("is left out")
async def test_a_tool_that_is_not_valid(caplog: pytest.LogCaptureFixture) -> None:
    """A tool that the protocol does not allow is left out and logged; the others of its server are used."""
    old = OldServer(answer(404, b""))
    old.go.set()
    old.tools += [{"name": "bad", "inputSchema": {}}, {"inputSchema": {"type": "object"}}, "none"]
    async with serve(old.script) as server, mcp_tools(server.url) as (add,):
        assert ("add", "done") == (add.spec.name, await add.invoke())
    said = [each.message for each in caplog.records if each.name == "miniagents.ext.mcp"]
    assert 3 == len(said)
    assert "The MCP server 'old' (" in said[0]
    assert "the tool 'bad' is left out: " in said[0]
    assert "inputSchema.type Field required" in said[0]


@pytest.mark.logs("had gone, and was connected to again")
@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (404, -32_600, "Session not found"),
        (404, -32_001, "Session not found"),
        (400, -32_000, "Bad Request: No valid session ID provided"),
    ],
)
async def test_an_unknown_session(status: int, code: int, words: str) -> None:
    """M3: a server that does not know a session, in whatever words, is connected to again for the calls."""
    old = OldServer(answer(status, _json(None, error={"code": code, "message": words}).encode()))
    old.go.set()
    async with serve(old.script) as server, mcp_tools(server.url) as (add,):
        assert await add.invoke() == "done"
        old.sessions.clear()  # it was started again
        assert ["done"] * 5 == await asyncio.gather(*(add.invoke() for _ in range(5)))
        assert (1, 6) == (len(old.sessions), len(old.calls))


async def test_a_list_that_is_not_valid_any_more() -> None:
    """A server refuses a call, and what it lists is not valid any more: the model is told of the call."""
    old = OldServer(answer(400, _json(None, error={"code": -32_000, "message": "Not today."}).encode()))
    old.go.set()
    async with serve(old.script) as server, mcp_tools(server.url) as (add,):

        async def refusal(exchange: Exchange) -> None:
            asked = exchange.request.json
            if asked["method"] == "tools/list":
                await answer(200, _json(asked["id"], result={"tools": "none"}).encode())(exchange)
            else:
                said = {"code": -32_000, "message": "Not today."}
                await answer(200, _json(asked["id"], error=said).encode())(exchange)

        old.refusal = refusal
        old.sessions.clear()
        with pytest.raises(MCPServerError, match=r"refused the call of add: MCPError: Not today\.$"):
            await add.invoke()


@pytest.mark.logs("had gone, and was connected to again")
async def test_a_call_that_is_cancelled_while_it_connects() -> None:
    """M3: if the call that connects again is cancelled, the next one gets its answer when this is done."""
    old = OldServer(answer(404, b"gone"))
    old.go.set()
    async with serve(old.script) as server, mcp_tools(server.url) as (add,):
        old.sessions.clear()
        old.go.clear()
        old.began.clear()
        first = asyncio.create_task(add.invoke())
        await old.began.wait()
        first.cancel()
        await asyncio.wait((first,))
        second = asyncio.create_task(add.invoke())
        await asyncio.wait((second,), timeout=0.05)
        old.go.set()
        assert await second == "done"


async def test_an_error_with_the_code_of_a_closed_connection() -> None:
    """A session goes on after an error of its server that has the code of closed connections."""

    async def listed(_: ServerRequestContext, __: PaginatedRequestParams | None) -> ListToolsResult:
        names = ("full", "other")
        return ListToolsResult(
            tools=[ServerTool(name=each, input_schema={"type": "object"}) for each in names]
        )

    async def called(_: ServerRequestContext, asked: CallToolRequestParams) -> CallToolResult:
        if asked.name == "full":
            raise MCPError(code=-32_000, message="The disk is full.")
        return CallToolResult(content=[TextContent(text="done")])

    server = Server("disk", on_list_tools=listed, on_call_tool=called)
    async with mcp_tools(Client(server)) as (full, other):
        with pytest.raises(MCPServerError, match=r"refused the call of full: MCPError: The disk is full\."):
            await full.invoke()
        assert await other.invoke() == "done"


_OLD = r"""
import json, sys
for line in sys.stdin:
    asked = json.loads(line)
    if asked["method"] == "server/discover":
        sys.exit("it is not initialize")
    if asked["method"] == "initialize":
        info = {"name": "old", "version": "1"}
        said = {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}, "serverInfo": info}
    elif asked["method"] == "tools/list":
        said = {"tools": [{"name": "read", "inputSchema": {"type": "object"}}]}
    else:
        said = {"content": [{"type": "text", "text": "d\u00e9j\u00e0"}]}
    if "id" in asked:
        answer = json.dumps({"jsonrpc": "2.0", "id": asked["id"], "result": said}, ensure_ascii=False)
        sys.stdout.buffer.write(f"{answer}\n".encode("latin-1"))
        sys.stdout.flush()
"""


@pytest.mark.gate("starts programs")
async def test_an_old_program() -> None:
    """A program that ends if it is asked in the new protocol is started again, and asked in the old one.

    It can be called again after it has written bytes that are no UTF-8: they are replaced in the result.
    """
    server = StdioServerParameters(command=sys.executable, args=["-c", _OLD])
    async with asyncio.timeout(20), mcp_tools(server) as (read,):
        for _ in range(2):
            assert await read.invoke() == "d\ufffdj\ufffd"


def _big_server(count: int = 1, description: str = "", schema: dict[str, object] | None = None) -> Server:
    async def listed(_: ServerRequestContext, __: PaginatedRequestParams | None) -> ListToolsResult:
        tools = [
            ServerTool(
                name=f"tool_{number}", description=description, input_schema=schema or {"type": "object"}
            )
            for number in range(count)
        ]
        return ListToolsResult(tools=tools)

    async def called(_: ServerRequestContext, asked: CallToolRequestParams) -> CallToolResult:
        return CallToolResult(content=[TextContent(text="x" * 2_000_000)])

    return Server("big", on_list_tools=listed, on_call_tool=called)


async def test_limits(caplog: pytest.LogCaptureFixture) -> None:
    """M4: what a server sends is limited, and each cut or refusal is told: tools, descriptions, results."""
    async with mcp_tools(Client(_big_server(description="y" * 2_000_000))) as (tool,):
        assert "y" * 10_000 + "..." == tool.spec.description
        assert "the description of the tool 'tool_0' is cut: it has 2,000,000 characters" in caplog.text
        told = await tool.invoke()
        assert str(told).startswith(
            "x" * 100_000 + "\n\n[The result is cut here: it has 2,000,000 characters, and"
        )
        assert len(told) < 100_300
    async with mcp_tools(Client(_big_server()), max_result=2_000_000) as (tool,):
        assert "x" * 2_000_000 == await tool.invoke()
    properties: dict[str, object] = {"a": {"type": "string", "description": "z" * 100_000}}
    async with mcp_tools(Client(_big_server(schema={"type": "object", "properties": properties}))) as tools:
        assert () == tools
        assert "the tool 'tool_0' is left out: its schema has 100," in caplog.text
    with pytest.raises(MCPServerError, match="lists more than 1,000 tools; no model can choose from so many"):
        await mcp_tools(Client(_big_server(1_001))).__aenter__()


async def test_many_tools() -> None:
    """M4: while the tools of a server are read, the loop runs: other work goes on."""
    turns = 0

    async def work() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    working = asyncio.create_task(work())
    async with mcp_tools(Client(_big_server(200))) as tools:
        assert 200 == len(tools)
    working.cancel()
    assert turns > 200


async def test_tasks_are_required(caplog: pytest.LogCaptureFixture) -> None:
    """M4: a tool that can only be called as a task is not offered to models; the log says so."""

    async def listed(_: ServerRequestContext, __: PaginatedRequestParams | None) -> ListToolsResult:
        kinds: tuple[Literal["forbidden", "optional", "required"], ...] = (
            "forbidden",
            "optional",
            "required",
        )
        return ListToolsResult(
            tools=[
                ServerTool(
                    name=kind, input_schema={"type": "object"}, execution=ToolExecution(task_support=kind)
                )
                for kind in kinds
            ]
        )

    async with mcp_tools(Client(Server("tasks", on_list_tools=listed), mode="legacy")) as tools:
        assert ["forbidden", "optional"] == [tool.spec.name for tool in tools]
    assert "the tool 'required' is left out: it can only be called as a task" in caplog.text


@pytest.mark.gate("starts a program with the SDK")
async def test_over_pipes() -> None:
    """Over pipes: results, progress in order, calls at once, a cancellation; then the program has ended."""
    async with mcp_tools(SERVER, prefix="o_") as tools:
        by_name = {tool.spec.name: tool for tool in tools}
        pid = int(str(await by_name["o_pid"].invoke()))
        pieces = [piece async for piece in by_name["o_slow"].run("{}")]
        assert pieces == [*(AgentPart(("o_slow",), f"step {step}") for step in (1, 2, 3)), "done"]
        told = await asyncio.gather(*(by_name["o_add"].invoke(f'{{"a": {a}}}') for a in range(20)))
        assert told == [str(a + 1) for a in range(20)]
        running = by_name["o_slow"].run('{"steps": 4}')
        await anext(running)
        await running.aclose()
        assert await by_name["o_dotted_name"].invoke() == "dots"
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


_NEVER_LEFT = """
import asyncio
from miniagents.ext.mcp import mcp_tools
from tests.support.mcp_servers import SERVER

async def main():
    session = mcp_tools(SERVER)
    tools = await session.__aenter__()
    print(len(tools))
    return session

session = asyncio.run(main())
print("ended")
"""


@pytest.mark.gate("starts programs with the SDK")
async def test_never_left(tmp_path: Path) -> None:
    """A program that never leaves a session ends all the same, and says nothing about it."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "error", "-c", _NEVER_LEFT),
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(20):
        out, err = await process.communicate()
    assert (out.decode().split(), err.decode()) == (["7", "ended"], "")


async def test_errors_of_servers_control_no_terminal() -> None:
    """The reason that a server gives is one line in an error, without characters that control a terminal."""

    async def refuse(_: ServerRequestContext, _page: PaginatedRequestParams | None) -> ListToolsResult:
        raise MCPError(code=-32_000, message="No\x1b[2J\u2028list.")

    with pytest.raises(MCPServerError) as caught:
        async with MiniAgents(), mcp_tools(Client(Server("odd", on_list_tools=refuse))):
            pass
    assert "The MCP server 'odd' cannot be used: MCPError: No[2J list." == str(caught.value)
