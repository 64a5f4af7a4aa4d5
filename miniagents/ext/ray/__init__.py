"""Agents on many machines: ``remote(agent)`` is the agent, whose calls are made by workers of Ray."""

from ._errors import RemoteError, WorkerLostError
from ._remote import remote

__all__ = ["RemoteError", "WorkerLostError", "remote"]
