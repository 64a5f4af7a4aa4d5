"""Journals in a database: a SQLite file, or Postgres."""

from ._calls import StoredCall
from ._journal import Journal

__all__ = ["Journal", "StoredCall"]
