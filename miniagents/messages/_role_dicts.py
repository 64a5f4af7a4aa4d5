"""Reads messages as other libraries write them: ``{"role": "user", "content": ...}`` becomes a `UserMessage`.

It reads what OpenAI's and Anthropic's SDKs take and return, as dicts or as objects of their classes. Anything
else that looks like such a message raises an error that says what to write: otherwise the model would get
another prompt than the user wrote, and the user would not notice.
"""

import json
from base64 import b64decode
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Final, NoReturn, TypeAlias, cast
from urllib.parse import unquote_to_bytes

from pydantic import BaseModel

from miniagents.values import Content, File, Image, Reasoning, Refusal, ResultContent, ToolCall, ToolResult

from ._message import Message, message_of
from ._roles import AssistantMessage, SystemMessage, ToolMessage, UserMessage

_Fields: TypeAlias = Mapping[str, object]

_BETWEEN: Final = "\n\n"  # between texts, where a message or a result can have only one
_ROLES: Final = "system, developer, user, assistant and tool"
# The roles of other libraries, and what to write here.
_OTHER_WORDS: Final[Mapping[str, str]] = MappingProxyType(
    {"human": "user", "ai": "assistant", "model": "assistant", "bot": "assistant", "function": "tool"}
)
_ROLE_WORDS: Final = frozenset({"system", "developer", "user", "assistant", "tool", *_OTHER_WORDS})
_ITEMS: Final = frozenset({"function_call", "function_call_output", "reasoning"})
# Fields of an answer besides its content; no provider needs them back.
_DROPPED: Final = frozenset(
    {
        *("annotations", "audio", "container", "function_call", "phase", "provider_specific_fields"),
        *("status", "stop_sequence", "type", "usage"),
    }
)
_CONTENT: Final = frozenset(
    {"role", "content", "tool_calls", "tool_call_id", "refusal", "reasoning_content", "is_error"}
)


class RoleDictError(TypeError):
    """A mapping looks like a message with a role, but cannot be read as one; the text says what to write."""


def message_of_role(fields: _Fields) -> Message | None:
    """Return the message that a mapping with a role describes; None if it has no role and is plain data.

    Args:
        fields: the fields of a mapping or of a pydantic model.

    Raises:
        RoleDictError: the mapping is neither a readable message nor plain data.

    Example:
        >>> message_of_role({"role": "system", "content": "Be brief."})
        SystemMessage(text='Be brief.')
        >>> image = {"type": "image_url", "image_url": {"url": "https://example.org/cat.png"}}
        >>> said = message_of_role({"role": "user", "content": [{"type": "text", "text": "Who?"}, image]})
        >>> said.text, said.parts[1].url
        ('Who?', 'https://example.org/cat.png')
        >>> message_of_role({"city": "Oslo"}) is None
        True
    """
    role = fields.get("role")
    if role is None:
        return _without_role(fields)
    if not isinstance(role, str) or role not in _READ:
        if "content" not in fields:
            return None  # data with a role of another kind, such as that of a person in a team
        word = _OTHER_WORDS.get(role) if isinstance(role, str) else None
        instead = f'write "{word}"' if word else f"the roles are {_ROLES}"
        _refuse(f"a message has the role {role!r}, which is not known; {instead}")
    known = {name: value for name, value in fields.items() if value is not None and name != "role"}
    if "content" not in known and ("text" in known or "parts" in known):
        return _with_own_fields(role, known)
    return _READ[role][1](known)


def refuse_pair(first: object, second: object) -> None:
    """Refuse a pair of a role and a text, which LangChain reads as a message: here it would be two texts.

    Args:
        first: the first item of a collection of two.
        second: the second item.

    Raises:
        RoleDictError: the items are a role and a text.

    Example:
        >>> refuse_pair("Hello,", "world")
        >>> refuse_pair("human", "hi")
        Traceback (most recent call last):
            ...
        miniagents.messages._role_dicts.RoleDictError: the pair ("human", ...) is not read as a role and a \
text; write {"role": "user", "content": ...}, or, if these are two texts, UserMessage(...) for each
    """
    if isinstance(first, str) and isinstance(second, str) and first in _ROLE_WORDS:
        word = _OTHER_WORDS.get(first, first)
        _refuse(
            f'the pair ("{first}", ...) is not read as a role and a text; write '
            f'{{"role": "{word}", "content": ...}}, or, if these are two texts, UserMessage(...) for each'
        )


def _refuse(sentence: str) -> NoReturn:
    raise RoleDictError(sentence)


