"""Forks programs, and does nothing else: what they import is imported once. `forked.py` starts this file."""

import ast
import builtins
import fcntl
import gc
import io
import json
import linecache
import os
import runpy
import select
import signal
import socket
import sys
import termios
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from types import ModuleType, TracebackType
from typing import TypedDict

__all__ = ["Request"]


class Request(TypedDict):
    """What is started.

    Attributes:
        words: what stands behind `python` and its options.
        imported: modules that the program imports, besides those that its text imports.
        folder: where it runs.
        environ: its environment.
        files: the numbers of its files.
        ignored: the signals that it ignores.
        own_session: whether it has a session of its own, at the terminal of its stdin if that is one.
    """

    words: list[str]
    imported: list[str]
    folder: str
    environ: dict[str, str]
    files: list[int]
    ignored: list[int]
    own_session: bool


def _main() -> None:
    """Fork programs until stdin ends, which is when the process does that wants them."""
    del sys.path[0]  # the folder of this file
    sys.modules["__main__"] = main = ModuleType("__main__")
    main.__dict__["__builtins__"] = builtins
    request: Request | None = None
    with socket.socket(fileno=int(sys.argv[1])) as requests:
        listening = requests.fileno()
        while not request and listening in select.select([listening, 0], [], [])[0]:
            connection, _ = requests.accept()
            with connection:
                request = _fork(requests, connection)
    if not request:
        os._exit(0)  # to tidy up takes a tenth of a second
    _begin(request)
    _run(request["words"], main)


def _fork(requests: socket.socket, connection: socket.socket) -> Request | None:
    """Fork a program; return its request there, and None here."""
    data, files, _, _ = socket.recv_fds(connection, 1 << 20, 64)
    request: Request = json.loads(data)
    _import(request)
    # The process between ends at once: then the program is a child of the process that wants it.
    if between := os.fork():
        for file in files:
            os.close(file)
        os.waitpid(between, 0)
        connection.send(b"0")
        return None
    if os.fork():
        os._exit(0)
    if request["own_session"]:
        os.setsid()
    connection.send(b"%d" % os.getpid())
    for own in (requests, connection):  # whose numbers the files may have
        own.close()
    free = [fcntl.fcntl(file, fcntl.F_DUPFD, max(request["files"]) + 1) for file in files]
    for file, number in zip(free, request["files"], strict=True):
        os.dup2(file, number)
    for file in {*files, *free}.difference(request["files"]):
        os.close(file)
    return request


def _import(request: Request) -> None:
    """Import what a program will import; what cannot be imported here is an error there."""
    before = len(sys.modules)
    for name in request["imported"]:
        import_module(name)
    nodes: list[ast.stmt] = []
    with suppress(SyntaxError):
        nodes = ast.parse(_program(request["words"])).body
    for node in nodes:
        if isinstance(node, ast.Import | ast.ImportFrom):
            with suppress(Exception):
                exec(compile(ast.Module([node], []), "<imports>", "exec"), {})  # noqa: S102 - of a test
    if len(sys.modules) != before:
        gc.collect()
        gc.freeze()  # so that the programs do not look at it, and share its memory
    assert len(os.listdir("/proc/self/task")) == 1, "an import has started a thread"  # noqa: PTH208


def _program(words: list[str]) -> str:
    """The text of a program; a module has none."""
    if words[0] == "-m":
        return ""
    if words[0] == "-c":
        return words[1]
    return Path(words[0]).read_text(encoding="utf-8")


def _begin(request: Request) -> None:
    """Make all as it is where Python starts a program."""
    ignored = {*request["ignored"], signal.SIGPIPE, signal.SIGXFSZ}  # two of them by Python
    for each in signal.valid_signals():
        if each in ignored:
            signal.signal(each, signal.SIG_IGN)
        elif signal.getsignal(each) is signal.SIG_IGN:  # as it was when this process started
            signal.signal(each, signal.default_int_handler if each == signal.SIGINT else signal.SIG_DFL)
    if request["own_session"] and os.isatty(0):
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environ"])
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        stream = _stream(number, f"<{name}>", getattr(sys, name))
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    first, *rest = request["words"]
    sys.orig_argv[-2:] = request["words"]
    sys.argv[:] = [first, *(rest[1:] if first in {"-c", "-m"} else rest)]
    folder = {"-c": "", "-m": str(Path.cwd())}.get(first, str(Path(first).resolve().parent))
    given = request["environ"].get("PYTHONPATH", "").split(os.pathsep)
    sys.path[:] = [folder, *dict.fromkeys([*filter(None, given), *sys.path])]


def _stream(number: int, name: str, old: io.TextIOWrapper) -> io.TextIOWrapper:
    """Open a standard stream as Python does."""
    raw = io.FileIO(number, "w" if number else "r", closefd=False)
    raw.name = name
    at_once = old.write_through or "PYTHONUNBUFFERED" in os.environ
    stream = io.TextIOWrapper(
        io.BufferedReader(raw) if not number else raw if at_once else io.BufferedWriter(raw),
        encoding=old.encoding,
        errors=old.errors,
        newline="\n" if number else None,
        line_buffering=not at_once and (number == 2 or raw.isatty()),
        write_through=at_once,
    )
    stream.mode = "w" if number else "r"  # type: ignore[misc]
    return stream


def _run(words: list[str], main: ModuleType) -> None:
    """Run a program; its tracebacks begin in it."""
    hook = sys.excepthook

    def show(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
        while traceback and traceback.tb_frame.f_code.co_filename == __file__:
            traceback = traceback.tb_next
        hook(kind, error.with_traceback(traceback), traceback)

    sys.excepthook = show
    if words[0] == "-m":
        runpy._run_module_as_main(words[1])  # type: ignore[attr-defined]  # what Python does itself
    file, text = "<string>" if words[0] == "-c" else words[0], _program(words)
    if file == words[0]:
        main.__file__ = file
    elif sys.version_info >= (3, 13):  # its tracebacks show the text of `-c`
        linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    exec(compile(text, file, "exec", dont_inherit=True), main.__dict__)  # noqa: S102 - of a test


if __name__ == "__main__":
    _main()
