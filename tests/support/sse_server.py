r"""A scripted HTTP server on loopback: what a model's server may say, and every way it may break.

It stands on raw asyncio streams, because a reset, half a chunk or a length that lies cannot be sent through a
server framework. Each request is answered by the next script; the last one answers all further requests.
Waiting is for events, never for time::

    async with serve(sse(b"data: 1\n\n", wait(go), b"data: 2\n\n")) as server:
        ...                            # talk to server.url; go.set()
    server.requests[0].json            # what was asked
    await server.connections[0].gone.wait()
"""

import asyncio
import json
import socket
import struct
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from ssl import SSLContext

__all__ = [
    "Connection",
    "Exchange",
    "Request",
    "Script",
    "ScriptedServer",
    "answer",
    "cut",
    "hold",
    "raw",
    "refused_url",
    "repeat",
    "reset",
    "serve",
    "sse",
    "wait",
]

_REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 429: "Too Many Requests", 500: "Server Error"}


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it came in; header names in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, object]:
        """The body as JSON."""
        parsed: dict[str, object] = json.loads(self.body)
        return parsed


@dataclass(slots=True)
class Connection:
    """One accepted connection; `gone` is set when the client has left it, at `gone_at` of the loop's time."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    gone_at: float | None = None

    def left(self) -> None:
        """Note that the client has gone."""
        if self.gone_at is None:
            self.gone_at = asyncio.get_running_loop().time()
            self.gone.set()


@dataclass(slots=True)
class Exchange:
    """One request and what a script does about it; `keep` lets the connection serve another one."""

    request: Request
    connection: Connection
    keep: bool = False

    async def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.connection.writer.write(data)
        await self.connection.writer.drain()

    async def head(self, status: int, headers: Mapping[str, str]) -> None:
        """Send the status line and the headers."""
        lines = [f"HTTP/1.1 {status} {_REASONS.get(status, 'Other')}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        await self.send(("\r\n".join(lines) + "\r\n\r\n").encode())

    async def chunk(self, data: bytes) -> None:
        """Send one HTTP chunk; an empty one ends the body."""
        await self.send(b"%x\r\n%s\r\n" % (len(data), data))

    def reset(self) -> None:
        """Break the connection with a RST."""
        raw_socket = self.connection.writer.get_extra_info("socket")
        raw_socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.writer.transport.abort()


Script = Callable[[Exchange], Awaitable[None]]
Step = bytes | Script


class _Cut(Exception):  # noqa: N818 - ends a script, it is no error
    """The script has broken the connection itself."""


async def reset(exchange: Exchange) -> None:
    """Break the connection with a RST (a step)."""
    exchange.reset()
    raise _Cut


async def cut(exchange: Exchange) -> None:
    """Close the connection in the middle of the body (a step)."""
    exchange.connection.writer.close()
    raise _Cut


async def hold(exchange: Exchange) -> None:
    """Say nothing more until the client has gone (a step)."""
    await exchange.connection.gone.wait()
    raise _Cut


def repeat(data: bytes, seconds: float) -> Script:
    """Send the same chunk again and again, until the client has gone (a step)."""

    async def step(exchange: Exchange) -> None:
        while not exchange.connection.gone.is_set():
            await exchange.chunk(data)
            with suppress(TimeoutError):
                await asyncio.wait_for(exchange.connection.gone.wait(), seconds)
        raise _Cut

    return step


def wait(event: asyncio.Event) -> Script:
    """Wait for the test (a step)."""

    async def step(exchange: Exchange) -> None:
        await event.wait()

    return step


def sse(
    *steps: Step, headers: Mapping[str, str] | None = None, content_type: str = "text/event-stream"
) -> Script:
    """Answer 200 with a chunked body: each `bytes` is one chunk, other steps happen between them."""

    async def script(exchange: Exchange) -> None:
        head = {"Content-Type": content_type, "Transfer-Encoding": "chunked", **(headers or {})}
        await exchange.head(200, head)
        for step in steps:
            await (exchange.chunk(step) if isinstance(step, bytes) else step(exchange))
        await exchange.chunk(b"")
        exchange.keep = True

    return script


def answer(
    status: int,
    body: bytes | object,
    headers: Mapping[str, str] | None = None,
    content_type: str = "application/json",
) -> Script:
    """Answer with a whole body, given as bytes or as what becomes its JSON."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()

    async def script(exchange: Exchange) -> None:
        length = str(len(data))
        await exchange.head(
            status, {"Content-Type": content_type, "Content-Length": length, **(headers or {})}
        )
        await exchange.send(data)
        exchange.keep = True

    return script


def raw(*steps: Step) -> Script:
    """Send exactly these bytes, headers and all, then close."""

    async def script(exchange: Exchange) -> None:
        for step in steps:
            await (exchange.send(step) if isinstance(step, bytes) else step(exchange))

    return script


def refused_url() -> str:
    """Return the address of a port without a listener."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port: int = closed.getsockname()[1]
    return f"http://127.0.0.1:{port}"


@dataclass(slots=True)
class ScriptedServer:
    """The running server: its address and all it has seen."""

    scripts: tuple[Script, ...]
    url: str = ""
    requests: list[Request] = field(default_factory=list[Request])
    connections: list[Connection] = field(default_factory=list[Connection])
    handlers: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a connection in a task of its own; asyncio's own would complain about being cancelled."""
        connection = Connection(reader, writer)
        self.connections.append(connection)
        task = asyncio.create_task(self.handle(connection))
        self.handlers.add(task)
        task.add_done_callback(self.handlers.discard)

    async def handle(self, connection: Connection) -> None:
        """Serve one connection until a script or the client ends it."""
        try:
            while await self._exchange(connection):
                pass
        except (ConnectionError, _Cut):
            pass
        finally:
            connection.left()
            connection.writer.close()
            with suppress(ConnectionError):
                await connection.writer.wait_closed()

    async def _exchange(self, connection: Connection) -> bool:
        request = await _read_request(connection.reader)
        if request is None:
            return False
        script = self.scripts[min(len(self.requests), len(self.scripts) - 1)]
        self.requests.append(request)
        exchange = Exchange(request, connection)
        watcher = asyncio.create_task(_watch(connection))
        try:
            await script(exchange)
        finally:
            watcher.cancel()
            await asyncio.gather(watcher, return_exceptions=True)
        return exchange.keep


async def _watch(connection: Connection) -> None:
    # Nothing may come before the answer is complete, so whatever ends this read is the client's leaving.
    with suppress(ConnectionError):
        await connection.reader.read(1)
    connection.left()


async def _read_request(reader: asyncio.StreamReader) -> Request | None:
    """The next request; None, when the client has gone, also in the middle of one."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
        method, path, _ = first.split(" ", 2)
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
    except asyncio.IncompleteReadError:
        return None
    return Request(method, path, headers, body)


@asynccontextmanager
async def serve(*scripts: Script, tls: SSLContext | None = None) -> AsyncGenerator[ScriptedServer]:
    """Run a server on a free port of 127.0.0.1; on leaving, all its connections and handlers are ended."""
    scripted = ScriptedServer(scripts)
    server = await asyncio.start_server(scripted.accept, "127.0.0.1", 0, limit=2**24, ssl=tls)
    scripted.url = f"http{'s' if tls else ''}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield scripted
    finally:
        server.close()
        for handler in scripted.handlers:
            handler.cancel()
        await asyncio.gather(*scripted.handlers, return_exceptions=True)
        await server.wait_closed()
