"""Eliza, an agent that answers by fixed rules, as Weizenbaum's program of 1966: no model, no network."""

from ._eliza import Eliza, eliza_agent
from ._script import ElizaScriptError, load_script, read_script

__all__ = [
    "Eliza",
    "ElizaScriptError",
    "eliza_agent",
    "load_script",
    "read_script",
]
