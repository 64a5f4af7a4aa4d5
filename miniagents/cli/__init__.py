"""The command line: `miniagents chat` and `miniagents mcp`."""

from ._main import main

__all__ = ["main"]
