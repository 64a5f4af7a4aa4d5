"""Converts results of tools: those of a server to what a model gets, and ours to what a client gets."""

import json
from base64 import b64decode, b64encode
from collections.abc import Sequence
from mimetypes import guess_extension
from pathlib import Path, PurePosixPath
from typing import TypeAlias, cast
from urllib.parse import unquote, urlsplit
from urllib.request import urlopen

from mcp_types import (
    AudioContent,
    BlobResourceContents,
    CallToolResult,
    EmbeddedResource,
    ImageContent,
    ResourceLink,
    TextContent,
)

from miniagents import File, Image

Block: TypeAlias = TextContent | ImageContent | AudioContent | ResourceLink | EmbeddedResource
Result: TypeAlias = str | list[str | Image | File]
"""What a tool of a server returns to a model."""


def result_of(result: CallToolResult, most: int) -> Result:
    """Return a result as a model gets it.

    Texts, also those of resources, are not changed. Structured content becomes JSON, unless a text is equal
    to it. Images, sounds and files stay what they are.

    Args:
        result: of the server.
        most: characters; of a longer text, the beginning and a sentence that says so are returned.
    """
    content: list[str | Image | File] = [_content(block) for block in result.content]
    structured = cast("object", result.structured_content)
    if structured is not None and not _is_in(structured, result.content):
        content.append(json.dumps(structured, ensure_ascii=False))
    text = "\n\n".join(each for each in content if isinstance(each, str))
    if len(text) > most:
        text = (
            f"{text[:most]}\n\n[The result is cut here: it has {len(text):,} characters, and you get "
            f"{most:,} at most. Ask for less, if the tool can do that.]"
        )
        content = [text, *(each for each in content if not isinstance(each, str))]
    return content if any(not isinstance(each, str) for each in content) else text


def sendable(text: str) -> str:
    """Return a text without halves of surrogate pairs, with which the SDK would end the connection."""
    return text.encode(errors="replace").decode()


def block_of(part: str | Image | File) -> Block:
    """Return a part of a result as a client gets it; a file with a path is read.

    Args:
        part: of the result of a tool.

    Raises:
        OSError: the file cannot be read.
    """
    if isinstance(part, str):
        return TextContent(text=sendable(part))
    media_type = part.content_type
    name = (part.name if isinstance(part, File) else None) or PurePosixPath(str(part.path or "")).name
    if part.url is not None and not part.url.startswith("data:"):
        return ResourceLink(name=name or part.url, uri=part.url, mime_type=media_type)
    if part.url is not None:
        with urlopen(part.url) as opened:  # noqa: S310 - a data: address
            data, media_type = opened.read(), part.media_type or opened.headers.get_content_type()
    else:
        data = part.data if part.path is None else Path(part.path).read_bytes()
    encoded = b64encode(data or b"").decode()
    if isinstance(part, Image):
        return ImageContent(data=encoded, mime_type=media_type)
    if media_type.startswith("audio/"):
        return AudioContent(data=encoded, mime_type=media_type)
    uri = f"file:///{name or 'file' + (guess_extension(media_type) or '')}"
    return EmbeddedResource(resource=BlobResourceContents(uri=uri, mime_type=media_type, blob=encoded))


def _content(block: Block) -> str | Image | File:
    content: str | Image | File
    match block:
        case TextContent():
            content = block.text
        case ImageContent():
            content = Image(data=b64decode(block.data), media_type=block.mime_type)
        case AudioContent():
            content = File(data=b64decode(block.data), media_type=block.mime_type)
        case ResourceLink():
            about = f": {block.description}" if block.description else ""
            content = f"[A link to {block.name} at {block.uri}{about}]"
        case EmbeddedResource():
            resource = block.resource
            if not isinstance(resource, BlobResourceContents):
                content = resource.text
            elif (kind := resource.mime_type or "").startswith("image/"):
                content = Image(data=b64decode(resource.blob), media_type=kind)
            else:
                name = PurePosixPath(unquote(urlsplit(str(resource.uri)).path)).name
                content = File(data=b64decode(resource.blob), media_type=kind or None, name=name or None)
    return content


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
