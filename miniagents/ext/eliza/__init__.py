"""An offline conversation partner in the manner of Weizenbaum's 1966 program: no model, no network."""

from ._agent import eliza_agent
from ._engine import Eliza, ElizaState
from ._script import ElizaScriptError, Script, load_script, read_script

__all__ = ["Eliza", "ElizaScriptError", "ElizaState", "Script", "eliza_agent", "load_script", "read_script"]
