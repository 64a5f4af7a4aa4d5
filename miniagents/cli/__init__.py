"""The command line: `miniagents chat`, `serve`, `map`, `mcp` and `journal`."""

from ._entry import main

__all__ = ["main"]
