"""A history of a conversation in a Markdown file."""

from ._history import ChatHistoryMD

__all__ = ["ChatHistoryMD"]
