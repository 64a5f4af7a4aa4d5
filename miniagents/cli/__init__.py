"""The command line: `miniagents chat`."""

from ._main import main

__all__ = ["main"]
