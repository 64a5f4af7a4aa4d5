"""`serve_mcp`: agents and tools as a server of MCP, over stdio or HTTP."""

import asyncio
import json
import socket
import sys
from collections.abc import Callable, Generator
from contextlib import AsyncExitStack, aclosing, contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import Final, cast

import anyio
import uvicorn
from typing_extensions import override

from miniagents.agents import MiniAgents
from miniagents.core import current_context
from miniagents.models import AnyTool, Callee, Toolbox, error_text
from miniagents.values import AgentPart, NoActiveContextError

from ._sdk import (
    CallToolRequestParams,
    CallToolResult,
    ListToolsResult,
    PaginatedRequestParams,
    Server,
    ServerRequestContext,
    ServerTool,
    TextContent,
    stdio_server,
)
from ._stdin import lines_of_stdin

__all__ = ["serve_mcp"]

_GRACE: Final = 1
"""Seconds that clients have to take their last answers when a server of HTTP ends."""


async def serve_mcp(
    *agents: AnyTool,
    name: str = "miniagents",
    instructions: str | None = None,
    http: str | None = None,
    on_start: Callable[[str], object] | None = None,
) -> None:
    """Serve agents, and tools, as the tools of a server of MCP, until the client leaves or this is cancelled.

    Each is a tool of the name, description and arguments that a model would see in `with_tools`. What an
    agent says streams as progress, token by token, to a client that asks for progress; its result is the text
    of all replies. What it raises is a result that says so. A client that cancels a call, or leaves, stops
    the agent at once. Agents run in the `MiniAgents` context that is active here, else in one of their own.

    Over stdio, stdout belongs to the protocol: what the program prints meanwhile goes to stderr.

    Args:
        *agents: agents, and functions made tools by `tool`.
        name: what the server is called.
        instructions: what a client's model is told of the server as a whole.
        http: ``"127.0.0.1:8000"`` serves streamable HTTP at ``http://127.0.0.1:8000/mcp``; port 0 takes a
            free one. None serves stdio. There is no sign-on: whoever reaches the address can use the agents.
        on_start: called with the address (``"stdio"``) when clients can come.

    Raises:
        ToolDefinitionError: there are no agents, two have one name, or one cannot be a tool.
        ValueError: ``http`` is no host and port.
        OSError: nobody can listen there.

    Example:
        >>> from miniagents import miniagent
        >>> @miniagent
        ... async def echo(ctx):
        ...     ctx.reply(ctx.messages)
        >>> try:
        ...     asyncio.run(serve_mcp(echo, http="localhost"))
        ... except ValueError as error:
        ...     print(error)
        'localhost' is no address to listen at; write it like 127.0.0.1:8000.
    """
    toolbox = Toolbox.of(agents)
    listener = None if http is None else _listener(http)
    async with AsyncExitStack() as stack:
        if listener is not None:
            stack.enter_context(listener)
        try:
            current_context()
        except NoActiveContextError:
            await stack.enter_async_context(MiniAgents())
        served = _Served(toolbox)
        server = Server(
            name,
            version=version("miniagents"),
            instructions=instructions,
            on_list_tools=served.list_tools,
            on_call_tool=served.call_tool,
        )
        if listener is None:
            await _serve_stdio(server, on_start)
        else:
            await _serve_http(server, listener, on_start)


