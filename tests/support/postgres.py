"""A real Postgres for tests: started, and ended, by the test."""

import atexit
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest

__all__ = ["postgres_server"]

_PLACES = "/usr/lib/postgresql/*/bin"


def _program() -> Path:
    """The folder of the programs; without them the test is skipped, but in CI."""
    found = sorted(Path("/").glob(f"{_PLACES[1:]}/postgres"))
    program = Path(shutil.which("postgres") or (found[-1] if found else ""))
    if not program.name:
        if os.environ.get("CI"):
            pytest.fail("postgres is not installed: apt-get install postgresql")
        pytest.skip("postgres is not installed (apt-get install postgresql)")
    return program.resolve().parent


def _user() -> str | None:
    """The user that it runs as, if not this one: it refuses to run as root."""
    if os.getuid():
        return None
    return "postgres" if any(each.pw_name == "postgres" for each in pwd.getpwall()) else "nobody"


def _folder(user: str | None) -> Path:
    """Make a folder that its user can reach."""
    folder = Path(tempfile.mkdtemp(prefix="pg", dir=Path("/", "tmp") if user else None))
    if user is not None:
        shutil.chown(folder, user)
    return folder


@cache
def _empty(programs: Path) -> Path:
    """Make the files of an empty server, once: to copy them takes a tenth of the time."""
    user = _user()
    folder = _folder(user)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    how = ("-U", "tests", "-A", "trust", "-E", "UTF8", "--locale=C", "-N")
    _started([programs / "initdb", "-D", folder / "data", *how], user, folder).wait()
    return folder / "data"


@contextmanager
def postgres_server(*, safe: bool = False) -> Generator[str]:
    """Run a server on a socket, and give its address.

    Args:
        safe: whether its commits survive a loss of power, as they do elsewhere.
    """
    programs = _program()
    user = _user()
    folder = _folder(user)
    try:
        data, address = folder / "data", f"postgresql:///postgres?host={folder}&user=tests"
        _started(["cp", "-r", _empty(programs), data], user, folder).wait()
        options = ("-k", folder, "-c", "listen_addresses=", "-c", f"fsync={'on' if safe else 'off'}")
        server = _started([programs / "postgres", "-D", data, *options], user, folder)
        try:
            while _started([programs / "pg_isready", "-q", "-h", folder], user, folder).wait():
                assert server.poll() is None, "postgres did not start"
                time.sleep(0.01)
            yield address
        finally:
            server.send_signal(signal.SIGINT)  # at once, but in order
            server.wait()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _started(command: Sequence[str | Path], user: str | None, folder: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 - a program of the system
        command, user=user, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
