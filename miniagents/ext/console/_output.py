"""The screen: replies as they stream, under the alias of their agent, and the question for the next message.

Characters that could control the terminal are removed.
"""

import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import ClassVar, Self, TextIO

from miniagents.values import strip_control

from ._read_line import read_line

try:
    from ._prompt import KEYS, new_prompt, write_styled
except ModuleNotFoundError:  # the extra `chat` is not installed
    from ._plain import KEYS, new_prompt, write_styled


class OutputError(OSError):
    """The output could not be written; the cause says why (`BrokenPipeError`: its reader has left).

    Example:
        >>> import io
        >>> class Broken(io.StringIO):
        ...     def write(self, text):
        ...         raise BrokenPipeError(32, "Broken pipe")
        >>> Screen(Broken(), is_terminal=False).line("Hello")
        Traceback (most recent call last):
            ...
        miniagents...OutputError: the output cannot be written: Broken pipe
    """


@dataclass(slots=True)
class Screen:
    r"""Where to write, and how; and where to ask the user.

    Attributes:
        out: usually `sys.stdout`. What its encoding does not have is written as `?`.
        is_terminal: whether people look at it as it comes: colours, and a blank line between turns.
        interrupt: what Ctrl-C at the prompt raises.
        keys: what the keys do at a terminal, as the beginning of a sentence.

    Every method raises `OutputError` when `out` cannot be written.

    Example:
        >>> import sys
        >>> Screen(sys.stdout, is_terminal=False).line("No text can clear the screen: \x1b[2J")
        No text can clear the screen: [2J
    """

    keys: ClassVar[str] = KEYS

    out: TextIO
    is_terminal: bool
    interrupt: type[BaseException] = KeyboardInterrupt
    _prompt: Callable[[str], Awaitable[str]] | None = field(default=None, init=False, repr=False)

    @classmethod
    def of_process(cls, interrupt: type[BaseException] = KeyboardInterrupt) -> Self:
        """Make the screen of this process: a terminal only when its input is one, too.

        Args:
            interrupt: what Ctrl-C at the prompt raises.

        Raises:
            OutputError: the process has no standard output.
        """
        if sys.stdout is None:
            raise OutputError("there is no standard output")
        return cls(sys.stdout, is_terminal(), interrupt)

    def alias(self, alias: str) -> None:
        """Begin a reply.

        Args:
            alias: of the agent.

        Raises:
            OutputError: it cannot be written.
        """
        if self.is_terminal:
            self._styled([("ansiblue bold", self._shown(alias)), ("", ": ")])
        else:
            self.text(f"{alias}: ")

    def text(self, text: str) -> None:
        """Write a piece of a reply at once.

        Args:
            text: any piece; characters that could control the terminal are removed.

        Raises:
            OutputError: it cannot be written.
        """
        try:
            self.out.write(self._shown(text))
            self.out.flush()
        except OSError as error:
            raise OutputError(f"the output cannot be written: {error.strerror or error}") from error

    def end(self) -> None:
        """End a reply.

        Raises:
            OutputError: it cannot be written.
        """
        self.text("\n\n" if self.is_terminal else "\n")

    def line(self, text: str) -> None:
        """Write a line that is not part of the conversation, muted on a terminal.

        Args:
            text: the line, without its end.

        Raises:
            OutputError: it cannot be written.
        """
        if self.is_terminal:
            self._styled([("ansibrightblack", self._shown(text)), ("", "\n")])
        else:
            self.text(f"{text}\n")

    async def ask(self, alias: str) -> str:
        r"""Ask until there is something to send: a text that is not blank. On a pipe nothing is written.

        Args:
            alias: the name shown in front of what the user types.

        Raises:
            EOFError: the user typed `exit`, or the input has ended (Ctrl-D).

        Example:
            >>> import asyncio, io, sys
            >>> stdin, sys.stdin = sys.stdin, io.StringIO("Hello!\n\nHow are you?\n")
            >>> screen = Screen(sys.stdout, is_terminal=False)
            >>> asyncio.run(screen.ask("USER")), asyncio.run(screen.ask("USER"))
            ('Hello!', 'How are you?')
            >>> sys.stdin = stdin
        """
        text = ""
        while not text.strip():
            if not self.is_terminal:
                text = await read_line(sys.stdin)
                continue
            if self._prompt is None:
                self._prompt = new_prompt(self.interrupt)
            text = await self._prompt(alias)
        if text.strip().lower() == "exit":
            raise EOFError("the user left the dialog")
        return text

    def _shown(self, text: str) -> str:
        """Return what of a text is written."""
        encoding = self.out.encoding or "utf-8"
        return strip_control(text).encode(encoding, errors="replace").decode(encoding)

    def _styled(self, parts: list[tuple[str, str]]) -> None:
        try:
            write_styled(self.out, parts)
        except OSError as error:
            raise OutputError(f"the terminal cannot be written: {error.strerror or error}") from error


def is_terminal() -> bool:
    """Tell whether both the input and the output are a terminal.

    Example:
        >>> import io, sys
        >>> stdin, sys.stdin = sys.stdin, io.StringIO("from a pipe")
        >>> is_terminal()
        False
        >>> sys.stdin = stdin
    """
    return sys.stdin is not None and sys.stdin.isatty() and sys.stdout is not None and sys.stdout.isatty()
