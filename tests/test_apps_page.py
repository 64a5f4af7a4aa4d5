"""The app and the notebook of the page `docs/apps.md` do what it says; `tests/test_pages.py` runs the rest.

Crosses modules: they use what users use.
"""

from pathlib import Path

import httpx2
import pytest
from starlette.applications import Starlette

from tests.support.docs_pages import BLOCKS
from tests.support.notebooks import run_cells, text_of
from tests.support.web import served

CODE = {
    kind: [block.code for block in BLOCKS if (block.page, block.kind) == ("docs/apps.md", kind)]
    for kind in ("app", "cell")
}


def test_blocks() -> None:
    """The page has an app, and a notebook of four cells."""
    assert [len(blocks) for blocks in CODE.values()] == [1, 4]


@pytest.mark.loop(fifo=True)  # uvicorn counts on the order of callbacks
async def test_the_app() -> None:
    """The app answers, streams, and answers from a thread."""
    names: dict[str, object] = {"__name__": "app"}
    exec(compile(CODE["app"][0], "docs/apps.md", "exec"), names)  # noqa: S102 - our own page
    app = names["app"]
    assert isinstance(app, Starlette)
    async with served(app) as url, httpx2.AsyncClient(base_url=url, trust_env=False, verify=False) as client:
        for path, told in (("ask", '"Hello!"'), ("stream", "Hello!"), ("sync", '"Hello!"')):
            response = await client.get(f"/{path}", params={"q": "Hi"})
            assert (response.status_code, response.text) == (200, told)


@pytest.mark.gate("starts a kernel of Jupyter")
def test_an_interrupted_cell(tmp_path: Path) -> None:
    """A6: an interrupted cell stops the model that it called; one of an earlier cell goes on."""
    begin = """
import asyncio
from miniagents import Message, MiniAgents, miniagent
closed = []
async def write(metadata):
    try:
        while True:
            yield "token "
            await asyncio.sleep(0.01)
    finally:
        closed.append(True)
@miniagent
async def model(ctx):
    ctx.reply(Message.promise(write))
agents = await MiniAgents(app_wide=True).start()
"""
    earlier = "before = model.inquire('Hi')"
    read = """# interrupt
replies = model.inquire("Hi")
count = 0
async for token in replies.tokens:
    count += 1
    if count == 5:
        print("ready")
"""
    show = "await asyncio.sleep(0.1); print(len(closed)); before.cancel(); await agents.stop()"
    said = [text_of(outputs) for outputs in run_cells(tmp_path, begin, earlier, read, show)]
    assert ("", "", "1\n") == (said[0], said[1], said[3])
    assert "ready" in said[2]


@pytest.mark.gate("starts a kernel of Jupyter")
def test_the_notebook(tmp_path: Path) -> None:
    """The cells of the page work in a real kernel: the next one has the context, and the first may run again.

    After the last one there is none, and a blocking run works in a cell as it does in a script.
    """
    begin, ask, show, stop = CODE["cell"]
    second = "from miniagents import MiniAgents\nawait MiniAgents(app_wide=True).start()"
    which = "MiniAgents.current() is agents"
    blocking = "async def main():\n    return str(await model.inquire('Hi'))\nMiniAgents().run(main())"
    cells = [begin, ask, show, begin, which, ask, show, second, blocking, stop, ask, begin, ask, show, stop]
    told = [text_of(outputs) for outputs in run_cells(tmp_path, *cells)]
    said = dict(enumerate(told))
    assert said[0] == said[1] == said[3] == said[5] == said[9] == said[11] == said[14] == ""
    assert said[2] == said[6] == said[13] == "Hello!\n"
    assert said[4] == "True"
    assert (
        "RuntimeError: This event loop has an app-wide context already, MiniAgents(app_wide=True)" in said[7]
    )
    assert said[8] == "'Hello!'"
    assert "NoActiveContextError" in said[10]
