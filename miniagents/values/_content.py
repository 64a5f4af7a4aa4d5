"""The content of a message, in order: texts, blocks, images and files.

The pieces of a stream are put together when a message is finished. Content becomes pieces again when a
finished message is read as a stream.
"""

import json
from base64 import b64decode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Annotated, Final, Literal, TypeAlias, cast, get_args

from pydantic import Field

from ._attachments import File, Image
from ._part_value import PartValue
from ._parts import (
    AgentPart,
    Citation,
    Finish,
    Part,
    RateLimit,
    Reasoning,
    Refusal,
    ResponseHeaders,
    Restart,
    Retry,
    ServerToolCall,
    ServerToolResult,
    ToolCallDelta,
    ToolResult,
    Usage,
)


@dataclass(frozen=True, slots=True)
class ToolCall(PartValue):
    """A whole call of a tool, as the model requested it.

    Attributes:
        id: the provider's name of the call; its result names it too.
        name: the name of the tool.
        arguments: the JSON of the arguments, exactly as the model wrote it.
        item_id: the provider's name of the item around it, where it has one.
        opaque: what the server that it came from needs back; None if nothing.
        kind: which part this is, for JSON.

    Example:
        >>> ToolCall("call-1", "weather", '{"city": "Oslo"}').name
        'weather'
    """

    id: str
    name: str
    arguments: str = "{}"
    item_id: str | None = None
    opaque: str | None = field(default=None, kw_only=True, repr=False)
    kind: Literal["tool_call"] = field(default="tool_call", kw_only=True, repr=False)


_Block: TypeAlias = (
    Reasoning | Refusal | ToolCall | ToolResult | ServerToolCall | ServerToolResult | Citation | Image | File
)
Content: TypeAlias = str | _Block
"""An item of the `parts` of a message: a whole text or block, an image or a file."""

ContentField: TypeAlias = str | Annotated[_Block, Field(discriminator="kind")]
"""`Content` for a declared field: the `kind` in the JSON decides the class."""


def content_of(parts: Iterable[Part]) -> tuple[Content, ...]:
    """Put the pieces of a stream together, in the order in which their blocks began.

    Neighbouring texts become one text. Pieces of reasoning with the same index become one block, pieces of
    calls with the same index one call. A signature, or what is `opaque`, is added to its thought even if it
    comes later. Usage and finish are not content.

    Args:
        parts: the pieces, as they came.

    Example:
        >>> content_of(["Hel", "lo", ToolCallDelta(0, "call-1", "weather"), ToolCallDelta(0, arguments="{}")])
        ('Hello', ToolCall(id='call-1', name='weather', arguments='{}', item_id=None))
    """
    blocks: list[_ContentBlock] = []
    calls: dict[int, _ContentBlock] = {}
    thoughts: dict[tuple[int, str | None], _ContentBlock] = {}
    for part in parts:
        match part:
            case Usage() | Finish() | AgentPart() | Retry() | ResponseHeaders():
                continue
            case Restart():
                blocks.clear()
                calls.clear()
                thoughts.clear()
            case Reasoning(text="") if (part.signature or part.opaque) and (
                thought := _thought_of(part, thoughts)
            ):
                thought.pieces.append(part)
            case ToolCallDelta(index=index) if index in calls:
                calls[index].pieces.append(part)
            case _ if blocks and blocks[-1].takes(part):
                blocks[-1].pieces.append(part)
            case _:
                blocks.append(_ContentBlock([part]))
                if isinstance(part, ToolCallDelta):
                    calls[part.index] = blocks[-1]
                elif isinstance(part, Reasoning):
                    thoughts[part.index, part.id] = blocks[-1]
    return tuple(whole for block in blocks if (whole := block.whole()) != "")


def _thought_of(
    part: Reasoning, thoughts: "Mapping[tuple[int, str | None], _ContentBlock]"
) -> "_ContentBlock | None":
    """Return the thought that a signature belongs to; the thought's id may come only with the signature."""
    return thoughts.get((part.index, part.id)) or thoughts.get((part.index, None))


