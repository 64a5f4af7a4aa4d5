"""A way to a server on which connections are cut, as networks do."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

__all__ = ["Cuts"]


class Cuts:
    """A way to a server on which connections can be cut.

    Args:
        port: of the server.

    Attributes:
        closed: whether new connections are cut at once.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._open: set[asyncio.Transport] = set()
        self.closed = False

    @asynccontextmanager
    async def listening(self) -> AsyncGenerator[str]:
        """The address of the way."""
        server = await asyncio.start_server(self._pass_on, "127.0.0.1", 0)
        try:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        finally:
            server.close()
            self.cut()
            await server.wait_closed()
            await asyncio.sleep(0.05)  # the tasks of the connections

    def cut(self) -> None:
        """Cut all connections."""
        for each in self._open:
            each.abort()
        self._open.clear()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.closed:
            writer.transport.abort()
            return
        there, back = await asyncio.open_connection("127.0.0.1", self._port)
        self._open |= {writer.transport, back.transport}  # type: ignore[arg-type]
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_copy(reader, back))
            tasks.create_task(_copy(there, writer))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while piece := await reader.read(65536):
            writer.write(piece)
            await writer.drain()
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()
