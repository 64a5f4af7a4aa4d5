"""What a message is made of, in order: texts, blocks, images and files.

Pieces of a stream are put together when a message is finished, and content becomes pieces again when a
finished message is read as a stream. Nothing is read from disk or network here: a path is read when the
message is sent, an address is the provider's to fetch.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePath
from types import MappingProxyType
from typing import Annotated, Final, Literal, TypeAlias
from urllib.parse import urlsplit

from pydantic import Field

from ._lazy_dataclass import lazy_dataclass
from ._parts import (
    AgentPart,
    Citation,
    Finish,
    Part,
    PartValue,
    Reasoning,
    Refusal,
    ResponseHeaders,
    Restart,
    Retry,
    ToolCallDelta,
    ToolResult,
    Usage,
)

__all__ = [
    "Attachment",
    "Content",
    "ContentField",
    "File",
    "Image",
    "ToolCall",
    "content_of",
    "media_type_of",
    "part_from_data",
    "parts_of_content",
]

# The first bytes of what all providers take; the ending of a name may lie or be missing.
_MAGIC: Final = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"%PDF-", "application/pdf"),
)
_WEBP: Final = (b"RIFF", b"WEBP")
_UNKNOWN: Final = "application/octet-stream"


@lazy_dataclass(frozen=True, slots=True, kw_only=True)
class Attachment(PartValue):
    """Content of a message that stands in bytes, at a path, or at an address, in exactly one of them.

    Attributes:
        data: the bytes themselves.
        path: where they are on this machine; read when the message is sent.
        url: where the provider finds them; ``data:`` addresses are bytes.
        media_type: what they are ("image/png"); else it is seen from the bytes or from the name.

    Raises:
        ValueError: none of them is given, or several.

    Example:
        >>> isinstance(Image(url="https://example.org/cat.png"), Attachment)
        True
    """

    data: bytes | None = field(default=None, repr=False)
    path: str | PurePath | None = None
    url: str | None = None
    media_type: str | None = None

    def __post_init__(self) -> None:
        """Check that there is one source."""
        given = [name for name in ("data", "path", "url") if getattr(self, name) is not None]
        if len(given) != 1:
            told = " and ".join(given) or "nothing"
            msg = f"{type(self).__name__} was given {told}; give exactly one of data, path and url"
            raise ValueError(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class Image(Attachment):
    """A picture that a model is to look at.

    Attributes:
        detail: how closely ("low", "high", "auto"), for providers that ask.
        kind: which part this is, for JSON.

    Example:
        >>> Image(path="cat.png")
        Image(path='cat.png', url=None, media_type=None, detail=None)
    """

    detail: str | None = None
    kind: Literal["image"] = field(default="image", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class File(Attachment):
    """A document that a model is to read, for example a PDF.

    Attributes:
        name: what the model is told it is called; else the last part of the path.
        kind: which part this is, for JSON.

    Example:
        >>> File(data=b"%PDF-1.7", name="report.pdf").name
        'report.pdf'
    """

    name: str | None = None
    kind: Literal["file"] = field(default="file", repr=False)


def media_type_of(attachment: Attachment, data: bytes | None = None) -> str:
    """Return the media type of an attachment: the one it says, else that of its bytes, else of its name.

    Args:
        attachment: an image or a file.
        data: its bytes, if it was read from a path.

    Example:
        >>> media_type_of(Image(data=b"GIF89a")), media_type_of(File(path="notes.txt"))
        ('image/gif', 'text/plain')
    """
    if attachment.media_type:
        return attachment.media_type
    head = (attachment.data if data is None else data) or b""
    for magic, media_type in _MAGIC:
        if head.startswith(magic):
            return media_type
    if (head[:4], head[8:12]) == _WEBP:
        return "image/webp"
    name = str(attachment.path or urlsplit(attachment.url or "").path)
    if isinstance(attachment, File) and attachment.name:
        name = attachment.name
    from mimetypes import guess_type  # noqa: PLC0415 - nobody else needs it

    return guess_type(name)[0] or _UNKNOWN


@lazy_dataclass(frozen=True, slots=True)
class ToolCall(PartValue):
    """A whole call of a tool, as the model asked for it.

    Attributes:
        id: the provider's name of the call; its result names it too.
        name: the name of the tool.
        arguments: the JSON of the arguments, exactly as the model wrote it.
        item_id: the provider's name of the item around it, where it has one.
        kind: which part this is, for JSON.

    Example:
        >>> ToolCall("call-1", "weather", '{"city": "Oslo"}').name
        'weather'
    """

    id: str
    name: str
    arguments: str = "{}"
    item_id: str | None = None
    kind: Literal["tool_call"] = field(default="tool_call", kw_only=True, repr=False)


Content: TypeAlias = str | Reasoning | Refusal | ToolCall | ToolResult | Citation | Image | File
"""Anything that stands in the `parts` of a message: whole texts and blocks, images and files."""

ContentField: TypeAlias = (
    str
    | Annotated[
        Reasoning | Refusal | ToolCall | ToolResult | Citation | Image | File, Field(discriminator="kind")
    ]
)
"""`Content` for a declared field: JSON is told apart by its `kind`."""


def content_of(parts: Iterable[Part]) -> tuple[Content, ...]:
    """Put the pieces of a stream together, in the order in which their blocks began.

    Neighbouring texts become one text, pieces of reasoning with one index one block, pieces of a call with
    one index one call. The signature of a thought belongs to it, whenever it comes. Usage and finish are no
    content.

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
            case Reasoning(text="", signature=str()) if thought := _thought_of(part, thoughts):
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
    """The thought that a signature belongs to; its id may come with that only."""
    return thoughts.get((part.index, part.id)) or thoughts.get((part.index, None))


