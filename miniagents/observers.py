"""Observers of runs: when runs begin, what they write, what it costs, how they end.

Give an :class:`Observer` to ``MiniAgents(observers=[...])``, or read :func:`run_events` as a stream.
"""

from miniagents.streams._adapters import run_events
from miniagents.streams._observers import (
    FirstPart,
    HeadersCame,
    ModelAsked,
    Observer,
    PartsCame,
    RunBegan,
    RunEnded,
    RunEvent,
    RunInfo,
    RunRetried,
    UsageCame,
)

__all__ = [
    "FirstPart",
    "HeadersCame",
    "ModelAsked",
    "Observer",
    "PartsCame",
    "RunBegan",
    "RunEnded",
    "RunEvent",
    "RunInfo",
    "RunRetried",
    "UsageCame",
    "run_events",
]
