"""The page `docs/testing.md` does what it says.

Crosses modules: its programs and tests use what users use.
"""

import contextlib
import io
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.plugin import plugin_path

PAGE = (Path(__file__).parents[1] / "docs" / "testing.md").read_text(encoding="utf-8")
PROGRAMS = re.findall(r"```python\n([^`]*?)```\n```text\n(.*?)```", PAGE, re.DOTALL)
TESTS = re.findall(r"```python\n([^`]*?)```\n(?!```text)", PAGE)


def test_blocks() -> None:
    """Each block is a program with its output, tests, or the one that needs a key."""
    assert len(PROGRAMS) == 3
    assert len(TESTS) == 4
    assert len(PROGRAMS) + len(TESTS) == PAGE.count("```python") - PAGE.count("```python skip")
    assert PAGE.count("```python skip") == 1


@pytest.mark.parametrize(("program", "output"), PROGRAMS)
def test_programs(program: str, output: str) -> None:
    """A program prints what stands behind it."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(program, "docs/testing.md", "exec"), {"__name__": "__main__"})  # noqa: S102 - our own page
    assert printed.getvalue() == output


@pytest.mark.gate("starts pytest")
def test_tests(tmp_path: Path) -> None:
    """The tests of the page pass, in a project of their own."""
    for number, test in enumerate(TESTS):
        (tmp_path / f"test_{number}.py").write_text(test)
    done = subprocess.run(  # noqa: S603 - our own page
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", "/dev/null", str(tmp_path)],
        env={"PYTHONPATH": plugin_path(tmp_path / "plugin")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "4 passed" in done.stdout, done.stdout
