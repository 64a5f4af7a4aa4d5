"""The command line: `miniagents chat`, `map`, `mcp` and `journal`."""

from ._main import main

__all__ = ["main"]
