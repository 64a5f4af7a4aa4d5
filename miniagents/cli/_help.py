"""How `--help` is laid out: paragraphs as wide as the terminal, commands as they are written."""

import argparse
import textwrap
from itertools import groupby

from typing_extensions import override

__all__ = ["HelpFormatter"]


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
