"""For tests of your agents: scripted models without a network, cassettes, marble diagrams, and virtual time.

pytest loads the plugin by itself; see docs/testing.md.
"""

from ._cassettes import Cassette, cassette
from ._marbles import Marbles
from ._scripted_model import ScriptedModel, ScriptedModels, scripted_model
from ._step_reader import StepReader
from ._virtual_time import VirtualClock, virtual_time

__all__ = [
    "Cassette",
    "Marbles",
    "ScriptedModel",
    "ScriptedModels",
    "StepReader",
    "VirtualClock",
    "cassette",
    "scripted_model",
    "virtual_time",
]
