"""`mcp_tools`: gives the tools of an MCP server inside a block.

The SDK requires that one task enters and leaves a session, in the order of a stack. So each session has its
own task here, and all other tasks ask this task to leave. The calls of tools may come from any task.
"""

import asyncio
import logging
import math
import sys
from collections import deque
from collections.abc import AsyncGenerator, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import PurePath
from typing import Final, TextIO, TypeAlias, cast
from urllib.parse import urlsplit

from miniagents.models import Tool, ToolDefinitionError, check_timeout
from miniagents.values import AgentPart, redact_keys

from ._errors import MCPServerError, MCPToolError
from ._names import tool_names
from ._results import result_of
from ._sdk import (
    CONNECTION_CLOSED,
    CallToolResult,
    Client,
    MCPError,
    ServerTool,
    StdioServerParameters,
    Transport,
    stdio_client,
)

__all__ = ["MCPServerLike", "MCPTool", "mcp_tools"]

MCPServerLike: TypeAlias = str | StdioServerParameters | Transport | Client
"""A server: its address, the command that starts it, or a transport or client of the SDK that was not entered
yet (for headers, sign-on, and answers to requests of the server)."""

MCPTool: TypeAlias = Tool[[dict[str, object]], AsyncGenerator[AgentPart | str]]
"""A tool of a server."""

_LOG: Final = logging.getLogger("miniagents.mcp")
_MOST_PAGES: Final = 1000
_MOST_TOOLS: Final = 10_000
_LEAVING: Final = 10.0
"""Seconds that a server may take to end its session; after that, the session is cancelled."""
_WAITING: Final = 1024
"""How many progress notes wait for a reader; the oldest are dropped, since the result is not one of them."""
_LONGEST_NOTE: Final = 100_000  # characters
_LONGEST_REASON: Final = 500  # characters


def mcp_tools(
    server: MCPServerLike, *, prefix: str = "", timeout: float | None = None, connect_timeout: float = 30.0
) -> AbstractAsyncContextManager[tuple[MCPTool, ...]]:
    """Connect to an MCP server, and get its tools, for ``async with``.

    The session lasts as long as the block. Any task may leave the block, and several blocks may be left in
    any order. Calls may come from any task, and run at the same time. The progress that a server reports
    streams as `AgentPart`s under the name of the tool. A call that is cancelled or takes too long is also
    cancelled on the server, and the session continues. If a tool fails, or the server has gone, the model is
    sent the error.

    Names that providers refuse (``files.list``, more than 64 characters) are changed; different names stay
    different. A tool whose schema cannot be used is omitted, with a warning in the log. A server that was
    started as a process is stopped at the end of the block; its stderr is that of this program.

    Args:
        server: its address, such as ``"https://example.org/mcp"``, or `StdioServerParameters`. For headers,
            sign-on and the like: a transport or client of the SDK that was not entered yet.
        prefix: is added before each name, so that the tools of two servers have different names.
        timeout: seconds that a call may take; None: the timeout of `with_tools` applies.
        connect_timeout: seconds that the server may take to start and list its tools.

    Returns:
        A context manager; it returns the tools, in the order of the server.

    Raises:
        ToolDefinitionError: the prefix or the timeout makes no sense.
        MCPServerError: when entered: the server cannot be reached or started, or does not answer in time.

    Example:
        >>> from miniagents import AssistantMessage, MiniAgents, ToolCall
        >>> from miniagents.testing import scripted_model
        >>> from mcp.server.mcpserver import MCPServer
        >>> server = MCPServer("sums")  # where yours is a program or an address
        >>> @server.tool()
        ... def add(a: int, b: int) -> int:
        ...     return a + b
        >>> call = ToolCall("1", "my_add", '{"a": 2, "b": 3}')
        >>> model = scripted_model(AssistantMessage(parts=[call]), "It is 5.")
        >>> async def main():
        ...     async with mcp_tools(Client(server), prefix="my_") as tools:
        ...         print([str(each) for each in await model.with_tools(*tools).inquire("What is 2 + 3?")])
        >>> MiniAgents().run(main())
        ['', '5', 'It is 5.']
    """
    tool_names((), prefix)  # refuses the prefix
    check_timeout(timeout, "mcp_tools")
    return _entered(_Session(server, prefix, timeout), connect_timeout)


