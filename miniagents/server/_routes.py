"""The routes of a server's page: conversations, runs, pictures, log in."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Final, TypeAlias

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from typing_extensions import override

from miniagents.ext.chat_history_sqlite import HistoryFileError, HistoryThread
from miniagents.ext.web import FrameLogError, RequestError, json_body, refusing

from ._login import Login
from ._pictures import RunPictures
from ._said import shown
from ._threads import BeingAnsweredError, Threads

__all__ = ["Told", "api_routes"]

logger = logging.getLogger(__name__)

_Endpoint: TypeAlias = Callable[[Request], Awaitable[Response]]

_MOST_THREADS: Final = 200
_THREADS: Final = 50
_LONGEST_TITLE: Final = 200
_LONGEST_NUMBER: Final = 6  # digits
_WAIT_AFTER_WRONG_TOKEN: Final = 0.5  # seconds
_OF_PICTURES: Final = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
"""What a picture may do that is opened like a page."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a page is told of the server.

    Attributes:
        agent: the name of who answers.
        model: the model behind it, None if that is not known.
        opening: what it says at the start, None for nothing.

    Example:
        >>> Told("POET", "gpt-5.4-mini")
        Told(agent='POET', model='gpt-5.4-mini', opening=None)
    """

    agent: str
    model: str | None = None
    opening: str | None = None


def api_routes(threads: Threads, pictures: RunPictures, told: Told, login: Login | None) -> list[Route]:
    """Return the routes under ``/api``.

    Args:
        threads: the conversations.
        pictures: of runs.
        told: of the server.
        login: who may; None: everybody who gets here.
    """
    api = _Api(threads, pictures, told, login)
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
        pictures: of runs.
        told: of the server.
        login: who may.
    """

    threads: Threads
    pictures: RunPictures
    told: Told
    login: Login | None

    async def info(self, _: Request) -> Response:
        """Tell what is served."""
        return _JSON(
            {
                "agent": self.told.agent,
                "model": self.told.model,
                "opening": self.told.opening,
                "version": version("miniagents"),
                "timelines": True,
            }
        )

    async def list_threads(self, request: Request) -> Response:
        """List conversations, a page of them."""
        limit = _number(request, "limit", _THREADS, _MOST_THREADS)
        found, after = await self.threads.listed(request.query_params.get("before"), limit)
        listed = [_listed(each) | {"run": self.threads.run_of(each.name)} for each in found]
        return _JSON({"threads": listed, "next": after})

    async def make(self, request: Request) -> Response:
        """Make an empty conversation."""
        empty = (
            request.headers.get("content-length", "0") == "0" and "transfer-encoding" not in request.headers
        )
        body = {} if empty else await json_body(request)
        return _JSON({"id": await self.threads.make(_title(body, "") if body else "")}, 201)

    async def read(self, request: Request) -> Response:
        """Tell a conversation."""
        thread, messages, run = await self.threads.read(_named(request, "thread"))
        return _JSON(
            {
                "id": thread.name,
                "title": thread.title,
                "messages": shown(messages, self.pictures.has),
                "run": run,
            }
        )

    async def rename(self, request: Request) -> Response:
        """Give a conversation a title."""
        title = _title(await json_body(request))
        await self.threads.rename(_named(request, "thread"), title)
        return _JSON({"id": _named(request, "thread"), "title": title})

    async def remove(self, request: Request) -> Response:
        """Forget a conversation."""
        await self.threads.remove(_named(request, "thread"))
        return Response(status_code=204)

    async def begin(self, request: Request) -> Response:
        """Begin a run: something is said, said otherwise, or answered again."""
        body = await json_body(request)
        thread = _named(request, "thread")
        again, edit = body.get("regenerate"), body.get("edit")
        try:
            if again is not None:
                if again is not True or "text" in body or edit is not None:
                    raise RequestError('Send {"regenerate": true} alone.', param="regenerate")
                run = await self.threads.answer_again(thread)
            else:
                if edit is not None and type(edit) is not int:
                    raise RequestError('"edit" has to be a number.', param="edit")
                run = await self.threads.say(thread, _said(body), edit=edit)
        except BeingAnsweredError as error:
            sentence = "This conversation is being answered; wait for the end, or stop it."
            refusal = {"code": "run_goes_on", "message": sentence, "run": error.run}
            return _JSON({"error": refusal}, 409)
        return _JSON({"run": run}, 201)

    async def timeline(self, request: Request) -> Response:
        """Draw a run."""
        picture = self.pictures.of(_named(request, "run"))
        if picture is None:
            raise RequestError("There is no picture of this run, or none any more.", 404, code="no_picture")
        return Response(
            picture, media_type="image/svg+xml", headers={"content-security-policy": _OF_PICTURES}
        )

    async def log_in(self, request: Request) -> Response:
        """Give a cookie for the token."""
        body = await json_body(request, max_body=10_000, body_timeout=5.0)
        token = body.get("token")
        if self.login is None:
            return Response(status_code=204)
        if not isinstance(token, str) or not self.login.accepts(token):
            await asyncio.sleep(_WAIT_AFTER_WRONG_TOKEN)
            raise RequestError("This is not the token of this server.", 401, code="wrong_token")
        encrypted = request.headers.get("origin", "").startswith("https://")
        return Response(status_code=204, headers={"set-cookie": self.login.cookie(secure=encrypted)})


class _JSON(JSONResponse):
    """Also of what is no Unicode: half of a character, which only an escape can say."""

    @override
    def render(self, content: object) -> bytes:
        try:
            return super().render(content)
        except UnicodeEncodeError:
            return json.dumps(content, separators=(",", ":")).encode()


def _telling(endpoint: _Endpoint) -> _Endpoint:
    """An endpoint that says in a sentence when one of the files cannot be used; the log says why."""

    async def told(request: Request) -> Response:
        try:
            return await endpoint(request)
        except (HistoryFileError, FrameLogError) as error:
            logger.error("%s", error)  # noqa: TRY400 - the sentence has all
            sentence = "What was said cannot be read or kept; the log of the server says why."
            raise RequestError(sentence, 503, code="not_kept") from error

    return told


def _listed(thread: HistoryThread) -> dict[str, object]:
    return {"id": thread.name, "title": thread.title, "updated": thread.ended}


def _number(request: Request, name: str, default: int, most: int) -> int:
    text = request.query_params.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) <= _LONGEST_NUMBER and int(text)):
        raise RequestError(f'"{name}" has to be a number of at least 1.', param=name)
    return min(int(text), most)


def _named(request: Request, name: str) -> str:
    """A part of the path."""
    return str(request.path_params[name])


def _title(body: Mapping[str, object], default: str | None = None) -> str:
    title = body.get("title", default)
    if not isinstance(title, str) or len(title) > _LONGEST_TITLE:
        raise RequestError(f'"title" has to be a text of at most {_LONGEST_TITLE} characters.', param="title")
    return " ".join(title.split())


def _said(body: Mapping[str, object]) -> str:
    text = body.get("text")
    if not isinstance(text, str) or not text.strip():
        raise RequestError('"text" has to be a text that is not empty.', param="text")
    return text
