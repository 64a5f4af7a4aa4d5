"""The routes of runs: begin one, read it from any position as often as one likes, stop it."""

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ..journal import Question
from ._chat import Chat
from ._frames import QuestionAsked
from ._protocols import PLAIN
from ._request_errors import RequestError, no_run, refusing
from ._response import FrameResponse
from ._user_messages import messages_of_body

_NOT_KEPT: Final[Mapping[str, str]] = MappingProxyType({"cache-control": "no-store"})
_LONGEST_POSITION: Final = 15  # digits


def run_routes(chat: Chat, protocols: Collection[str]) -> list[Route]:
    """Return the routes under ``/runs``.

    Args:
        chat: what they serve.
        protocols: those that runs are told in; the first one is for who asks for none.
    """

    async def begin(request: Request) -> Response:
        owner = await chat.owner_of(request)
        body = await chat.body(request)
        agent = chat.agent(body.get("agent"))
        messages = messages_of_body(body, urls=chat.urls, system=chat.system_messages)
        run = await chat.start(request, agent, messages, owner=owner)
        return JSONResponse({"run": run}, 201, _NOT_KEPT)

    async def read(request: Request) -> Response:
        owner = await chat.owner_of(request)
        protocol = _protocol_of(request, protocols)
        after = _after(request)
        record = await chat.find(_run_of(request), owner=owner)
        if await chat.runs.has_read(record, after):
            return Response(status_code=204)  # an EventSource would come back for ever
        feed = await chat.runs.read(record.run, after, owner=owner)
        if feed is None:
            raise no_run()  # it was deleted meanwhile
        return FrameResponse(feed, PLAIN[protocol](), ping=chat.ping)

    async def stop(request: Request) -> Response:
        owner = await chat.owner_of(request)
        record = await chat.find(_run_of(request), owner=owner)
        return JSONResponse({"stopped": await chat.runs.stop(record.run, owner=owner)})

    async def say(request: Request) -> Response:
        said = await chat.say(request, _run_of(request))
        return JSONResponse({"id": said}, 202, _NOT_KEPT)

    async def questions(request: Request) -> Response:
        found = await chat.questions(request, _run_of(request))
        return JSONResponse({"questions": [_question(each) for each in found]}, headers=_NOT_KEPT)

    async def answer(request: Request) -> Response:
        return await chat.take_answer(request, _run_of(request))

    return [
        Route("/runs", refusing(begin), methods=["POST"]),
        Route("/runs/{run}", refusing(read), methods=["GET"]),
        Route("/runs/{run}/stop", refusing(stop), methods=["POST"]),
        Route("/runs/{run}/say", refusing(say), methods=["POST"]),
        Route("/runs/{run}/questions", refusing(questions), methods=["GET"]),
        Route("/runs/{run}/questions/{question}", refusing(answer), methods=["POST"]),
    ]


def _run_of(request: Request) -> str:
    """Return the id of the run in the address. No run has a NUL in its id, and Postgres refuses one."""
    run: str = request.path_params["run"]
    if "\0" in run:
        raise no_run()
    return run


def _question(question: Question) -> dict[str, object]:
    frame = QuestionAsked(question.id, question.kind, question.shown, question.digest, question.due)
    return {name: value for name, value in frame.as_data().items() if name != "type"}


def _protocol_of(request: Request, protocols: Collection[str]) -> str:
    named = request.query_params.get("protocol")
    if named is not None:
        if named not in protocols:
            raise RequestError(f'"protocol" must be one of: {", ".join(protocols)}.', param="protocol")
        return named
    accepted = request.headers.get("accept", "")
    wanted = (each for each in protocols if PLAIN[each].media_type.partition(";")[0] in accepted)
    return next(wanted, next(iter(protocols)))


def _after(request: Request) -> int:
    """The position that a client has: EventSource says it when it comes back."""
    text = request.headers.get("last-event-id") or request.query_params.get("after") or "0"
    if not (text.isascii() and text.isdecimal() and len(text) <= _LONGEST_POSITION):
        raise RequestError("The position (Last-Event-ID, or ?after=) must be a number.", param="after")
    return int(text)
