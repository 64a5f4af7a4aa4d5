"""What goes wrong with servers of MCP, told apart: the server, or one call of a tool."""

from miniagents.values import MiniAgentsError

__all__ = ["MCPServerError", "MCPToolError"]


class MCPServerError(MiniAgentsError, ConnectionError):
    """A server of MCP cannot be reached, has gone, or does not keep to the protocol; the text names it.

    Example:
        >>> isinstance(MCPServerError("The MCP server 'files' has gone."), ConnectionError)
        True
    """


class MCPToolError(MiniAgentsError):
    """What a tool of a server told as its error; the model is told it.

    Example:
        >>> str(MCPToolError("There is no such file."))
        'There is no such file.'
    """
