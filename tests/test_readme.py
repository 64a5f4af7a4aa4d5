"""Crosses modules: the README is short, and its app works; `tests/test_pages.py` runs its programs."""

import httpx2
import pytest
from starlette.applications import Starlette

from tests.support.docs_pages import BLOCKS, PAGES
from tests.support.web import served

README = PAGES["README.md"].splitlines()
COMMANDS = ("pip install . && miniagents chat", "pip install -e '.[test]' && pytest")


def test_length() -> None:
    """It has at most 300 lines: what is longer has a page of its own."""
    assert len(README) <= 300


def test_first_screen() -> None:
    """The first screen has the two commands that are all the set-up there is."""
    assert all(command in README[:20] for command in COMMANDS)


@pytest.mark.loop(fifo=True)  # uvicorn counts on the order of callbacks
async def test_the_app() -> None:
    """The app streams an answer, and begins a run."""
    (app_block,) = [block for block in BLOCKS if block.page == "README.md" and block.kind == "app"]
    names: dict[str, object] = {"__name__": "app"}
    exec(compile(app_block.code, "README.md", "exec"), names)  # noqa: S102 - our own page
    app = names["app"]
    assert isinstance(app, Starlette)
    async with served(app) as url, httpx2.AsyncClient(base_url=url, trust_env=False) as client:
        assert '"part":"Hello!"' in (await client.get("/ask", params={"q": "Hi"})).text.replace('": "', '":"')
        assert (await client.post("/chat/runs", json={"text": "Hi"})).is_success
