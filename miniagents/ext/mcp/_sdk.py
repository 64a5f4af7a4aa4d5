"""The official SDK of MCP. Only this module imports it, and says what to install if it is missing."""

try:
    from mcp.client import Client, Transport
    from mcp.client.stdio import StdioServerParameters, stdio_client
    from mcp.server import Server, ServerRequestContext
    from mcp.server.stdio import stdio_server
    from mcp.shared.exceptions import MCPError
    from mcp_types import (
        CONNECTION_CLOSED,
        INVALID_REQUEST,
        AudioContent,
        BlobResourceContents,
        CallToolRequestParams,
        CallToolResult,
        EmbeddedResource,
        ImageContent,
        Implementation,
        ListToolsResult,
        PaginatedRequestParams,
        ResourceLink,
        TextContent,
        Tool as ServerTool,
    )
except ImportError as _error:
    raise ImportError(
        "MCP needs its official SDK, which is not installed; pip install 'miniagents[mcp]'"
    ) from _error

__all__ = [
    "CONNECTION_CLOSED",
    "INVALID_REQUEST",
    "AudioContent",
    "BlobResourceContents",
    "CallToolRequestParams",
    "CallToolResult",
    "Client",
    "EmbeddedResource",
    "ImageContent",
    "Implementation",
    "ListToolsResult",
    "MCPError",
    "PaginatedRequestParams",
    "ResourceLink",
    "Server",
    "ServerRequestContext",
    "ServerTool",
    "StdioServerParameters",
    "TextContent",
    "Transport",
    "stdio_client",
    "stdio_server",
]
