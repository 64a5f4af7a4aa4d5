"""An offline conversation partner in the manner of Weizenbaum's 1966 program: no model, no network."""

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
