"""Limits for agents: calls at the same time, calls per minute, costs, and a cache.

Each is an operator for ``agent.around(...)``, so the agent keeps its class, alias, keywords and types. Agents
that use the same object share its limit. ``model_limits`` is for all runs of a context:
``MiniAgents(around=[model_limits()])``.
"""

from miniagents.runs import budget, cache, limit, model_limits, rate_limit

__all__ = ["budget", "cache", "limit", "model_limits", "rate_limit"]
