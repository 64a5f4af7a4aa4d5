"""What the routes of all protocols have in common: agents, runs, owners, and what a request may be."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final, TypeAlias, cast

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from miniagents.core import Message, MessageSequencePromise

from ._bodies import json_body
from ._durable_runs import Agent
from ._feeds import AttachedFeed, Feed, frames_of_feed
from ._frame_log import Positioned, RunRecord
from ._protocols import Encoder
from ._request_errors import RequestError
from ._response import PING_EVERY, WAITING_LIMIT, FrameResponse
from ._runs import Runs, TooManyRunsError
from ._source import ErrorText

__all__ = ["Chat", "Owner"]

Owner: TypeAlias = Callable[[Request], str | Awaitable[str]]
"""Who asks: an id of the user, never empty; it may raise what the app answers with, as an HTTPException."""

_MAX_ID: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Chat:
    """What the routes of all protocols have in common.

    Attributes:
        agents: name -> agent.
        runs: the detached ones.
        owner: who asks; None: whoever knows the id of a run may read and stop it.
        urls: whether messages may have addresses of images and files.
        max_body: bytes of a request.
        max_messages: of a request.
        body_timeout: seconds that a body may take to come.
        ping: seconds of silence after which something is sent.
        error_text: what clients are told of an error of an agent.
    """

    agents: Mapping[str, Agent]
    runs: Runs
    owner: Owner | None = None
    urls: bool = False
    max_body: int = 1_000_000
    max_messages: int = 1_000
    body_timeout: float = 10.0
    ping: float = PING_EVERY
    error_text: ErrorText | None = None

    async def owner_of(self, request: Request) -> str:
        """Return who asks; `""` if nobody is asked for that.

        Args:
            request: of whom.

        Raises:
            RequestError: `owner` does not know.
        """
        if self.owner is None:
            return ""
        found = self.owner(request)
        name = found if isinstance(found, str) else await found
        if not name:
            raise RequestError("Log in first.", 401, code="not_authenticated")
        return name

    def agent(self, name: object) -> tuple[str, Agent]:
        """Return the agent of a name, and the name.

        Args:
            name: what the client said; None if there is only one to choose.

        Raises:
            RequestError: there is none of the name.
        """
        if name is None and len(self.agents) == 1:
            return next(iter(self.agents.items()))
        if isinstance(name, str) and name in self.agents:
            return name, self.agents[name]
        known = ", ".join(self.agents)
        raise RequestError(f'"agent" has to be one of: {known}.', 404, code="no_such_agent", param="agent")

    async def body(self, request: Request) -> dict[str, object]:
        """Return the body of a request: a JSON object, as large and as slow as it may be.

        Args:
            request: whose.

        Raises:
            RequestError: it is too large, too slow, or no JSON object, or its content type is not JSON.
            starlette.requests.ClientDisconnect: the client left.
        """
        body = await json_body(request, max_body=self.max_body, body_timeout=self.body_timeout)
        messages = body.get("messages")
        if isinstance(messages, list) and len(cast("list[object]", messages)) > self.max_messages:
            raise RequestError(
                f"There are more than {self.max_messages} messages.", 413, code="too_large", param="messages"
            )
        return body

    # -- attached ----------------------------------------------------------------------------------------

    def attached(self, agent: Agent, messages: tuple[Message, ...], encoder: Encoder) -> Response:
        """Return the response that streams an answer; whoever leaves stops it.

        Args:
            agent: who is asked.
            messages: what.
            encoder: of the response.
        """
        feed = self._attached_feed(agent, messages)
        return FrameResponse(feed, encoder, ping=self.ping)

    @asynccontextmanager
    async def whole(
        self, request: Request, agent: Agent, messages: tuple[Message, ...]
    ) -> AsyncGenerator[AsyncGenerator[Positioned]]:
        """Have an agent answer, for a response that is sent as a whole; a client that leaves stops it.

        Args:
            request: its client is watched.
            agent: who is asked.
            messages: what.

        Returns:
            A context manager that gives the frames; after the client has left, their last one is `stopped`.
        """
        feed = self._attached_feed(agent, messages)
        more = asyncio.Event()
        feed.open(more.set)
        watcher = asyncio.create_task(_until_gone(request, feed))
        try:
            yield frames_of_feed(feed, more)
        finally:
            watcher.cancel()
            feed.close()
            await asyncio.wait((watcher,))

    def _attached_feed(self, agent: Agent, messages: tuple[Message, ...]) -> AttachedFeed:
        replies = agent.inquire(MessageSequencePromise(messages))
        return AttachedFeed(replies, agent=agent.alias, limit=WAITING_LIMIT, error_text=self.error_text)

    # -- detached ----------------------------------------------------------------------------------------

    async def start(
        self, agent: str, messages: tuple[Message, ...], *, owner: str = "", topic: str = ""
    ) -> str:
        """Begin a run that goes on without its client.

        Args:
            agent: the name of who is asked.
            messages: what.
            owner: who asks.
            topic: what it belongs to.

        Returns:
            The id of the run.

        Raises:
            RequestError: too many runs go on.
        """
        try:
            return await self.runs.begin(agent, messages, owner=owner, topic=topic)
        except TooManyRunsError as error:
            raise RequestError(str(error), 429, code="too_many_runs") from error

    async def current(self, topic: str, *, owner: str = "") -> str | None:
        """Return the newest run of a topic, if it has not ended; else None.

        Args:
            topic: what it belongs to.
            owner: who asks.
        """
        run = await self.runs.latest(topic, owner=owner) if len(topic) <= _MAX_ID else None
        record = None if run is None else await self.runs.find(run, owner=owner)
        return None if record is None or record.ended else record.run

    async def find(self, run: str, *, owner: str = "") -> RunRecord:
        """Return what is known of a run.

        Args:
            run: its id.
            owner: who asks.

        Raises:
            RequestError: there is no such run, or it is somebody else's; which of them is not said.
        """
        record = await self.runs.find(run, owner=owner) if len(run) <= _MAX_ID else None
        if record is None:
            raise RequestError("There is no such run.", 404, code="no_such_run")
        return record

    async def response(self, run: str, encoder: Encoder, after: int = 0, *, owner: str = "") -> Response:
        """Return the response that tells a run, from a position on, and follows it.

        Args:
            run: its id.
            encoder: of the response.
            after: the position behind which it is told.
            owner: who asks.

        Raises:
            RequestError: there is no such run.
        """
        await self.find(run, owner=owner)
        feed: Feed | None = await self.runs.read(run, after, owner=owner)
        if feed is None:
            raise RequestError("There is no such run.", 404, code="no_such_run")
        return FrameResponse(feed, encoder, ping=self.ping)

    async def stop(self, run: str, *, owner: str = "") -> bool:
        """Stop a run.

        Args:
            run: its id.
            owner: who asks.

        Returns:
            Whether it had not ended.

        Raises:
            RequestError: there is no such run.
        """
        await self.find(run, owner=owner)
        return await self.runs.stop(run, owner=owner)


async def _until_gone(request: Request, feed: Feed) -> None:
    with suppress(ClientDisconnect):
        while True:
            message = await request.receive()
            if message["type"] == "http.disconnect":
                break
    feed.close()
