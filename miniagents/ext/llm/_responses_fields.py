"""The fields of the events, items and answers of the Responses API."""

import json
from base64 import b64decode
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Final

from typing_extensions import TypedDict

from miniagents.values import Image, ServerToolCall, ServerToolResult, Usage

from ._answer import Count, Decoded, Progress
from ._fields import identifier, list_of, rest_of, text_of, with_the_rest
from ._json import WireError, look, tokens_at
from ._opaque import opaque
from ._responses_items import CALL, MESSAGE, ItemName

TEXT: Final = "text"
REFUSAL: Final = "refusal"
THINKING: Final = "thinking"

# By the type of a part of the content of a message; the text is in a field with the name of the voice.
_VOICES: Final = MappingProxyType({"output_text": TEXT, "text": TEXT, "refusal": REFUSAL})


class Event(TypedDict, total=False):
    """The fields of all events that are known here."""

    type: str | None
    delta: object
    item_id: object
    output_index: object
    content_index: object
    summary_index: object
    item: object
    part: object
    text: object
    refusal: object
    arguments: object
    name: object
    annotation: object
    response: object


# -- events ----------------------------------------------------------------------------------------------


def name_in(event: Event, kind: str) -> ItemName:
    """Return how an event names its item, which is of this kind."""
    index = event.get("output_index")
    return ItemName(kind, identifier(event.get("item_id")), index if isinstance(index, int) else None)


def part_number(event: Event) -> int | None:
    """Return the number of the part of an item to which an event belongs."""
    number = event.get("content_index", event.get("summary_index"))
    return number if isinstance(number, int) else None


# -- items -----------------------------------------------------------------------------------------------


def kind_of(item: Mapping[str, object]) -> str:
    """Return the type of an item; some servers omit it, and the fields show it."""
    kind = item.get("type")
    seen = CALL if "arguments" in item else MESSAGE if "content" in item else ""
    return kind if isinstance(kind, str) else seen


def item_name(item: Mapping[str, object], index: object = None) -> ItemName:
    """Return the names of an item."""
    return ItemName(
        kind_of(item),
        identifier(item.get("id")),
        index if isinstance(index, int) else None,
        identifier(item.get("call_id")),
        identifier(item.get("name")),
    )


def said_in(item: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """Return the voice and the text of each part of a message."""
    content = item.get("content")
    if isinstance(content, str):
        yield TEXT, content
    for part in list_of(content):
        if (said := said_in_part(part)) is not None:
            yield said


def said_in_part(part: object) -> tuple[str, str] | None:
    """Return the voice and the text of a part; None for a part of an unknown type."""
    voice = _VOICES.get(str(look(part, "type")))
    return None if voice is None else (voice, text_of(look(part, voice)))


def whole_text(said: Iterable[tuple[str, str]], voice: str) -> str:
    """Return all text in one voice."""
    return "".join(text for each, text in said if each == voice)


def thought_in(item: Mapping[str, object]) -> str:
    """Return reasoning: its summary, else its content."""
    for name in ("summary", "content"):
        texts = [look(part, "text") for part in list_of(item.get(name))]
        if said := "\n\n".join(text for text in texts if isinstance(text, str)):
            return said
    return ""


OF_CALL: Final = frozenset({"type", "call_id", "name", "arguments", "status"})
"""The fields of a call that are in those of its part."""

OF_THOUGHT: Final = frozenset({"type", "status"})

_RESULTS: Final = ("output", "outputs", "results", "result")


def of_server(item: Mapping[str, object]) -> Iterator[Decoded]:
    """Return a call of a tool that the provider runs, with its result, or the image that it made."""
    kind, name = kind_of(item), identifier(item.get("id")) or ""
    if not kind:
        yield Progress()
        return
    result = next((item[each] for each in _RESULTS if item.get(each)), None)
    asked = rest_of(item, {"type", "id", "status", *_RESULTS})
    made = kind == "image_generation_call" and isinstance(result, str)
    told = None if made else opaque(item=rest_of(item, ()))
    yield ServerToolCall(name, kind.removesuffix("_call"), json.dumps(asked), opaque=told)
    if made:
        try:
            yield Image(data=b64decode(str(result)))
        except ValueError:
            raise WireError("an image is not in base64") from None
    elif result is not None:
        shown = result if isinstance(result, str) else json.dumps(result)
        yield ServerToolResult(name, shown, kind.removesuffix("_call"))


# -- answers ---------------------------------------------------------------------------------------------


def count_of(usage: object) -> Count:
    """Return the count of tokens at the end of an answer."""
    counted = Usage(
        tokens_at(usage, "input_tokens"),
        tokens_at(usage, "output_tokens"),
        tokens_at(usage, "input_tokens_details", "cached_tokens"),
        tokens_at(usage, "output_tokens_details", "reasoning_tokens"),
        tokens_at(usage, "input_tokens_details", "cache_write_tokens"),
    )
    return Count(with_the_rest(counted, tokens_at(usage, "total_tokens")), final=True)
