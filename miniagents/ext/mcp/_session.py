"""`mcp_tools`: gives the tools of an MCP server inside a block.

The SDK requires that one task enters and leaves a session, in the order of a stack. So each session has its
own task here, and all other tasks ask this task to leave. The calls of tools may come from any task.
"""

import asyncio
import json
import logging
import math
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from functools import partial
from pathlib import PurePath
from typing import Final, Protocol, TextIO, TypeAlias, cast
from urllib.parse import urlsplit

from mcp.client import Client, Transport
from mcp.client.session import ClientRequestContext
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.shared.dispatcher import ProgressFnT
from mcp.shared.exceptions import MCPError
from mcp_types import (
    CONNECTION_CLOSED,
    INTERNAL_ERROR,
    CallToolResult,
    ElicitRequestParams,
    ElicitResult,
    ListToolsResult,
    Tool as ServerTool,
)
from mcp_types.methods import validate_server_result
from pydantic import ValidationError

from miniagents.errors import SchemaError
from miniagents.models import CARRIER
from miniagents.tools import Tool, ToolContext
from miniagents.utils import redact_keys, strip_control

from ._errors import MCPServerError, MCPToolError
from ._names import tool_names
from ._questions import answer_of
from ._results import Result, result_of

MCPServerLike: TypeAlias = str | StdioServerParameters | Transport | Client
"""A server: its address, the command that starts it, or a transport or client of the SDK that was not entered
yet (for headers, sign-on, and answers to requests of the server)."""

MCPTool: TypeAlias = Tool[[dict[str, object]], Awaitable[Result]]
"""A tool of a server."""

_LOG: Final = logging.getLogger("miniagents.ext.mcp")
_LIST: Final = "tools/list"
_MOST_PAGES: Final = 1000
_LEAVING: Final = 10.0
"""Seconds that a server may take to end its session; after that, the session is cancelled."""
_NO_CALL: Final = ToolContext()
_LONGEST_NOTE: Final = 100_000  # characters
_LONGEST_DESCRIPTION: Final = 10_000  # characters
_LONGEST_SCHEMA: Final = 100_000  # characters
_LONGEST_REASON: Final = 500  # characters
_CLOSED: Final = ("Connection closed", "SSE stream ")
"""How the SDK begins to say that a connection was closed; servers use its code for other errors, too."""


def mcp_tools(
    server: MCPServerLike,
    *,
    prefix: str = "",
    timeout: float | None = None,
    connect_timeout: float = 30.0,
    max_tools: int = 1_000,
    max_result: int = 100_000,
) -> AbstractAsyncContextManager[tuple[MCPTool, ...]]:
    """Connect to an MCP server for an ``async with`` block, and get its tools.

    Calls may come from any task, and run at the same time. A call that finds the server gone connects again,
    once.

    Args:
        server: an address, `StdioServerParameters`, or a client or transport of the SDK.
        prefix: of each name, so that tools of two servers differ.
        timeout: seconds for a call; None: that of `with_tools`.
        connect_timeout: seconds to start and list the tools.
        max_tools: how many the server may have.
        max_result: how many characters of a result the model gets.

    Raises:
        SchemaError: the prefix or the timeout makes no sense.
        MCPServerError: when entered: it cannot be reached, is too slow, or has too many tools.

    Example:
        >>> from miniagents import MiniAgents
        >>> from mcp.server.mcpserver import MCPServer
        >>> server = MCPServer("sums")  # where yours is a program or an address
        >>> @server.tool()
        ... def add(a: int, b: int) -> int:
        ...     return a + b
        >>> async def main():
        ...     async with mcp_tools(Client(server), prefix="my_") as tools:
        ...         print([each.spec.name for each in tools])
        >>> MiniAgents().run(main())
        ['my_add']
    """
    tool_names((), prefix)  # refuses the prefix
    if timeout is not None and not 0 < timeout < math.inf:
        raise SchemaError(
            f"timeout={timeout!r} of mcp_tools is not a positive number; give seconds above 0, or None."
        )
    return _entered(_Session(server, prefix, timeout, connect_timeout, max_tools, max_result))


