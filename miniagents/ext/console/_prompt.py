"""What a person types and sees at a terminal, with prompt-toolkit: ``pip install 'miniagents[chat]'``.

Enter sends, Ctrl+Space begins a new line, arrow up brings back what was typed; names have a colour.
`_plain` has the same two functions for a machine without that package.
"""

from collections.abc import Awaitable, Callable
from typing import Final, TextIO

from prompt_toolkit import PromptSession, print_formatted_text
from prompt_toolkit.formatted_text import FormattedText
from prompt_toolkit.history import InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.keys import Keys
from prompt_toolkit.utils import is_dumb_terminal

from . import _plain

KEYS = "Enter sends, Ctrl+Space begins a new line"

_TYPED: Final = InMemoryHistory()
"""What was typed in this process: a user agent has a new screen for each turn."""


def new_prompt(interrupt: type[BaseException], /) -> Callable[[str], Awaitable[str]]:
    """Return what asks for a message under an alias.

    Args:
        interrupt: what Ctrl-C raises while it asks. Ctrl-D on an empty line raises `EOFError`.
    """
    session: PromptSession[str] = PromptSession(
        multiline=True,  # so that pasted lines stay lines; the keys below decide what Enter does
        key_bindings=_keys(),
        prompt_continuation=FormattedText([("", "... ")]),
        interrupt_exception=interrupt,
        history=_TYPED,
    )

    async def ask(alias: str) -> str:
        question = FormattedText([("ansigreen bold", alias), ("", ": ")])
        return await session.prompt_async(question, set_exception_handler=False)

    return ask


def write_styled(out: TextIO, parts: list[tuple[str, str]], /) -> None:
    """Write pieces of text, each behind its style, at once; a terminal that has no styles gets the text."""
    if is_dumb_terminal():
        _plain.write_styled(out, parts)
    else:
        print_formatted_text(FormattedText(parts), end="", file=out, flush=True)


def _keys() -> KeyBindings:
    keys = KeyBindings()

    @keys.add(Keys.Enter)
    def _send(event: KeyPressEvent) -> None:
        event.current_buffer.validate_and_handle()

    @keys.add(Keys.ControlSpace)
    def _break_line(event: KeyPressEvent) -> None:
        event.current_buffer.newline()

    return keys
