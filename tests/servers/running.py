"""Servers as processes: installed into environments of their own, started, waited for, stopped."""

import os
import signal
import socket
import subprocess
import sys
import time
import venv
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

__all__ = ["environment", "free_port", "serving"]

SECONDS_TO_START = 180.0


def environment(folder: Path, requirements: Sequence[str]) -> Path:
    """Return the folder with the programs of an environment; it is made if it is not there.

    Args:
        folder: of the environment.
        requirements: what pip installs into it.
    """
    programs = folder / "bin"
    if not (folder / "installed").exists():
        venv.create(folder, with_pip=True, clear=folder.exists())
        # The constraints of our own environment are not those of a server.
        surroundings = {name: value for name, value in os.environ.items() if name != "PIP_CONSTRAINT"}
        command = [str(programs / "python"), "-m", "pip", "install", "--quiet", *requirements]
        subprocess.run(command, check=True, env=surroundings)  # noqa: S603 - our own command
        (folder / "installed").touch()
    return programs


@contextmanager
def serving(command: Sequence[str], folder: Path, health: str, **variables: str) -> Generator[str]:
    """Run a server, and give its address when it answers; it is stopped at the end.

    Args:
        command: the server; "{port}" in it is where it listens.
        folder: where it runs; its output is kept there if it cannot be started.
        health: the path that answers when it is ready.
        **variables: of its environment, besides ours.

    Raises:
        RuntimeError: it did not answer in 3 minutes, or ended; the text has the end of what it wrote.
    """
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    written = folder / f"{Path(command[0]).name}.log"
    surroundings: Mapping[str, str] = {**os.environ, **variables}
    with written.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - our own command
            [word.format(port=port) for word in command],
            cwd=folder,
            env=surroundings,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait(process, url + health, written)
        yield url
    finally:
        _stop(process)


def free_port() -> int:
    """Return a port of 127.0.0.1 on which nothing listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


def _wait(process: subprocess.Popen[bytes], url: str, written: Path) -> None:
    until = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < until and process.poll() is None:
        try:
            with urlopen(url, timeout=5):  # noqa: S310 - our own address
                return
        except (URLError, OSError):
            time.sleep(0.2)
    raise RuntimeError(f"{written.name} does not answer at {url}; it wrote: {written.read_text()[-2000:]}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Stop a server and what it has started."""
    if process.poll() is None:
        if sys.platform == "win32":
            process.terminate()
        else:
            os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
