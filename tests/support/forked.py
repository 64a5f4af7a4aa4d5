"""Programs that run in processes of their own. Those in Python begin with what they import already imported.

Such a process is a fork of one that has imported the modules and does nothing else (`fork_server.py`). It is
a child of this process, has its own files, environment and signals, and can be killed. To start it takes a
tenth of the time. A test that proves something about how Python or a command starts, or about imports, has it
start anew, and says why.

Programs are forked on Linux. Elsewhere they all start anew.
"""

import asyncio
import asyncio.subprocess
import atexit
import ctypes
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import termios
from asyncio.base_subprocess import BaseSubprocessTransport
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, partial
from itertools import count
from pathlib import Path
from typing import IO, Any, Final, TypeAlias, TypedDict

from typing_extensions import Unpack, override

from .fork_server import Request

__all__ = ["Options", "open_program", "run_program", "start_program"]

File: TypeAlias = int | IO[Any] | None

_ROOT: Final = Path(__file__).parents[2]
_SERVER: Final = Path(__file__).with_name("fork_server.py")
_FORKS: Final = sys.platform == "linux"
_ADOPT: Final = 36  # PR_SET_CHILD_SUBREAPER of prctl
# What Python reads when it starts: there is a server for each combination of them.
_READ_FIRST: Final = ("PYTHON", "LANG", "LC_")
_READ_LATER: Final = {"PYTHONPATH", "PYTHONASYNCIODEBUG", "PYTHONUNBUFFERED"}
_numbers: Final = count()


class Options(TypedDict, total=False):
    """How a program is started, as for `subprocess.Popen`.

    Attributes:
        start_new_session: whether it has a session of its own, with the terminal of its stdin if that is one.
        imported: modules that a program in Python imports, besides those that its text imports.
        anew: whether it is not to be forked.
    """

    cwd: Path
    env: Mapping[str, str]
    stdin: File
    stdout: File
    stderr: File
    pass_fds: Sequence[int]
    start_new_session: bool
    imported: Sequence[str]
    anew: bool


def open_program(*command: str, **options: Unpack[Options]) -> subprocess.Popen[str]:
    """Start a program as `subprocess.Popen` does. Its pipes have text.

    Args:
        *command: the program and its arguments; it is forked if it is `sys.executable`.
        **options: how it is started.
    """
    return _Program(command, text=True, **options)


def run_program(*command: str, **options: Unpack[Options]) -> subprocess.CompletedProcess[str]:
    """Run a program to its end; return what it writes. See `open_program`."""
    piped: Options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    with open_program(*command, **piped) as process:
        out, err = process.communicate()
    return subprocess.CompletedProcess(command, process.returncode, out, err)


async def start_program(*command: str, **options: Unpack[Options]) -> asyncio.subprocess.Process:
    """Start a program as `asyncio.create_subprocess_exec` does. See `open_program`."""
    if not _FORKS:
        return await asyncio.create_subprocess_exec(*command, **_for_popen(options))
    loop = asyncio.get_running_loop()
    protocol = asyncio.subprocess.SubprocessStreamProtocol(1 << 16, loop)
    connected: asyncio.Future[None] = loop.create_future()
    streams = dict.fromkeys(("stdin", "stdout", "stderr"))
    more: dict[str, Any] = {"shell": False, "bufsize": 0, "waiter": connected, **streams, **options}
    transport = _Transport(loop, protocol, command, **more)
    await connected
    return asyncio.subprocess.Process(transport, protocol, loop)


def _is_forked(command: Sequence[str], options: Mapping[str, object]) -> bool:
    return _FORKS and command[0] == sys.executable and not options.get("anew")


