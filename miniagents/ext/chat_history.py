"""Histories of conversations: the class to extend, one that keeps them in memory, and `compact`."""

from ._history import ChatHistory, InMemoryChatHistory, compact

__all__ = ["ChatHistory", "InMemoryChatHistory", "compact"]
