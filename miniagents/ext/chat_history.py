"""Histories of conversations: the class to extend, and one that keeps them in memory."""

from ._history import ChatHistory, InMemoryChatHistory

__all__ = ["ChatHistory", "InMemoryChatHistory"]
