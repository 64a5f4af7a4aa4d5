"""A web app on loopback, served by uvicorn on the loop of the test."""

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import uvicorn
from starlette.applications import Starlette

__all__ = ["served"]


@asynccontextmanager
async def served(app: Starlette) -> AsyncGenerator[str]:
    """The address of an app that is served until the block ends, its lifespan included.

    Args:
        app: of Starlette or FastAPI.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, lifespan="on", ws="none", log_config=None))
    serving = asyncio.create_task(server.serve(sockets=[listener]))  # it listens already: who connects waits
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving
        listener.close()
