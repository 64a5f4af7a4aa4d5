"""Observers of runs: when runs begin, what they write, what it costs, how they end.

Give an :class:`Observer` to ``MiniAgents(observers=[...])``, or read :func:`run_events` as a stream.
"""

from miniagents.streams._adapters import run_events
from miniagents.streams._observers import (
    ModelAsked,
    Observer,
    PartsCame,
    PartSeen,
    RunBegan,
    RunEnded,
    RunEvent,
    RunInfo,
)

__all__ = [
    "ModelAsked",
    "Observer",
    "PartSeen",
    "PartsCame",
    "RunBegan",
    "RunEnded",
    "RunEvent",
    "RunInfo",
    "run_events",
]
