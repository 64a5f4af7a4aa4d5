"""Make the pictures of the pages from real runs: `python -m tests.browser.pictures`."""

import asyncio
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from playwright.async_api import Browser, Page, ViewportSize, expect

from examples.web_chat import chat_app
from miniagents.ext.eliza import eliza_agent
from tests.browser.terminal import draw_terminals
from tests.support.browser import browser
from tests.support.page_server import page_server
from tests.support.web import served

__all__ = ["FOLDER", "SCREENSHOTS", "draw"]

FOLDER: Final = Path(__file__).parents[2] / "docs" / "pictures"

SCREENSHOTS: Final[Mapping[str, tuple[int, int]]] = MappingProxyType(
    {
        "serve.png": (1100, 760),
        "serve-tools.png": (1540, 860),
        "serve-phone.png": (390, 760),
        "serve-question.png": (900, 560),
        "web-chat.png": (700, 460),
    }
)
"""Name -> width and height. The other pictures are `tests.browser.terminal.TERMINALS`."""


async def _opened(chromium: Browser, address: str, name: str, *, dark: bool = False) -> Page:
    width, height = SCREENSHOTS[name]
    page = await chromium.new_page(
        viewport=ViewportSize(width=width, height=height),
        color_scheme="dark" if dark else "light",
        reduced_motion="reduce",
    )
    await page.goto(address)
    return page


async def _say(page: Page, text: str, answers: int) -> None:
    await page.locator("#box").fill(text)
    await page.keyboard.press("Enter")
    await expect(page.locator(".answer:not([aria-busy])")).to_have_count(answers)
    await expect(page.locator(".figures").last).to_contain_text("tokens")


async def draw(folder: Path) -> None:
    """Write the pictures.

    Args:
        folder: where.
    """
    with tempfile.TemporaryDirectory() as scratch:
        await draw_terminals(folder, Path(scratch))
        async with browser() as chromium:
            await _draw_page(folder, Path(scratch), chromium)
            await _draw_web_chat(folder, Path(scratch), chromium)


async def _draw_page(folder: Path, scratch: Path, chromium: Browser) -> None:
    """The page of `miniagents serve`."""
    async with page_server(scratch) as server:
        page = await _opened(chromium, server.address, "serve.png")
        await _say(page, "What is a stream?", 1)
        await page.screenshot(path=folder / "serve.png")

        page = await _opened(chromium, server.address, "serve-question.png")
        await page.locator("#box").fill("Please pay for order 4711, it arrived broken.")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("button", name="Allow")).to_be_visible()
        await page.screenshot(path=folder / "serve-question.png")

        page = await _opened(chromium, server.address, "serve-tools.png", dark=True)
        await _say(page, "Do you have a lamp and a desk?", 1)
        await page.locator("details.call summary").nth(1).click()
        await page.locator(".timeline summary").click()
        await expect(page.locator(".timeline img")).to_be_visible()
        await page.locator("#scroller").evaluate("(scroller) => (scroller.scrollTop = scroller.scrollHeight)")
        await page.screenshot(path=folder / "serve-tools.png")

        address = page.url
        page = await _opened(chromium, address, "serve-phone.png")
        await expect(page.locator(".answer")).to_be_visible()
        await page.screenshot(path=folder / "serve-phone.png")


async def _draw_web_chat(folder: Path, scratch: Path, chromium: Browser) -> None:
    """The page of `examples/web_chat.py`, in the middle of an answer."""
    async with served(chat_app(eliza_agent.fork(delay=0.2), scratch)) as address:
        page = await _opened(chromium, address, "web-chat.png")
        for said in ("Hello.", "My sister never listens to me.", "Are you an AI?"):
            await expect(page.locator("#send")).to_be_visible()
            await page.locator("#text").fill(said)
            await page.keyboard.press("Enter")
            await expect(page.locator("#stop")).to_be_visible()
        await expect(page.locator(".assistant").last).to_contain_text("No. I am a handful of patterns")
        await page.screenshot(path=folder / "web-chat.png")
        await page.locator("#stop").click()


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    asyncio.run(draw(FOLDER))
