"""The routes that the page calls: conversations, runs, timelines, login."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Final, TypeAlias

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from miniagents.ext.chat_history_sqlite import HistoryThread
from miniagents.ext.journal import JournalError, RunStore, events_of_run
from miniagents.ext.timeline import Timeline
from miniagents.ext.web import JSON, RequestError, json_body, refusing
from miniagents.ext.web_guard import Guard

from ._messages import shown
from ._threads import BeingAnsweredError, Threads

logger = logging.getLogger(__name__)

_Endpoint: TypeAlias = Callable[[Request], Awaitable[Response]]

_LANES: Final = 100  # of a timeline
_MOST_THREADS: Final = 200
_THREADS: Final = 50
_LONGEST_TITLE: Final = 200
_LONGEST_NUMBER: Final = 6  # digits
_OF_PICTURES: Final = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
"""The content security policy of a timeline, which a browser can open like a page."""


@dataclass(frozen=True, slots=True)
class About:
    """What the page shows about the agent.

    Attributes:
        agent: the name of the agent.
        model: the model behind it, None if that is not known.
        opening: its message at the start, None for none.
        interactive: whether it takes what is said to it while it works.

    Example:
        >>> About("POET", "gpt-5.4-mini")
        About(agent='POET', model='gpt-5.4-mini', opening=None, interactive=False)
    """

    agent: str
    model: str | None = None
    opening: str | None = None
    interactive: bool = False


def api_routes(threads: Threads, journal: RunStore, about: About, guard: Guard) -> list[Route]:
    """Return the routes under ``/api``.

    Args:
        threads: the conversations.
        journal: has the logs of the runs.
        about: what the page shows about the agent.
        guard: of the server; it checks the token.
    """
    api = _Api(threads, journal, about, guard)
    endpoints = [
        ("/api/info", api.info, "GET"),
        ("/api/login", api.log_in, "POST"),
        ("/api/threads", api.list_threads, "GET"),
        ("/api/threads", api.make, "POST"),
        ("/api/threads/{thread}", api.read, "GET"),
        ("/api/threads/{thread}", api.rename, "PATCH"),
        ("/api/threads/{thread}", api.remove, "DELETE"),
        ("/api/threads/{thread}/runs", api.begin, "POST"),
        ("/api/runs/{run}/timeline", api.timeline, "GET"),
    ]
    return [
        Route(path, refusing(_telling(endpoint)), methods=[method]) for path, endpoint, method in endpoints
    ]


@dataclass(frozen=True, slots=True)
class _Api:
    """The endpoints; they raise `RequestError`.

    Attributes:
        threads: the conversations.
        journal: has the logs of the runs.
        about: what the page shows about the agent.
        guard: of the server; it checks the token.
    """

    threads: Threads
    journal: RunStore
    about: About
    guard: Guard

    async def info(self, _: Request) -> Response:
        """Return what the page shows about the agent."""
        return JSON({**asdict(self.about), "version": version("miniagents")})

    async def list_threads(self, request: Request) -> Response:
        """Return one page of the list of conversations."""
        limit = _number(request, "limit", _THREADS, _MOST_THREADS)
        found, after = await self.threads.listed(request.query_params.get("before"), limit)
        listed = [_listed(each) | {"run": self.threads.run_of(each.name)} for each in found]
        return JSON({"threads": listed, "next": after})

    async def make(self, request: Request) -> Response:
        """Create an empty conversation."""
        empty = (
            request.headers.get("content-length", "0") == "0" and "transfer-encoding" not in request.headers
        )
        body = {} if empty else await json_body(request)
        return JSON({"id": await self.threads.make(_title(body, "") if body else "")}, 201)

    async def read(self, request: Request) -> Response:
        """Return a conversation."""
        thread, messages, run = await self.threads.read(_named(request, "thread"))
        kept = await self.threads.kept_runs(messages)
        found = shown(messages, kept.__contains__)
        return JSON({"id": thread.name, "title": thread.title, "messages": found, "run": run})

    async def rename(self, request: Request) -> Response:
        """Give a conversation a title."""
        title = _title(await json_body(request))
        await self.threads.rename(_named(request, "thread"), title)
        return JSON({"id": _named(request, "thread"), "title": title})

    async def remove(self, request: Request) -> Response:
        """Delete a conversation."""
        await self.threads.remove(_named(request, "thread"))
        return Response(status_code=204)

    async def begin(self, request: Request) -> Response:
        """Start a run: for a new message, for an edited one, or to answer again."""
        body = await json_body(request)
        thread = _named(request, "thread")
        again, edit = body.get("regenerate"), body.get("edit")
        try:
            if again is not None:
                if again is not True or "text" in body or edit is not None:
                    raise RequestError(
                        '"regenerate" must be true, without "text" and "edit".', param="regenerate"
                    )
            elif edit is not None and type(edit) is not int:
                raise RequestError('"edit" must be a whole number.', param="edit")
            run = await self.threads.say(thread, None if again else _text(body), edit=edit)
        except BeingAnsweredError as error:
            sentence = "A run is answering in this conversation; wait for its end, or stop it."
            refusal = {"code": "run_goes_on", "message": sentence, "run": error.run}
            return JSON({"error": refusal}, 409)
        return JSON({"run": run}, 201)

    async def timeline(self, request: Request) -> Response:
        """Return the timeline of a run."""
        picture = Timeline(lanes=_LANES)
        try:
            await events_of_run(self.journal, _named(request, "run"), picture)
        except JournalError as error:
            if error.reason != "unknown":
                raise
            raise RequestError(
                "There is no timeline of this run, or it is no longer kept.", 404, code="no_picture"
            ) from None
        return Response(
            picture.to_svg(), media_type="image/svg+xml", headers={"content-security-policy": _OF_PICTURES}
        )

    async def log_in(self, request: Request) -> Response:
        """Return a cookie if the token is right."""
        body = await json_body(request, max_body=10_000, body_timeout=5.0)
        token = body.get("token")
        login = self.guard.login
        if login is None:
            return Response(status_code=204)
        try:
            right = isinstance(token, str) and login.accepts(token)
        except HTTPException as error:
            raise RequestError(error.detail, error.status_code, code="too_many_attempts") from None
        if not right:
            raise RequestError("This is not the token of this server.", 401, code="wrong_token")
        encrypted = request.headers.get("origin", "").startswith("https://")
        return Response(status_code=204, headers={"set-cookie": login.cookie(secure=encrypted)})


def _telling(endpoint: _Endpoint) -> _Endpoint:
    """Let an endpoint answer with status 503 if the history cannot be used; the log says why."""

    async def about(request: Request) -> Response:
        try:
            return await endpoint(request)
        except OSError as error:
            logger.error("%s", error)  # noqa: TRY400 - the sentence has all
            sentence = "The conversation cannot be read or saved; the log of the server says why."
            raise RequestError(sentence, 503, code="not_kept") from error

    return about


def _listed(thread: HistoryThread) -> dict[str, object]:
    return {"id": thread.name, "title": thread.title, "updated": thread.ended}


def _number(request: Request, name: str, default: int, most: int) -> int:
    text = request.query_params.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) <= _LONGEST_NUMBER and int(text)):
        raise RequestError(f'"{name}" must be a whole number from 1 on.', param=name)
    return min(int(text), most)


def _named(request: Request, name: str) -> str:
    """A parameter of the path."""
    return str(request.path_params[name])


def _title(body: Mapping[str, object], default: str | None = None) -> str:
    title = body.get("title", default)
    if not isinstance(title, str) or len(title) > _LONGEST_TITLE:
        raise RequestError(f'"title" must be a text of at most {_LONGEST_TITLE} characters.', param="title")
    return " ".join(title.split())


def _text(body: Mapping[str, object]) -> str:
    text = body.get("text")
    if not isinstance(text, str) or not text.strip():
        raise RequestError('"text" must be a text that is not empty.', param="text")
    return text
