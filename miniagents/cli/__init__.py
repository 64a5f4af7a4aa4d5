"""The command line: `miniagents chat`, `miniagents serve` and `miniagents mcp`."""

from ._main import main

__all__ = ["main"]
