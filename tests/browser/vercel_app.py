"""An app with a page of the Vercel AI SDK, started as ``python -m tests.browser.vercel_app FOLDER PORT``.

Its model calls a tool that needs approval (``pay``), or one that waits for a file ``looked`` in the folder (``look``), or says slowly what it was sent.
"""

import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from miniagents import AssistantMessage, Messages, MiniAgents, ToolCall, ToolMessage, UserMessage, tool
from miniagents.ext.journal import Journal
from miniagents.ext.web import Runs, chat_routes
from miniagents.testing import scripted_model
from miniagents.tools import approval

__all__ = ["app_of"]

PAGE = """<!doctype html><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Support</title><link rel="icon" href="data:,">
<style>
  body { font: 16px/1.5 sans-serif; margin: auto; max-width: 46rem; padding: 1rem 1rem 5rem; overflow-wrap: anywhere }
  article, section { border: 1px solid #ccc; border-radius: .5rem; margin: .5rem 0; padding: 0 .8rem .5rem }
  article[aria-label=user], .said { background: #eef; padding: .1rem .8rem } .call { color: #666; font-size: .9rem }
  textarea { display: block; width: 100%; box-sizing: border-box } [role=alert] { color: #b00 }
  footer { background: #fff; bottom: 0; display: flex; flex-wrap: wrap; gap: .5rem; left: 0; padding: .8rem; position: fixed; right: 0 }
  footer input { flex: 1 12rem; font: inherit }
</style><div id="root"></div><script type="module" src="/built/page.js"></script>"""


@tool
async def pay(cents: int) -> str:
    """Give money back."""
    return f"{cents} cents paid"


def reply(seen: Messages) -> AssistantMessage | list[str] | str:
    """From what was said last."""
    said = [str(each) for each in seen if isinstance(each, UserMessage)][-1]
    if isinstance(seen[-1], ToolMessage):
        return f"Result: {seen[-1]}."
    if said.startswith("pay"):
        return AssistantMessage(
            parts=["I would like to pay.", ToolCall(f"c{len(seen)}", "pay", '{"cents": 100}')]
        )
    if said.startswith("look"):
        call = ToolCall(f"c{len(seen)}", "look", '{"place": "Paris"}')
        return AssistantMessage(parts=["Let me look.", call])
    if said.startswith("count"):
        return [f"{number} " for number in range(1, 200)]
    return f"You said: {said}."


async def page(_: Request) -> HTMLResponse:
    """The page."""
    return HTMLResponse(PAGE)


def app_of(folder: Path) -> Starlette:
    """Make the app.

    Args:
        folder: has the page, as it was built, and gets the journal.
    """

    @tool
    async def look(place: str) -> str:
        """Look at a place."""
        while not (folder / "looked").exists():  # noqa: ASYNC110 - another process makes it
            await asyncio.sleep(0.02)
        return f"{place}: 31 °C"

    support = scripted_model(then=reply, alias="SUPPORT", delay=0.03).with_tools(
        look, pay, approve=approval(needs=lambda call: call.name == "pay")
    )
    runs = Runs(Journal(folder / "runs.journal"))

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None]:
        async with MiniAgents(app_wide=True):
            await runs.open()
            yield

    return Starlette(
        lifespan=lifespan,
        routes=[
            Route("/", page),
            Mount("/built", StaticFiles(directory=folder)),
            *chat_routes(
                {"support": support.interactive()},
                runs=runs,
                prefix="/chat",
                protocols=["vercel"],
                owner="anyone",
            ),
        ],
    )


if __name__ == "__main__":
    uvicorn.run(app_of(Path(sys.argv[1])), port=int(sys.argv[2]), log_level="warning")
