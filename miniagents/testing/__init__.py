"""FOR TESTS, also those of users: scripted models without a network, and time that nobody waits for."""

from ._answers import Answer
from ._scripted_model import ModelRequest, ScriptedModel, ScriptEndedError, scripted_model
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
