"""The documented names around agents; a door over ``miniagents.agents``."""

from miniagents.agents import AgentCall, InteractionContext, MiniAgent, MiniAgents, miniagent

__all__ = ["AgentCall", "InteractionContext", "MiniAgent", "MiniAgents", "miniagent"]
