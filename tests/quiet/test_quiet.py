"""Crosses modules: what is written to stderr turns the run red; `python -m tests.quiet` runs all tests so."""

import re
import sys
from pathlib import Path

import pytest

from tests.quiet import __main__ as quiet

ROOT = Path(__file__).parents[2]

WRITERS = """
import logging
import os
import subprocess
import sys
import time

import pytest

LOG = logging.getLogger("miniagents")


@pytest.fixture
def closing():
    yield
    sys.stderr.write("at the end\\n")


def test_print():
    sys.stderr.write("printed\\n")


def test_descriptor():
    os.write(2, b"written\\n")


def test_unread(capsys):
    sys.stderr.write("not read\\n")


def test_process():
    subprocess.run([sys.executable, "-c", "1 / 0"])


def test_fixture(closing):
    pass


def test_log():
    LOG.warning("logged")


@pytest.mark.logs("something else")
def test_another_log():
    LOG.warning("logged")


def test_long_step():
    end = time.thread_time() + 1.0
    while time.thread_time() < end:
        pass
    logging.getLogger("asyncio").warning("Executing <a step> took 1.200 seconds")
"""

QUIET = """
import logging
import os
import sys

import pytest

LOG = logging.getLogger("miniagents")


def test_read(capfd):
    os.write(2, b"read\\n")
    assert "read\\n" == capfd.readouterr().err


def test_looked_at(caplog):
    LOG.warning("looked at")
    assert ["looked at"] == caplog.messages


@pytest.mark.logs("is about")
def test_named():
    LOG.warning("what it is about")


def test_taken():
    taken = []
    handler = logging.Handler()
    handler.emit = taken.append
    LOG.addHandler(handler)
    LOG.warning("taken")
    LOG.removeHandler(handler)
    assert 1 == len(taken)


def test_info():
    LOG.info("no warning")
    sys.stdout.write("no error")


def test_step():
    logging.getLogger("asyncio").warning("Executing <a step> took 0.200 seconds")


def test_step_that_had_to_wait():
    logging.getLogger("asyncio").warning("Executing <a step> took 9.000 seconds")
"""


def run(pytester: pytest.Pytester, tests: str, capfd: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Run a file of tests; whether it was red, and what was told."""
    pytester.makepyprojecttoml((ROOT / "pyproject.toml").read_text())
    file = pytester.makepyfile(tests)
    code = quiet.run([str(file)], pytester.path, {"PYTHONPATH": str(ROOT)})
    return code, capfd.readouterr().out


@pytest.mark.gate("runs pytest in a process of its own")
def test_what_writes_is_red(pytester: pytest.Pytester, capfd: pytest.CaptureFixture[str]) -> None:
    """A run in which all tests are green is red if one wrote to stderr, in whatever way; it is named."""
    code, told = run(pytester, WRITERS, capfd)
    names = [
        line.split()[1].rpartition("::")[2] for line in told.splitlines() if " wrote to stderr -" in line
    ]
    assert sorted(re.findall(r"^def (test_\w+)", WRITERS, re.MULTILINE)) == sorted(names)
    assert (1, True, True) == (code, "8 passed" in told, "8 tests wrote to stderr" in told)


@pytest.mark.gate("runs pytest in a process of its own")
def test_what_writes_outside_of_tests_is_red(
    pytester: pytest.Pytester, capfd: pytest.CaptureFixture[str]
) -> None:
    """What is written when the tests are over is red, too."""
    tests = "import atexit, os\natexit.register(os.write, 2, b'the end')\ndef test_green():\n    pass\n"
    code, told = run(pytester, tests, capfd)
    assert 1 == code
    assert "1 passed" in told
    assert "Outside of the tests there was written to stderr:\nthe end" in told  # once for each worker


@pytest.mark.gate("runs pytest in a process of its own")
def test_what_is_quiet_is_green(pytester: pytest.Pytester, capfd: pytest.CaptureFixture[str]) -> None:
    """Green is what writes nothing, what a test looks at or is about, and a step that was not too long."""
    code, told = run(pytester, QUIET, capfd)
    assert (0, True) == (code, "7 passed" in told)
    assert "0 tests wrote to stderr; 2 steps took up to 0.0 s of work" in told


@pytest.mark.gate("runs pytest in a process of its own")
def test_what_it_is_told(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """The command line is that of pytest."""
    monkeypatch.setattr(sys, "argv", ["quiet", "--version"])
    assert (0, True) == (quiet.main(), capfd.readouterr().out.startswith("pytest "))
