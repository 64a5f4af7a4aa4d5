"""The page `docs/serve.md` does what it says.

Crosses modules: its commands are what users type.
"""

import re
from pathlib import Path

import httpx2
import pytest

from miniagents.cli import main
from tests.support.page_server import page_server

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "serve.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"```sh serve\nminiagents serve ?(.*?)\n```", PAGE)
(MODULE,) = re.findall(r"```python my_agents.py\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.gate("starts a server for each command")
@pytest.mark.parametrize("command", COMMANDS)
async def test_the_commands(command: str, tmp_path: Path) -> None:
    """Each command serves the page, and who it names answers a question."""
    (tmp_path / "my_agents.py").write_text(MODULE, encoding="utf-8")
    async with (
        page_server(tmp_path, agent=command or None, anew=True) as server,
        httpx2.AsyncClient(base_url=server.address, trust_env=False, verify=False) as client,
    ):
        assert "<title>miniagents</title>" in (await client.get("/")).text
        thread = (await client.post("/api/threads", json={})).json()["id"]
        run = (await client.post(f"/api/threads/{thread}/runs", json={"text": "I am sad."})).json()["run"]
        assert '"how":"finished"' in (await client.get(f"/runs/{run}")).text
        said = [each["text"] for each in (await client.get(f"/api/threads/{thread}")).json()["messages"]]
        assert "I am sad." == said[0]
        assert ("Hello! " in said) is ("polite" in command)
        assert said[-1].endswith("?")


def test_its_options(capsys: pytest.CaptureFixture[str]) -> None:
    """Every option that the page names is one of the command, and the commands are two."""
    with pytest.raises(SystemExit):
        main(["serve", "--help"])
    known = set(re.findall(r"(?<![\w-])--[a-z-]+", capsys.readouterr().out))
    assert len(COMMANDS) == 2
    assert set() == set(re.findall(r"`(--[a-z-]+)", PAGE)) - known
