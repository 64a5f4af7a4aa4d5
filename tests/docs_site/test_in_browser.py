"""Crosses modules: the site that `zensical build` has written, in a browser, from a server and as files."""

import mimetypes
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, Request, ViewportSize, expect
from starlette.applications import Starlette
from starlette.requests import Request as Asked
from starlette.responses import Response
from starlette.routing import Route

from tests.support.browser import ONE_BROWSER, browser, leave_out
from tests.support.web import served

pytestmark = [
    pytest.mark.gate("starts a browser, on the site that was built"),
    pytest.mark.loop(timeout=240.0),
    *ONE_BROWSER,
]

ROOT = Path(__file__).parents[2]
SITE = ROOT / "site"
PHONE, DESK = 390, 1280
REFERENCE = ("reference/index.html", "reference/miniagents.html")
PARTS = """() => {
  const width = document.documentElement.clientWidth;
  const scrolls = (element) => {
    for (let outer = element.parentElement; outer; outer = outer.parentElement)
      if (["auto", "scroll"].includes(getComputedStyle(outer).overflowX)) return true;
    return false;
  };
  const wide = [...document.querySelectorAll("article :not(span, pre *, table *)")].filter((element) => {
    const box = element.getBoundingClientRect();
    return box.width && box.right > width + 1 && !scrolls(element);
  });
  const unloaded = [...document.images].filter((image) => !image.naturalWidth);
  const blocks = [...document.querySelectorAll("article .highlight:not(:has(button))")];
  return [
    ...(document.documentElement.scrollWidth > width ? ["the page is wider than the window"] : []),
    ...wide.map((element) => `too wide: ${element.outerHTML.slice(0, 80)}`),
    ...unloaded.map((image) => `not shown: ${image.src}`),
    ...blocks.map((block) => `no button: ${block.innerText}`),
  ];
}"""
"""What is wrong with a page, as sentences."""

HITS = """() => [...document.querySelectorAll("*")]
  .flatMap((element) => [...(element.shadowRoot?.querySelectorAll("li a") ?? [])])
  .map((link) => link.href)"""


@cache
def files() -> dict[str, bytes]:
    """The files of the site; a test without one, or with an old one, is left out."""
    if not (SITE / "index.html").exists():
        leave_out("There is no site: pip install -e '.[docs]' && zensical build --strict --clean")
    built = (SITE / "search.js").stat().st_mtime
    if any(path.stat().st_mtime > built for path in [ROOT / "zensical.toml", *(ROOT / "docs").rglob("*.*")]):
        leave_out("The site is older than its pages: zensical build --strict --clean")
    return {path.relative_to(SITE).as_posix(): path.read_bytes() for path in SITE.rglob("*.*")}


async def file_of(request: Asked) -> Response:
    """A file of the site."""
    name = request.path_params["name"]
    if name not in files():
        return Response(status_code=404)
    return Response(files()[name], media_type=mimetypes.guess_type(name)[0])


@asynccontextmanager
async def opened(scheme: str = "http") -> AsyncGenerator[tuple[str, Browser, list[str]]]:
    """The address of the site, a browser, and what goes wrong in `page_of`: it must be nothing at the end."""
    problems: list[str] = []
    files()
    async with served(Starlette(routes=[Route("/{name:path}", file_of)])) as url, browser() as chromium:
        yield (f"{url}/" if scheme == "http" else f"{SITE.as_uri()}/"), chromium, problems
    assert [] == problems


