"""A program as users write it: it is checked with the corpus, and runs."""

from pathlib import Path

import pytest

from miniagents import MiniAgents
from tests.typing import program

PRINTED = Path(__file__).with_name("program.txt")


def test_the_program_of_a_user_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """It prints what stands in `program.txt`."""
    MiniAgents().run(program.main())
    assert PRINTED.read_text(encoding="utf-8") == capsys.readouterr().out


def test_it_is_as_a_user_would_write_it() -> None:
    """It has five hundred lines or more, and hides nothing from a checker."""
    lines = Path(str(program.__file__)).read_text(encoding="utf-8").splitlines()
    assert len(lines) >= 500
    assert [line for line in lines if "# type:" in line or "# pyright:" in line or "cast(" in line] == []
