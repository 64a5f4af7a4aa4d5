"""Remote agents on two nodes of Ray: real processes, which are killed.

Crosses modules: each test is a program of its own (`two_nodes.py`), after which nothing of Ray may be left.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import cast

import pytest

from tests.ext.ray.two_nodes import CONCURRENCY
from tests.support.ray_processes import ray_place

ROOT = Path(__file__).parents[3]
LOOPBACK = {"0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000"}

pytestmark = [pytest.mark.gate("starts two nodes of Ray"), pytest.mark.loop(timeout=120)]


def told(scenario: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """What a scenario tells; it may leave nothing."""
    with ray_place(monkeypatch) as environment:
        done = subprocess.run(  # noqa: S603 - our own program
            [sys.executable, "-m", "tests.ext.ray.two_nodes", scenario, str(folder)],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
    assert 0 == done.returncode, done.stderr
    (line,) = [each for each in done.stdout.splitlines() if each.startswith("told ")]
    return cast("dict[str, object]", json.loads(line[5:]))


def test_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows are made once each, on four workers; programs are sent, errors come back; all is on 127.0.0.1."""
    found = told("whole", tmp_path, monkeypatch)
    assert (True, 400, 0, 4) == (found["right"], found["made"], found["repeated"], found["workers"])
    assert ("False x", "True x") == (found["here"], found["there"])
    assert ["13 is odd: it is", 13] == found["error"]
    assert set(cast("list[str]", found["addresses"])) <= LOOPBACK


def test_kill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that is killed costs what it was making: no row is lost, and none is in the result twice."""
    found = told("kill", tmp_path, monkeypatch)
    assert (True, 400) == (found["right"], found["made"])
    assert cast("int", found["repeated"]) <= CONCURRENCY
    assert cast("int", found["most"]) <= 2


def test_remove_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So does a node that is removed, with its workers."""
    found = told("remove_node", tmp_path, monkeypatch)
    assert (True, 400) == (found["right"], found["made"])
    assert cast("int", found["repeated"]) <= 4 * CONCURRENCY
    assert cast("int", found["most"]) <= 2


def test_leave(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dropped stream stops its agent within 100 ms."""
    assert cast("float", told("leave", tmp_path, monkeypatch)["median"]) < 0.1


def test_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A message whose worker is killed begins anew, or ends with an error where it may be asked for once."""
    found = told("cut", tmp_path, monkeypatch)
    assert (1, True) == (found["restarts"], found["text"])
    assert "SCRIBE was lost; the call was made once. ActorDiedError" in cast("str", found["lost"])
    assert cast("str", found["partial"]).startswith("0 1 2 3 4 5 6 7 8 ")


def test_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`miniagents map --ray` writes the file that `miniagents map` writes."""
    found = told("command", tmp_path, monkeypatch)
    assert ([0, 0], True, 500 * 2) == (found["codes"], found["same"], found["rows"])
