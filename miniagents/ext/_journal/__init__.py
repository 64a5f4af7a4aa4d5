"""Journals in a database: a SQLite file, or Postgres."""

from ._calls import StoredCall
from ._names import open_journal
from ._postgres import PostgresJournal
from ._sqlite import Journal

__all__ = ["Journal", "PostgresJournal", "StoredCall", "open_journal"]
