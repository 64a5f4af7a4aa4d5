"""The screen of a dialog at the console: what the user sees, and how the user is asked."""

from ._output import OutputError, Screen

__all__ = ["OutputError", "Screen"]
