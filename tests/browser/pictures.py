"""Make the pictures of docs/serve.md from real answers: `python -m tests.browser.pictures`."""

import asyncio
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from playwright.async_api import Browser, Page, ViewportSize, expect

from tests.support.browser import browser
from tests.support.page_server import page_server

__all__ = ["FOLDER", "PICTURES", "draw"]

FOLDER: Final = Path(__file__).parents[2] / "docs" / "pictures"

PICTURES: Final[Mapping[str, tuple[int, int]]] = MappingProxyType(
    {"serve.png": (1100, 760), "serve-tools.png": (1540, 860), "serve-phone.png": (390, 760)}
)
"""Name -> width and height."""


async def _opened(chromium: Browser, address: str, name: str, *, dark: bool = False) -> Page:
    width, height = PICTURES[name]
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
        async with page_server(Path(scratch)) as server, browser() as chromium:
            page = await _opened(chromium, server.address, "serve.png")
            await _say(page, "What is a stream?", 1)
            await page.screenshot(path=folder / "serve.png")

            page = await _opened(chromium, server.address, "serve-tools.png", dark=True)
            await _say(page, "Do you have a lamp and a desk?", 1)
            await page.locator("details.call summary").nth(1).click()
            await page.locator(".timeline summary").click()
            await expect(page.locator(".timeline img")).to_be_visible()
            await page.locator("#scroller").evaluate(
                "(scroller) => (scroller.scrollTop = scroller.scrollHeight)"
            )
            await page.screenshot(path=folder / "serve-tools.png")

            address = page.url
            page = await _opened(chromium, address, "serve-phone.png")
            await expect(page.locator(".answer")).to_be_visible()
            await page.screenshot(path=folder / "serve-phone.png")


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    asyncio.run(draw(FOLDER))
