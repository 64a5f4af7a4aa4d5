"""Agents on many machines: workers of Ray make the calls of ``remote(agent)``."""

from ._errors import RemoteError
from ._remote import remote

__all__ = ["RemoteError", "remote"]
