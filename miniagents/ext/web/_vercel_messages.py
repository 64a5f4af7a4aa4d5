"""What the Vercel AI SDK sends: its UI messages, as messages of ours.

One message of an assistant is all steps of an answer. Each becomes what it was: what the model said, with its
calls, and the results of these. A call that nobody answered is left out, since no model takes a question
about it; so is what only a screen shows (sources, `data-*`).
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, cast

from miniagents.messages import AssistantMessage, Message, SystemMessage, ToolMessage, UserMessage
from miniagents.parts import Content, Reasoning, ToolCall, ToolResult
from miniagents.tools import Allow, Reject

from ._request_errors import RequestError
from ._user_messages import list_in, messages_of_roles, no_instructions
from ._vercel import PROVIDER, Seal

_LONGEST_ID: Final = 128

_Fields = Mapping[str, object]
_NOTHING: Final[_Fields] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class VercelRequest:
    """What their client asks.

    Attributes:
        chat: its own id of the conversation, under which the answer is found again.
        messages: the conversation.
        goes_on: the last message is the assistant's, and what is answered belongs to it: a tool has run in
            the browser, or the user has answered approvals.
        approvals: those of the last message that the user has answered, by their ids.
        results: the ids of the calls of the last message that have a result.
    """

    chat: str
    messages: tuple[Message, ...]
    goes_on: bool
    approvals: Mapping[str, Allow | Reject]
    results: frozenset[str]


def read_vercel_request(
    body: _Fields, *, urls: bool = False, system: bool = False, seal: Seal | None = None
) -> VercelRequest:
    """Read the body of a request; fields that are not known are ignored.

    Args:
        body: JSON, parsed.
        urls: whether a file may be an ``http`` address.
        system: whether the client may give instructions.
        seal: knows the signatures of thoughts that this server gave to the client; all others are left out.

    Raises:
        RequestError: there is no id or no message, or one cannot be read, or it is of the system, and
            instructions are the server's.

    Example:
        >>> content = {"id": "m", "role": "user", "parts": [{"type": "text", "text": "Hi"}]}
        >>> read_vercel_request({"id": "chat-1", "messages": [content], "trigger": "submit-message"}).messages
        (UserMessage(text='Hi', parts=()),)
    """
    chat = body.get("id")
    if not isinstance(chat, str) or not 0 < len(chat) <= _LONGEST_ID:
        raise RequestError(f"id must be a text of 1 to {_LONGEST_ID} characters.", param="id")
    given = [
        _fields(each, f"messages[{at}]") for at, each in enumerate(list_in(body.get("messages"), "messages"))
    ]
    messages = tuple(
        message
        for at, each in enumerate(given)
        for message in _messages(each, f"messages[{at}]", urls=urls, system=system, seal=seal)
    )
    if not messages:
        raise RequestError("messages have nothing to answer.", param="messages")
    goes_on = given[-1].get("role") == "assistant"
    last: Sequence[object] = list_in(given[-1].get("parts"), "parts") if goes_on else []
    approvals, edited = dict[str, Allow | Reject](), _inside(body, "arguments")
    results: set[str] = set()
    for part in (_fields(each, "a part") for each in last):
        approval, reason = _inside(part, "approval"), _inside(part, "approval").get("reason")
        if part.get("state") == "approval-responded":
            key = _str(approval.get("id"), "an approval")
            rejected = Reject(reason) if isinstance(reason, str) and reason else Reject()
            allowed = Allow(dict(_fields(edited[key], "arguments")) if key in edited else None)
            approvals[key] = allowed if approval.get("approved") is True else rejected
        elif str(part.get("state")).startswith("output-"):
            results.add(str(part.get("toolCallId")))
    return VercelRequest(chat, messages, goes_on, approvals, frozenset(results))


def _messages(
    fields: _Fields, where: str, *, urls: bool, system: bool, seal: Seal | None
) -> Iterator[Message]:
    role = fields.get("role")
    parts = [_fields(each, f"a part of {where}") for each in list_in(fields.get("parts"), f"{where}.parts")]
    match role:
        case "user":
            content = [each for part in parts if (each := _user_part(part, where)) is not None]
            if content:
                yield from messages_of_roles(
                    [{"role": "user", "content": content}], param=f"{where}.parts", urls=urls
                )
        case "assistant":
            yield from _answer(parts, where, seal)
        case "system" if system:
            texts = [_str(part.get("text"), where) for part in parts if part.get("type") == "text"]
            yield SystemMessage("".join(texts))
        case "system":
            raise no_instructions(where, "messages")
        case _:
            raise RequestError(f"{where} needs a role: user or assistant.", param="messages")


def _user_part(part: _Fields, where: str) -> _Fields | None:
    """Return a part of a user's message, as OpenAI's clients write it; None if it says nothing."""
    kind = part.get("type")
    if kind == "text":
        return {"type": "text", "text": part.get("text")}
    if kind == "file":
        address, media_type, name = part.get("url"), part.get("mediaType"), part.get("filename")
        if isinstance(media_type, str) and media_type.startswith("image"):
            return {"type": "input_image", "image_url": address}
        at = "file_data" if isinstance(address, str) and address[:5].lower() == "data:" else "file_url"
        return {"type": "input_file", at: address, "filename": name}
    if isinstance(kind, str) and kind.startswith("data-"):
        return None
    raise RequestError(f"{where} has a part of the type {kind!r}, which is not understood.", param="messages")


# -- answers ---------------------------------------------------------------------------------------------


def _answer(parts: list[_Fields], where: str, seal: Seal | None) -> Iterator[Message]:
    content: list[Content] = []
    results: list[Content] = []
    for part in [*parts, {"type": "step-start"}]:
        kind = part.get("type")
        if kind in ("step-start", "steering-message"):
            if content:
                texts = [each for each in content if isinstance(each, str)]
                plain = len(texts) == len(content)
                yield AssistantMessage("".join(texts)) if plain else AssistantMessage(parts=content)
            if results:
                yield ToolMessage(parts=results)
            content, results = [], []
            if kind == "steering-message":  # of the user, between two steps
                said = (_fields(each, where) for each in list_in(part.get("parts"), f"{where}.parts"))
                texts = [_str(each.get("text"), where) for each in said if each.get("type") == "text"]
                yield UserMessage("".join(texts))
        elif kind == "text":
            content += [text] if (text := _str(part.get("text"), where)) else []
        elif kind == "reasoning":
            content.append(_thought(part, where, seal))
        elif part.get("providerExecuted") is True or "inside" in _ours(part, "callProviderMetadata"):
            pass  # only the provider, or the agent that is a tool, knows it, and a client may have changed it
        elif kind == "dynamic-tool" or (isinstance(kind, str) and kind.startswith("tool-")):
            _add_call(part, str(kind), content, results, where)


def _thought(part: _Fields, where: str, seal: Seal | None) -> Reasoning:
    ours = _ours(part, "providerMetadata")
    signature, thought_id = ours.get("signature"), ours.get("id")
    text = _str(part.get("text"), where)
    thought = Reasoning(
        text,
        signature if isinstance(signature, str) else None,
        thought_id if isinstance(thought_id, str) else None,
        redacted=ours.get("redacted") is True,
    )
    return thought if seal is not None and seal.holds(thought, ours.get("seal")) else Reasoning(text)


def _add_call(part: _Fields, kind: str, content: list[Content], results: list[Content], where: str) -> None:
    name = _str(part.get("toolName") if kind == "dynamic-tool" else kind.removeprefix("tool-"), where)
    call_id = _str(part.get("toolCallId"), where)
    match part.get("state"):
        case "output-available":
            output = part.get("output")
            result = ToolResult(call_id, output if isinstance(output, str) else _json(output), name=name)
        case "output-error":
            result = ToolResult(call_id, _str(part.get("errorText"), where), is_error=True, name=name)
        case "output-denied":
            reason = _inside(part, "approval").get("reason")
            text = reason if isinstance(reason, str) and reason else Reject().reason
            result = ToolResult(call_id, text, is_error=True, name=name)
        case _:
            return
    given = part.get("rawInput") if part.get("input") is None else part["input"]
    arguments = given if isinstance(given, str) else _json({} if given is None else given)
    content.append(ToolCall(call_id, name, arguments))
    results.append(result)


def _ours(part: _Fields, name: str) -> _Fields:
    """Return what only we understand of a part."""
    return _inside(_inside(part, name), PROVIDER)


def _inside(fields: _Fields, name: str) -> _Fields:
    """Return an object in an object; an empty one if there is none."""
    inside = fields.get(name)
    return cast("_Fields", inside) if isinstance(inside, Mapping) else _NOTHING


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _fields(value: object, where: str) -> _Fields:
    if not isinstance(value, Mapping):
        raise RequestError(f"{where} must be an object.", param="messages")
    return cast("_Fields", value)


def _str(value: object, where: str) -> str:
    if not isinstance(value, str):
        raise RequestError(f"{where} lacks a text.", param="messages")
    return value
