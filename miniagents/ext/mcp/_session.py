"""`mcp_tools`: the tools of a server, for as long as a block lasts.

The SDK wants its sessions entered and left in one task, in the order of a stack. So one task of ours owns the
session, and everybody else asks it to leave; the calls themselves may come from any task.
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
"""Where a server is: its address, the command that starts it, or a transport or client of the SDK that is not
entered yet, for headers, sign-on and answers to what servers ask."""

MCPTool: TypeAlias = Tool[[dict[str, object]], AsyncGenerator[AgentPart | str]]
"""A tool of a server."""

_LOG: Final = logging.getLogger("miniagents.mcp")
_MOST_PAGES: Final = 1000
_MOST_TOOLS: Final = 10_000
_LEAVING: Final = 10.0
"""Seconds that a server may take to end its session, before the session is broken off."""
_WAITING: Final = 1024
"""How many notes of progress wait for a reader; the oldest ones go, since the result is not among them."""
_LONGEST_NOTE: Final = 100_000  # characters
_LONGEST_REASON: Final = 500  # characters


def mcp_tools(
    server: MCPServerLike, *, prefix: str = "", timeout: float | None = None, connect_timeout: float = 30.0
) -> AbstractAsyncContextManager[tuple[MCPTool, ...]]:
    """Connect to a server of MCP, and be given its tools.

    The session lasts as long as the block, which any task may leave, also in another order than others. Calls
    may come from any task and run at once. The progress that a server tells streams as `AgentPart`s under the
    name of the tool. A call that is cancelled, or takes too long, is cancelled at the server too, and the
    session goes on. What a tool tells as its error, and that a server has gone, is told to the model.

    Names that no provider takes (``files.list``, more than 64 characters) are changed; two names stay two. A
    tool whose schema cannot be used is left out, with a warning in the log. A server that is started as a
    process is stopped when the block is left; its stderr is that of this program.

    Args:
        server: its address, such as ``"https://example.org/mcp"``, or `StdioServerParameters`; a transport or
            client of the SDK, not entered yet, where these need more.
        prefix: stands before each name, so that tools of two servers do not meet.
        timeout: seconds that a call may take; None leaves it to `with_tools`.
        connect_timeout: seconds until the server has told its tools.

    Returns:
        A context manager; it gives the tools, in the order of the server.

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
    """A session, owned by a task of its own.

    Attributes:
        server: where it is.
        prefix: of the names of its tools.
        timeout: seconds for each call.
        name: how the server is called in errors.
        leave: set when the session is to be left.
        entered: whether it was.
        calls: those that run.
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
                f"{self.name} did not tell its tools within {seconds:g} s; "
                "is it a server of MCP? Else raise connect_timeout."
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
        """Have the session left, and wait for that, also if this is cancelled meanwhile: it takes seconds."""
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
                owner.cancel()  # a server that does not even take its end
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
                done = asked.done()  # before the notes: what came before the result is told before it
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
                # Until the server was told; the SDK gives that up after some seconds.
                await asyncio.wait((asked,))

    def _left(self, told: str) -> MCPServerError:
        name = self.name.replace("The", "the", 1)
        return MCPServerError(f"The session with {name} was left; call {told} inside of its block.")

    async def _asked(self, call: Coroutine[object, object, CallToolResult], told: str) -> str:
        try:
            result = await call
        except MCPError as error:
            if error.code == CONNECTION_CLOSED:
                raise MCPServerError(
                    f"{self.name} has gone, so {told} cannot be called; enter mcp_tools(...) anew."
                ) from error
            raise MCPServerError(f"{self.name} did not do the call of {told}: {_reason(error)}") from error
        except Exception as error:
            raise MCPServerError(f"{self.name} did not answer {told} rightly: {_reason(error)}") from error
        text = result_of(result)
        if result.is_error:
            raise MCPToolError(text or f"{told} failed, and its server does not say why.")
        return text


async def _listed(client: Client, name: str) -> list[ServerTool]:
    """All tools of all pages; a server without tools has none."""
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
    """The stderr that a process can be given; that of a notebook is none."""
    for stream in (sys.stderr, sys.__stderr__):
        try:
            if stream is not None and stream.fileno() >= 0:
                return stream
        except (OSError, ValueError, AttributeError):
            continue
    return sys.stderr


def _name_of(server: MCPServerLike) -> str:
    """How a server is called, without what may be secret: arguments, a password, a query.

    Raises:
        ValueError: a text is no address.
    """
    if isinstance(server, StdioServerParameters):
        return f"The MCP server {PurePath(server.command).name}"
    if isinstance(server, str):
        parts = urlsplit(server)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            msg = (
                f"{_short(redact_keys(server))!r} is no address of an MCP server; write it like "
                "https://example.org/mcp, and a program as StdioServerParameters(command=..., args=[...])."
            )
            raise ValueError(msg)
        return f"The MCP server {parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    return "The MCP server"


def _reason(error: BaseException | None) -> str:
    """What an error says, or the first one in a group, in one short line."""
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
