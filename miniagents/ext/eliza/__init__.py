"""Eliza, an agent that answers by fixed rules, as Weizenbaum's program of 1966: no model, no network."""

from ._eliza import Eliza, ElizaState, eliza_agent
from ._script import ElizaScript, ElizaScriptError, load_script, read_script

__all__ = [
    "Eliza",
    "ElizaScript",
    "ElizaScriptError",
    "ElizaState",
    "eliza_agent",
    "load_script",
    "read_script",
]