def _without_role(fields: _Fields) -> Message | None:
    """Return the message of an item of OpenAI's Responses; None if the mapping is plain data."""
    kind = fields.get("type")
    if isinstance(kind, str) and kind in _ITEMS:
        return _item(kind, fields)
    if "content" in fields and isinstance(kind, str) and kind in _ROLE_WORDS:
        word = _OTHER_WORDS.get(kind, kind)
        _refuse(f'a message of type "{kind}" has no role; write {{"role": "{word}", "content": ...}}')
    if "content" in fields and len(fields) == 1:
        _refuse(
            'a mapping with a content and nothing else has no role; write {"role": "user", "content": ...}'
        )
    return None


def _with_own_fields(role: str, known: _Fields) -> Message:
    """Return the message of a mapping with the fields of our own classes, `text` and `parts`."""
    data = dict(known)
    text = data.pop("text", None)
    if text is not None and not isinstance(text, str):
        _refuse(f"the text of a message is of type {type(text).__name__}; give a str")
    return message_of(_READ[role][0], text, data)


# -- roles -----------------------------------------------------------------------------------------------


def _system(known: _Fields) -> Message:
    return message_of(SystemMessage, _one_text(known, "system"), _data(known))


def _user(known: _Fields) -> Message:
    content = _given(known, "user")
    if isinstance(content, str):
        return message_of(UserMessage, content, _data(known))
    parts = [_part(part, _SAID_BY_USER, "user") for part in content]
    if parts and all(isinstance(part, ToolResult) for part in parts):
        return message_of(ToolMessage, None, {"parts": parts, **_data(known)})
    return _made(UserMessage, parts, _data(known))


def _assistant(known: _Fields) -> Message:
    parts: list[Content] = []
    if thought := known.get("reasoning_content"):
        parts.append(Reasoning(_str(thought, "the reasoning_content of a message")))
    content = known.get("content")
    if isinstance(content, str):
        parts += [content] if content else []
    elif content is not None:
        parts += [_part(part, _SAID_BY_MODEL, "assistant") for part in _given(known, "assistant")]
    if refusal := known.get("refusal"):
        parts.append(Refusal(_str(refusal, "the refusal of a message")))
    parts += map(_call, _list(known.get("tool_calls") or (), "the tool_calls of a message are"))
    if content is None and not parts:
        _refuse('a message of role "assistant" has neither content nor tool_calls; give one of them')
    for name in ("audio", "function_call"):
        if known.get(name):
            _refuse(f"the {name} of a message is not understood; leave it out, and write calls as tool_calls")
    data = {name: value for name, value in _data(known).items() if name not in _DROPPED}
    if known.get("type") == "message":  # an answer of Anthropic
        data["response_id"], data["finish_reason"] = data.pop("id", None), data.pop("stop_reason", None)
    return _made(AssistantMessage, parts, data)


def _tool(known: _Fields) -> Message:
    call_id = known.get("tool_call_id")
    if not isinstance(call_id, str):
        _refuse('a message of role "tool" has no tool_call_id; give the id of the call that it answers')
    name, content = _str_or_none(known.get("name")), _result(known, "a message of role 'tool'")
    told = ToolResult(call_id, content, is_error=known.get("is_error") is True, name=name)
    data = {key: each for key, each in _data(known).items() if key != "name"}
    return message_of(ToolMessage, None, {"parts": [told], **data})


def _given(known: _Fields, role: str) -> str | Iterable[object]:
    """Return the content: a text, or parts."""
    content = known.get("content")
    if content is None:
        _refuse(f'a message of role "{role}" has no content; give a text or a list of parts')
    if isinstance(content, str):
        return content
    return _list(content, f'the content of a message of role "{role}" is', "a text or ")


def _list(given: object, what: str, or_else: str = "") -> Iterable[object]:
    if not isinstance(given, list | tuple):
        _refuse(f"{what} of type {type(given).__name__}; give {or_else}a list")
    return cast("Iterable[object]", given)


def _one_text(known: _Fields, role: str) -> str:
    """Return the content of a message that can only have a text."""
    content = _given(known, role)
    return content if isinstance(content, str) else _joined(content, f"a message of role {role!r}")


def _joined(parts: Iterable[object], where: str) -> str:
    texts: list[str] = []
    for part in parts:
        said = _part(part, _TEXTS, where)
        if not isinstance(said, str):
            _refuse(f"the content of {where} holds a value of type {type(said).__name__}; give texts only")
        texts.append(said)
    return _BETWEEN.join(texts)


def _result(known: _Fields, where: str) -> ResultContent:
    """Return the content of the result of a call: a text, or texts, images and files."""
    content = _given(known, "tool")
    if isinstance(content, str):
        return content
    parts = [_part(part, _IN_RESULTS, where) for part in content]
    told = tuple(part for part in parts if isinstance(part, str | Image | File))
    if len(told) < len(parts):
        _refuse(f"the content of {where} holds more than texts, images and files; give only these")
    texts = [part for part in told if isinstance(part, str)]
    return _BETWEEN.join(texts) if len(texts) == len(told) else told


