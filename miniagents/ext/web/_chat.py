"""The part that the routes of all protocols share: agents, runs, owners, and the limits of a request."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final, TypeAlias, cast

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from miniagents import MiniAgent
from miniagents.messages import Message, MessageSequencePromise
from miniagents.models import TOOL_CONTEXT
from miniagents.tools import ToolContext

from ..journal import RunRecord
from ._bodies import json_body
from ._durable_runs import Agent
from ._feeds import AttachedFeed, Feed, frames_of_feed
from ._frames import Positioned
from ._protocols import Encoder
from ._request_errors import RequestError
from ._response import PING_EVERY, WAITING_LIMIT, FrameResponse
from ._runs import Runs
from ._seal import Seal
from ._source import ErrorText

__all__ = ["Chat", "Keywords", "Owner", "anyone"]

Owner: TypeAlias = Callable[[Request], str | Awaitable[str]]
"""Returns the id of the user who sends a request, never empty; it may raise an HTTPException to refuse."""

Keywords: TypeAlias = Callable[[Request], Mapping[str, object] | Awaitable[Mapping[str, object]]]
"""Returns the keywords of the agent for a request: plain data, which a restart of the server keeps."""

_MAX_ID: Final = 200


def anyone(request: Request, /) -> str:
    """Say on purpose, as `owner=`, that any client may use runs whose id, or the id of whose chat, it knows.

    Args:
        request: any.

    Example:
        >>> from miniagents.ext.web import chat_routes
        >>> from miniagents.testing import scripted_model
        >>> len(chat_routes(scripted_model("Hi"), protocols=["vercel"], owner=anyone))
        3
    """
    del request
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chat:
    """The part that the routes of all protocols share.

    Attributes:
        agents: name -> agent.
        runs: the detached runs.
        owner: returns the user of a request; None: every client that knows the id of a run may use it.
        keywords: returns the keywords of the agent for a request; None: there are none.
        urls: whether messages may have addresses of images and files.
        system_messages: whether clients may give instructions.
        key: signs what clients keep and send back.
        max_body: the most bytes of a request.
        max_messages: the most messages of a request.
        body_timeout: the most seconds until the body has come.
        ping: seconds of silence after which a ping is sent.
        error_text: makes the sentence for clients from an error of an agent.
    """

    agents: Mapping[str, Agent]
    runs: Runs
    owner: Owner | None = None
    keywords: Keywords | None = None
    urls: bool = False
    system_messages: bool = False
    key: bytes = b""
    max_body: int = 1_000_000
    max_messages: int = 1_000
    body_timeout: float = 10.0
    ping: float = PING_EVERY
    error_text: ErrorText | None = None

    async def owner_of(self, request: Request) -> str:
        """Return the user who sends a request; `""` if there is no function `owner`.

        Args:
            request: the request.

        Raises:
            RequestError: `owner` returned no user.
        """
        if self.owner is None or self.owner is anyone:
            return ""
        found = self.owner(request)
        name = found if isinstance(found, str) else await found
        if not name:
            raise RequestError("Log in first.", 401, code="not_authenticated")
        return name

    async def keywords_of(self, request: Request) -> Mapping[str, object]:
        """Return the keywords of the agent for a request.

        Args:
            request: the request.
        """
        if self.keywords is None:
            return {}
        found = self.keywords(request)
        return found if isinstance(found, Mapping) else await found

    def seal(self, owner: str) -> Seal:
        """Return the seal for what a user keeps and sends back.

        Args:
            owner: the user.
        """
        return Seal(self.key, owner)

    def agent(self, name: object) -> tuple[str, Agent]:
        """Return an agent with its name.

        Args:
            name: the name that the client sent; it may be None if there is only one agent.

        Raises:
            RequestError: no agent has this name.
        """
        if name is None and len(self.agents) == 1:
            return next(iter(self.agents.items()))
        if isinstance(name, str) and name in self.agents:
            return name, self.agents[name]
        known = ", ".join(self.agents)
        raise RequestError(f'"agent" must be one of: {known}.', 404, code="no_such_agent", param="agent")

    async def body(self, request: Request) -> dict[str, object]:
        """Return the body of a request, a JSON object within the limits.

        Args:
            request: the request.

        Raises:
            RequestError: it is too large, too slow, or not a JSON object, or its content type is not JSON.
            starlette.requests.ClientDisconnect: the client left.
        """
        body = await json_body(request, max_body=self.max_body, body_timeout=self.body_timeout)
        messages = body.get("messages")
        if isinstance(messages, list) and len(cast("list[object]", messages)) > self.max_messages:
            raise RequestError(
                f"The request has more than {self.max_messages} messages.",
                413,
                code="too_large",
                param="messages",
            )
        return body

    # -- attached ----------------------------------------------------------------------------------------

    async def attached(
        self, request: Request, agent: Agent, messages: tuple[Message, ...], encoder: Encoder
    ) -> Response:
        """Return the response that streams an answer; if the client leaves, the run is stopped.

        Args:
            request: the request.
            agent: the agent that answers.
            messages: the messages for it.
            encoder: the encoder of the response.
        """
        feed = await self._attached_feed(request, agent, messages)
        return FrameResponse(feed, encoder, ping=self.ping)

    @asynccontextmanager
    async def whole(
        self, request: Request, agent: Agent, messages: tuple[Message, ...]
    ) -> AsyncGenerator[AsyncGenerator[Positioned]]:
        """Run an agent for a response that does not stream; if the client leaves, the run is stopped.

        Args:
            request: the request whose client is watched.
            agent: the agent that answers.
            messages: the messages for it.

        Returns:
            A context manager that gives the frames; after the client has left, their last one is `stopped`.
        """
        feed = await self._attached_feed(request, agent, messages)
        more = asyncio.Event()
        feed.open(more.set)
        watcher = asyncio.create_task(_until_gone(request, feed))
        try:
            yield frames_of_feed(feed, more)
        finally:
            watcher.cancel()
            feed.close()
            await asyncio.wait((watcher,))

    async def _attached_feed(
        self, request: Request, agent: Agent, messages: tuple[Message, ...]
    ) -> AttachedFeed:
        owner, keywords = await self.owner_of(request), await self.keywords_of(request)
        TOOL_CONTEXT.set(ToolContext(owner=owner or None))  # this task has context variables of its own
        any_agent = cast("MiniAgent[Message, Message, ...]", agent)
        replies = any_agent.inquire(MessageSequencePromise(messages), **keywords)
        return AttachedFeed(replies, agent=agent.alias, limit=WAITING_LIMIT, error_text=self.error_text)

    # -- detached ----------------------------------------------------------------------------------------

    async def start(
        self, request: Request, agent: str, messages: tuple[Message, ...], *, owner: str, topic: str = ""
    ) -> str:
        """Start a run that continues without its client.

        Args:
            request: the request.
            agent: the name of the agent that answers.
            messages: the messages for it.
            owner: the user who asks.
            topic: what the run belongs to.

        Returns:
            The id of the run.

        Raises:
            RequestError: the server has too many runs.
        """
        keywords = await self.keywords_of(request)
        return await self.runs.begin(agent, messages, owner=owner, topic=topic, keywords=keywords)

    async def current(self, topic: str, *, owner: str = "", lost: bool = False) -> str | None:
        """Return the newest run of a topic, if it has not ended; else None.

        Args:
            topic: what the run belongs to.
            owner: the user who asks.
            lost: whether one that was lost counts, too: its client does not know yet.
        """
        run = await self.runs.latest(topic, owner=owner) if len(topic) <= _MAX_ID else None
        record = None if run is None else await self.runs.find(run, owner=owner)
        if record is None or (record.ended and not (lost and record.how == "lost")):
            return None
        return record.run

    async def find(self, run: str, *, owner: str = "") -> RunRecord:
        """Return the record of a run.

        Args:
            run: its id.
            owner: the user who asks.

        Raises:
            RequestError: the run does not exist, or has another owner; the text is the same for both.
        """
        record = await self.runs.find(run, owner=owner) if len(run) <= _MAX_ID else None
        if record is None:
            raise RequestError("This run does not exist.", 404, code="no_such_run")
        return record

    async def response(self, run: str, encoder: Encoder, after: int = 0, *, owner: str = "") -> Response:
        """Return the response that streams a run from a position on, until the run ends.

        Args:
            run: its id.
            encoder: the encoder of the response.
            after: the position after which it begins.
            owner: the user who asks.

        Raises:
            RequestError: the run does not exist.
        """
        await self.find(run, owner=owner)
        feed: Feed | None = await self.runs.read(run, after, owner=owner)
        if feed is None:
            raise RequestError("This run does not exist.", 404, code="no_such_run")
        return FrameResponse(feed, encoder, ping=self.ping)

    async def stop(self, run: str, *, owner: str = "") -> bool:
        """Stop a run.

        Args:
            run: its id.
            owner: the user who asks.

        Returns:
            True if it had not ended.

        Raises:
            RequestError: the run does not exist.
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
