"""A conversation in a Markdown file. A door."""

from ._history import ChatHistoryMD, HistoryFileError

__all__ = ["ChatHistoryMD", "HistoryFileError"]
