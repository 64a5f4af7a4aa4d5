"""Limits around agents: how many calls at once, how many in a minute, how much they cost, none made twice.

Each is an operator for ``agent.around(...)``, so the agent keeps its class, alias, keywords and types. Share
one object between agents, and they share the limit. ``model_limits`` goes around all runs of a context:
``MiniAgents(around=[model_limits()])``.
"""

from miniagents.models import (
    Budget,
    ConcurrencyLimit,
    ModelLimits,
    RateLimiter,
    budget,
    cache,
    limit,
    model_limits,
    rate_limit,
)

__all__ = [
    "Budget",
    "ConcurrencyLimit",
    "ModelLimits",
    "RateLimiter",
    "budget",
    "cache",
    "limit",
    "model_limits",
    "rate_limit",
]
