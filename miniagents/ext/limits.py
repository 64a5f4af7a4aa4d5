"""Limits around agents: how many calls at once, how many in a minute, how much they cost, none made twice.

Each is an operator for ``agent.around(...)``, so the agent keeps its class, alias, keywords and types. Share
one object between agents, and they share the limit.
"""

from miniagents.models import Budget, ConcurrencyLimit, RateLimiter, budget, cache, limit, rate_limit

__all__ = ["Budget", "ConcurrencyLimit", "RateLimiter", "budget", "cache", "limit", "rate_limit"]
