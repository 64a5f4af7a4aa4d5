"""The page `docs/jobs.md` does what it says.

Crosses modules: its programs and commands use what users use.
"""

import contextlib
import io
import re
import shlex
import textwrap
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import cast

import pytest

from miniagents import MiniAgents
from miniagents.cli import main
from miniagents.cli._arguments import parse_arguments
from miniagents.cli._map_arguments import MapOptions

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "jobs.md").read_text(encoding="utf-8")
PROGRAMS = re.findall(r"```python\n(.*?)```\n```text\n(.*?)```", PAGE, re.DOTALL)
AFTER = re.findall(r"```python after\n(.*?)```", PAGE, re.DOTALL)
COMMANDS = [
    line.replace("\\\n", " ")
    for block in re.findall(r"```sh(?: after)?\n(.*?)```", PAGE, re.DOTALL)
    for line in re.findall(r"^miniagents .*?(?<!\\)$", block, re.DOTALL | re.MULTILINE)
]


def printed(run: Callable[[], object]) -> str:
    """What is printed meanwhile."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        run()
    return out.getvalue()


def test_programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each program prints what stands behind it, and what `abatch` becomes does the same as the first."""
    monkeypatch.chdir(tmp_path)
    assert (2, 1) == (len(PROGRAMS), len(AFTER))
    names: dict[str, object] = {}
    for program, output in reversed(PROGRAMS):
        names = {"__name__": "__main__"}
        code = compile(program, "docs/jobs.md", "exec")
        assert output == printed(partial(exec, code, names))
    model = "    model = scripted_model(then='bad')\n"
    exec(f"async def after():\n{model}{textwrap.indent(AFTER[0], '    ')}", names)  # noqa: S102 - the same
    after = cast("Callable[[], Coroutine[object, object, None]]", names["after"])
    assert (tmp_path / "reviews.journal").exists() is False
    assert printed(lambda: MiniAgents().run(after())).splitlines()[:2] == [
        "Lovely. bad",
        "Broke after a week. bad",
    ]
    assert (tmp_path / "reviews.journal").exists()


def test_the_first_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first command works as it stands, and its first row is the one that is shown."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    assert 0 == main(shlex.split(COMMANDS[0])[1:])
    shown = re.search(r"```json\n(.*?)\n```", PAGE)
    assert shown is not None
    assert shown[1] == (tmp_path / "out.jsonl").read_text().splitlines()[0]
    assert "8 answered" in capsys.readouterr().err


def test_commands() -> None:
    """All commands of the page are ones."""
    assert len(COMMANDS) == 3
    for command in COMMANDS:
        assert isinstance(parse_arguments(shlex.split(command)[1:]), MapOptions)


def test_columns_of_the_table() -> None:
    """Each row of the table of peers has all columns."""
    table = PAGE[PAGE.index("| | goes on |") :].split("\n\n")[0].splitlines()
    assert len(table) == 11
    assert {line.count("|") for line in table} == {7}
