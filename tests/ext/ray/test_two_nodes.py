"""Remote agents on two nodes of Ray: real processes, which are killed.

Crosses modules: a program of its own (`two_nodes.py`) has one cluster for all scenarios, after which nothing
of Ray may be left.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import cast

import pytest

from tests.ext.ray.two_nodes import CONCURRENCY, STUCK
from tests.support.ray_processes import ray_place

ROOT = Path(__file__).parents[3]
LOOPBACK = {"0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000"}

pytestmark = [pytest.mark.gate("starts two nodes of Ray"), pytest.mark.loop(timeout=STUCK + 30)]


def told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, object]]:
    """What came of each scenario; the program may leave nothing."""
    with ray_place(monkeypatch) as environment:
        try:
            done = subprocess.run(  # noqa: S603 - our own program
                [sys.executable, "-m", "tests.ext.ray.two_nodes", str(folder)],
                cwd=ROOT,
                env=environment,
                capture_output=True,
                timeout=STUCK + 10,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            pytest.fail(f"The program hangs:\n{(error.stderr or b'').decode(errors='replace')}")
    assert 0 == done.returncode, done.stderr.decode(errors="replace")
    (line,) = [each for each in done.stdout.decode().splitlines() if each.startswith("told ")]
    return cast("dict[str, dict[str, object]]", json.loads(line[5:]))


def test_two_nodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No row is lost, and none is in the result twice, whatever is killed; readers that leave stop agents.

    Rows are made once each, on four workers; programs are sent, errors come back; all is on 127.0.0.1. A
    worker that is killed costs what it was making, so does a node that is removed, with its workers. A
    dropped stream stops its agent within 100 ms. A message whose worker is killed begins anew, or ends with
    an error where it may be asked for once. `miniagents map --ray` writes what `miniagents map` writes.
    """
    found = told(tmp_path, monkeypatch)
    whole = found["whole"]
    assert (True, 400, 0, 4) == (whole["right"], whole["made"], whole["repeated"], whole["workers"])
    assert ("False x", "True x") == (whole["here"], whole["there"])
    assert ["13 is odd: it is", 13] == whole["error"]
    assert set(cast("list[str]", whole["addresses"])) <= LOOPBACK

    for name, workers in (("kill", 1), ("remove_node", 4)):
        assert (True, 400) == (found[name]["right"], found[name]["made"]), name
        assert cast("int", found[name]["repeated"]) <= workers * CONCURRENCY, name
        assert cast("int", found[name]["most"]) <= 2, name

    assert cast("float", found["leave"]["median"]) < 0.1

    cut = found["cut"]
    assert (1, True) == (cut["restarts"], cut["text"])
    assert "SCRIBE was lost; the call was made once. ActorDiedError" in cast("str", cut["lost"])
    assert cast("str", cut["partial"]).startswith("0 1 2 3 4 5 6 7 8 ")

    command = found["command"]
    assert ([0, 0], True, 500 * 2) == (command["codes"], command["same"], command["rows"])
