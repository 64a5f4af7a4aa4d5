"""What models were sent, as JSON without clients, keys and headers: for cassettes and logs of runs."""

import dataclasses
from base64 import b64encode
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set as AbstractSet
from itertools import accumulate
from typing import Final, TypeAlias, cast

from pydantic import BaseModel

from miniagents.messages import AssistantMessage, Message, Messages, SystemMessage, ToolMessage, UserMessage
from miniagents.streams._observers import public_data
from miniagents.values import is_secret_name, redact_keys

from ._call_keys import NOT_ASKED
from ._message_records import Json
from ._recordings import MessageForm, RecordedEvent
from ._stores import Event

CASSETTE_VERSION: Final = 1
"""Of the lines of a cassette."""

_CLASSES: Final = (AssistantMessage, UserMessage, SystemMessage, ToolMessage)
# Nor does the address of the model change the request.
_NOT_ASKED: Final = NOT_ASKED | {"base_url"}
_MICRO: Final = 1_000_000


def request_data(messages: Messages, keywords: Mapping[str, object]) -> dict[str, Json]:
    """Return the request of a call.

    Args:
        messages: the conversation.
        keywords: of the call, including tools and schema.

    Example:
        >>> request_data(Messages(), {"temperature": 0.5, "api_key": "secret"})
        {'messages': [], 'keywords': {'temperature': 0.5}}
    """
    asked = {name: value for name, value in public_data(keywords).items() if value not in (None, ())}
    return {
        "messages": [{"class": name_of_class(type(each)), **_message_data(each)} for each in messages],
        "keywords": _json(asked),
    }


def _message_data(message: Message | Mapping[str, object]) -> dict[str, Json]:
    data = cast("dict[str, Json]", _json(message))
    return {name: value for name, value in data.items() if value is not None and value != []}


def data_of(message: Message | Mapping[str, object]) -> dict[str, Json]:
    """Return the data of an answer, without its text and parts.

    Args:
        message: the answer, or its fields.

    Example:
        >>> data_of(AssistantMessage("Hi", model="gpt-4o"))
        {'model': 'gpt-4o'}
    """
    data = _message_data(message)
    return {name: value for name, value in data.items() if name not in {"text", "parts", "request_id"}}


def _json(value: object) -> Json:
    """Convert a value to JSON, without fields named like secrets or headers, and without texts like keys."""
    made: Json
    if value is None or isinstance(value, bool | int | float):
        made = value
    elif isinstance(value, bytes):
        made = b64encode(value).decode()
    elif isinstance(value, BaseModel):
        made = _json(value.model_dump(mode="json"))
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        made = _json({each.name: getattr(value, each.name) for each in dataclasses.fields(value)})
    elif isinstance(value, Mapping):
        pairs = cast("Mapping[object, object]", value).items()
        made = {str(key): _json(item) for key, item in pairs if _is_shown(str(key))}
    elif isinstance(value, list | tuple):
        made = [_json(each) for each in cast("list[object]", value)]
    elif isinstance(value, AbstractSet):
        made = sorted((_json(each) for each in cast("AbstractSet[object]", value)), key=repr)
    else:
        made = redact_keys(str(value))
    return made


def _is_shown(name: str) -> bool:
    return not is_secret_name(name) and not name.lower().endswith("headers") and name not in _NOT_ASKED


def name_of_class(kind: type[Message]) -> str:
    """Return the name of the nearest class of messages that is part of the library.

    Args:
        kind: of a message.

    Example:
        >>> name_of_class(UserMessage)
        'UserMessage'
    """
    return next((each.__name__ for each in kind.__mro__ if each in _CLASSES), "Message")


def call_lines(
    number: int, request: dict[str, Json], events: Iterable[RecordedEvent]
) -> Iterator[dict[str, Json]]:
    """Yield the lines of one call in a cassette.

    Args:
        number: of the call in the file, from 1.
        request: its messages and keywords.
        events: what came when.

    Example:
        >>> list(call_lines(1, {"messages": []}, [RecordedEvent(0.5, "end")]))
        [{'call': 1, 'request': {'messages': []}}, {'call': 1, 'at': 0.5, 'what': 'end'}]
    """
    yield {"call": number, "request": request}
    for event in events:
        line: dict[str, Json] = {"call": number, "at": round(event.at, 6), "what": event.what}
        if event.message is not None:
            line["message"] = event.message
        if event.data is not None:
            line["data"] = event.data
        yield line


_Parts: TypeAlias = Mapping[tuple[int, int], Sequence[tuple[int, Json]]]
"""The parts of a message of a call, each with its time in microseconds."""


def cassette_of_run(events: Sequence[Event]) -> list[dict[str, Json]]:
    """Return the complete calls of models in the log of a run as the lines of a cassette.

    Args:
        events: of the log.

    Example:
        >>> cassette_of_run([["began", 0, None]])
        [{'cassette': 1}]
    """
    numbered = enumerate(_requested_calls(events), start=1)
    lines = (line for number, call in numbered for line in call_lines(number, *call))
    return [{"cassette": CASSETTE_VERSION}, *lines]


def _requested_calls(events: Sequence[Event]) -> Iterator[tuple[dict[str, Json], list[RecordedEvent]]]:
    parts: defaultdict[tuple[int, int], list[tuple[int, Json]]] = defaultdict(list)
    began: dict[int, int] = {}
    requests: dict[int, dict[str, Json]] = {}
    items: list[Json] = []
    for event in events:
        match event:
            case ["call", int(span), *_, int(at)]:
                began[span] = at
            case ["asked", int(span), list(some)]:
                items += [each for each in some if not isinstance(each, int)]
                keywords, *messages = (items[each] if isinstance(each, int) else each for each in some)
                requests[span] = {"messages": messages, "keywords": keywords}
            case ["parts", int(span), int(message), list(data), list(times)]:
                parts[span, message] += zip(accumulate(cast("list[int]", times)), data, strict=True)
            case ["kept", int(span), _, _, _, list(rows), *_] if span in requests:
                yield requests.pop(span), [*_came(rows, parts, began.get(span, 0))]
            case _:
                pass


def _came(rows: Sequence[Json], parts: _Parts, began: int) -> Iterator[RecordedEvent]:
    form, at = MessageForm(), 0.0
    for row in rows:
        match row:
            case ["parts", int(number), [int(span), int(message)]]:
                for moment, part in parts.get((span, message), ()):
                    at = max(at, (moment - began) / _MICRO)
                    yield RecordedEvent(at, "part", number, part)
            case ["message", int(number), str(name)]:
                yield RecordedEvent(at, "message", number, name)
            case ["message", int(number), data] if isinstance(found := form.begun(data), Message):
                yield RecordedEvent(at, "message", number, name_of_class(type(found)))
                yield RecordedEvent(at, "end", number, cast("Json", data_of(found)))
            case ["end", int(number), data]:
                yield RecordedEvent(at, "end", number, cast("Json", data_of(form.ended(data))))
            case [str(what), int() | None as number, data]:
                yield RecordedEvent(at, what, number, data)
            case _:
                pass
    yield RecordedEvent(at, "end")
