"""The sentinels of the loops: ``AWAIT`` and ``CLEAR``."""

from miniagents.values import AWAIT, CLEAR

__all__ = ["AWAIT", "CLEAR"]
