"""Agents and their context, under their documented import path."""

from miniagents.agents import AgentCall, InteractionContext, MiniAgent, MiniAgents, miniagent

__all__ = ["AgentCall", "InteractionContext", "MiniAgent", "MiniAgents", "miniagent"]
