"""Journals in a database: a SQLite file, or Postgres."""

from ._calls import StoredCall
from ._journal import Journal
from ._postgres import PostgresJournal

__all__ = ["Journal", "PostgresJournal", "StoredCall"]
