"""`miniagents serve` in a process of its own, which is forked or starts anew."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from .forked import start_program

__all__ = ["PageServer", "page_server"]

_ROOT: Final = Path(__file__).parents[2]
_AGENT: Final = "tests.browser.agents:guide"
_IMPORTED: Final = ("miniagents.cli._main", "miniagents.cli._serve", "tests.browser.agents")


class PageServer:
    """A server that can be killed, and started again where it was.

    Args:
        folder: where its files are.
        words: of the command line, besides.
        root: the folder that holds the package.
        anew: whether it starts as users start it, and is not forked.

    Attributes:
        address: as it says itself.
        words: of the command line, besides.
    """

    def __init__(self, folder: Path, words: tuple[str, ...], root: Path, *, anew: bool = False) -> None:
        self._folder = folder
        self._root = root
        self._anew = anew
        self.words = words
        self._process: asyncio.subprocess.Process | None = None
        self._port: int = 0
        self.address = ""

    async def start(self) -> None:
        """Start it, and wait until it says its address."""
        files = ("--history", str(self._folder / "chats.db"), "--journal", str(self._folder / "runs.journal"))
        keys = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY")
        environ = {name: value for name, value in os.environ.items() if name not in keys}
        environ["PYTHONPATH"] = os.pathsep.join([str(self._root), *filter(None, sys.path)])
        self._process = await start_program(
            *(sys.executable, "-m", "miniagents", "serve", *self.words, "--port", str(self._port), *files),
            imported=_IMPORTED,
            anew=self._anew,
            cwd=self._folder,
            env=environ,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        assert self._process.stdout is not None
        self.address = (await self._process.stdout.readline()).decode().strip()
        assert self.address, "the server did not start"
        self._port = urlsplit(self.address).port or 0

    async def end(self, number: int = signal.SIGTERM) -> None:
        """End it by a signal."""
        process, self._process = self._process, None
        if process is not None:
            with suppress(ProcessLookupError):  # it may have ended by itself
                process.send_signal(number)
            await process.communicate()


@asynccontextmanager
async def page_server(
    folder: Path, *words: str, agent: str | None = _AGENT, root: Path = _ROOT, anew: bool = False
) -> AsyncGenerator[PageServer]:
    """Run it until the block ends.

    Args:
        folder: where its files are.
        *words: of the command line, besides; without ``--token TEXT``, no token is needed.
        agent: who answers; None for Eliza.
        root: the folder that holds the package.
        anew: whether it starts as users start it, and is not forked: this takes ten times as long.
    """
    words = words if "--token" in words else ("--no-token", *words)
    server = PageServer(folder, (*([] if agent is None else [agent]), *words), root, anew=anew)
    await server.start()
    try:
        yield server
    finally:
        await server.end()