@asynccontextmanager
async def _entered(session: "_Session") -> AsyncGenerator[tuple[MCPTool, ...]]:
    try:
        yield await session.start()
    finally:
        await session.stop()


@dataclass(eq=False, slots=True)
class _Connection:
    """A session of the SDK, in a task of its own.

    Attributes:
        leave: is set when it must end.
        owner: the task that enters and leaves it.
        client: when it is entered.
        tools: name on the server -> tool, when it is entered.
        gone: the server has closed it, or does not know it any more.
        refusal: the code and the words with which a server refuses what it does not know.
    """

    leave: asyncio.Event = field(default_factory=asyncio.Event)
    owner: asyncio.Task[None] | None = None
    client: Client | None = None
    tools: Mapping[str, ServerTool] = field(default_factory=dict[str, ServerTool])
    gone: bool = False
    refusal: tuple[int, str] | None = None

    @property
    def is_open(self) -> bool:
        """Whether calls can be sent."""
        entered = self.client is not None and not self.gone
        return entered and self.owner is not None and not self.owner.done()

    async def stop(self, name: str) -> None:
        """End it, and wait for its end, even if this is cancelled meanwhile; it may take seconds."""
        owner = self.owner
        if owner is None:
            return
        self.leave.set()
        if self.client is None or self.gone:
            owner.cancel()
        cancelled: asyncio.CancelledError | None = None
        late = asyncio.get_running_loop().call_later(_LEAVING, owner.cancel)  # the server does not react
        while not owner.done():
            try:
                await asyncio.wait((owner,))
            except asyncio.CancelledError as error:
                cancelled = error
        late.cancel()
        if not owner.cancelled() and (failure := owner.exception()) is not None:
            _LOG.debug("%s was left with %s", name, type(failure).__name__)
        if cancelled is not None:
            raise cancelled


