"""The modules of the page of `miniagents serve`, in a browser, on a page that has nothing else."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from playwright.async_api import Page
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from miniagents.cli import _server as server

from .browser import browser
from .web import served

__all__ = ["page_modules"]

_FOLDER: Final = Path(server.__file__).parent / "page"
_POLICY: Final = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:"


async def _nothing(_: Request) -> HTMLResponse:
    return HTMLResponse("<!doctype html>", headers={"content-security-policy": _POLICY})


@asynccontextmanager
async def page_modules() -> AsyncGenerator[Page]:
    """Open an empty page that may import ``/page/*.js``."""
    app = Starlette(routes=[Route("/", _nothing), Mount("/page", StaticFiles(directory=_FOLDER))])
    async with served(app) as url, browser() as chromium:
        page = await chromium.new_page()
        await page.goto(url)
        yield page
