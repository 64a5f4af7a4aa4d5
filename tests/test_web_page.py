"""The page `docs/web.md`, and the app of `docs/web-runs.md`, do what they say.

Crosses modules: their apps use what users use, on a real server.
"""

import json
import re
from pathlib import Path
from typing import Any, cast, get_args

import httpx2
import pytest
from starlette.applications import Starlette

from miniagents import Message, MiniAgents
from miniagents.ext.journal import Journal
from miniagents.ext.web import DataPart, MessagePart, PageData
from miniagents.ext.web._frames import frame_from_data
from miniagents.parts import File, Image, Part, ResponseHeaders
from miniagents.values import Attachment
from tests.support.docs_pages import BLOCKS
from tests.support.web import served

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "web.md").read_text(encoding="utf-8")
APPS = re.findall(r"```python app\n(.*?)```", PAGE, re.DOTALL)

SOURCES = {"data", "path", "url"}
"""An image or a file has one of them."""


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
    async with served(app) as url, httpx2.AsyncClient(base_url=url, trust_env=False, verify=False) as client:
        asked = await client.post("/ask", json={"text": "Hi"})
        assert "Hello!" == text_of(asked.text)
        assert 401 == (await client.post("/chat/runs", json={"text": "Hi"})).status_code
        begun = await client.post("/chat/runs", json={"text": "Hi"}, headers=ada)
        told = await client.get(f"/chat/runs/{begun.json()['run']}", headers=ada)
        assert "Hello!" == text_of(told.text)
        assert (tmp_path / "app.journal").exists()


async def test_the_durable_app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The app whose runs outlive it answers, and what it did is in its journal."""
    monkeypatch.chdir(tmp_path)
    (program,) = [each for each in BLOCKS if (each.page, each.kind) == ("docs/web-runs.md", "app")]
    names: dict[str, Any] = {"__name__": "app"}
    exec(compile(program.code, "docs/web-runs.md", "exec"), names)  # noqa: S102 - our own page
    async with (
        served(names["app"]) as url,
        httpx2.AsyncClient(base_url=url, trust_env=False, verify=False) as client,
    ):
        run = (await client.post("/chat/runs", json={"text": "Hi"})).json()["run"]
        assert "Roses are red." == text_of((await client.get(f"/chat/runs/{run}")).text)
    async with Journal(tmp_path / "app.journal") as journal:
        assert [(run, "finished")] == [(each.run, each.how) for each in await journal.find()]


async def test_data() -> None:
    """The agent of the page that sends data says something, too."""
    (program,) = re.findall(r"```python data\n(.*?)```", PAGE, re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(program, "docs/web.md", "exec"), names)  # noqa: S102 - our own page
    async with MiniAgents():
        replies = await names["forecaster"].inquire()
    assert [PageData, PageData, Message] == [type(each) for each in replies]


def test_parts() -> None:
    """The page lists every kind of part that clients get, each with all its fields."""
    (shown,) = re.findall(r"```json parts\n(.*?)```", PAGE, re.DOTALL)
    kinds: list[type] = []
    for line in shown.splitlines():
        data = json.loads(line)
        frame = frame_from_data({"type": "part", "message": 0, "part": data})
        assert isinstance(frame, MessagePart)
        assert {"type": "part", "message": 0, "part": data} == frame.as_data()
        assert not isinstance(frame.part, str)
        kinds.append(type(frame.part))
        left_out = frame.part.as_data().keys() - data.keys() - {"opaque"}  # which no client gets
        assert left_out == (SOURCES - data.keys() if isinstance(frame.part, Attachment) else set())
    of_streams = set(cast("tuple[type, ...]", get_args(Part))) - {str, ResponseHeaders}
    assert set(kinds) == of_streams | {Image, File, DataPart}
    assert len(kinds) == len(set(kinds))


def text_of(stream: str) -> str:
    """The text of a stream of events."""
    frames = [json.loads(line[6:]) for line in stream.splitlines() if line.startswith("data: ")]
    return "".join(each["part"] for each in frames if isinstance(each.get("part"), str))
