"""A journal in a SQLite file: the file, and the thread that writes it."""

from ._file import JournalFile, StoredCall, read_calls
from ._journal import Journal

__all__ = ["Journal", "JournalFile", "StoredCall", "read_calls"]
