"""Asking the user for one message: at a terminal with a prompt, on a pipe by reading a line.

In a terminal, Enter sends and Ctrl+Space begins a new line. From a pipe, a file or a device, it reads one
line and not a byte more, without blocking the event loop: it keeps no bytes between two lines, no thread
waits in a read that cannot be cancelled, and the next reader of the descriptor gets the rest.
"""

import asyncio
import os
import select
import sys
from typing import TextIO

from prompt_toolkit import PromptSession
from prompt_toolkit.formatted_text import FormattedText
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.keys import Keys

from ._output import is_terminal

_AT_ONCE = 4_096
"""How many bytes of a line are taken before the event loop may do something else."""


async def read_line(source: TextIO | None) -> str:
    """Read the next line, without its line end.

    Args:
        source: usually `sys.stdin`; None (no standard input) is an input at its end. When it has a descriptor
            (pipe, file, terminal, `/dev/null`), that is read, not the buffer of the text file: do not mix
            this with `input()` on a pipe. Bytes that are not text become U+FFFD.

    Raises:
        EOFError: there is no further line.
    """
    if source is None or source.closed:
        raise EOFError("there is no standard input")
    try:
        descriptor = source.fileno()
    except OSError:  # an input made of text in memory: it never waits
        return _without_end(source.readline())
    if sys.platform == "win32":  # no descriptor but a socket can be watched there
        return _without_end(await asyncio.to_thread(source.readline))
    line = bytearray()
    more = True
    while more:
        await _readable(descriptor)
        more = _take(descriptor, line)
    return _without_end(line.decode(source.encoding or "utf-8", errors="replace"))


def _without_end(line: str) -> str:
    if not line:
        raise EOFError("the input has ended")
    return line.removesuffix("\n").removesuffix("\r")


async def _readable(descriptor: int) -> None:
    """Wait until a read would not block."""
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    try:
        loop.add_reader(descriptor, ready.set)
    except PermissionError:  # files and /dev/null cannot be watched, and need not be
        await asyncio.sleep(0)
        return
    try:
        await ready.wait()
    finally:
        loop.remove_reader(descriptor)


def _take(descriptor: int, line: bytearray) -> bool:
    """Read the available bytes, up to the end of the line; return whether the line may have more."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    for _ in range(_AT_ONCE):
        try:
            byte = os.read(descriptor, 1)
        except BlockingIOError:  # another reader was faster
            return True
        line += byte
        if byte in {b"", b"\n"}:
            return False
        if not poll.poll(0):
            return True
    return True


def prompt_session(interrupt: type[BaseException] = KeyboardInterrupt) -> "PromptSession[str]":
    """Make a prompt that remembers what was typed (arrow up) as long as it lives.

    Args:
        interrupt: what Ctrl-C raises while it asks. Ctrl-D on an empty line raises `EOFError`.
    """
    return PromptSession(
        multiline=True,  # so that pasted lines stay lines; the keys below decide what Enter does
        key_bindings=_keys(),
        prompt_continuation=FormattedText([("", "... ")]),
        interrupt_exception=interrupt,
    )


async def ask_at(session: "PromptSession[str]", alias: str) -> str:
    """Ask for a message under this alias.

    Raises:
        EOFError: Ctrl-D on an empty line.
        BaseException: what the prompt was told to raise at Ctrl-C.
    """
    question = FormattedText([("ansigreen bold", alias), ("", ": ")])
    return await session.prompt_async(question, set_exception_handler=False)


def _keys() -> KeyBindings:
    keys = KeyBindings()

    @keys.add(Keys.Enter)
    def _send(event: KeyPressEvent) -> None:
        event.current_buffer.validate_and_handle()

    @keys.add(Keys.ControlSpace)
    def _break_line(event: KeyPressEvent) -> None:
        event.current_buffer.newline()

    return keys


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

    __slots__ = ("_interrupt", "_session")

    def __init__(self, interrupt: type[BaseException] = KeyboardInterrupt) -> None:
        self._interrupt = interrupt
        self._session: PromptSession[str] | None = None

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
        if self._session is None:
            self._session = prompt_session(self._interrupt)
        return await ask_at(self._session, alias)
