"""The page `docs/journal.md` does what it says.

Crosses modules: its programs use what users use.
"""

import contextlib
import io
import re
from pathlib import Path

PAGE = (Path(__file__).parents[1] / "docs" / "journal.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```\n```text\n(.*?)```", PAGE, re.DOTALL)


def test_programs() -> None:
    """Each program of the page prints what stands behind it; one goes on where the one before ended."""
    assert len(BLOCKS) == PAGE.count("```python") == 3
    names: dict[str, object] = {"__name__": "__main__"}
    for program, output in BLOCKS:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(program, "docs/journal.md", "exec"), names)  # noqa: S102 - our own page
        assert printed.getvalue() == output
