"""The errors of MCP: of a server, or of one call of a tool."""

from miniagents.errors import MiniAgentsError


class MCPServerError(MiniAgentsError, ConnectionError):
    """An MCP server cannot be reached, has gone, or violates the protocol; the text names the server.

    Example:
        >>> isinstance(MCPServerError("The MCP server 'files' has gone."), ConnectionError)
        True
    """


class MCPToolError(MiniAgentsError):
    """A tool of a server reports an error; the model is sent its text.

    Example:
        >>> str(MCPToolError("There is no such file."))
        'There is no such file.'
    """
