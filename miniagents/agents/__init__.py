"""Agents: the classes and decorators that make them, the context of runs, the algebra, the loops."""

from ._agent import CatchOptions, Caught, InteractionContext, InteractiveAgent, MiniAgent
from ._algebra._chains import Stage
from ._algebra._fallback import fallback
from ._algebra._hedge import HEDGE_LOG
from ._algebra._identity import identity
from ._algebra._interactive import DIALOGS, INTERRUPTED, NOT_ALLOWED_YET, Boundaries
from ._algebra._operands import WhileNeeded, Wrapper, until_over
from ._algebra._race import race
from ._algebra._race_report import RaceEntry, RaceLostError, RaceReport
from ._algebra._retry import RetryPolicy
from ._algebra._route import Route, route
from ._annotations import evaluated
from ._base_agent import BaseAgent
from ._call import AgentCall, Delivery, InteractiveCall
from ._chain_loop import ChainItem, achain_loop
from ._decorator import miniagent
from ._dialog_loop import adialog_loop
from ._miniagents import MiniAgents, PersistMessageHandler
from ._pipeline import Pipeline
from ._prompt import Prompt, prompt
from ._records import AgentCallNode, AgentReplyNode

__all__ = [
    "DIALOGS",
    "HEDGE_LOG",
    "INTERRUPTED",
    "NOT_ALLOWED_YET",
    "AgentCall",
    "AgentCallNode",
    "AgentReplyNode",
    "BaseAgent",
    "Boundaries",
    "CatchOptions",
    "Caught",
    "ChainItem",
    "Delivery",
    "InteractionContext",
    "InteractiveAgent",
    "InteractiveCall",
    "MiniAgent",
    "MiniAgents",
    "PersistMessageHandler",
    "Pipeline",
    "Prompt",
    "RaceEntry",
    "RaceLostError",
    "RaceReport",
    "RetryPolicy",
    "Route",
    "Stage",
    "WhileNeeded",
    "Wrapper",
    "achain_loop",
    "adialog_loop",
    "evaluated",
    "fallback",
    "identity",
    "miniagent",
    "prompt",
    "race",
    "route",
    "until_over",
]
