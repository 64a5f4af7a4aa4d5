"""For tests of your agents: scripted models without a network, cassettes, marble diagrams, and virtual time.

pytest loads the plugin by itself; see docs/testing.md.
"""

from miniagents.models import RecordedError

from ._cassette_file import CassetteError
from ._cassettes import Cassette, CassetteMode, cassette
from ._diagrams import DiagramError
from ._marbles import MarbleError, Marbles
from ._scripted_model import Answer, ModelRequest, ScriptedModel, ScriptEndedError, scripted_model
from ._scripted_models import ScriptedModels
from ._step_reader import StepReader
from ._virtual_loop import StuckLoopError
from ._virtual_time import VirtualClock, has_virtual_time, virtual_time

__all__ = [
    "Answer",
    "Cassette",
    "CassetteError",
    "CassetteMode",
    "DiagramError",
    "MarbleError",
    "Marbles",
    "ModelRequest",
    "RecordedError",
    "ScriptEndedError",
    "ScriptedModel",
    "ScriptedModels",
    "StepReader",
    "StuckLoopError",
    "VirtualClock",
    "cassette",
    "has_virtual_time",
    "scripted_model",
    "virtual_time",
]
