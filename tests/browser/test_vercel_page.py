"""A page with `useChat` of the Vercel AI SDK in a real browser: people approve, and say something meanwhile."""

import asyncio
import signal
import socket
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.support.browser import ONE_BROWSER, browser
from tests.support.mcp_servers import ROOT
from tests.support.vercel_chat import build_vercel_page

pytestmark = [
    pytest.mark.gate("installs the package of the client, and starts a browser and a server"),
    pytest.mark.loop(timeout=120.0),
    *ONE_BROWSER,
]

SOON = 20_000  # milliseconds; on a machine that does something else


@asynccontextmanager
async def app(folder: Path) -> AsyncGenerator[tuple[str, Callable[[], Awaitable[None]]]]:
    """The address of `vercel_app` in a process of its own; and what kills it, and starts it where it was."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    processes: list[asyncio.subprocess.Process] = []

    async def start() -> None:
        if processes:
            processes[-1].send_signal(signal.SIGKILL)
            await processes[-1].wait()
        words = ("-m", "tests.browser.vercel_app", str(folder), str(port))
        processes.append(await asyncio.create_subprocess_exec(sys.executable, *words, cwd=ROOT))
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                assert processes[-1].returncode is None
                await asyncio.sleep(0.05)
            else:
                writer.close()
                await writer.wait_closed()
                return

    await start()
    try:
        yield f"http://127.0.0.1:{port}/", start
    finally:
        processes[-1].kill()
        await processes[-1].wait()


async def say(page: Page, text: str, button: str = "Send") -> None:
    """Type a message, and send it or say it meanwhile."""
    await page.get_by_label("Message").fill(text)
    await page.get_by_role("button", name=button).click()


async def test_a_chat(tmp_path: Path) -> None:
    """Steer, queue and interrupt; allow after a kill of the server, reject with a reason, edit arguments.

    Each is shown at its place, also on a phone, and the chat goes on.
    """
    build_vercel_page(tmp_path / "page.js")
    expect.set_options(timeout=SOON)
    async with app(tmp_path) as (address, restart), browser() as chromium:
        page = await chromium.new_page(viewport={"width": 380, "height": 740})
        problems: list[str] = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        await page.goto(address)
        shown, ready = page.locator(".text, .said, .call"), page.locator("main[data-status=ready]")

        await say(page, "look at it")
        await expect(shown.last).to_contain_text("look")
        for text, button in (("and Rome?", "Queue"), ("Paris, Texas", "Steer")):
            async with page.expect_response("**/say"):
                await say(page, text, button)
        (tmp_path / "looked").touch()
        looked = ["look at it", "Let me look.", 'look {"place":"Paris"} output-available "Paris: 31 °C"']
        steered = ["Paris, Texas", "You said: Paris, Texas.", "and Rome?", "You said: and Rome?."]
        await expect(shown).to_have_text([*looked, *steered])
        await expect(ready).to_be_visible()

        await say(page, "count")
        await expect(shown.last).to_contain_text("3 ")
        await say(page, "Stop", "Interrupt")
        await expect(shown.last).to_have_text("You said: Stop.")
        await expect(ready).to_be_visible()

        await say(page, "pay me")
        asked = page.get_by_role("region", name="Approval")
        await expect(asked).to_be_visible()
        await expect(ready).to_be_visible()
        await restart()
        await page.reload()
        await asked.get_by_role("button", name="Allow", exact=True).click()
        await expect(shown.last).to_have_text("Result: 100 cents paid.")
        await expect(ready).to_be_visible()

        await say(page, "pay again")
        await asked.get_by_label("Reason").fill("Too much")
        await asked.get_by_role("button", name="Reject").click()
        await expect(shown.last).to_have_text("Result: Too much.")
        await expect(ready).to_be_visible()

        await say(page, "pay less")
        await asked.get_by_label("Arguments").fill('{"cents": 60}')
        await asked.get_by_role("button", name="Allow as edited").click()
        await expect(shown.last).to_have_text("Result: 60 cents paid.")
        await expect(ready).to_be_visible()
        ends = ['100} output-available "100 cents paid"', '100} output-denied "Too much"']
        ends.append('60} edited output-available "60 cents paid"')
        paid = page.locator(".call").filter(has_text="pay")
        for _ in range(2):
            await expect(paid).to_have_text([f'pay {{"cents":{each}' for each in ends])
            await page.reload()
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert problems == []
