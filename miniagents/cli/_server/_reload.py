"""Restarts the server when the code changes: one process watches, another one serves on the same socket."""

import multiprocessing
import os
import signal
import socket
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from multiprocessing.connection import wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from types import FrameType
from typing import Final

_LOOK_EVERY: Final = 0.3  # seconds
_PATIENCE: Final = 3.0  # seconds that the server gets to end
_SIGNALS: Final = ("SIGINT", "SIGTERM", "SIGHUP")
_NOT_OURS: Final = frozenset({"__pycache__", "node_modules", "site-packages"})


def serve_again(
    serve: Callable[[socket.socket], object],
    listener: socket.socket,
    folder: Path,
    on_change: Callable[[Path], object],
) -> int:
    """Serve in a child process, and restart it whenever a Python file of a folder changes.

    Clients that connect during a restart wait. If the child ends before any change, this returns.

    Args:
        serve: called in the child process; it must be picklable.
        listener: the socket, which stays open all the time.
        folder: the folder to watch, with its subfolders, but without virtual environments, hidden folders,
            ``site-packages``, ``node_modules`` and ``__pycache__``.
        on_change: called with a file that was changed, added or removed.

    Returns:
        The exit code of the child; or 128 plus the number of the signal that ended this process.

    Example:
        >>> with socket.create_server(("127.0.0.1", 0)) as listener:  # a process that ends at once
        ...     serve_again(socket.socket.getsockname, listener, Path(__file__).parent, print)
        0
    """
    with _signals() as signalled:
        seen = _times(folder)
        server = _start(serve, listener)
        changed = False
        try:
            while not signalled.wait(_LOOK_EVERY):
                if server.exitcode is not None and not changed:
                    return server.exitcode
                now = _times(folder)
                if now != seen:
                    on_change(Path(min(each for each, _ in now.items() ^ seen.items())))
                    seen, changed = now, True
                    _end(server)
                    server = _start(serve, listener)
        finally:
            _end(server)
        return 128 + signalled.number


class _Signalled(threading.Event):
    """Is set when a signal has come."""

    number: int = 0


@contextmanager
def _signals() -> Generator[_Signalled]:
    signalled = _Signalled()

    def note(number: int, _: FrameType | None) -> None:
        signalled.number = signalled.number or number
        signalled.set()

    numbers = [int(getattr(signal, name)) for name in _SIGNALS if hasattr(signal, name)]
    taken = [number for number in numbers if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, note) for number in taken}
    try:
        yield signalled
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _start(serve: Callable[[socket.socket], object], listener: socket.socket) -> SpawnProcess:
    process = multiprocessing.get_context("spawn").Process(target=_serve_in_child, args=(serve, listener))
    process.start()
    return process


def _end(process: SpawnProcess) -> None:
    if process.exitcode is None:
        process.terminate()
        process.join(_PATIENCE)
    if process.exitcode is None:
        process.kill()
        process.join()
    process.close()


def _serve_in_child(serve: Callable[[socket.socket], object], listener: socket.socket) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    serve(listener)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)


def _times(folder: Path) -> Mapping[str, int]:
    """The time of the last change of each Python file."""
    times: dict[str, int] = {}
    # There may be thousands, twice a second, so no `Path`s are made.
    for place, folders, files in os.walk(folder):
        folders[:] = [
            each
            for each in folders
            if not (each.startswith(".") or each in _NOT_OURS)
            and not os.path.exists(f"{place}/{each}/pyvenv.cfg")  # noqa: PTH110 - see above
        ]
        for path in (f"{place}/{file}" for file in files if file.endswith(".py")):
            with suppress(OSError):  # it was removed meanwhile
                times[path] = os.stat(path).st_mtime_ns  # noqa: PTH116 - see above
    return times
