"""Observers of runs: when runs begin, what they write, what it costs, how they end.

Give an :class:`Observer` to ``MiniAgents(observers=[...])``, or read :func:`run_events` as a stream.
"""

from .core import (
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
    run_events,
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
