"""The routes that clients of OpenAI call: agents are the models."""

from collections.abc import Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Protocol

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ._chat import Chat
from ._durable_runs import Agent
from ._endpoints import Endpoint, refusing
from ._frames import Frame
from ._openai_answer import AnswerHead
from ._openai_chat import ChatCompletion, ChatCompletionEncoder
from ._openai_errors import error_of_request
from ._openai_requests import OpenAIRequest, read_chat_request, read_responses_request
from ._openai_responses import ResponseEncoder, WholeResponse
from ._protocols import Encoder
from ._request_errors import RequestError

__all__ = ["openai_routes"]

_FIRST_OF_SERVER: Final = 500
_NO_RETRY: Final[Mapping[str, str]] = MappingProxyType({"x-should-retry": "false"})
"""An agent that failed has done something already: clients shall not have it done again by themselves."""


class _Whole(Protocol):
    def take(self, frame: Frame, /) -> None: ...

    def response(self) -> tuple[int, dict[str, object]]: ...


def openai_routes(chat: Chat) -> list[Route]:
    """Return the routes under ``/v1``: models, chat completions and responses.

    A client that leaves stops its answer.

    Args:
        chat: what they serve.
    """

    async def models(request: Request) -> Response:
        await chat.owner_of(request)
        return JSONResponse({"object": "list", "data": [_model(name) for name in chat.agents]})

    async def model(request: Request) -> Response:
        await chat.owner_of(request)
        name, _ = _agent(chat, request.path_params["model"])
        return JSONResponse(_model(name))

    return [
        Route("/v1/models", _guarded(models), methods=["GET"]),
        Route("/v1/models/{model:path}", _guarded(model), methods=["GET"]),
        Route("/v1/chat/completions", _guarded(_answering(chat, _CHAT)), methods=["POST"]),
        Route("/v1/responses", _guarded(_answering(chat, _RESPONSES)), methods=["POST"]),
    ]


class _Read(Protocol):
    def __call__(self, body: Mapping[str, object], /, *, urls: bool, system: bool) -> OpenAIRequest: ...


@dataclass(frozen=True, slots=True)
class _Words:
    """How one of the two protocols asks and answers."""

    prefix: str
    read: _Read
    stream: Callable[[AnswerHead, OpenAIRequest], Encoder]
    whole: Callable[[AnswerHead, OpenAIRequest], _Whole]


_CHAT: Final = _Words(
    "chatcmpl-",
    read_chat_request,
    lambda head, wanted: ChatCompletionEncoder(head, usage=wanted.usage, tools=wanted.tools),
    lambda head, wanted: ChatCompletion(head, tools=wanted.tools),
)
_RESPONSES: Final = _Words(
    "resp_",
    read_responses_request,
    lambda head, wanted: ResponseEncoder(head, tools=wanted.tools),
    lambda head, wanted: WholeResponse(head, tools=wanted.tools),
)


def _answering(chat: Chat, words: _Words) -> Endpoint:
    async def answer(request: Request) -> Response:
        await chat.owner_of(request)
        wanted = words.read(await chat.body(request), urls=chat.urls, system=chat.system_messages)
        if len(wanted.messages) > chat.max_messages:
            raise RequestError(
                f"The request has more than {chat.max_messages} messages.", 413, code="too_large"
            )
        name, agent = _agent(chat, wanted.model)
        head = AnswerHead.new(words.prefix, name)
        if wanted.stream:
            return await chat.attached(request, agent, wanted.messages, words.stream(head, wanted))
        return await _whole(chat, request, agent, wanted, words.whole(head, wanted))

    return answer


async def _whole(
    chat: Chat, request: Request, agent: Agent, wanted: OpenAIRequest, answer: _Whole
) -> Response:
    async with chat.whole(request, agent, wanted.messages) as frames, aclosing(frames):
        async for _, frame in frames:
            answer.take(frame)
    status, body = answer.response()
    return JSONResponse(body, status, _NO_RETRY if status >= _FIRST_OF_SERVER else None)


def _agent(chat: Chat, name: str | None) -> tuple[str, Agent]:
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
    return refusing(endpoint, lambda error: JSONResponse(error_of_request(error), error.status))