def _data(known: _Fields) -> dict[str, object]:
    """Return the other fields of the mapping; they become data of the message, as other keywords do."""
    if known.get("name") and "tool_call_id" not in known:
        _refuse("models do not get the name of a speaker; leave out name, or write it into the content")
    for name in ("text", "parts"):
        if name in known:
            _refuse(f"a message has a content and {name}; give one of them")
    return {
        name: value
        for name, value in known.items()
        if name not in _CONTENT and (name, value) != ("type", "message")
    }


def _made(kind: type[Message], parts: list[Content], data: _Fields) -> Message:
    """Return a message of only a text if the parts are only a text."""
    if all(isinstance(part, str) for part in parts) and len(parts) <= 1:
        return message_of(kind, "".join(cast("list[str]", parts)), data)
    return message_of(kind, None, {"parts": parts, **data})


# -- items of Responses, and calls ------------------------------------------------------------------------


def _item(kind: str, fields: _Fields) -> Message:
    if kind == "function_call":
        given = (fields.get(name) for name in ("call_id", "name", "arguments", "id"))
        return AssistantMessage(parts=[_tool_call(*given)])
    if kind == "function_call_output":
        answered = _str(fields.get("call_id"), "the call_id of a function_call_output")
        output = _result({"content": fields.get("output")}, "a function_call_output")
        return ToolMessage(parts=[ToolResult(answered, output)])
    said = _one_text({"content": fields.get("summary") or ()}, "assistant")
    signature, item_id = map(_str_or_none, (fields.get("encrypted_content"), fields.get("id")))
    return AssistantMessage(parts=[Reasoning(said, signature, item_id)])


def _call(given: object) -> ToolCall:
    call = _fields_of(given, "a call of a tool")
    function = call.get("function")
    if function is None:
        _refuse(
            "a call of a tool has no function; "
            'write {"id": ..., "type": "function", "function": {"name": ..., "arguments": ...}}'
        )
    told = _fields_of(function, "the function of a call")
    return _tool_call(call.get("id"), told.get("name"), told.get("arguments"))


def _tool_call(call_id: object, name: object, arguments: object, item_id: object = None) -> ToolCall:
    return ToolCall(
        _str(call_id, "the id of a call"),
        _str(name, "the name of a called tool"),
        arguments if isinstance(arguments, str) else _json(arguments),
        _str_or_none(item_id),
    )


