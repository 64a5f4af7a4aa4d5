"""The command line: `miniagents chat`, `serve`, `map`, `mcp` and `journal`."""

from ._main import main

__all__ = ["main"]