@dataclass(frozen=True, slots=True)
class _ContentBlock:
    """Pieces that belong together."""

    pieces: list[Part]

    def takes(self, part: Part) -> bool:
        """Return whether a piece continues this block."""
        last = self.pieces[-1]
        if isinstance(part, Reasoning):
            return isinstance(last, Reasoning) and last.index == part.index
        return type(part) is type(last) and isinstance(part, str | Refusal)

    def whole(self) -> Content:
        """Put them together."""
        first = self.pieces[0]
        match first:
            case str():
                return "".join(piece for piece in self.pieces if isinstance(piece, str))
            case Refusal():
                return Refusal("".join(piece.text for piece in self.pieces if isinstance(piece, Refusal)))
            case Reasoning():
                return _reasoning([piece for piece in self.pieces if isinstance(piece, Reasoning)])
            case ToolCallDelta():
                return _call([piece for piece in self.pieces if isinstance(piece, ToolCallDelta)])
            case ToolResult() | ServerToolCall() | ServerToolResult() | Citation() | Image() | File():
                return first
            case Usage() | Finish() | AgentPart() | Restart() | Retry() | ResponseHeaders():
                raise AssertionError  # these are never content


def _reasoning(pieces: list[Reasoning]) -> Reasoning:
    signature = "".join(piece.signature for piece in pieces if piece.signature is not None) or None
    return replace(
        pieces[0],
        text="".join(piece.text for piece in pieces),
        signature=signature,
        id=next((piece.id for piece in pieces if piece.id), None),
        redacted=any(piece.redacted for piece in pieces),
        opaque=_opaque(pieces),
    )


def _call(pieces: list[ToolCallDelta]) -> ToolCall:
    return ToolCall(
        next((piece.id for piece in pieces if piece.id), ""),
        next((piece.name for piece in pieces if piece.name), ""),
        "".join(piece.arguments for piece in pieces),
        next((piece.item_id for piece in pieces if piece.item_id), None),
        opaque=_opaque(pieces),
    )


def _opaque(pieces: Iterable[Reasoning | ToolCallDelta]) -> str | None:
    """Return what is opaque in the pieces of a block: all fields; of two with one name, the later one."""
    known = dict.fromkeys(piece.opaque for piece in pieces if piece.opaque is not None)
    if len(known) < 2:  # noqa: PLR2004 - nothing to put together
        return next(iter(known), None)
    fields: dict[str, object] = {}
    for each in known:
        fields.update(cast("dict[str, object]", json.loads(each)))
    return json.dumps(fields)


def parts_of_content(content: Iterable[Content]) -> tuple[Part, ...]:
    """Return the parts that would give this content.

    Args:
        content: the content of a finished message.

    Example:
        >>> parts_of_content(["Hello", ToolCall("call-1", "weather")])[1]
        ToolCallDelta(index=0, id='call-1', name='weather', arguments='{}', item_id=None)
    """
    parts: list[Part] = []
    calls = 0
    for each in content:
        match each:
            case ToolCall(call_id, name, arguments, item_id):
                parts.append(ToolCallDelta(calls, call_id, name, arguments, item_id, opaque=each.opaque))
                calls += 1
            case _:
                parts.append(each)
    return tuple(parts)


_KINDS: Final[Mapping[str, type[PartValue]]] = MappingProxyType(
    {
        each.__dataclass_fields__["kind"].default: each
        for each in (*get_args(Part), ToolCall)
        if each is not str
    }
)


def part_from_data(data: Mapping[str, object]) -> PartValue:
    """Return the part that this data describes; the opposite of `as_data`.

    Args:
        data: the fields with the `kind`; a field that has its default may be missing.

    Raises:
        ValueError: the data describes no part.

    Example:
        >>> part_from_data({"kind": "finish", "reason": "stop"})
        Finish(reason='stop')
    """
    kind = _KINDS.get(str(data.get("kind")))
    if kind is None:
        raise ValueError(f"{data.get('kind')!r} is no kind of part; the kinds are {', '.join(_KINDS)}")
    try:
        return kind(**{name: _field(name, value) for name, value in data.items()})
    except TypeError as error:
        raise ValueError(f"the data of a {data['kind']} does not fit: {error}") from None


def _field(name: str, value: object) -> object:
    """Return a field of a part from its JSON: bytes are in base64 there, tuples are lists."""
    match value:
        case str() if name == "data":
            return b64decode(value)
        case list() | tuple():
            return tuple(_field("", each) for each in cast("Iterable[object]", value))
        case Mapping() if "kind" in value:
            return part_from_data(cast("Mapping[str, object]", value))
        case Mapping() if "limit" in value:
            return RateLimit(**cast("dict[str, int]", value))
        case _:
            return value