def _json(arguments: object) -> str:
    if arguments is None:
        return "{}"
    try:
        return json.dumps(arguments, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        _refuse(f"the arguments of a call are not JSON ({error}); give the text of a JSON object, or a dict")


# -- parts -----------------------------------------------------------------------------------------------


def _part(given: object, known: "Mapping[str, Callable[[_Fields], Content]]", where: str) -> Content:
    if isinstance(given, str | Image | File | ToolCall | ToolResult | Reasoning | Refusal):
        return given
    part = _fields_of(given, "a part of the content of a message")
    kind = part.get("type")
    read = known.get(kind) if isinstance(kind, str) else None
    if read is None:
        its = "no type" if kind is None else f"the type {kind!r}"
        _refuse(
            f"a part of the content of {where} has {its}, which is not understood; "
            f"the types are {', '.join(known)}"
        )
    return read(part)


def _fields_of(given: object, what: str) -> _Fields:
    if isinstance(given, BaseModel):
        return dict(given)
    if isinstance(given, Mapping):
        return cast("_Fields", given)
    _refuse(f"{what} is of type {type(given).__name__}; give a dict")


def _str(value: object, what: str) -> str:
    if not isinstance(value, str):
        told = "missing" if value is None else f"of type {type(value).__name__}"
        _refuse(f"{what} is {told}; give a str")
    return value


def _str_or_none(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _text(part: _Fields) -> Content:
    return _str(part.get("text"), "the text of a part")


def _image_url(part: _Fields) -> Content:
    given, detail = part.get("image_url"), part.get("detail")
    if not isinstance(given, str):
        if given is None and part.get("file_id") is not None:
            _refuse_file_id()
        told = _fields_of(given, "the image_url of a part")
        given, detail = told.get("url"), told.get("detail")
    said = _str_or_none(detail)
    address = _str(given, "the url of an image")
    data = _data_of(address)
    if data is None:
        return Image(url=address, detail=said)
    return Image(data=data[0], media_type=data[1], detail=said)


def _file(part: _Fields) -> Content:
    told = part if part.get("type") == "input_file" else _fields_of(part.get("file"), "the file of a part")
    called = _str_or_none(told.get("filename"))
    if told.get("file_url") is not None:
        return File(url=_str(told["file_url"], "the file_url of a file"), name=called)
    if told.get("file_data") is None:
        _refuse_file_id()
    given = _str(told["file_data"], "the file_data of a file")
    data, media_type = _data_of(given) or (_bytes(given), None)
    return File(data=data, media_type=media_type, name=called)


def _refuse_file_id() -> NoReturn:
    _refuse("a file that a provider keeps (file_id) cannot be sent; give its data or its url")


def _image(part: _Fields) -> Content:
    data, url, media_type = _source(part, "an image")
    return Image(data=data, url=url, media_type=media_type)


def _document(part: _Fields) -> Content:
    if part.get("context"):
        _refuse("the context of a document is not understood; write it as a text before the document")
    data, url, media_type = _source(part, "a document")
    return File(data=data, url=url, media_type=media_type, name=_str_or_none(part.get("title")))


def _source(part: _Fields, what: str) -> tuple[bytes | None, str | None, str | None]:
    source = _fields_of(part.get("source"), f"the source of {what}")
    kind, data = source.get("type"), source.get("data")
    media_type = _str_or_none(source.get("media_type"))
    if kind == "base64":
        return _bytes(_str(data, f"the data of {what}")), None, media_type
    if kind == "text":
        return _encoded(_str(data, f"the data of {what}")), None, media_type or "text/plain"
    if kind == "url":
        address = _str(source.get("url"), f"the url of {what}")
        found = _data_of(address)
        return (None, address, media_type) if found is None else (found[0], None, media_type or found[1])
    _refuse(f"the source of {what} has the type {kind!r}, which is not understood; give base64 or url")


def _data_of(address: str) -> tuple[bytes, str | None] | None:
    """Return the bytes in a ``data:`` address, and their media type; None for any other address."""
    if address[:5].lower() != "data:":
        return None
    head, comma, body = address[5:].partition(",")
    if not comma:
        _refuse("a data: address has no comma before its data; give the whole address")
    media_type, *options = head.split(";")
    data = unquote_to_bytes(_encoded(body))
    return _bytes(data) if "base64" in options else data, media_type or None


def _encoded(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        _refuse("the data of a part has half of a surrogate pair; give whole characters")


def _bytes(text: str | bytes) -> bytes:
    try:
        return b64decode(text, validate=True)
    except ValueError as error:
        _refuse(f"the data of a part is not valid base64 ({error}); encode the bytes with base64.b64encode")


def _tool_use(part: _Fields) -> Content:
    return _tool_call(part.get("id"), part.get("name"), part.get("input"))


def _tool_result(part: _Fields) -> Content:
    content = "" if part.get("content") is None else _result(part, "a tool_result")
    call_id = _str(part.get("tool_use_id"), "the tool_use_id of a tool_result")
    return ToolResult(call_id, content, is_error=part.get("is_error") is True)


def _thinking(part: _Fields) -> Content:
    thought = _str(part.get("thinking"), "the thinking of a part")
    return Reasoning(thought, _str_or_none(part.get("signature")))


def _redacted(part: _Fields) -> Content:
    return Reasoning(signature=_str(part.get("data"), "the data of a redacted thought"), redacted=True)


def _refusal(part: _Fields) -> Content:
    return Refusal(_str(part.get("refusal"), "the refusal of a part"))


_Readers: TypeAlias = Mapping[str, Callable[[_Fields], Content]]
_TEXTS: Final[_Readers] = MappingProxyType(
    {"text": _text, "input_text": _text, "output_text": _text, "summary_text": _text}
)
_GIVEN: Final[_Readers] = MappingProxyType(
    {
        "text": _text,
        "image_url": _image_url,
        "file": _file,
        "input_text": _text,
        "input_image": _image_url,
        "input_file": _file,
        "image": _image,
        "document": _document,
    }
)
_SAID_BY_USER: Final[_Readers] = MappingProxyType({**_GIVEN, "tool_result": _tool_result})
_IN_RESULTS: Final[_Readers] = MappingProxyType({**_GIVEN, **_TEXTS})
_SAID_BY_MODEL: Final[_Readers] = MappingProxyType(
    {
        "text": _text,
        "output_text": _text,
        "refusal": _refusal,
        "thinking": _thinking,
        "redacted_thinking": _redacted,
        "tool_use": _tool_use,
    }
)
_READ: Final[Mapping[str, tuple[type[Message], Callable[[_Fields], Message]]]] = MappingProxyType(
    {
        "system": (SystemMessage, _system),
        "developer": (SystemMessage, _system),
        "user": (UserMessage, _user),
        "assistant": (AssistantMessage, _assistant),
        "tool": (ToolMessage, _tool),
    }
)