@lazy_dataclass(frozen=True, slots=True)
class _ContentBlock:
    """Pieces that belong together."""

    pieces: list[Part]

    def takes(self, part: Part) -> bool:
        """Whether a piece goes on where the last one stopped."""
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
            case ToolResult() | Citation():
                return first
            case Usage() | Finish() | AgentPart() | Restart() | Retry() | ResponseHeaders():
                raise AssertionError  # never a piece of content


def _reasoning(pieces: list[Reasoning]) -> Reasoning:
    signature = "".join(piece.signature for piece in pieces if piece.signature is not None) or None
    return replace(
        pieces[0],
        text="".join(piece.text for piece in pieces),
        signature=signature,
        id=next((piece.id for piece in pieces if piece.id), None),
        redacted=any(piece.redacted for piece in pieces),
    )


def _call(pieces: list[ToolCallDelta]) -> ToolCall:
    return ToolCall(
        next((piece.id for piece in pieces if piece.id), ""),
        next((piece.name for piece in pieces if piece.name), ""),
        "".join(piece.arguments for piece in pieces),
        next((piece.item_id for piece in pieces if piece.item_id), None),
    )


def parts_of_content(content: Iterable[Content]) -> tuple[Part, ...]:
    """Return the parts that would have made this content; images and files stream nowhere and are left out.

    Args:
        content: of a finished message.

    Example:
        >>> parts_of_content(["Hello", ToolCall("call-1", "weather")])[1]
        ToolCallDelta(index=0, id='call-1', name='weather', arguments='{}', item_id=None)
    """
    parts: list[Part] = []
    calls = 0
    for each in content:
        match each:
            case ToolCall(call_id, name, arguments, item_id):
                parts.append(ToolCallDelta(calls, call_id, name, arguments, item_id))
                calls += 1
            case Image() | File():
                pass
            case _:
                parts.append(each)
    return tuple(parts)


_KINDS: Final[Mapping[str, type[PartValue]]] = MappingProxyType(
    {
        "reasoning": Reasoning,
        "refusal": Refusal,
        "tool_call_delta": ToolCallDelta,
        "tool_call": ToolCall,
        "tool_result": ToolResult,
        "citation": Citation,
        "usage": Usage,
        "finish": Finish,
        "image": Image,
        "file": File,
        "agent_part": AgentPart,
        "restart": Restart,
        "retry": Retry,
        "response_headers": ResponseHeaders,
    }
)


def part_from_data(data: Mapping[str, object]) -> PartValue:
    """Return the part whose `as_data` this is.

    Args:
        data: the fields with the `kind`; those of their default may be missing.

    Raises:
        ValueError: it is none.

    Example:
        >>> part_from_data({"kind": "finish", "reason": "stop"})
        Finish(reason='stop')
    """
    kind = _KINDS.get(str(data.get("kind")))
    if kind is None:
        msg = f"{data.get('kind')!r} is no kind of part; the kinds are {', '.join(_KINDS)}"
        raise ValueError(msg)
    try:
        return kind(**data)
    except TypeError as error:
        msg = f"the data of a {data['kind']} does not fit: {error}"
        raise ValueError(msg) from None
