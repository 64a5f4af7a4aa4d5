"""A server of `miniagents serve` in the process of a test, and what a page asks of it."""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from miniagents import Message, MiniAgent
from miniagents.cli._server import About, Place, Serving, address_of, listen
from miniagents.cli._server._app import page_app
from miniagents.cli._server._serve import config_of
from tests.support.web import answering

__all__ = ["Page", "page_of"]


@dataclass(frozen=True, slots=True)
class Page:
    """What a page asks.

    Attributes:
        client: of the server.
        address: as it is told to people.
    """

    client: httpx2.AsyncClient
    address: str

    @property
    def port(self) -> int:
        """The port of the server."""
        return int(self.address.split("/")[2].rpartition(":")[2])

    async def thread(self, **body: str) -> str:
        """A new conversation."""
        made = await self.client.post("/api/threads", json=body)
        assert 201 == made.status_code, made.text
        return str(made.json()["id"])

    async def begin(self, thread: str, **body: object) -> str:
        """Begin a run."""
        begun = await self.client.post(f"/api/threads/{thread}/runs", json=body)
        assert 201 == begun.status_code, begun.text
        return str(begun.json()["run"])

    async def told(self, run: str) -> list[dict[str, Any]]:
        """All frames of a run, when it has ended."""
        events = (await self.client.get(f"/runs/{run}")).text
        return [json.loads(line[6:]) for line in events.splitlines() if line.startswith("data: ")]

    async def say(self, thread: str, text: str) -> list[dict[str, Any]]:
        """Say something, and wait for the end of the answer."""
        return await self.told(await self.begin(thread, text=text))

    async def read(self, thread: str) -> dict[str, Any]:
        """A conversation."""
        found = await self.client.get(f"/api/threads/{thread}")
        assert 200 == found.status_code, found.text
        read: dict[str, Any] = found.json()
        return read

    async def texts(self, thread: str) -> list[tuple[str, str]]:
        """Who said what in a conversation."""
        return [(each["role"], each["text"]) for each in (await self.read(thread))["messages"]]


@asynccontextmanager
async def page_of(
    agent: MiniAgent[Message, Message, ...],
    folder: Path,
    *,
    token: str | None = None,
    names: tuple[str, ...] = (),
    files: Path | None = None,
    journal: str | None = None,
) -> AsyncGenerator[Page]:
    """Serve an agent until the block ends.

    Args:
        agent: who answers.
        folder: where the history is kept.
        token: what clients have to know.
        names: of a server in front of it.
        files: of the page; None for those that come with the package.
        journal: the name of its journal; None for a file beside the history.
    """
    place = Place("127.0.0.1", 0, token, names)
    more = {} if files is None else {"page": files}
    about = About("POET", "m-1", "Hello, I am a poet.")
    serving = Serving(agent=agent, about=about, history=folder / "CHAT.db", journal=journal, **more)
    with listen(place) as listener:
        address, port = listener.getsockname()
        async with page_app(serving, place, address, port) as app, answering(config_of(app), listener):
            url = address_of(place, listener)
            async with httpx2.AsyncClient(
                base_url=url.partition("#")[0], trust_env=False, verify=False
            ) as client:
                yield Page(client, url)
