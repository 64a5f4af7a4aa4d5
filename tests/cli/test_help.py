"""`--help` of every command, at the width of the terminal. Crosses modules: the arguments of the commands."""

import argparse

import pytest

from miniagents.cli._arguments import parse_arguments
from miniagents.cli._help import HelpFormatter


def test_commands_are_kept_and_paragraphs_are_wrapped() -> None:
    """A line that begins with a space stays as it is; other lines are joined, and end between words only."""
    parser = argparse.ArgumentParser(
        usage="x",
        description="One two\nthree four.\n  a command of more than 20 characters\n\nThe openai-responses.",
        formatter_class=lambda prog: HelpFormatter(prog, width=20),
        add_help=False,
    )
    expected = """\
usage: x

One two three four.
  a command of more than 20 characters

The
openai-responses.
"""
    assert expected == parser.format_help()


@pytest.mark.parametrize("columns", [80, 120])
@pytest.mark.parametrize(
    "command",
    [
        "",
        "chat",
        "serve",
        "mcp",
        "map",
        "journal",
        "journal show",
        "journal export",
        "journal prune",
    ],
)
def test_help_fits_into_the_terminal(
    command: str, columns: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No line is wider than the terminal, paragraphs use its width, and each command has an example."""
    monkeypatch.setenv("COLUMNS", str(columns))
    with pytest.raises(SystemExit):
        parse_arguments([*command.split(), "--help"])
    lines = capsys.readouterr().out.splitlines()
    assert [] == [line for line in lines if len(line) > columns]
    begin = next(at for at, line in enumerate(lines) if line in {"Example:", "Examples:"})
    assert lines[begin + 1].startswith(f"  miniagents {command}")
    if command in {"chat", "map", "serve"}:
        assert max(map(len, lines)) > columns - 8
