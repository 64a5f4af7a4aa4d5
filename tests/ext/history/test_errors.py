"""The error of a history file."""

import errno

from miniagents.ext._history._errors import HistoryFileError
from miniagents.values import MiniAgentsError


def test_it_is_an_error_of_the_library_and_of_the_system() -> None:
    """One `except` for either family catches it; its text is the sentence; the system's number is kept."""
    error = HistoryFileError("no room for it", "CHAT.md", OSError(errno.ENOSPC, "No space left"))
    assert isinstance(error, MiniAgentsError)
    assert isinstance(error, OSError)
    assert ("no room for it", errno.ENOSPC, "CHAT.md") == (str(error), error.errno, error.filename)
    assert HistoryFileError("wrong", "x").errno is None
