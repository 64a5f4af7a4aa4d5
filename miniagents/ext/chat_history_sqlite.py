"""Histories of many conversations in an SQLite file."""

from ._history import ChatHistorySQLite, HistoryThread

__all__ = ["ChatHistorySQLite", "HistoryThread"]
