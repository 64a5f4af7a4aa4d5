"""Who keeps a conversation: the class to extend, and one that keeps it in memory. A door."""

from ._history import ChatHistory, InMemoryChatHistory

__all__ = ["ChatHistory", "InMemoryChatHistory"]
