"""Asking at a terminal: Enter sends, Ctrl+Space breaks a line."""

from prompt_toolkit import PromptSession
from prompt_toolkit.formatted_text import FormattedText
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.keys import Keys


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
        BaseException: what the session was told that Ctrl-C raises.
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
