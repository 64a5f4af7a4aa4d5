"""The page `docs/web.md` does what it says.

Crosses modules: its app uses what users use, on a real server.
"""

import json
import re
from pathlib import Path
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette

from miniagents import Message, MiniAgents
from miniagents.ext.journal import read_calls
from miniagents.ext.web import PageData
from tests.support.web import served

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "web.md").read_text(encoding="utf-8")
APPS = re.findall(r"```python app\n(.*?)```", PAGE, re.DOTALL)


async def test_the_app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The app of the page streams an answer, and begins, tells and keeps a run of a user.

    That for chat libraries is tried with its clients, in `tests/ext/web/test_openai_routes.py`.
    """
    monkeypatch.chdir(tmp_path)
    assert 1 == len(APPS)
    names: dict[str, object] = {"__name__": "app"}
    exec(compile(APPS[0], "docs/web.md", "exec"), names)  # noqa: S102 - our own page
    app = names["app"]
    assert isinstance(app, Starlette)
    ada = {"cookie": "user=ada"}
    async with served(app) as url, httpx2.AsyncClient(base_url=url, trust_env=False) as client:
        asked = await client.post("/ask", json={"text": "Hi"})
        assert "Hello!" == text_of(asked.text)
        assert 401 == (await client.post("/chat/runs", json={"text": "Hi"})).status_code
        begun = await client.post("/chat/runs", json={"text": "Hi"}, headers=ada)
        told = await client.get(f"/chat/runs/{begun.json()['run']}", headers=ada)
        assert "Hello!" == text_of(told.text)
        assert (tmp_path / "frames.db").exists()


async def test_the_durable_app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The app whose runs outlive it answers, and keeps nothing of a run that has ended."""
    monkeypatch.chdir(tmp_path)
    (program,) = re.findall(r"```python durable\n(.*?)```", PAGE, re.DOTALL)
    names: dict[str, Any] = {"__name__": "app"}
    exec(compile(program, "docs/web.md", "exec"), names)  # noqa: S102 - our own page
    async with served(names["app"]) as url, httpx2.AsyncClient(base_url=url, trust_env=False) as client:
        run = (await client.post("/chat/runs", json={"text": "Hi"})).json()["run"]
        assert "Roses are red." == text_of((await client.get(f"/chat/runs/{run}")).text)
    names["journal"].close()
    assert [] == list(read_calls(tmp_path / "runs.journal"))


async def test_data() -> None:
    """The agent of the page that sends data says something, too."""
    (program,) = re.findall(r"```python data\n(.*?)```", PAGE, re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(program, "docs/web.md", "exec"), names)  # noqa: S102 - our own page
    async with MiniAgents():
        replies = await names["forecaster"].inquire()
    assert [PageData, PageData, Message] == [type(each) for each in replies]


def text_of(stream: str) -> str:
    """The text of a stream of events."""
    frames = [json.loads(line[6:]) for line in stream.splitlines() if line.startswith("data: ")]
    return "".join(each["part"] for each in frames if isinstance(each.get("part"), str))
