"""The app and the notebook of the page `docs/apps.md` do what it says; `tests/test_pages.py` runs the rest.

Crosses modules: they use what users use.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest
from starlette.applications import Starlette

from tests.support.docs_pages import BLOCKS
from tests.support.web import served

ROOT = Path(__file__).parents[1]
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
    async with served(app) as url, httpx2.AsyncClient(base_url=url, trust_env=False) as client:
        for path, told in (("ask", '"Hello!"'), ("stream", "Hello!"), ("sync", '"Hello!"')):
            response = await client.get(f"/{path}", params={"q": "Hi"})
            assert (response.status_code, response.text) == (200, told)


NOTEBOOK = """
import asyncio, json, sys
from jupyter_client.manager import start_new_async_kernel

async def main(cells):
    manager, client = await start_new_async_kernel(kernel_name="python3")
    told = []
    try:
        for cell in cells:
            out = []
            def hook(message):
                content = message["content"]
                if message["msg_type"] == "stream":
                    out.append(content["text"])
                elif message["msg_type"] == "error":
                    out.append(content["ename"] + ": " + content["evalue"])
                elif message["msg_type"] == "execute_result":
                    out.append(content["data"]["text/plain"])
            await client.execute_interactive(cell, output_hook=hook, timeout=60, store_history=True)
            told.append("".join(out))
    finally:
        client.stop_channels()
        await manager.shutdown_kernel()
    print(json.dumps(told))

asyncio.run(main(json.loads(sys.argv[1])))
"""


def notebook(folder: Path, *cells: str) -> list[str]:
    """What each cell of a notebook shows, run one after the other in a real kernel."""
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "TMPDIR"}}
    folders = {f"JUPYTER_{each}_DIR": str(folder / each) for each in ("RUNTIME", "CONFIG", "DATA")}
    command = [sys.executable, "-c", NOTEBOOK, json.dumps(cells)]
    done = subprocess.run(  # noqa: S603 - our own program
        command,
        env=kept | folders | {"PYTHONPATH": str(ROOT), "IPYTHONDIR": str(folder / "ipython")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told: list[str] = json.loads(done.stdout)
    return told


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
    told = notebook(tmp_path, *cells)
    said = dict(enumerate(told))
    assert said[0] == said[1] == said[3] == said[5] == said[9] == said[11] == said[14] == ""
    assert said[2] == said[6] == said[13] == "Hello!\n"
    assert said[4] == "True"
    assert (
        "RuntimeError: This event loop has an app-wide context already, MiniAgents(app_wide=True)" in said[7]
    )
    assert said[8] == "'Hello!'"
    assert "NoActiveContextError" in said[10]
