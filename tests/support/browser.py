"""A real browser without a window: Chromium's headless shell, driven by playwright.

::

    async with browser() as chromium:
        page = await chromium.new_page()
        await page.goto(url)
"""

import os
import shutil
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import NoReturn

import pytest
from playwright.async_api import Browser, async_playwright

__all__ = ["browser", "leave_out"]

_NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")


@asynccontextmanager
async def browser(*words: str) -> AsyncGenerator[Browser]:
    """Start it; skip the test where there is none, but never in CI.

    Args:
        *words: of its command line.
    """
    async with async_playwright() as playwright:
        found = next(filter(None, map(shutil.which, (playwright.chromium.executable_path, *_NAMES))), None)
        if found is None:
            leave_out(
                "There is no browser: apt-get install chromium-headless-shell, or "
                "playwright install --with-deps chromium-headless-shell"
            )
        chromium = await playwright.chromium.launch(executable_path=found, args=words)
        try:
            yield chromium
        finally:
            await chromium.close()


def leave_out(sentence: str) -> NoReturn:
    """Skip the test, but never in CI: there it fails.

    Args:
        sentence: what is missing, and how to get it.
    """
    if os.environ.get("CI") == "true":
        pytest.fail(sentence)
    pytest.skip(sentence)
