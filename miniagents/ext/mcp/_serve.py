"""`serve_mcp`: serves agents and tools as an MCP server, over stdio or HTTP."""

import asyncio
import json
import secrets
import socket
import sys
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, aclosing
from importlib.metadata import version
from typing import Final

import anyio
import uvicorn
from mcp.server import Server, ServerRequestContext
from mcp.server.stdio import stdio_server
from mcp_types import (
    CallToolRequestParams,
    CallToolResult,
    InputRequiredResult,
    ListToolsResult,
    PaginatedRequestParams,
    TextContent,
    Tool as ServerTool,
)
from starlette.types import ASGIApp

from miniagents import MiniAgents
from miniagents.errors import NoActiveContextError, SchemaError
from miniagents.models import CARRIER
from miniagents.parts import AgentPart, File, Image
from miniagents.streams import PromisingContext
from miniagents.tools import AnyTool, Toolbox
from miniagents.utils import redact_keys

from ..web_guard import Guard
from ._questions import Elicitation
from ._results import block_of, sendable
from ._stdin import lines_of_stdin

_LOG_IN: Final = "Send the token of this server: Authorization: Bearer TOKEN."
_PATIENCE: Final = 3_600.0  # seconds that a client has to answer a question
_GRACE: Final = 1
"""Seconds that clients have to receive their last answers when an HTTP server ends."""


async def serve_mcp(
    *agents: AnyTool,
    name: str = "miniagents",
    instructions: str | None = None,
    http: str | None = None,
    token: str | None = None,
    hosts: Sequence[str] = (),
    on_start: Callable[[str], object] | None = None,
) -> None:
    """Serve agents and tools as the tools of an MCP server, until the client leaves or this is cancelled.

    Answers of agents stream as progress; the result is the text of all replies. If a client cancels a call or
    leaves, its agent is cancelled.

    Args:
        *agents: agents, and functions with `@tool`.
        name: of the server.
        instructions: for the model of a client.
        http: ``"127.0.0.1:8000"`` serves ``http://127.0.0.1:8000/mcp``; None serves stdio.
        token: the secret of ``Authorization: Bearer ...``; other machines need one.
        hosts: the host names of proxies in front of the server.
        on_start: called with the address.

    Raises:
        SchemaError: no agents, or they cannot be tools.
        ValueError: ``http`` or a host is wrong, or a token is needed.
        OSError: the server cannot listen on the address.

    Example:
        >>> from miniagents.ext.eliza import eliza_agent
        >>> try:
        ...     asyncio.run(serve_mcp(eliza_agent, http="localhost"))
        ... except ValueError as error:
        ...     print(error)
        'localhost' is not an address to listen on; write it like 127.0.0.1:8000.
    """
    toolbox = Toolbox.of(agents)
    if toolbox.of_provider:
        name = toolbox.of_provider[0].name
        raise SchemaError(f"The provider of a model runs {name}, so this server cannot; leave it out.")
    listener = None if http is None else _listener(http, token, hosts)
    async with AsyncExitStack() as stack:
        if listener is not None:
            stack.enter_context(listener)
        try:
            PromisingContext.current()
        except NoActiveContextError:
            await stack.enter_async_context(MiniAgents())
        served = _Served(toolbox)
        stack.push_async_callback(served.close)
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
            # The guard of `miniagents serve`; the SDK has one for three loopback addresses only.
            address, port = listener.getsockname()[:2]
            guard = Guard(address, address, port, hosts, token=token, how=_LOG_IN)
            await _serve_http(guard.around(server.streamable_http_app(host="")), listener, on_start)


