"""Modules of Python that run in processes of their own, which begin with what they import already imported.

Such a process is a fork of one that has imported the modules, and does nothing else. It has its own files,
environment and signals, and can be killed. To start it takes a tenth of the time. Only Linux has pidfds.
"""

import asyncio
import atexit
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path

__all__ = ["Forked", "fork_module"]

_PARENT = """
import json, os, runpy, signal, sys
from importlib import import_module

for name in sys.argv[1:]:
    import_module(name)
signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the system removes children that have ended
for line in sys.stdin:
    words, folder, environ, out = json.loads(line)
    files = [os.open(file, os.O_RDWR) for file in (os.devnull, out, os.devnull)]
    child = os.fork()
    if not child:
        for number, file in enumerate(files):
            os.dup2(file, number)
    for file in files:
        os.close(file)
    if child:
        print(child, flush=True)
        continue
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environ)
    sys.path[0] = folder
    sys.argv = words
    runpy.run_module(words[0], run_name="__main__", alter_sys=True)
    break
"""


class Forked:
    """A process that was forked.

    Args:
        number: of the process.
        stdout: what it writes.
    """

    def __init__(self, number: int, stdout: asyncio.StreamReader) -> None:
        self._process = os.pidfd_open(number)
        self.stdout = stdout

    def send_signal(self, number: int) -> None:
        """Send it a signal."""
        signal.pidfd_send_signal(self._process, number)

    async def communicate(self) -> None:
        """Wait until it has ended, which is once."""
        ended = asyncio.Event()
        asyncio.get_running_loop().add_reader(self._process, ended.set)
        await self.stdout.read()
        await ended.wait()
        asyncio.get_running_loop().remove_reader(self._process)
        os.close(self._process)


async def fork_module(
    *words: str, imported: tuple[str, ...], folder: Path, environ: Mapping[str, str]
) -> Forked:
    """Run a module as `python -m` does; it has no stdin and no stderr.

    Args:
        *words: the module and its arguments.
        imported: the modules that are imported already.
        folder: where it runs.
        environ: its environment.
    """
    parent = _parent(imported)
    assert parent.stdin is not None
    assert parent.stdout is not None
    reading, writing = os.pipe()
    stdout = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(stdout), os.fdopen(reading, "rb", 0)
    )
    out = f"/proc/{os.getpid()}/fd/{writing}"
    parent.stdin.write(f"{json.dumps([words, str(folder), {**environ}, out])}\n")
    parent.stdin.flush()
    forked = Forked(int(parent.stdout.readline()), stdout)
    os.close(writing)
    return forked


@cache
def _parent(imported: tuple[str, ...]) -> subprocess.Popen[str]:
    """Start the process that is forked; it ends with this one."""
    parent = subprocess.Popen(  # noqa: S603 - our own words
        [sys.executable, "-c", _PARENT, *imported],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    atexit.register(parent.communicate)
    return parent
