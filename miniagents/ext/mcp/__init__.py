"""MCP, the Model Context Protocol: tools of servers for models, and agents as servers.

Needs ``pip install 'miniagents[mcp]'``, the official SDK.

    async with mcp_tools("https://example.org/mcp", prefix="gh_") as tools:
        print(await model.with_tools(*tools).inquire("Which issues are open?").final)

    await serve_mcp(agent)  # or, without a program of one's own: miniagents mcp MODULE:AGENT
"""

from ._errors import MCPServerError, MCPToolError
from ._sdk import StdioServerParameters
from ._serve import serve_mcp
from ._session import MCPServerLike, MCPTool, mcp_tools

__all__ = [
    "MCPServerError",
    "MCPServerLike",
    "MCPTool",
    "MCPToolError",
    "StdioServerParameters",
    "mcp_tools",
    "serve_mcp",
]
