"""Eliza, an agent that answers by fixed rules, as Weizenbaum's program of 1966: no model, no network."""

from ._eliza import eliza_agent

__all__ = ["eliza_agent"]
