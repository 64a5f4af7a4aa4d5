"""A history of a conversation in a Markdown file."""

from ._history import ChatHistoryMD, HistoryFileError

__all__ = ["ChatHistoryMD", "HistoryFileError"]
