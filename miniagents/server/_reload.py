"""Serve again when the code changes: a process that watches, and one that serves on the same socket."""

import multiprocessing
import os
import signal
import socket
import threading
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from multiprocessing.connection import wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from types import FrameType
from typing import Final

__all__ = ["serve_again"]

_LOOK_EVERY: Final = 0.3  # seconds
_PATIENCE: Final = 3.0  # seconds that the server has to end
_SIGNALS: Final = ("SIGINT", "SIGTERM", "SIGHUP")
_NOT_OURS: Final = frozenset({"__pycache__", "node_modules", "site-packages"})


def serve_again(
    serve: Callable[[socket.socket], object],
    listener: socket.socket,
    folder: Path,
    on_change: Callable[[Path], object],
) -> int:
    """Serve in a process of its own, and begin again whenever Python files of a folder change.

    Clients that connect in between wait. If the first process ends before a change, that is the end.

    Args:
        serve: called in the process; can be pickled.
        listener: the socket, which stays open all the time.
        folder: watched, with what is in it; not environments, hidden folders and the like.
        on_change: called with a file that has changed, or come, or gone.

    Returns:
        The exit code of that process; or 128 and the number of the signal that ended this one.

    Example:
        >>> with socket.create_server(("127.0.0.1", 0)) as listener:  # a process that ends at once
        ...     serve_again(socket.socket.getsockname, listener, Path(__file__).parent, print)
        0
    """
    with _signals() as came:
        seen = _times(folder)
        server = _start(serve, listener)
        changed = False
        try:
            while not came.wait(_LOOK_EVERY):
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
        return 128 + came.number


class _Came(threading.Event):
    """A signal, when it has come."""

    number: int = 0


@contextmanager
def _signals() -> Generator[_Came]:
    came = _Came()

    def note(number: int, _: FrameType | None) -> None:
        came.number = came.number or number
        came.set()

    numbers = [int(getattr(signal, name)) for name in _SIGNALS if hasattr(signal, name)]
    taken = [number for number in numbers if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, note) for number in taken}
    try:
        yield came
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
    """When each Python file was changed last."""
    return dict(_each_time(folder))


def _each_time(folder: Path) -> Iterator[tuple[str, int]]:
    for place, folders, files in os.walk(folder):
        folders[:] = [each for each in folders if not _is_left_out(place, each)]
        for file in files:
            if file.endswith(".py"):
                path = os.path.join(place, file)  # noqa: PTH118 - there may be thousands, twice a second
                try:
                    yield path, os.stat(path).st_mtime_ns  # noqa: PTH116 - the same
                except OSError:  # it is gone again
                    continue


def _is_left_out(place: str, name: str) -> bool:
    if name.startswith(".") or name in _NOT_OURS:
        return True
    return os.path.exists(os.path.join(place, name, "pyvenv.cfg"))  # noqa: PTH110, PTH118 - the same
