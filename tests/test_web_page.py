"""The page `docs/web.md` does what it says.

Crosses modules: its app uses what users use, on a real server.
"""

import json
import re
from pathlib import Path

import httpx2
import pytest
from starlette.applications import Starlette

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


def text_of(stream: str) -> str:
    """The text of a stream of events."""
    frames = [json.loads(line[6:]) for line in stream.splitlines() if line.startswith("data: ")]
    return "".join(each["part"] for each in frames if isinstance(each.get("part"), str))
