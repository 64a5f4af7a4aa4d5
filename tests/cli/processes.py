"""Processes of the command, which are forked or start anew: on a pipe, and at a real terminal."""

import asyncio
import fcntl
import os
import pty
import re
import signal
import struct
import sys
import termios
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.forked import start_program

__all__ = [
    "COMMAND",
    "Done",
    "Terminal",
    "at_terminal",
    "environment",
    "imported_by",
    "on_pipe",
    "program_at_terminal",
    "quiet",
]

_PROGRAM = (sys.executable, "-X", "dev", "-W", "error", "-m", "miniagents")
COMMAND = (*_PROGRAM, "chat")
# Without the development mode: what asyncio tells then about slow steps would be in the middle of the screen.
_AT_TERMINAL = (sys.executable, "-W", "error", "-m", "miniagents")
_IMPORTED = {
    "chat": ["prompt_toolkit"],
    "map": ["miniagents.cli._map", "miniagents.cli._progress_bar"],
    "serve": ["miniagents.cli._serve"],
    "mcp": ["miniagents.ext.mcp"],
}
_MODEL = re.compile(r"(openai|openai-responses|anthropic):")
_SECONDS = 20.0
# What asyncio says in debug mode when a step took over 0.1 s: a busy machine is no fault of the program.
_SLOW = re.compile(r"^Executing <.* took .* seconds\n", re.MULTILINE)
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07]*\x07|\x1b[=>]|[\r\x07]")


@dataclass(frozen=True, slots=True)
class Done:
    """How a process ended, and what it wrote."""

    code: int | None
    out: str
    err: str


def environment(**more: str) -> dict[str, str]:
    """Return the environment of this process without keys, models, addresses, proxies, width; plus more."""
    # A process of pytest-xdist has COLUMNS=80; a terminal of a test has its own size.
    ours = re.compile(r"(OPENAI|ANTHROPIC)_.*|.*_proxy|COLUMNS|LINES", re.IGNORECASE)
    kept = {name: value for name, value in os.environ.items() if not ours.fullmatch(name)}
    # The development mode has every piece of memory checked, for faults in C: that is half of its time.
    own = {"TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "1", "PYTHONMALLOC": "pymalloc"}
    return {**kept, **own, **more}


def imported_by(command: str, *options: str) -> list[str]:
    """Return what the command imports with these options."""
    names = {found[1].replace("-", "_") for found in map(_MODEL.match, options) if found}
    return ["miniagents.cli._main", *_IMPORTED[command], *(f"miniagents.ext.llm.{name}" for name in names)]


def quiet(err: bytes) -> str:
    """Return what a process wrote to stderr, without asyncio's remarks about slow steps."""
    return _SLOW.sub("", err.decode())


async def on_pipe(
    folder: Path,
    said: str | int | None,
    *options: str,
    env: Mapping[str, str] | None = None,
    command: str = "chat",
    anew: bool = False,
) -> Done:
    """Run the command in a folder with an input: a text, a descriptor, or no input at all (None)."""
    process = await start_program(
        *_PROGRAM,
        command,
        *options,
        imported=imported_by(command, *options),
        anew=anew,
        cwd=folder,
        env=environment() if env is None else env,
        stdin=asyncio.subprocess.PIPE if isinstance(said, str) else said,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(_SECONDS):
            out, err = await process.communicate(said.encode() if isinstance(said, str) else None)
    except BaseException:
        process.kill()
        await process.communicate()
        raise
    return Done(process.returncode, out.decode(), quiet(err))


@dataclass(slots=True)
class Terminal:
    """A process at a terminal, and everything it has shown."""

    process: asyncio.subprocess.Process
    keyboard: int
    raw: bytearray = field(default_factory=bytearray)
    news: asyncio.Event = field(default_factory=asyncio.Event)
    seen: int = 0

    @property
    def shown(self) -> str:
        """What was written, without colours and cursor moves."""
        return _ESCAPES.sub("", self.raw.decode(errors="replace"))

    async def expect(self, text: str) -> None:
        """Wait until the text is shown, behind what was expected before."""
        try:
            async with asyncio.timeout(_SECONDS):
                while (found := self.shown.find(text, self.seen)) < 0:
                    self.news.clear()
                    await self.news.wait()
        except TimeoutError:
            raise AssertionError(f"no {text!r} in {self.shown[self.seen :]!r}") from None
        self.seen = found + len(text)

    def type(self, keys: str) -> None:
        """Press keys."""
        os.write(self.keyboard, keys.encode())

    async def end(self) -> int:
        """Wait for the end of the process and return its exit code."""
        async with asyncio.timeout(_SECONDS):
            return await self.process.wait()

    def _read(self) -> None:
        try:
            data = os.read(self.keyboard, 65536)
        except OSError:  # the process has closed its end
            data = b""
        if not data:
            asyncio.get_running_loop().remove_reader(self.keyboard)
        self.raw += data
        self.news.set()


@asynccontextmanager
async def at_terminal(
    folder: Path,
    *options: str,
    env: Mapping[str, str] | None = None,
    command: str = "chat",
    anew: bool = False,
) -> AsyncGenerator[Terminal]:
    """Run a command at a terminal of its own; it is killed at the end if it is still there."""
    environ = environment() if env is None else env
    words = (*_AT_TERMINAL, command, *options)
    imported = imported_by(command, *options)
    async with program_at_terminal(folder, *words, env=environ, imported=imported, anew=anew) as terminal:
        yield terminal


@asynccontextmanager
async def program_at_terminal(
    folder: Path,
    *program: str,
    env: Mapping[str, str],
    imported: Sequence[str] = (),
    anew: bool = False,
    lines: int = 50,
    columns: int = 200,
) -> AsyncGenerator[Terminal]:
    """Run a program at a terminal of this size; it is killed at the end if it is still there."""
    keyboard, screen = pty.openpty()
    fcntl.ioctl(screen, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    process = await start_program(
        *program,
        imported=imported,
        anew=anew,
        cwd=folder,
        # What debug mode says of long steps would stand among what is shown.
        env={**env, "PYTHONASYNCIODEBUG": ""},
        stdin=screen,
        stdout=screen,
        stderr=screen,
        start_new_session=True,
    )
    os.close(screen)
    terminal = Terminal(process, keyboard)
    loop = asyncio.get_running_loop()
    loop.add_reader(keyboard, terminal._read)
    try:
        yield terminal
    finally:
        loop.remove_reader(keyboard)
        if process.returncode is None:
            process.send_signal(signal.SIGKILL)
        await process.wait()
        os.close(keyboard)
