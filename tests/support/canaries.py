"""A key and a prompt that no text may show, and the check that looks for them around every test.

Looked at are: every record of every log, every `LLMError` as it is made (its text, its `repr`, its pickle),
and what a test gives to `shows`. A prompt may stand in messages, that is what they are; a key nowhere.
"""

import logging
import pickle
import traceback
from collections.abc import Generator
from contextlib import contextmanager
from unittest.mock import patch

from typing_extensions import override

from miniagents import LLMError, Message

__all__ = ["KEY", "PROMPT", "Kept", "shown_in", "shows", "watched"]

KEY = "canary-5d1f0a7e"
PROMPT = "The canary of my prompt is called Pepper Anchovy."


def shown_in(text: str) -> list[str]:
    """Which of the two, or a telling piece of them, stands in a text."""
    return [secret for secret in (KEY, "Pepper Anchovy") if secret in text]


def shows(error: BaseException) -> list[str]:
    """Which of the two an error shows: as a text, in a traceback with its causes and notes, pickled."""
    told = [str(error), repr(error), *traceback.format_exception(error), repr(vars(error))]
    return shown_in(" ".join([*told, pickle.dumps(error).decode("latin-1")]))


class _Records(logging.Handler):
    """Keeps what records of any logger show."""

    def __init__(self, shown: list[str]) -> None:
        super().__init__()
        self._shown = shown

    @override
    def emit(self, record: logging.LogRecord) -> None:
        text = f"{logging.Formatter().format(record)} {vars(record)!r}"
        self._shown += [f"{each!r} in the log of {record.name}" for each in shown_in(text)]


@contextmanager
def watched() -> Generator[list[str]]:
    """Look at all logs and all errors of models meanwhile; what is shown is in the list."""
    shown: list[str] = []
    handler = _Records(shown)
    begin = LLMError.__init__

    def look(error: LLMError, *args: object, **fields: object) -> None:
        begin(error, *args, **fields)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # as it came
        shown.extend(f"{each!r} in {type(error).__name__}" for each in shows(error))

    root = logging.getLogger()
    root.addHandler(handler)
    try:
        with patch.object(LLMError, "__init__", look):
            yield shown
    finally:
        root.removeHandler(handler)


class Kept:
    """A handler of persisted messages and records, which notes in how many of them the key is shown.

    Attributes:
        count: how many there were.
        shown: those with the key.
    """

    def __init__(self) -> None:
        self.count = 0
        self.shown: list[str] = []

    async def __call__(self, promise: object, message: Message, /) -> None:
        """Look at one."""
        del promise
        self.count += 1
        text = f"{message!r} {message.model_dump_json()} {pickle.dumps(message).decode('latin-1')}"
        if KEY in text:
            self.shown.append(type(message).__name__)
