"""The routes of runs, read by the `EventSource` of a real browser, as docs/web.md shows."""

import asyncio
import re
from collections.abc import AsyncGenerator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Route
from starlette import routing
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse

from miniagents import InteractionContext, Message, MiniAgents, miniagent
from miniagents.ext.web import chat_routes
from tests.support.browser import ONE_BROWSER, browser
from tests.support.cuts import Cuts
from tests.support.web import served

pytestmark = [pytest.mark.gate("starts a browser"), pytest.mark.loop(timeout=60.0), *ONE_BROWSER]

ROOT = Path(__file__).parents[2]
(SCRIPT,) = re.findall(r"```js\n(.*?)```", (ROOT / "docs" / "web.md").read_text(encoding="utf-8"), re.DOTALL)

FOLLOW = """
async (close) => {
  const begun = await fetch("/chat/runs", {
    method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ text: "Hi" }),
  });
  const events = new EventSource(`/chat/runs/${(await begun.json()).run}`);
  window.told = { frames: [], opened: 0, state: () => events.readyState };
  events.onopen = () => (told.opened += 1);
  events.onmessage = ({ data, lastEventId }) => {
    const frame = JSON.parse(data);
    told.frames.push([Number(lastEventId), frame.type, frame.part ?? frame.how ?? ""]);
    if (close && frame.type === "run_ended") events.close();
  };
}
"""


@miniagent
async def counter(ctx: InteractionContext) -> None:
    """Counts to 60, in three seconds."""

    async def numbers(_: object) -> AsyncGenerator[str]:
        for number in range(60):
            yield f"{number} "
            await asyncio.sleep(0.05)

    ctx.reply(Message.promise(numbers))


def app_of() -> Starlette:
    """An app with a page and the routes."""

    async def page(_: Request) -> HTMLResponse:
        return HTMLResponse("<!doctype html><p id=shown></p>")

    return Starlette(routes=[routing.Route("/", page), *chat_routes(counter, prefix="/chat")])


async def test_the_script_of_the_docs() -> None:
    """The script of the page shows the whole answer, and closes behind the last frame."""
    async with MiniAgents(app_wide=True), served(app_of()) as url, browser() as chromium:
        page = await chromium.new_page()
        await page.goto(url)
        show = "const show = (text) => (document.getElementById('shown').textContent += text);"
        await page.evaluate(f"async () => {{ {show}\n{SCRIPT}\nwindow.events = events; }}")
        await page.wait_for_function("events.readyState === 2")
        assert "".join(f"{number} " for number in range(60)) == await page.text_content("#shown")


async def test_the_script_of_the_docs_and_a_503() -> None:
    """If reading is refused for a while (503), for which a browser gives up, the script makes new readers."""
    async with MiniAgents(app_wide=True), served(app_of()) as url, browser() as chromium:
        page = await chromium.new_page()
        refused: list[str] = []

        async def refuse(route: Route) -> None:
            refused.append(route.request.method)
            await (route.fulfill(status=503) if len(refused) <= 4 else route.continue_())

        await page.route(re.compile("/chat/runs/."), refuse)
        await page.goto(url)
        show = "const show = (text) => (document.getElementById('shown').textContent += text);"
        await page.evaluate(f"async () => {{ {show}\n{SCRIPT}\nwindow.state = () => events.readyState; }}")
        last = "document.getElementById('shown').textContent.endsWith('59 ') && state() === 2"
        await page.wait_for_function(last)
        assert "".join(f"{number} " for number in range(60)) == await page.text_content("#shown")
        assert ["GET", "HEAD", "GET", "HEAD", "GET"] == refused


async def test_cut_and_back() -> None:
    """After each cut the browser comes back by itself, and gets each frame once, in order."""
    async with MiniAgents(app_wide=True), served(app_of()) as url:
        cuts = Cuts(urlsplit(url).port or 0)
        async with cuts.listening() as way, browser() as chromium:
            page = await chromium.new_page()
            await page.goto(way)
            await page.evaluate(FOLLOW, "close")
            for opened in (1, 2):
                await page.wait_for_function(f"told.opened === {opened} && told.frames.length > {opened * 5}")
                cuts.cut()
            await page.wait_for_function("told.state() === 2")
            frames, opened = await page.evaluate("[told.frames, told.opened]")
            assert opened == 3
            assert [*range(1, len(frames) + 1)] == [position for position, _, _ in frames]
            assert "".join(f"{number} " for number in range(60)) == "".join(
                text for _, kind, text in frames if kind == "part"
            )
            assert "finished" == frames[-1][2]


async def test_behind_the_end() -> None:
    """A browser that does not close is told to stay away when the run has ended."""
    async with MiniAgents(app_wide=True), served(app_of()) as url, browser() as chromium:
        page = await chromium.new_page()
        await page.goto(url)
        await page.evaluate(FOLLOW, "")
        await page.wait_for_function("told.state() === 2")
        frames, opened = await page.evaluate("[told.frames, told.opened]")
        assert opened == 1
        assert 1 == [kind for _, kind, _ in frames].count("run_ended")
