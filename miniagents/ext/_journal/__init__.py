"""A journal in a SQLite file: the file, and the thread that writes it."""

from ._file import JournalFile, StoredCall, read_calls
from ._journal import Journal, Keep

__all__ = ["Journal", "JournalFile", "Keep", "StoredCall", "read_calls"]