async def page_of(
    chromium: Browser, address: str, problems: list[str], width: int = DESK, *, dark: bool = False
) -> Page:
    """A page; errors in its console, and what it fetches from elsewhere, are problems."""

    def asked(request: Request) -> None:
        if not request.url.startswith((address, "data:", "blob:")):
            problems.append(f"{page.url} fetches {request.url}")

    context = await chromium.new_context(
        viewport=ViewportSize(width=width, height=900),
        color_scheme="dark" if dark else "light",
        permissions=["clipboard-read", "clipboard-write"],
    )
    page = await context.new_page()
    page.on("console", lambda said: problems.append(said.text) if said.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("request", asked)
    page.on("response", lambda got: problems.append(f"{got.url} is missing") if got.status >= 400 else None)
    return page


@pytest.mark.parametrize(("width", "dark"), [(PHONE, True), (DESK, False)])
async def test_each_page(width: int, *, dark: bool) -> None:
    """No page is wider than its window, pictures are shown, blocks can be copied, all comes from the site.

    The pages of the reference are generated alike, so two of them are tried.
    """
    async with opened() as (address, chromium, problems):
        page = await page_of(chromium, address, problems, width, dark=dark)
        for name in sorted(files()):
            tried = name in REFERENCE or not name.startswith("reference/")
            if name.endswith(".html") and name != "404.html" and tried:
                await page.goto(address + name)
                await page.wait_for_function(f"() => ({PARTS})().length === 0", timeout=5_000)


async def test_a_page_with_faults() -> None:
    """What the test above looks for is found."""
    async with opened() as (_, chromium, _):
        page = await chromium.new_page(viewport=ViewportSize(width=PHONE, height=900))
        await page.set_content(
            "<article><div class=highlight>code</div>"
            "<p style='width: 999px'>wide</p><img src='data:,'></article>"
        )
        found: list[str] = await page.evaluate(PARTS)
        begins = ["the page is wider", "too wide: <p", "not shown: data:,", "no button: code"]
        assert len(begins) == len(found)
        assert all(sentence.startswith(begin) for sentence, begin in zip(found, begins, strict=True))


@pytest.mark.parametrize("scheme", ["http", "file"])
@pytest.mark.parametrize(
    ("text", "hit"),
    [
        ("retry", "reference/miniagents.html#miniagents.RetryPolicy"),
        ("resume a job", "jobs.html#stop-and-resume-a-job"),
        ("cancelling", "errors.html"),
        ("map_rows", "reference/miniagents.ext.jobs.html#miniagents.ext.jobs.map_rows"),
    ],
)
async def test_search(scheme: str, text: str, hit: str) -> None:
    """The right page is among the first five hits, also when the site is opened as files."""
    async with opened(scheme) as (address, chromium, problems):
        page = await page_of(chromium, address, problems)
        await page.goto(f"{address}reference/index.html")
        await page.locator(".md-search__button").click()
        await page.get_by_role("combobox").fill(text)
        await page.wait_for_function(
            f"""([text, hit]) => ({HITS})().slice(0, 5)
                .some((link) => link.replace(/[?]h=[^#]*/, "").includes(hit))""",
            arg=[text, hit],
            timeout=20_000,
        )


async def test_navigation() -> None:
    """A wide window has tabs and a list of pages, a phone has a menu; each leads to the page."""
    async with opened() as (address, chromium, problems):
        page = await page_of(chromium, address, problems)
        await page.goto(f"{address}index.html")
        await page.locator(".md-tabs").get_by_text("Guides").click()
        await expect(page.locator("h1")).to_have_text("Streams and promises")
        await page.locator(".md-sidebar--primary").get_by_text("Data jobs").click()
        await expect(page.locator("h1")).to_contain_text("Jobs")

        page = await page_of(chromium, address, problems, PHONE)
        await page.goto(f"{address}index.html")
        await page.locator("label.md-header__button[for=__drawer]").click()
        for name in ("Guides", "Data jobs"):
            await page.wait_for_function("document.getAnimations().length === 0")  # the menu stands still
            await page.locator(".md-nav--primary").get_by_text(name).first.click()
        await expect(page.locator("h1")).to_contain_text("Jobs")


async def test_copy() -> None:
    """The button of a block copies its program."""
    async with opened() as (address, chromium, problems):
        page = await page_of(chromium, address, problems)
        await page.goto(f"{address}index.html")
        block = page.locator(".highlight", has_text="import InteractionContext").first
        await block.hover()
        await block.locator("button").first.click()
        await expect(page.locator(".md-dialog, .md-tooltip2").first).to_contain_text("Copied")
        copied = str(await page.evaluate("navigator.clipboard.readText()"))
        assert (await block.locator("code").inner_text()).strip() == copied.strip()
        compile(copied, "index.html", "exec")


async def test_colours() -> None:
    """It is dark where the system is, and as its button says."""
    async with opened() as (address, chromium, problems):
        page = await page_of(chromium, address, problems, dark=True)
        await page.goto(f"{address}index.html")
        body = page.locator("body")
        await expect(body).to_have_attribute("data-md-color-scheme", "slate")
        await page.locator("[data-md-component=palette] label:visible").click()
        await expect(body).to_have_attribute("data-md-color-scheme", "default")