@asynccontextmanager
async def _entered(session: "_Session", connect_timeout: float) -> AsyncGenerator[tuple[MCPTool, ...]]:
    try:
        yield await session.start(connect_timeout)
    finally:
        await session.stop()


@dataclass(eq=False, slots=True)
class _Session:
    """A session with a task of its own.

    Attributes:
        server: as the user gave it.
        prefix: of the names of its tools.
        timeout: seconds for each call.
        name: of the server, in errors.
        leave: is set when the session must end.
        entered: whether it was entered.
        calls: the running calls.
        owner: the task that enters and leaves it.
    """

    server: MCPServerLike
    prefix: str
    timeout: float | None
    name: str = ""
    leave: asyncio.Event = field(default_factory=asyncio.Event)
    entered: bool = False
    calls: set[asyncio.Task[str]] = field(default_factory=set[asyncio.Task[str]])
    owner: asyncio.Task[None] | None = None

    async def start(self, seconds: float) -> tuple[MCPTool, ...]:
        self.name = _name_of(self.server)
        ready: asyncio.Future[tuple[MCPTool, ...]] = asyncio.get_running_loop().create_future()
        self.owner = asyncio.create_task(self._own(ready), name=f"session with {self.name}")
        await asyncio.wait((ready, self.owner), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if ready.done():
            return ready.result()
        if not self.owner.done():
            raise MCPServerError(
                f"{self.name} did not list its tools within {seconds:g} s; "
                "check that it is an MCP server, or raise connect_timeout."
            )
        error = None if self.owner.cancelled() else self.owner.exception()
        if isinstance(error, ToolDefinitionError):
            raise error
        raise MCPServerError(f"{self.name} cannot be used: {_reason(error)}") from error

    async def _own(self, ready: "asyncio.Future[tuple[MCPTool, ...]]") -> None:
        async with _client(self.server) as client:
            info = client.server_info
            if info is not None and info.name:
                where = self.name.removeprefix("The MCP server").strip()
                self.name = f"The MCP server {_short(info.name)!r}" + (f" ({where})" if where else "")
            tools = tuple(self._tools(client, await _listed(client, self.name)))
            self.entered = True
            ready.set_result(tools)
            await self.leave.wait()

    async def stop(self) -> None:
        """End the session, and wait for its end, even if this is cancelled meanwhile; it may take seconds."""
        owner = self.owner
        if owner is None:
            return
        self.leave.set()
        for call in self.calls:
            call.cancel()
        if not self.entered:
            owner.cancel()
        cancelled: asyncio.CancelledError | None = None
        deadline = asyncio.get_running_loop().time() + _LEAVING
        while not owner.done():
            try:
                left = deadline - asyncio.get_running_loop().time()
                await asyncio.wait((owner,), timeout=None if left == math.inf else max(left, 0.0))
            except asyncio.CancelledError as error:
                cancelled = error
            if not owner.done() and asyncio.get_running_loop().time() >= deadline:
                owner.cancel()  # the server does not react
                deadline = math.inf
        if not owner.cancelled() and (failure := owner.exception()) is not None:
            _LOG.debug("%s was left with %s", self.name, type(failure).__name__)
        if cancelled is not None:
            raise cancelled

    def _tools(self, client: Client, listed: list[ServerTool]) -> list[MCPTool]:
        by_name: dict[str, ServerTool] = {}
        for each in listed:
            by_name.setdefault(each.name, each)
        tools: list[MCPTool] = []
        for own, told in tool_names(by_name, self.prefix).items():
            each = by_name[own]
            call = partial(self._call, client, own, told)
            schema = cast("dict[str, object]", each.input_schema)
            try:
                tool = Tool.from_schema(
                    told, each.description or each.title or "", schema, call, timeout=self.timeout
                )
            except ToolDefinitionError as error:
                _LOG.warning("%s: the tool %r is left out: %s", self.name, _short(own), _one_line(error))
                continue
            tools.append(tool)
        return tools

    async def _call(
        self, client: Client, own: str, told: str, arguments: dict[str, object]
    ) -> AsyncGenerator[AgentPart | str]:
        if self.leave.is_set():
            raise self._left(told)
        notes: deque[str] = deque(maxlen=_WAITING)
        news = asyncio.Event()

        async def note(progress: float, total: float | None, message: str | None) -> None:
            of_all = "" if total is None else f"/{total:g}"
            notes.append(message[:_LONGEST_NOTE] if message else f"{progress:g}{of_all}")
            news.set()

        call = client.call_tool(own, arguments, progress_callback=note)
        asked = asyncio.create_task(self._asked(call, told))
        self.calls.add(asked)
        asked.add_done_callback(self.calls.discard)
        asked.add_done_callback(lambda _: news.set())
        try:
            while True:
                await news.wait()
                news.clear()
                done = asked.done()  # read before the notes, so that all notes before the result are yielded
                while notes:
                    yield AgentPart((told,), notes.popleft())
                if done:
                    break
            if asked.cancelled() and self.leave.is_set():
                raise self._left(told)
            yield asked.result()
        finally:
            if not asked.done():
                asked.cancel()
                # Wait until the server has got the cancellation; the SDK gives up after some seconds.
                await asyncio.wait((asked,))

    def _left(self, told: str) -> MCPServerError:
        name = self.name.replace("The", "the", 1)
        return MCPServerError(
            f"The session with {name} has ended; call {told} inside the block of mcp_tools."
        )

    async def _asked(self, call: Coroutine[object, object, CallToolResult], told: str) -> str:
        try:
            result = await call
        except MCPError as error:
            if error.code == CONNECTION_CLOSED:
                raise MCPServerError(
                    f"{self.name} has gone, so {told} cannot be called; enter mcp_tools(...) anew."
                ) from error
            raise MCPServerError(f"{self.name} refused the call of {told}: {_reason(error)}") from error
        except Exception as error:
            raise MCPServerError(f"{self.name} gave no valid answer to {told}: {_reason(error)}") from error
        text = result_of(result)
        if result.is_error:
            raise MCPToolError(text or f"{told} failed, and its server does not say why.")
        return text


async def _listed(client: Client, name: str) -> list[ServerTool]:
    """Return the tools of all pages."""
    tools: list[ServerTool] = []
    cursor: str | None = None
    for _ in range(_MOST_PAGES):
        page = await client.list_tools(cursor=cursor)
        tools += page.tools
        cursor = page.next_cursor
        if cursor is None:
            return tools
        if len(tools) > _MOST_TOOLS:
            break
    raise MCPServerError(f"{name} lists tools without end, over {len(tools):,} of them; it is broken.")


def _client(server: MCPServerLike) -> Client:
    if isinstance(server, Client):
        return server
    if isinstance(server, StdioServerParameters):
        return Client(stdio_client(server, errlog=_errors_of_processes()))
    return Client(server)


def _errors_of_processes() -> TextIO:
    """Return a stderr that a process can use; that of a notebook has no descriptor."""
    for stream in (sys.stderr, sys.__stderr__):
        try:
            if stream is not None and stream.fileno() >= 0:
                return stream
        except (OSError, ValueError, AttributeError):
            continue
    return sys.stderr


def _name_of(server: MCPServerLike) -> str:
    """Return the name of a server for errors, without secrets: no arguments, password or query.

    Raises:
        ValueError: a text is not an address.
    """
    if isinstance(server, StdioServerParameters):
        return f"The MCP server {PurePath(server.command).name}"
    if isinstance(server, str):
        parts = urlsplit(server)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            msg = (
                f"{_short(redact_keys(server))!r} is not the address of an MCP server; write it like "
                "https://example.org/mcp, and a program as StdioServerParameters(command=..., args=[...])."
            )
            raise ValueError(msg)
        return f"The MCP server {parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    return "The MCP server"


def _reason(error: BaseException | None) -> str:
    """Return the text of an error, or of the first one in a group, as one short line."""
    while isinstance(error, BaseExceptionGroup):
        error = cast("BaseExceptionGroup[BaseException]", error).exceptions[0]
    if error is None:
        return "its session was cancelled"
    text = _one_line(error)
    return _short(f"{type(error).__name__}: {text}" if text else type(error).__name__)


def _one_line(error: BaseException) -> str:
    return _short(" ".join(redact_keys(str(error)).split()))


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_REASON else f"{text[:_LONGEST_REASON]}..."
