"""A real Redis for a test: started, and ended, by the test."""

import asyncio
import os
import shutil
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

__all__ = ["redis_server"]


@asynccontextmanager
async def redis_server(folder: Path) -> AsyncGenerator[str]:
    """Run a server that keeps nothing, and give its URL; without one the test is skipped, but in CI.

    Args:
        folder: where its socket is.
    """
    program = shutil.which("redis-server")
    if program is None:
        if os.environ.get("CI"):
            pytest.fail("redis-server is not installed: apt-get install redis-server")
        pytest.skip("redis-server is not installed (apt-get install redis-server)")
    path = folder / "redis.sock"
    server = await asyncio.create_subprocess_exec(
        *(program, "--port", "0", "--unixsocket", str(path), "--save", "", "--dir", str(folder)),
        stdout=asyncio.subprocess.DEVNULL,
    )
    try:
        while not await _answers(path):
            assert server.returncode is None, "redis-server did not start"
            await asyncio.sleep(0.01)
        yield f"unix://{path}"
    finally:
        server.kill()
        await server.wait()


async def _answers(path: Path) -> bool:
    """Whether it listens: its socket is there a moment earlier."""
    try:
        _, writer = await asyncio.open_unix_connection(path)
    except OSError:
        return False
    writer.close()
    await writer.wait_closed()
    return True