def _for_popen(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that `subprocess.Popen` has, too."""
    known = {name: value for name, value in options.items() if name not in {"imported", "anew"}}
    if known.pop("start_new_session", False):
        known["preexec_fn"] = partial(_begin_session, known.get("stdin"))
    return known


def _begin_session(stdin: File) -> None:
    """Have Ctrl-C at a terminal be a signal for this process, which is just being made.

    Not by `start_new_session` and descriptor 0: with uvloop neither is there yet.
    """
    os.setsid()
    if isinstance(stdin, int) and stdin >= 0 and os.isatty(stdin):
        fcntl.ioctl(stdin, termios.TIOCSCTTY, 0)


class _Program(subprocess.Popen[Any]):
    """A child that is forked, or started."""

    def __init__(self, command: Sequence[str], **options: Any) -> None:
        self._forked = _is_forked(command, options)
        self._imported: Sequence[str] = options.get("imported", ())
        self._own_session: bool = options.get("start_new_session", False)
        super().__init__(command, **_for_popen(options))

    def _execute_child(self, *given: Any) -> None:
        """Make the child, and close its ends of the pipes: this part of `Popen` depends on the system."""
        if not self._forked:
            super()._execute_child(*given)  # type: ignore[misc]  # it is private
            return
        (_, *words), _, _, _, pass_fds, folder, environ, _, _, _, *pipes = given
        environ = {**(os.environ if environ is None else environ)}
        at = 0
        while words[at].startswith("-") and words[at] not in {"-m", "-c"}:
            at += 2 if words[at] in {"-W", "-X"} else 1
        settings = {
            name: value
            for name, value in environ.items()
            if name.startswith(_READ_FIRST) and name not in _READ_LATER
        }
        request: Request = {
            "words": words[at:],
            "imported": [*self._imported],
            "folder": os.fspath(folder or Path.cwd()),
            "environ": environ,
            "files": [0, 1, 2, *pass_fds],
            "ignored": [each for each in signal.valid_signals() if signal.getsignal(each) is signal.SIG_IGN],
            "own_session": self._own_session,
        }
        files = [own if end < 0 else end for own, end in enumerate((pipes[0], pipes[3], pipes[5]))]
        # pytest warns of plugins that something else has imported before.
        alone = (*self._imported,) if words[at : at + 2] == ["-m", "pytest"] else ()
        server = _server((*words[:at],), (*sorted(settings.items()),), alone)
        self.pid = _fork(server, request, [*files, *pass_fds])
        self._child_created = True
        self._close_pipe_fds(*pipes[:6])  # type: ignore[attr-defined]  # it is private


class _Transport(BaseSubprocessTransport):
    """A program that an event loop waits for."""

    @override
    def _start(self, args: Any, *more: Any, **options: Any) -> None:
        self._proc = _Program(args, **options)
        ended = os.pidfd_open(self._proc.pid)
        self._loop.add_reader(ended, self._end, self._proc, ended)

    def _end(self, process: subprocess.Popen[Any], ended: int) -> None:
        self._loop.remove_reader(ended)
        os.close(ended)
        self._process_exited(process.wait())


def _fork(server: str, request: Request, files: Sequence[int]) -> int:
    """Have a server fork a program; return the number of the process, which is a child of this one."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection, _adopting():
        connection.connect(server)
        socket.send_fds(connection, [json.dumps(request).encode()], files)
        # The program answers with its number; the server with 0, when the program is a child of this process.
        answers = [connection.recv(100) for _ in range(2)]
    assert all(answers), "the server could not fork the program; it has written why to stderr"
    number = max(map(int, answers))
    os.waitid(os.P_PID, number, os.WEXITED | os.WNOHANG | os.WNOWAIT)  # an error if it is no child
    return number


@contextmanager
def _adopting() -> Generator[None]:
    """Have processes below this one become its children when their parent ends."""
    prctl = ctypes.CDLL(None).prctl
    prctl(_ADOPT, 1, 0, 0, 0)
    try:
        yield
    finally:
        prctl(_ADOPT, 0, 0, 0, 0)


@cache
def _server(options: tuple[str, ...], settings: tuple[tuple[str, str], ...], _alone: tuple[str, ...]) -> str:
    """Start a server; return its address. It ends with this process.

    Args:
        options: of Python.
        settings: its environment variables that Python reads when it starts.
        _alone: what programs import that have a server of their own.
    """
    address = f"\0miniagents-{os.getpid()}-{next(_numbers)}"
    others = {name: value for name, value in os.environ.items() if not name.startswith(_READ_FIRST)}
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(address)
        listener.listen()
        server = subprocess.Popen(  # noqa: S603 - our own words
            [sys.executable, *options, str(_SERVER), str(listener.fileno())],
            env={**others, **dict(settings), "PYTHONPATH": str(_ROOT)},
            stdin=subprocess.PIPE,
            pass_fds=[listener.fileno()],
            start_new_session=True,
        )
    atexit.register(server.communicate)
    return address
