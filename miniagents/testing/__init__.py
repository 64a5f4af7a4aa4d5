"""FOR TESTS, also those of users: language models that say what they are told to, without a network."""

from ._answers import Answer
from ._scripted_model import ModelRequest, ScriptedModel, ScriptEndedError, scripted_model

__all__ = ["Answer", "ModelRequest", "ScriptEndedError", "ScriptedModel", "scripted_model"]
