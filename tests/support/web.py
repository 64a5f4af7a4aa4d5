"""A web app on loopback, on the loop of the test."""

import asyncio
import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import cast

import uvicorn
from starlette.applications import Starlette
from uvicorn.server import ServerState

__all__ = ["answering", "served"]


@asynccontextmanager
async def served(app: Starlette) -> AsyncGenerator[str]:
    """The address of an app that is served until the block ends, its lifespan included.

    Args:
        app: of Starlette or FastAPI.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # asyncio does so only for its own
        async with answering(uvicorn.Config(app, lifespan="on", ws="none", log_config=None), listener):
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@asynccontextmanager
async def answering(config: uvicorn.Config, listener: socket.socket) -> AsyncGenerator[None]:
    """Serve an app as uvicorn does, without its waits of a tenth of a second at the begin and at the end.

    Args:
        config: of uvicorn, with the app.
        listener: where clients connect.
    """
    config.load()
    lifespan = config.lifespan_class(config)
    await lifespan.startup()
    assert not lifespan.should_exit, "the app does not start"
    state = ServerState()
    make = cast("Callable[..., asyncio.Protocol]", config.http_protocol_class)
    connection = partial(make, config=config, server_state=state, app_state=lifespan.state)
    server = await asyncio.get_running_loop().create_server(connection, sock=listener)
    try:
        yield
    finally:
        server.close()
        for each in tuple(state.connections):
            each.transport.abort()
        if state.tasks:
            await asyncio.wait(tuple(state.tasks))
        await lifespan.shutdown()
