"""Servers of MCP by the official SDK: in this process, or run as a program over stdio or HTTP."""

import asyncio
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from mcp.client.stdio import StdioServerParameters
from mcp.server.mcpserver import Context, Image, MCPServer

__all__ = ["ROOT", "SERVER", "odd_server"]

ROOT = Path(__file__).parents[2]
SERVER = StdioServerParameters(
    command=sys.executable, args=[str(Path(__file__).resolve())], env={"PYTHONPATH": str(ROOT)}
)


def odd_server(counts: dict[str, int]) -> MCPServer:  # noqa: C901 - one small function a tool
    """Make a server whose tools count what happens to them."""
    server = MCPServer("odd")

    def count(what: str) -> None:
        counts[what] = counts.get(what, 0) + 1

    @server.tool()
    def add(a: int, b: int = 1) -> int:
        """Add two numbers."""
        return a + b

    @server.tool(name="dotted.name")
    def dotted() -> str:
        return "dots"

    @server.tool()
    async def slow(ctx: Context[Mapping[str, object]], steps: int = 3) -> str:
        try:
            for step in range(steps):
                await ctx.report_progress(step + 1, steps, f"step {step + 1}")
                await asyncio.sleep(0)
            if steps > 3:
                count("waits")
                await asyncio.sleep(3600)
        except asyncio.CancelledError:
            count("cancelled")
            raise
        return "done"

    @server.tool()
    async def numbers(ctx: Context[Mapping[str, object]]) -> str:
        await ctx.report_progress(1, 2)
        await ctx.report_progress(2)
        return ""

    @server.tool()
    def picture() -> Image:
        return Image(data=b"\x89PNG\r\n\x1a\n", format="png")

    @server.tool()
    def fail() -> str:
        msg = "no luck"
        raise ValueError(msg)

    @server.tool()
    def pid() -> int:
        return os.getpid()

    return server


if __name__ == "__main__":
    odd_server({}).run("stdio")
