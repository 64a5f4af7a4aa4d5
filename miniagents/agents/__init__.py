"""WHO SPEAKS: agents, the context they run in, and the loops they talk in."""

from ._agent import InteractionContext, MiniAgent
from ._call import AgentCall
from ._chain_loop import achain_loop
from ._decorator import miniagent
from ._dialog_loop import adialog_loop
from ._miniagents import MiniAgents, PersistMessageHandler
from ._pipeline import Pipeline
from ._records import AgentCallNode, AgentReplyNode

__all__ = [
    "AgentCall",
    "AgentCallNode",
    "AgentReplyNode",
    "InteractionContext",
    "MiniAgent",
    "MiniAgents",
    "PersistMessageHandler",
    "Pipeline",
    "achain_loop",
    "adialog_loop",
    "miniagent",
]
