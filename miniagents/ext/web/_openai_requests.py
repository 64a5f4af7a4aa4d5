"""Reads the requests of OpenAI's protocols: the conversation, and the form of the answer.

Parameters that an agent cannot use are ignored. Parameters that refer to a conversation on another server are
refused, because the agent would answer only half of the conversation.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, cast

from miniagents.messages import Message, SystemMessage, UserMessage
from miniagents.tools import Allow, Reject

from ._request_errors import RequestError
from ._user_messages import list_in, messages_of_roles, no_instructions

_KEPT_ELSEWHERE: Final = MappingProxyType(
    {"conversation": "conversations", "previous_response_id": "responses", "prompt": "prompts"}
)

_Fields = Mapping[str, object]
_NOT_SPOKEN: Final = ("reasoning", "mcp_approval_request", "mcp_approval_response")


@dataclass(frozen=True, slots=True)
class OpenAIRequest:
    """A request for an answer.

    Attributes:
        model: the name of the agent; None if the client names none.
        messages: the conversation.
        stream: whether the answer is streamed.
        usage: whether a stream ends with the tokens.
        tools: the names of the tools of the client.
        approvals: what the user says to calls that need approval, by the ids under which they were asked.
    """

    model: str | None
    messages: tuple[Message, ...]
    stream: bool = False
    usage: bool = False
    tools: frozenset[str] = frozenset()
    approvals: Mapping[str, Allow | Reject] = field(default_factory=dict[str, "Allow | Reject"])


def read_chat_request(body: _Fields, *, urls: bool = False, system: bool = False) -> OpenAIRequest:
    """Read the body of a request for a chat completion.

    Args:
        body: JSON, parsed.
        urls: whether an image or a file may be an ``http`` address.
        system: whether the client may give instructions.

    Raises:
        RequestError: a needed field is missing, or cannot be read.

    Example:
        >>> body = {"model": "poet", "messages": [{"role": "user", "content": "Hi"}], "stream": True}
        >>> read_chat_request({**body, "logit_bias": {}})
        OpenAIRequest(model='poet', messages=(UserMessage(text='Hi', parts=()),), stream=True, ...)
    """
    options = body.get("stream_options")
    functions = [_field(each, "function") for each in _tools(body)]
    return OpenAIRequest(
        _model(body),
        messages_of_roles(body.get("messages"), urls=urls, system=system),
        body.get("stream") is True,
        _field(options, "include_usage") is True,
        _names(functions),
    )


def read_responses_request(body: _Fields, *, urls: bool = False, system: bool = False) -> OpenAIRequest:
    """Read the body of a request for a response.

    Args:
        body: JSON, parsed.
        urls: as of `read_chat_request`.
        system: as of `read_chat_request`.

    Raises:
        RequestError: as of `read_chat_request`; or it refers to a conversation on another server.

    Example:
        >>> body = {"model": "poet", "input": "Hi", "instructions": "Rhyme."}
        >>> read_responses_request(body, system=True).messages
        (SystemMessage(text='Rhyme.'), UserMessage(text='Hi', parts=()))
    """
    for name, what in _KEPT_ELSEWHERE.items():
        if body.get(name) is not None:
            raise RequestError(
                f"{name} is not supported: no {what} are kept here; send the whole conversation as input.",
                param=name,
                code="unsupported_parameter",
            )
    given = body.get("input")
    if approvals := {} if isinstance(given, str) else _approvals(list_in(given, "input")):
        return OpenAIRequest(_model(body), (), body.get("stream") is True, approvals=approvals)
    messages: tuple[Message, ...] = (
        (UserMessage(given),) if isinstance(given, str) else _conversation(given, urls=urls, system=system)
    )
    instructions = body.get("instructions")
    if isinstance(instructions, str) and instructions:
        if not system:
            raise no_instructions("instructions", "instructions")
        messages = (SystemMessage(instructions), *messages)
    return OpenAIRequest(_model(body), messages, body.get("stream") is True, tools=_names(list(_tools(body))))


def _conversation(items: object, *, urls: bool, system: bool) -> tuple[Message, ...]:
    # The reasoning of one model is of no use to another one.
    spoken = [each for each in list_in(items, "input") if _field(each, "type") not in _NOT_SPOKEN]
    if any(_field(each, "type") == "item_reference" for each in spoken):
        raise RequestError(
            "input has an item_reference: no responses are kept here; send the item itself (with the AI SDK: "
            "providerOptions: { openai: { store: false } }).",
            param="input",
        )
    return messages_of_roles(spoken, param="input", urls=urls, system=system)


def _approvals(items: Sequence[object]) -> dict[str, Allow | Reject]:
    """The answers at the end of the input."""
    found: dict[str, Allow | Reject] = {}
    for each in reversed(items):
        if _field(each, "type") != "mcp_approval_response":
            break
        asked, approve, reason = (_field(each, name) for name in ("approval_request_id", "approve", "reason"))
        if not isinstance(asked, str) or not isinstance(approve, bool):
            raise RequestError(
                "An mcp_approval_response needs approval_request_id and approve.", param="input"
            )
        rejected = Reject(reason) if isinstance(reason, str) and reason else Reject()
        found[asked] = Allow() if approve else rejected
    return found


def _model(body: _Fields) -> str | None:
    model = body.get("model")
    if model is not None and not isinstance(model, str):
        raise RequestError("model must be a text: the name of an agent.", param="model")
    return model


def _tools(body: _Fields) -> list[object]:
    tools = body.get("tools")
    return cast("list[object]", tools) if isinstance(tools, list) else []


def _names(functions: list[object]) -> frozenset[str]:
    names = (_field(each, "name") for each in functions)
    return frozenset(name for name in names if isinstance(name, str))


def _field(value: object, name: str) -> object:
    return cast("_Fields", value).get(name) if isinstance(value, Mapping) else None
