"""Agents on many machines: workers of Ray make the calls of ``remote(agent)``."""

from ._errors import RemoteError, WorkerLostError
from ._remote import remote

__all__ = ["RemoteError", "WorkerLostError", "remote"]
