"""The routes of runs: begin one, read it from any position as often as one likes, stop it."""

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Final, cast

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from miniagents.tools import Allow, Reject

from ..journal import Question
from ._chat import Chat
from ._encoders import encoder_of
from ._endpoints import refusing
from ._frames import QuestionAsked
from ._protocols import JSONLinesEncoder, SSEEncoder, TextEncoder
from ._request_errors import RequestError
from ._user_messages import messages_of_body

__all__ = ["PLAIN", "run_routes"]

PLAIN: Final[Mapping[str, str]] = MappingProxyType(
    {
        "sse": SSEEncoder.media_type,
        "ndjson": JSONLinesEncoder.media_type,
        "text": TextEncoder.media_type.partition(";")[0],
    }
)
"""The protocols that any client can read -> what it says in `Accept`."""

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
        agent, _ = chat.agent(body.get("agent"))
        messages = messages_of_body(body, urls=chat.urls, system=chat.system_messages)
        run = await chat.start(request, agent, messages, owner=owner)
        return JSONResponse({"run": run}, 201, _NOT_KEPT)

    async def read(request: Request) -> Response:
        owner = await chat.owner_of(request)
        protocol = _protocol_of(request, protocols)
        after = _after(request)
        record = await chat.find(request.path_params["run"], owner=owner)
        if await chat.runs.has_read(record, after):
            return Response(status_code=204)  # an EventSource would come back for ever
        return await chat.response(record.run, encoder_of(protocol), after, owner=owner)

    async def stop(request: Request) -> Response:
        owner = await chat.owner_of(request)
        stopped = await chat.stop(request.path_params["run"], owner=owner)
        return JSONResponse({"stopped": stopped})

    async def questions(request: Request) -> Response:
        owner = await chat.owner_of(request)
        record = await chat.find(request.path_params["run"], owner=owner)
        found = await chat.runs.questions(record.run, owner=owner)
        return JSONResponse({"questions": [_question(each) for each in found]}, headers=_NOT_KEPT)

    async def answer(request: Request) -> Response:
        owner = await chat.owner_of(request)
        body = await chat.body(request)
        record = await chat.find(request.path_params["run"], owner=owner)
        digest = body.get("digest")
        if not isinstance(digest, str):
            raise RequestError('"digest" must be that of the question that was shown.', param="digest")
        question = request.path_params["question"]
        await chat.runs.answer(record.run, question, _answer(body), digest=digest, owner=owner)
        return Response(status_code=204)

    return [
        Route("/runs", refusing(begin), methods=["POST"]),
        Route("/runs/{run}", refusing(read), methods=["GET"]),
        Route("/runs/{run}/stop", refusing(stop), methods=["POST"]),
        Route("/runs/{run}/questions", refusing(questions), methods=["GET"]),
        Route("/runs/{run}/questions/{question}", refusing(answer), methods=["POST"]),
    ]


def _question(question: Question) -> dict[str, object]:
    frame = QuestionAsked(question.id, question.kind, question.shown, question.digest, question.due)
    return {name: value for name, value in frame.as_data().items() if name != "type"}


def _answer(body: Mapping[str, object]) -> object:
    """The answer in the body of a request."""
    if "value" in body:
        return body["value"]
    allow, reason, arguments = body.get("allow"), body.get("reason"), body.get("arguments")
    if not isinstance(allow, bool):
        raise RequestError('An answer has a "value", or "allow": true or false.', param="allow")
    if not allow:
        return Reject(reason) if isinstance(reason, str) and reason else Reject()
    if arguments is not None and not isinstance(arguments, dict):
        raise RequestError('"arguments" must be a JSON object.', param="arguments")
    return Allow(None if arguments is None else cast("dict[str, object]", arguments))


def _protocol_of(request: Request, protocols: Collection[str]) -> str:
    named = request.query_params.get("protocol")
    if named is not None:
        if named not in protocols:
            raise RequestError(f'"protocol" must be one of: {", ".join(protocols)}.', param="protocol")
        return named
    accepted = request.headers.get("accept", "")
    return next((each for each in protocols if PLAIN[each] in accepted), next(iter(protocols)))


def _after(request: Request) -> int:
    """The position that a client has: EventSource says it when it comes back."""
    text = request.headers.get("last-event-id") or request.query_params.get("after") or "0"
    if not (text.isascii() and text.isdecimal() and len(text) <= _LONGEST_POSITION):
        raise RequestError("The position (Last-Event-ID, or ?after=) must be a number.", param="after")
    return int(text)
