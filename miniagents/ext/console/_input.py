"""Asking the user for one message: at a terminal with a prompt, on a pipe by reading a line."""

import sys
from collections.abc import Awaitable, Callable
from typing import ClassVar

from ._output import is_terminal
from ._read_line import read_line

try:
    from ._prompt import KEYS, new_prompt
except ModuleNotFoundError:  # the extra `chat` is not installed
    from ._plain import KEYS, new_prompt


class Asker:
    r"""Asks for messages. On a pipe it writes nothing at all.

    Args:
        interrupt: what Ctrl-C at the prompt raises.

    Example:
        >>> import asyncio, io, sys
        >>> async def main():
        ...     asker = Asker()
        ...     print([await asker.ask("USER"), await asker.ask("USER")])
        >>> stdin, sys.stdin = sys.stdin, io.StringIO("Hello!\n\nHow are you?\n")
        >>> asyncio.run(main())
        ['Hello!', 'How are you?']
        >>> sys.stdin = stdin
    """

    keys: ClassVar[str] = KEYS
    """What the keys do at a terminal, as the beginning of a sentence."""

    __slots__ = ("_interrupt", "_prompt")

    def __init__(self, interrupt: type[BaseException] = KeyboardInterrupt) -> None:
        self._interrupt = interrupt
        self._prompt: Callable[[str], Awaitable[str]] | None = None

    async def ask(self, alias: str) -> str:
        """Ask until there is something to send: a text that is not blank.

        Args:
            alias: the name shown in front of what the user types.

        Raises:
            EOFError: the user typed `exit`, or the input has ended (Ctrl-D).
        """
        text = ""
        while not text.strip():
            text = await self._ask_once(alias)
        if text.strip().lower() == "exit":
            raise EOFError("the user left the dialog")
        return text

    async def _ask_once(self, alias: str) -> str:
        if not is_terminal():
            return await read_line(sys.stdin)
        if self._prompt is None:
            self._prompt = new_prompt(self._interrupt)
        return await self._prompt(alias)
