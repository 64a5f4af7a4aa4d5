"""`miniagents serve` in a process of its own, as users start it, or forked."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from .forked import Forked, fork_module

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
        forked: whether it is forked, where that can be, and not started anew.

    Attributes:
        address: as it says itself.
        words: of the command line, besides.
    """

    def __init__(self, folder: Path, words: tuple[str, ...], root: Path, *, forked: bool = False) -> None:
        self._folder = folder
        self._root = root
        self._forked = forked and sys.platform == "linux"
        self.words = words
        self._process: asyncio.subprocess.Process | Forked | None = None
        self._port: int = 0
        self.address = ""

    async def start(self) -> None:
        """Start it, and wait until it says its address."""
        files = ("--history", str(self._folder / "chats.db"), "--journal", str(self._folder / "runs.journal"))
        keys = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY")
        environ = {name: value for name, value in os.environ.items() if name not in keys}
        environ["PYTHONPATH"] = os.pathsep.join([str(self._root), *filter(None, sys.path)])
        command = ("miniagents", "serve", *self.words, "--port", str(self._port), *files)
        if self._forked:
            self._process = await fork_module(
                *command, imported=_IMPORTED, folder=self._folder, environ=environ
            )
        else:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", *command),
                cwd=self._folder,
                env=environ,
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
    folder: Path, *words: str, agent: str | None = _AGENT, root: Path = _ROOT, forked: bool = False
) -> AsyncGenerator[PageServer]:
    """Run it until the block ends.

    Args:
        folder: where its files are.
        *words: of the command line, besides; without ``--token TEXT``, no token is needed.
        agent: who answers; None for Eliza.
        root: the folder that holds the package.
        forked: whether it is forked, where that can be: this takes a tenth of the time.
    """
    words = words if "--token" in words else ("--no-token", *words)
    server = PageServer(folder, (*([] if agent is None else [agent]), *words), root, forked=forked)
    await server.start()
    try:
        yield server
    finally:
        await server.end()
