"""The page `docs/observe.md` does what it says.

Crosses modules: its programs use what users use.
"""

import contextlib
import io
import re
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[1] / "docs" / "observe.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```\n```text\n(.*?)```", PAGE, re.DOTALL)


def test_blocks() -> None:
    """Each program of the page has its output behind it."""
    assert len(BLOCKS) == PAGE.count("```python") == 4


@pytest.mark.parametrize(("program", "output"), BLOCKS)
def test_programs(program: str, output: str) -> None:
    """A program prints what stands behind it."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(program, "docs/observe.md", "exec"), {"__name__": "__main__"})  # noqa: S102 - our own page
    assert printed.getvalue() == output
