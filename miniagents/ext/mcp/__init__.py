"""MCP, the Model Context Protocol: gives models the tools of servers, and serves agents as tools.

Needs ``pip install 'miniagents[mcp]'``, the official SDK.

    async with mcp_tools("https://example.org/mcp", prefix="gh_") as tools:
        print(await model.with_tools(*tools).inquire("Which issues are open?").final)

    await serve_mcp(agent)  # or, on the command line: miniagents mcp MODULE:AGENT
"""

from . import _sdk as _sdk  # first: it says what to install, if that is missing
from ._serve import serve_mcp
from ._session import mcp_tools

__all__ = ["mcp_tools", "serve_mcp"]
