"""The error of a history that cannot be read or written."""

from typing_extensions import override

from miniagents.values import MiniAgentsError


class HistoryFileError(MiniAgentsError, OSError):
    """A history file cannot be read or written; what is in it already is unharmed.

    It is an `OSError` too: `errno` and `filename` say what the system said.

    Args:
        sentence: what was wrong, where, and what to do.
        path: the file.
        cause: the error of the system, if there was one.

    Example:
        >>> import asyncio
        >>> from miniagents.ext.chat_history_md import ChatHistoryMD
        >>> try:
        ...     asyncio.run(ChatHistoryMD("no/such/folder/CHAT.md").append("Hello"))
        ... except HistoryFileError as error:
        ...     print(error.errno, error.filename)
        2 no/such/folder/CHAT.md
    """

    def __init__(self, sentence: str, path: str, cause: OSError | None = None) -> None:
        super().__init__(cause.errno if cause else None, sentence, path)
        self.sentence = sentence

    @override
    def __str__(self) -> str:
        return self.sentence
