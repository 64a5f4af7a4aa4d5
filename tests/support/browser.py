"""A real browser without a window: Chromium's headless shell, driven by playwright.

::

    async with browser() as chromium:
        page = await chromium.new_page()
        await page.goto(url)

To start it takes most of a second of the processor. So the tests of a module that has
`ONE_BROWSER` among its marks run on one loop, and share one browser, each with contexts of its own.
"""

import asyncio
import os
import shutil
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, NoReturn
from weakref import WeakKeyDictionary

import pytest

if TYPE_CHECKING:
    from playwright.async_api import Browser, BrowserType

__all__ = ["ONE_BROWSER", "browser", "leave_out", "one_browser"]

_NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")

ONE_BROWSER: Final = (pytest.mark.asyncio(loop_scope="session"), pytest.mark.usefixtures("the_browser"))
"""Marks of tests that share a browser; the fixture is in `tests/conftest.py`."""

_kept: Final = WeakKeyDictionary[asyncio.AbstractEventLoop, "Browser"]()


@asynccontextmanager
async def browser(*words: str) -> AsyncGenerator["Browser"]:
    """Start it, or give the one that is shared; skip the test where there is none, but never in CI.

    Args:
        *words: of its command line; with these, it is started in any case.
    """
    kept = _kept.get(asyncio.get_running_loop())
    if kept is None:
        from playwright.async_api import async_playwright  # noqa: PLC0415 - each run imports this module

        async with async_playwright() as playwright, _launched(playwright.chromium, words) as chromium:
            yield chromium
    elif words:
        async with _launched(kept.browser_type, words) as chromium:
            yield chromium
    else:
        try:
            yield kept
        finally:
            for context in kept.contexts:
                await context.close()


@asynccontextmanager
async def one_browser() -> AsyncGenerator[None]:
    """Start a browser that `browser()` gives on this loop until the block ends."""
    async with browser() as chromium:
        loop = asyncio.get_running_loop()
        _kept[loop] = chromium
        try:
            yield
        finally:
            del _kept[loop]


@asynccontextmanager
async def _launched(chromium: "BrowserType", words: Sequence[str]) -> AsyncGenerator["Browser"]:
    found = next(filter(None, map(shutil.which, (chromium.executable_path, *_NAMES))), None)
    if found is None:
        leave_out(
            "There is no browser: apt-get install chromium-headless-shell, or "
            "playwright install --with-deps chromium-headless-shell"
        )
    launched = await chromium.launch(executable_path=found, args=words)
    try:
        yield launched
    finally:
        await launched.close()


def leave_out(sentence: str) -> NoReturn:
    """Skip the test, but never in CI: there it fails.

    Args:
        sentence: what is missing, and how to get it.
    """
    if os.environ.get("CI") == "true":
        pytest.fail(sentence)
    pytest.skip(sentence)