@dataclass(frozen=True, slots=True)
class _Served:
    """What a server answers.

    Attributes:
        toolbox: the agents.
    """

    toolbox: Toolbox

    async def list_tools(
        self, _: ServerRequestContext, _page: PaginatedRequestParams | None
    ) -> ListToolsResult:
        return ListToolsResult(
            tools=[
                ServerTool(
                    name=spec.name,
                    description=spec.description or None,
                    # As JSON: the schema is frozen.
                    input_schema=cast(
                        "dict[str, object]", json.loads(json.dumps(spec.parameters, default=dict))
                    ),
                )
                for spec in self.toolbox.specs
            ]
        )

    async def call_tool(self, request: ServerRequestContext, asked: CallToolRequestParams) -> CallToolResult:
        callee = self.toolbox.callees.get(asked.name)
        if callee is None:
            names = ", ".join(self.toolbox.callees)
            return _failed(f"There is no tool called {asked.name!r}; there are: {names}.")
        # With the context variables of the request: traces of the client go on in the agent.
        work = asyncio.create_task(self._answer(callee, json.dumps(asked.arguments or {}), request))
        try:
            return await work
        finally:
            if not work.done():
                work.cancel()
                # The scope of the request cancels again and again; the agent is left only once.
                with anyio.CancelScope(shield=True):
                    await asyncio.wait((work,))

    async def _answer(self, callee: Callee, arguments: str, request: ServerRequestContext) -> CallToolResult:
        streamed = 0
        result = ""
        try:
            async with asyncio.timeout(callee.timeout), aclosing(callee.run(arguments)) as pieces:
                async for piece in pieces:
                    if isinstance(piece, str):
                        result = piece
                    elif (token := _token(piece)) is not None:
                        streamed += 1
                        await request.session.report_progress(streamed, None, token)
        except Exception as error:  # noqa: BLE001 - whatever an agent raises is told to the client
            return _failed(error_text(error))
        return CallToolResult(content=[TextContent(text=result)])


def _token(piece: AgentPart) -> str | None:
    """What the agent itself says; not what the agents and tools say that it calls."""
    return piece.part if isinstance(piece.part, str) and len(piece.agents) == 1 else None


def _failed(text: str) -> CallToolResult:
    return CallToolResult(content=[TextContent(text=text)], is_error=True)


async def _serve_stdio(server: Server, on_start: Callable[[str], object] | None) -> None:
    sys.stdout.flush()
    with lines_of_stdin() as stdin:
        async with stdio_server(stdin) as (read_stream, write_stream):
            if on_start is not None:
                on_start("stdio")
            try:
                await server.run(read_stream, write_stream, server.create_initialization_options())
            finally:
                sys.stdout.flush()  # what was printed meanwhile, while stdout is still stderr


def _listener(http: str) -> socket.socket:
    host, colon, port = http.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not port.isdecimal() or int(port) > 65535:  # noqa: PLR2004 - the highest port
        msg = f"{http!r} is no address to listen at; write it like 127.0.0.1:8000."
        raise ValueError(msg)
    try:
        family = socket.getaddrinfo(host, int(port), type=socket.SOCK_STREAM)[0][0]
        listener = socket.create_server((host, int(port)), family=family, backlog=128)
    except OSError as error:
        raise OSError(error.errno, f"{http} cannot be listened at: {error.strerror or error}") from error
    # asyncio does it for connections of its own listeners. Without it an answer can be 40 ms late.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


class _WebServer(uvicorn.Server):
    """Leaves signals to the program around it."""

    @contextmanager
    @override
    def capture_signals(self) -> Generator[None]:
        yield


async def _serve_http(
    server: Server, listener: socket.socket, on_start: Callable[[str], object] | None
) -> None:
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    app = server.streamable_http_app(host=host)
    config = uvicorn.Config(
        app, log_config=None, access_log=False, ws="none", lifespan="on", timeout_graceful_shutdown=_GRACE
    )
    web = _WebServer(config)
    before = _watchers()
    # The socket listens already: who comes now waits until it is served.
    if on_start is not None:
        on_start(f"http://{shown}:{port}/mcp")
    serving = asyncio.create_task(web.serve(sockets=[listener]))
    try:
        await asyncio.shield(serving)
    finally:
        web.should_exit = True
        while not serving.done():
            await asyncio.wait((serving,))
        for watcher in _watchers() - before:
            watcher.cancel()


def _watchers() -> set[asyncio.Task[object]]:
    """The tasks in which the SDK's library for server-sent events waits for the end of any server."""
    return {task for task in asyncio.all_tasks() if "object _shutdown_watcher at" in repr(task.get_coro())}
