"""Says what to install if the official SDK of MCP is missing; this is imported before all that needs it."""

try:
    import mcp
    import mcp_types
except ImportError as _error:
    raise ImportError(
        "MCP needs its official SDK, which is not installed; pip install 'miniagents[mcp]'"
    ) from _error

__all__ = ["mcp", "mcp_types"]
