"""A place for programs that start Ray, after which none of its processes may be left."""

import os
import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import pytest

__all__ = ["ray_place", "ray_processes"]

_ROOT: Final = Path(__file__).parents[2]


@contextmanager
def ray_place(monkeypatch: pytest.MonkeyPatch) -> Generator[dict[str, str]]:
    """The environment of a program that starts Ray; at the end what it left is killed, and the test fails.

    Args:
        monkeypatch: of the test; this process has the same temporary folder meanwhile.
    """
    if find_spec("ray") is None:
        if os.environ.get("CI"):
            pytest.fail("Ray is not installed: pip install -e '.[ray]'")
        pytest.skip("Ray is not installed (pip install -e '.[ray]')")
    # Not in pytest's folder: the paths of Ray's sockets must be short.
    place = tempfile.mkdtemp(prefix="ray")
    monkeypatch.setenv("RAY_TMPDIR", place)
    try:
        yield {
            **{name: value for name, value in os.environ.items() if not name.startswith("RAY_")},
            "HOME": place,  # where Ray keeps a token
            "PYTHONPATH": str(_ROOT),
            "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
            "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # 127.0.0.1, as on these
            "RAY_TMPDIR": place,
            "RAY_USAGE_STATS_ENABLED": "0",
        }
        assert not _others()
    finally:
        for each in _others():
            os.kill(int(each), 9)
        shutil.rmtree(place, ignore_errors=True)


def ray_processes() -> list[str]:
    """The processes that have the temporary folder of this Ray in their environment."""
    mark = f"RAY_TMPDIR={os.environ['RAY_TMPDIR']}".encode()
    found: list[str] = []
    for each in Path("/proc").iterdir():
        try:
            if each.name.isdigit() and mark in (each / "environ").read_bytes():
                found.append(each.name)
        except OSError:
            continue
    return found


def _others() -> list[str]:
    return [each for each in ray_processes() if each != str(os.getpid())]