@dataclass(eq=False, slots=True)
class _Session:
    """The tools of a server, over one connection after the other.

    Attributes:
        server: as the user gave it.
        prefix: of the names of its tools.
        timeout: seconds for each call.
        connect_timeout: how long the server may take to start and list its tools.
        max_tools: how many tools the server may have.
        max_result: how many characters of a result the model gets.
        name: of the server, in errors.
        mode: of the SDK: "legacy" if the server knows only the old handshake.
        left: whether the block has ended.
        calls: the running calls, with their context variables.
        connection: the last one.
        tools: name on the server -> tool, as the model knows it.
        again: connects again, for all calls that wait for it; None if nothing does.
    """

    server: MCPServerLike
    prefix: str
    timeout: float | None
    connect_timeout: float
    max_tools: int
    max_result: int
    name: str = ""
    mode: str = "auto"
    left: bool = False
    calls: dict[asyncio.Task[Result], Context] = field(default_factory=dict[asyncio.Task[Result], Context])
    connection: _Connection = field(default_factory=_Connection)
    tools: Mapping[str, ServerTool] = field(default_factory=dict[str, ServerTool])
    again: asyncio.Task[None] | None = None

    async def start(self) -> tuple[MCPTool, ...]:
        self.name = _name_of(self.server)
        await self._connect()
        self.tools = self.connection.tools
        tools: list[MCPTool] = []
        for own, name in tool_names(self.tools, self.prefix).items():
            await asyncio.sleep(0)  # a schema can take milliseconds, and there may be hundreds
            try:
                tools.append(self._tool(self.tools[own], own, name))
            except SchemaError as error:
                _LOG.warning("%s: the tool %r is left out: %s", self.name, _short(own), _one_line(error))
        return tuple(tools)

    async def _connect(self, mode: str | None = None) -> None:
        connection = self.connection = _Connection()
        ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        owner = connection.owner = asyncio.create_task(
            self._own(connection, ready, mode or self.mode), name=f"session with {self.name}"
        )
        await asyncio.wait((ready, owner), timeout=self.connect_timeout, return_when=asyncio.FIRST_COMPLETED)
        if ready.done():
            return
        if not owner.done():
            raise MCPServerError(
                f"{self.name} did not list its tools within {self.connect_timeout:g} s; "
                "check that it is an MCP server, or raise connect_timeout."
            )
        error = None if owner.cancelled() else owner.exception()
        if isinstance(error, MCPServerError):
            raise error
        if mode is None and self.mode == "auto" and isinstance(self.server, StdioServerParameters):
            first = _first(error)
            if isinstance(first, MCPError) and first.code == CONNECTION_CLOSED:
                # Servers of the SDK for Rust end if anything comes before the old handshake.
                await self._connect("legacy")
                self.mode = "legacy"
                return
        raise MCPServerError(f"{self.name} cannot be used: {_reason(error)}") from error

    async def _own(self, connection: _Connection, ready: "asyncio.Future[None]", mode: str) -> None:
        server = self.server
        if isinstance(server, StdioServerParameters):
            if "encoding_error_handler" not in server.model_fields_set:  # "strict" waits for ever then
                server = server.model_copy(update={"encoding_error_handler": "replace"})
            server = stdio_client(server, errlog=_errors_of_processes())
        if not isinstance(server, Client):
            server = Client(server, elicitation_callback=self._asked, mode=mode)
        try:
            async with server as client:
                info = client.server_info
                if info is not None and info.name:
                    where = _name_of(self.server).removeprefix("The MCP server").strip()
                    self.name = f"The MCP server {_short(info.name)!r}" + (f" ({where})" if where else "")
                connection.tools = await _listed(client, self.name, self.max_tools)
                connection.client = client
                ready.set_result(None)
                await connection.leave.wait()
        except BaseExceptionGroup as group:  # of the SDK
            found, _ = group.split(MCPServerError)
            if found is None:
                raise
            raise found.exceptions[0] from None

    async def _again(self) -> None:
        """Connect again, once for all calls that wait for it; it goes on if one of them is cancelled.

        Raises:
            MCPServerError: the server cannot be reached any more.
        """
        if self.again is None:
            self.again = asyncio.create_task(self._reconnect(), name=f"connects to {self.name} again")
            self.again.add_done_callback(self._tried)
        await asyncio.shield(self.again)

    def _tried(self, _: asyncio.Task[None]) -> None:
        self.again = None

    async def _reconnect(self) -> None:
        if self.connection.is_open:  # another call just did
            return
        try:
            await self.connection.stop(self.name)
            await self._connect()
        except MCPServerError as error:
            self.connection.gone = True
            await self.connection.stop(self.name)
            raise MCPServerError(f"{self.name} has gone, and cannot be reached again: {error}") from error
        _LOG.warning("%s had gone, and was connected to again.", self.name)

    async def _asked(self, context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
        """Have a person answer what the server asks in one of the running calls."""
        del context  # it does not say in which
        carriers = {id(found): (found, each) for each in self.calls.values() if (found := each.get(CARRIER))}
        if len(carriers) > 1:
            _LOG.warning("%s asks a person, and several runs call it; it is not known which one.", self.name)
        carrier, variables = next(iter(carriers.values())) if len(carriers) == 1 else (None, Context())
        asking = asyncio.create_task(answer_of(carrier, self.name, params), context=variables.copy())
        try:
            return await asking
        finally:
            asking.cancel()

    async def stop(self) -> None:
        """End the session, and wait for its end, even if this is cancelled meanwhile; it may take seconds."""
        self.left = True
        for call in self.calls:
            call.cancel()
        if self.again is not None:
            self.again.cancel()
        await self.connection.stop(self.name)

    def _tool(self, listed: ServerTool, own: str, name: str) -> MCPTool:
        if listed.execution is not None and listed.execution.task_support == "required":
            raise SchemaError("it can only be called as a task, which is not supported.")
        schema = cast("dict[str, object]", listed.input_schema)
        size = len(json.dumps(schema, ensure_ascii=False))
        if size > _LONGEST_SCHEMA:
            raise SchemaError(f"its schema has {size:,} characters; {_LONGEST_SCHEMA:,} are the most.")
        description = listed.description or listed.title or ""
        if len(description) > _LONGEST_DESCRIPTION:
            _LOG.warning(
                "%s: the description of the tool %r is cut: it has %s characters, and %s are the most.",
                self.name,
                _short(own),
                f"{len(description):,}",
                f"{_LONGEST_DESCRIPTION:,}",
            )
            description = f"{description[:_LONGEST_DESCRIPTION]}..."
        return Tool.from_schema(
            name, description, schema, partial(self._call, own, name), timeout=self.timeout
        )

    async def _call(
        self, own: str, name: str, arguments: dict[str, object], ctx: ToolContext = _NO_CALL
    ) -> Result:
        if self.left:
            raise self._ended(name)

        async def note(progress: float, total: float | None, message: str | None) -> None:
            of_all = "" if total is None else f"/{total:g}"
            ctx.progress(message[:_LONGEST_NOTE] if message else f"{progress:g}{of_all}")

        call = asyncio.ensure_future(self._called(own, name, arguments, note))
        self.calls[call] = copy_context()
        call.add_done_callback(self.calls.pop)
        try:
            await asyncio.wait((call,))
        finally:
            if not call.done():
                call.cancel()
                # Wait until the server has got the cancellation; the SDK gives up after some seconds.
                await asyncio.wait((call,))
        if call.cancelled() and self.left:
            raise self._ended(name)
        return call.result()

    def _ended(self, name: str) -> MCPServerError:
        server = self.name.replace("The", "the", 1)
        return MCPServerError(
            f"The session with {server} has ended; call {name} inside the block of mcp_tools."
        )

    async def _called(self, own: str, name: str, arguments: dict[str, object], note: ProgressFnT) -> Result:
        if not self.connection.is_open and self._can_connect():
            await self._again()
        result = await self._sent(own, name, arguments, note)
        if result is None and self._can_connect():
            await self._again()
            result = await self._sent(own, name, arguments, note)
        if result is None:
            raise self._has_gone(name)
        found = result_of(result, self.max_result)
        if result.is_error:
            texts = [found] if isinstance(found, str) else [each for each in found if isinstance(each, str)]
            raise MCPToolError("\n\n".join(texts) or f"{name} failed, and its server does not say why.")
        return found

    async def _sent(
        self, own: str, name: str, arguments: dict[str, object], note: ProgressFnT
    ) -> CallToolResult | None:
        """Send a call over the connection; None if the server had gone before, and does not know of the call.

        Raises:
            MCPServerError: the server has gone during the call, or does not accept it, or the tool is not
                the one that the model knows.
        """
        connection = self.connection
        client = connection.client
        if client is None or not connection.is_open:
            return None
        if _offer(connection.tools.get(own)) != _offer(self.tools[own]):
            raise MCPServerError(
                f"{self.name} was started again, and does not offer {name} as it did before; enter "
                "mcp_tools(...) anew."
            )
        turns: list[None] = []
        asyncio.get_running_loop().call_soon(turns.append, None)
        try:
            return await client.call_tool(own, arguments, progress_callback=note)
        except MCPError as error:
            closed = error.code == CONNECTION_CLOSED and error.message.startswith(_CLOSED)
            if not closed and isinstance(self.server, str) and await _refuses_all(client, error):
                connection.refusal = error.code, error.message
            # Another call may have found out at the same time, and closed the connection.
            if closed or (error.code, error.message) == connection.refusal:
                connection.gone = True
                if closed and turns:  # else it was refused before anything was written
                    raise self._has_gone(name, connection.owner) from error
                return None
            raise MCPServerError(f"{self.name} refused the call of {name}: {_reason(error)}") from error
        except Exception as error:
            raise MCPServerError(f"{self.name} gave no valid answer to {name}: {_reason(error)}") from error

    def _has_gone(self, name: str, owner: "asyncio.Task[None] | None" = None) -> MCPServerError:
        if not self._can_connect():
            return MCPServerError(
                f"{self.name} has gone, so {name} cannot be called; enter mcp_tools(...) anew."
            )
        failed = owner is not None and owner.done() and not owner.cancelled()
        why = f" ({_reason(owner.exception())})" if failed and owner is not None else ""
        return MCPServerError(
            f"{self.name} has gone during the call of {name}{why}; whether the call was carried out is not "
            "known. The next call connects again."
        )

    def _can_connect(self) -> bool:
        """A client or transport of the SDK can be entered once only."""
        return isinstance(self.server, str | StdioServerParameters)


def _offer(tool: ServerTool | None) -> object:
    """What a model is told about a tool."""
    return None if tool is None else (tool.description or tool.title, cast("object", tool.input_schema))


async def _listed(client: Client, name: str, most: int) -> Mapping[str, ServerTool]:
    """Return the tools of all pages."""
    tools: dict[str, ServerTool] = {}
    cursor: str | None = None
    count = 0
    for _ in range(_MOST_PAGES):
        page = await _page(client, name, cursor)
        for each in page.tools:
            tools.setdefault(each.name, each)
        count += len(page.tools)
        if count > most:
            raise MCPServerError(
                f"{name} lists more than {most:,} tools; no model can choose from so many. Raise max_tools "
                "to get them all the same."
            )
        cursor = page.next_cursor
        if cursor is None:
            return tools
    raise MCPServerError(f"{name} lists its tools on more than {_MOST_PAGES:,} pages; it is broken.")


class _Sender(Protocol):
    send_raw_request: Callable[..., Awaitable[dict[str, object]]]


async def _page(client: Client, name: str, cursor: str | None) -> ListToolsResult:
    """Return a page of tools, without those for which the SDK refuses all of them: they are not valid."""
    try:
        return await client.list_tools(cursor=cursor)
    except ValidationError:
        sender = cast("_Sender | None", getattr(client.session, "_dispatcher", None))
        if sender is None:
            raise
    send = sender.send_raw_request

    async def send_without(method: str, *rest: object) -> dict[str, object]:
        raw = await send(method, *rest)
        listed = raw.get("tools")
        if method != _LIST or not isinstance(listed, list):
            return raw
        return {**raw, "tools": [each for each in cast("list[object]", listed) if fits(raw, each)]}

    def fits(raw: dict[str, object], tool: object) -> bool:
        try:
            validate_server_result(_LIST, client.protocol_version, {**raw, "tools": [tool]})
        except ValidationError as error:
            called = cast("dict[str, object]", tool).get("name") if isinstance(tool, dict) else tool
            _LOG.warning("%s: the tool %r is left out: %s", name, _short(str(called)), _one_line(error))
            return False
        return True

    sender.send_raw_request = send_without
    return await client.list_tools(cursor=cursor)


async def _refuses_all(client: Client, error: MCPError) -> bool:
    """Return whether a server refuses each request as it refused a call.

    It was started again, and does not know the session; each server has words of its own for that.
    """
    if error.code == INTERNAL_ERROR:  # also of a server that fails in the middle of a call
        return False
    try:
        await client.session.list_tools()
    except MCPError as other:
        return (other.code, other.message) == (error.code, error.message)
    except ValidationError:  # it answers, if only with what is not valid
        pass
    return False


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
            raise ValueError(
                f"{_short(redact_keys(server))!r} is not the address of an MCP server; write it like "
                "https://example.org/mcp, and a program as StdioServerParameters(command=..., args=[...])."
            )
        return f"The MCP server {parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    return "The MCP server"


def _reason(error: BaseException | None) -> str:
    """Return the text of an error, or of the first one in a group, as one short line."""
    error = _first(error)
    if error is None:
        return "its session was cancelled"
    text = _one_line(error)
    return _short(f"{type(error).__name__}: {text}" if text else type(error).__name__)


def _first(error: BaseException | None) -> BaseException | None:
    while isinstance(error, BaseExceptionGroup):
        error = cast("BaseExceptionGroup[BaseException]", error).exceptions[0]
    return error


def _one_line(error: BaseException) -> str:
    return _short(" ".join(strip_control(redact_keys(str(error)[: 10 * _LONGEST_REASON])).split()))


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_REASON else f"{text[:_LONGEST_REASON]}..."
