"""The routes that clients of OpenAI call: agents are the models."""

import asyncio
from collections.abc import Mapping
from contextlib import aclosing, suppress
from types import MappingProxyType
from typing import Final

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from ._chat import Chat, run_id
from ._feeds import OF_ITS_CLIENT, Feed, frames_of_feed
from ._openai_answer import AnswerHead, error_of_request
from ._openai_chat import ChatCompletionEncoder
from ._openai_requests import OpenAIRequest, read_chat_request, read_responses_request
from ._openai_responses import ResponseEncoder
from ._request_errors import JSON, Endpoint, RequestError, refusing
from ._response import FrameResponse

_FIRST_OF_SERVER: Final = 500
_NO_RETRY: Final[Mapping[str, str]] = MappingProxyType({"x-should-retry": "false"})
"""An agent that failed has done something already: clients shall not have it done again by themselves."""


def openai_routes(chat: Chat) -> list[Route]:
    """Return the routes under ``/v1``: models, chat completions and responses.

    A client that leaves stops its answer. A response ends where its run waits for the approval of calls; the
    next request of the client has it, and goes on with the run.

    Args:
        chat: what they serve.
    """

    async def models(request: Request) -> Response:
        await chat.owner_of(request)
        return JSON({"object": "list", "data": [_model(name) for name in chat.agents]})

    async def model(request: Request) -> Response:
        await chat.owner_of(request)
        return JSON(_model(_agent(chat, request.path_params["model"])))

    async def complete(request: Request) -> Response:
        wanted = read_chat_request(await _body(chat, request), urls=chat.urls, system=chat.system_messages)
        name = _target(chat, wanted)
        feed = await chat.attached(request, name, wanted.messages)
        head = AnswerHead.new("chatcmpl-", name)
        answer = ChatCompletionEncoder(head, usage=wanted.usage, tools=wanted.tools)
        return await _answered(chat, request, feed, answer, stream=wanted.stream)

    async def respond(request: Request) -> Response:
        body = await _body(chat, request)
        wanted = read_responses_request(body, urls=chat.urls, system=chat.system_messages)
        name = _target(chat, wanted)
        run, feed = await _asking(chat, request, name, wanted)  # the answer has the id of a run that may ask
        answer = ResponseEncoder(AnswerHead.new("resp_", name), tools=wanted.tools, run=run)
        return await _answered(chat, request, feed, answer, stream=wanted.stream)

    return [
        Route("/v1/models", _guarded(models), methods=["GET"]),
        Route("/v1/models/{model:path}", _guarded(model), methods=["GET"]),
        Route("/v1/chat/completions", _guarded(complete), methods=["POST"]),
        Route("/v1/responses", _guarded(respond), methods=["POST"]),
    ]


async def _body(chat: Chat, request: Request) -> Mapping[str, object]:
    """The body of a request from a user who is known."""
    await chat.owner_of(request)
    return await chat.body(request)


def _target(chat: Chat, wanted: OpenAIRequest) -> str:
    """The name of the agent that a request is for, if it is within the limits."""
    if len(wanted.messages) > chat.max_messages:
        raise RequestError(f"The request has more than {chat.max_messages} messages.", 413, code="too_large")
    return _agent(chat, wanted.model)


async def _asking(chat: Chat, request: Request, name: str, wanted: OpenAIRequest) -> tuple[str, Feed]:
    """Begin a run, or go on with the one whose calls the user allows or rejects; it may wait for a person."""
    owner = await chat.owner_of(request)
    asked = {each: each.removeprefix("mcpr_").rpartition("_") for each in wanted.approvals}
    found = {run for run, _, _ in asked.values()}
    if len(found) > 1:
        raise RequestError("All approvals of a request must be of the same response.", param="input")
    run = (
        run_id(found.pop())
        if found
        else await chat.start(request, name, wanted.messages, owner=owner, topic=OF_ITS_CLIENT)
    )
    for each, answer in wanted.approvals.items():
        await chat.answer(request, run, asked[each][2], answer)
    answered = [question for _, _, question in asked.values()]
    _, feed = await chat.runs.turn(run, answered, owner=owner, stops=True)
    return run, feed


async def _answered(
    chat: Chat, request: Request, feed: Feed, answer: ChatCompletionEncoder | ResponseEncoder, *, stream: bool
) -> Response:
    if stream:
        return FrameResponse(feed, answer, ping=chat.ping)
    watcher = asyncio.create_task(_close_when_gone(request, feed))
    try:
        async with aclosing(frames_of_feed(feed)) as frames:
            async for _, frame in frames:
                answer.take(frame)
    finally:
        watcher.cancel()
        await asyncio.wait((watcher,))
    status, body = answer.response()
    return JSON(body, status, _NO_RETRY if status >= _FIRST_OF_SERVER else None)


async def _close_when_gone(request: Request, feed: Feed) -> None:
    await asyncio.sleep(0)  # an eager task could close it before it is open
    with suppress(ClientDisconnect):
        while (await request.receive())["type"] != "http.disconnect":
            pass
    feed.close()


def _agent(chat: Chat, name: str | None) -> str:
    if name is not None and name not in chat.agents:
        raise RequestError(
            f"There is no model {name[:100]!r} here; GET /v1/models lists those that there are.",
            404,
            code="model_not_found",
            param="model",
        )
    if name is None and len(chat.agents) != 1:
        raise RequestError("model is missing; give the name of an agent.", param="model")
    return chat.agent(name)


def _model(name: str) -> dict[str, object]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "miniagents"}


def _guarded(endpoint: Endpoint) -> Endpoint:
    return refusing(endpoint, lambda error: JSON(error_of_request(error), error.status))
