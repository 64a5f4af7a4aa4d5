"""For tests, also those of users: scripted models without a network, and virtual time."""

from ._scripted_model import Answer, ModelRequest, ScriptedModel, ScriptEndedError, scripted_model
from ._virtual_loop import StuckLoopError
from ._virtual_time import VirtualClock, virtual_time

__all__ = [
    "Answer",
    "ModelRequest",
    "ScriptEndedError",
    "ScriptedModel",
    "StuckLoopError",
    "VirtualClock",
    "scripted_model",
    "virtual_time",
]
