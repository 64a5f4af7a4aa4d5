"""The two ends of a dialog at the console: what the user sees, and how the user is asked."""

from ._input import Asker
from ._output import OutputError, Screen

__all__ = [
    "Asker",
    "OutputError",
    "Screen",
]
