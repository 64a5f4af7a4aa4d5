"""What a person types and sees at a terminal without the extra `chat`: plain lines, no colours."""

import sys
from collections.abc import Awaitable, Callable
from typing import TextIO

from ._read_line import read_line

KEYS = "Enter sends"


def new_prompt(_interrupt: type[BaseException], /) -> Callable[[str], Awaitable[str]]:
    """Return what asks for a message of one line under an alias; Ctrl-D raises `EOFError`.

    Here Ctrl-C is the signal that it is for every program, so nothing of its own can be raised for it.
    """

    async def ask(alias: str) -> str:
        write_styled(sys.stdout, [("", f"{alias}: ")])
        return await read_line(sys.stdin)

    return ask


def write_styled(out: TextIO, parts: list[tuple[str, str]], /) -> None:
    """Write pieces of text at once; their styles are not shown."""
    out.write("".join(text for _, text in parts))
    out.flush()
