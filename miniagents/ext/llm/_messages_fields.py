"""The fields of the events, blocks and answers of the Messages API."""

import json
from collections.abc import Iterator, Mapping
from typing import Final, cast

from typing_extensions import TypedDict

from miniagents.values import Citation, ServerToolCall, ServerToolResult, Usage

from ._answer import Count
from ._fields import identifier
from ._json import arguments_object, integer_at, look, tokens_at
from ._opaque import opaque

TEXT: Final = "text"
CALL: Final = "tool_use"
THOUGHTS: Final = frozenset({"thinking", "redacted_thinking"})
SPEAKERS: Final = frozenset({TEXT, *THOUGHTS})
OF_CALL: Final = frozenset({"type", "id", "name", "input"})
"""The fields of a call that are in those of its part."""

_NUMBERS: Final = (
    ("input_tokens",),
    ("cache_read_input_tokens",),
    ("cache_creation_input_tokens",),
    ("output_tokens",),
    ("output_tokens_details", "thinking_tokens"),
)


class Delta(TypedDict, total=False):
    """The fields of all pieces that are known here."""

    type: object
    text: object
    thinking: object
    signature: object
    partial_json: object
    citation: object
    stop_reason: object


class Event(TypedDict, total=False):
    """The fields of all events that are known here."""

    type: str | None
    index: object
    delta: Delta | None
    content_block: dict[str, object] | None
    message: dict[str, object] | None
    usage: object


def kind_of(block: Mapping[str, object]) -> str:
    """Return the type of a block; some servers omit it, and the fields show it."""
    kind = block.get("type")
    seen = CALL if "input" in block else next((each for each in SPEAKERS if each in block), "")
    return kind if isinstance(kind, str) else seen


def citation_of(cited: object) -> Citation:
    """Return a citation of any kind of source."""

    def text(*names: str) -> str | None:
        found = (look(cited, name) for name in names)
        return next((each for each in found if isinstance(each, str)), None)

    def number(*names: str) -> int | None:
        return next((each for name in names if (each := integer_at(cited, name)) is not None), None)

    return Citation(
        text("url", "source", "file_id", "document_title") or "",
        text("title", "document_title"),
        text("cited_text") or "",
        number("start_char_index", "start_page_number", "start_block_index"),
        number("end_char_index", "end_page_number", "end_block_index"),
        opaque=opaque(citation=cast("object", cited)) if isinstance(cited, dict) else None,
    )


def of_server(block: Mapping[str, object], arguments: str) -> ServerToolCall | ServerToolResult:
    """Return a call of a tool that the provider runs, or its result, or any other block that goes back.

    Args:
        block: the fields of its start event.
        arguments: its input, if it came in pieces.
    """
    kind, called = kind_of(block), identifier(block.get("tool_use_id"))
    if called is None and "input" in block:
        whole = {**block, "input": arguments_object(arguments)}
        name = identifier(block.get("name")) or kind
        return ServerToolCall(
            identifier(block.get("id")) or "", name, arguments or "{}", opaque=opaque(block=whole)
        )
    shown = json.dumps(_shown(block.get("content")), ensure_ascii=False)
    return ServerToolResult(called or "", shown, kind, opaque=opaque(block=dict(block)))


def _shown(content: object) -> object:
    """Return the content of a result without what only the server can read."""
    if isinstance(content, list):
        return [_shown(each) for each in cast("list[object]", content)]
    if isinstance(content, dict):
        fields = cast("dict[str, object]", content)
        return {name: _shown(each) for name, each in fields.items() if not name.startswith("encrypted_")}
    return content


class Counts:
    """The numbers of one answer; a number that a later event does not have stays as it was."""

    def __init__(self) -> None:
        self._told: dict[tuple[str, ...], int] = {}

    def take(self, message: Mapping[str, object], *, final: bool) -> Iterator[Count]:
        """Yield the count after a message or an event, if it has numbers."""
        usage = message.get("usage")
        if usage is None:
            return
        for path in _NUMBERS:
            if (number := tokens_at(usage, *path)) is not None:
                self._told[path] = number
        fresh, read, written, output, thought = map(self._told.get, _NUMBERS)
        whole = None if fresh is None else fresh + (read or 0) + (written or 0)
        yield Count(Usage(whole, output, read or None, thought, written or None), final=final)
