"""How arguments are added, and how `--help` is laid out."""

import argparse
import textwrap
from collections.abc import Callable
from itertools import groupby
from pathlib import Path
from typing import Protocol

from typing_extensions import override


class HelpFormatter(argparse.HelpFormatter):
    """Wraps the text of `--help` to the width of the terminal.

    In a description or an epilog, an empty line ends a paragraph, and lines that begin with a space (commands
    to copy) stay as they are. No line ends inside an option or a name such as `openai-responses`.
    """

    @override
    def _fill_text(self, text: str, width: int, indent: str) -> str:
        blocks: list[str] = []
        for is_kept, group in groupby(text.splitlines(), lambda line: not line or line.startswith(" ")):
            lines = list(group)
            blocks += lines if is_kept else textwrap.wrap(" ".join(lines), width, break_on_hyphens=False)
        return "\n".join(f"{indent}{block}" if block else "" for block in blocks)

    @override
    def _split_lines(self, text: str, width: int) -> list[str]:
        return textwrap.wrap(" ".join(text.split()), width, break_on_hyphens=False)


class _Group(Protocol):
    """A command, or a group of its arguments."""

    @property
    def add_argument(self) -> Callable[..., object]:
        """Add an argument."""
        ...


def adder(group: _Group) -> Callable[..., None]:
    """Return a function that adds arguments to a command or a group.

    It takes the names of an argument with the word for its value, such as ``"-o --out OUT"``, its help, and
    keywords of `add_argument`. An option without a word and without keywords is a flag.

    Args:
        group: a parser, or a group of one.
    """

    def add(names: str, text: str, **more: object) -> None:
        *options, last = names.split()
        if not last.startswith("-"):
            more["metavar"] = last
        else:
            options.append(last)
            more = more or {"action": "store_true"}
        group.add_argument(*options, help=text, **more)

    return add


def path(text: str) -> Path:
    """The type of an option that names a file.

    Args:
        text: as it was given.

    Raises:
        argparse.ArgumentTypeError: it cannot be the name of a file.
    """
    if not text or "\0" in text:
        raise argparse.ArgumentTypeError("it needs the name of a file")
    return Path(text)