class _Served:
    """Answers the requests of clients.

    Args:
        toolbox: the agents and tools.
    """

    def __init__(self, toolbox: Toolbox) -> None:
        self.toolbox = toolbox
        # The calls whose clients have to answer a question first, by the state that they send back.
        self.waiting: dict[str, tuple[asyncio.Task[CallToolResult], Elicitation]] = {}

    async def list_tools(
        self, _: ServerRequestContext, _page: PaginatedRequestParams | None
    ) -> ListToolsResult:
        tools: list[ServerTool] = []
        for spec in self.toolbox.specs:
            schema: dict[str, object] = json.loads(json.dumps(spec.parameters, default=dict))  # it is frozen
            about = spec.description or None
            tools.append(ServerTool(name=spec.name, description=about, input_schema=schema))
        return ListToolsResult(tools=tools)

    async def call_tool(
        self, request: ServerRequestContext, call: CallToolRequestParams
    ) -> CallToolResult | InputRequiredResult:
        if call.name not in self.toolbox.callees:
            names = ", ".join(self.toolbox.callees)
            return _failed(f"There is no tool called {call.name!r}; there are: {names}.")
        work, questions = self.waiting.pop(call.request_state or "", (None, Elicitation(request)))
        if work is None:
            if call.request_state:
                return _failed("This call does not wait for an answer any more; call the tool again.")
            # With the context variables of the request, so that traces of the client continue in the agent.
            work = asyncio.create_task(self._answer(call, questions))
        questions.answer(request, call.input_responses or {})
        more = asyncio.create_task(questions.more.wait())
        try:
            await asyncio.wait((work, more), return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                return await work
            state, waiting = secrets.token_urlsafe(16), work
            self.waiting[state] = waiting, questions
            asyncio.get_running_loop().call_later(_PATIENCE, self._give_up, state)
            work = None
            return InputRequiredResult(input_requests=questions.take(), request_state=state)
        finally:
            more.cancel()
            if work is not None and not work.done():
                work.cancel()
                # The scope of the request cancels again and again; the agent must be cancelled only once.
                with anyio.CancelScope(shield=True):
                    await asyncio.wait((work,))

    def _give_up(self, state: str) -> None:
        work, _ = self.waiting.pop(state, (None, None))
        if work is not None:
            work.cancel()

    async def close(self) -> None:
        """Stop the calls that wait for answers."""
        calls = [work for work, _ in self.waiting.values()]
        for work in calls:
            work.cancel()
        if calls:
            await asyncio.wait(calls)

    async def _answer(self, call: CallToolRequestParams, questions: Elicitation) -> CallToolResult:
        callee = self.toolbox.callees[call.name]
        arguments = json.dumps(call.arguments or {})
        CARRIER.set(questions)  # this task has context variables of its own
        streamed = 0
        result: str | tuple[str | Image | File, ...] = ""
        try:
            async with asyncio.timeout(callee.timeout), aclosing(callee.run(arguments)) as pieces:
                async for piece in pieces:
                    match piece:
                        case AgentPart([_], str(token)):  # of the agent itself, not of those it calls
                            streamed += 1
                            await questions.request.session.report_progress(streamed, None, sendable(token))
                        case AgentPart():
                            pass
                        case _:
                            result = piece
        except Exception as error:  # noqa: BLE001 - the client gets every error of an agent
            return _failed(f"{type(error).__name__}: {redact_keys(error)}".removesuffix(": "))
        blocks = (result,) if isinstance(result, str) else result
        return CallToolResult(content=[await asyncio.to_thread(block_of, each) for each in blocks])


def _failed(text: str) -> CallToolResult:
    return CallToolResult(content=[TextContent(text=sendable(text))], is_error=True)


async def _serve_stdio(server: Server, on_start: Callable[[str], object] | None) -> None:
    sys.stdout.flush()
    with lines_of_stdin() as stdin:
        async with stdio_server(stdin) as (read_stream, write_stream):
            if on_start is not None:
                on_start("stdio")
            try:
                await server.run(read_stream, write_stream, server.create_initialization_options())
            finally:
                sys.stdout.flush()  # the output of the program, while stdout is still stderr


def _listener(http: str, token: str | None, hosts: Sequence[str]) -> socket.socket:
    host, colon, port = http.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not port.isdecimal() or int(port) > 65535:  # noqa: PLR2004 - the highest port
        raise ValueError(f"{http!r} is not an address to listen on; write it like 127.0.0.1:8000.")
    wrong = next((each for each in hosts if not Guard.is_name(each)), None)
    if wrong is not None:
        raise ValueError(f"{wrong!r} is not a host name; write it like chat.example.com.")
    refusal = ValueError(
        f"Other machines can reach {', '.join(hosts) or http}, so it needs a token: token=... here, "
        "--token or MINIAGENTS_TOKEN for the command."
    )
    if token is None and hosts:
        raise refusal
    try:
        return Guard.listen(host, int(port), refusal=refusal if token is None else None)
    except OSError as error:
        raise OSError(error.errno, f"{http} cannot be listened at: {error.strerror or error}") from error


async def _serve_http(
    app: ASGIApp, listener: socket.socket, on_start: Callable[[str], object] | None
) -> None:
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    config = uvicorn.Config(
        app, log_config=None, access_log=False, ws="none", lifespan="on", timeout_graceful_shutdown=_GRACE
    )
    before = _watchers()
    # The socket listens already: a client that connects now waits until the server runs.
    if on_start is not None:
        on_start(f"http://{shown}:{port}/mcp")
    try:
        await Guard.serve(uvicorn.Server(config), listener)
    finally:
        for watcher in _watchers() - before:
            watcher.cancel()


def _watchers() -> set[asyncio.Task[object]]:
    """Return the tasks in which the library for server-sent events waits for the end of a server."""
    return {task for task in asyncio.all_tasks() if "object _shutdown_watcher at" in repr(task.get_coro())}
