"""Converts the result of a tool of a server to a text for a model."""

import json
from collections.abc import Sequence
from typing import cast

from ._sdk import (
    AudioContent,
    BlobResourceContents,
    CallToolResult,
    EmbeddedResource,
    ImageContent,
    ResourceLink,
    TextContent,
)

__all__ = ["result_of"]


def result_of(result: CallToolResult, most: int) -> str:
    """Return a result as a text.

    Texts, also those of resources, are not changed. Structured content becomes JSON, unless a text is equal
    to it. The result of a tool cannot contain an image, a sound or a file: a sentence says what it was.

    Args:
        result: of the server.
        most: characters; of a longer text, the beginning and a sentence that says so are returned.
    """
    blocks = [_text(block) for block in result.content]
    structured = cast("object", result.structured_content)
    if structured is not None and not _is_in(structured, result.content):
        blocks.append(json.dumps(structured, ensure_ascii=False))
    text = "\n\n".join(blocks)
    if len(text) <= most:
        return text
    return (
        f"{text[:most]}\n\n[The result is cut here: it has {len(text):,} characters, and you get {most:,} at "
        "most. Ask for less, if the tool can do that.]"
    )


def _text(
    block: TextContent | ImageContent | AudioContent | ResourceLink | EmbeddedResource,
) -> str:
    match block:
        case TextContent():
            return block.text
        case ImageContent():
            return _not_shown("an image", block.mime_type, block.data)
        case AudioContent():
            return _not_shown("a sound", block.mime_type, block.data)
        case ResourceLink():
            about = f": {block.description}" if block.description else ""
            return f"[A link to {block.name} at {block.uri}{about}]"
        case EmbeddedResource():
            resource = block.resource
            if isinstance(resource, BlobResourceContents):
                return _not_shown(f"the file {resource.uri}", resource.mime_type, resource.blob)
            return resource.text


def _not_shown(what: str, media_type: str | None, base64: str) -> str:
    size = len(base64.rstrip("=")) * 3 // 4
    kind = f" of type {media_type}" if media_type else ""
    return f"[The tool returned {what}{kind}, {size:,} bytes, which cannot be shown to you.]"


def _is_in(structured: object, content: Sequence[object]) -> bool:
    """Return whether the texts are equal to the structured content, as the protocol requires of servers."""
    texts = [block.text for block in content if isinstance(block, TextContent)]
    if not texts:
        return False
    values = [_parsed(text) for text in texts]
    # Servers put a value that is not an object into one, under "result", "content" or any other name, and
    # send each item of a list as a text of its own.
    inner = structured
    if isinstance(structured, dict):
        wrapped = cast("dict[str, object]", structured)
        inner = next(iter(wrapped.values())) if len(wrapped) == 1 else None
    return structured in values or inner in values or inner in texts or inner in (values, texts)


def _parsed(text: str) -> object:
    try:
        return cast("object", json.loads(text))
    except (ValueError, RecursionError):
        return text
