"""Runs what users run: a script, which is forked, or a shell command in a folder of its own."""

import asyncio
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .forked import start_program

__all__ = ["Done", "run_script", "run_shell"]

_SECONDS = 25.0
# What asyncio says in debug mode when a step took over 0.1 s: a busy machine is no fault of the script.
_SLOW = re.compile(r"^Executing <.* took .* seconds\n", re.MULTILINE)
_SETTINGS = re.compile(r"(OPENAI|ANTHROPIC)_.*|.*_proxy", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Done:
    """How a process ended, and what it wrote."""

    code: int | None
    out: str
    err: str


async def run_script(
    script: Path,
    folder: Path,
    said: str = "",
    environ: Mapping[str, str] | None = None,
    *words: str,
    anew: bool = False,
) -> Done:
    """Run a Python file in development mode; any warning is an error.

    Args:
        script: the file.
        folder: where it runs.
        said: its input.
        environ: settings beside those of this process, which lose all keys and addresses of models.
        *words: its arguments.
        anew: whether it starts as users start it, and is not forked.
    """
    command = (sys.executable, "-X", "dev", "-W", "error", str(script), *words)
    return await _run(folder, said, environ, *command, anew=anew)


async def run_shell(command: str, folder: Path) -> Done:
    """Run a shell command; the programs of this environment are found first."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    return await _run(folder, "", {"PATH": path}, "sh", "-c", command)


async def _run(
    folder: Path, said: str, environ: Mapping[str, str] | None, *command: str, anew: bool = False
) -> Done:
    kept = {name: value for name, value in os.environ.items() if not _SETTINGS.fullmatch(name)}
    process = await start_program(
        *command,
        anew=anew,
        cwd=folder,
        # The development mode has every piece of memory checked, for faults in C: that is half of its time.
        env={**kept, "PYTHONUTF8": "1", "PYTHONMALLOC": "pymalloc", **(environ or {})},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(_SECONDS):
            out, err = await process.communicate(said.encode())
    except BaseException:
        process.kill()
        await process.communicate()
        raise
    return Done(process.returncode, out.decode(), _SLOW.sub("", err.decode()))
