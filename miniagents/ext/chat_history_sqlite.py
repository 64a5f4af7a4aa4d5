"""Histories of many conversations in an SQLite file."""

from ._history import ChatHistorySQLite, HistoryFileError, HistoryThread

__all__ = ["ChatHistorySQLite", "HistoryFileError", "HistoryThread"]
