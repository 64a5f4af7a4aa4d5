"""Results of servers as a model gets them, and ours as a client does."""

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import pytest
from mcp_types import (
    AudioContent,
    BlobResourceContents,
    CallToolResult,
    ContentBlock,
    EmbeddedResource,
    ImageContent,
    ResourceLink,
    TextContent,
    TextResourceContents,
)

from miniagents import File, Image
from miniagents.ext.mcp._results import block_of, result_of

DATA = base64.b64encode(bytes(1234)).decode()


def text(content: Sequence[ContentBlock], structured: object = None) -> object:
    return result_of(CallToolResult(content=list(content), structured_content=structured), 1_000_000)


def test_content() -> None:
    """Texts, images, sounds and files are what they are, and go back to a client as they came."""
    assert text([]) == ""
    assert text([TextContent(text="one"), TextContent(text="two")]) == "one\n\ntwo"
    resource = TextResourceContents(uri="file:///a.txt", text="inside")
    assert text([EmbeddedResource(resource=resource)]) == "inside"
    link = ResourceLink(name="a", uri="file:///a.txt", description="the file")
    assert text([link]) == "[A link to a at file:///a.txt: the file]"
    blob = BlobResourceContents(uri="file:///a.bin", blob=DATA, mime_type="application/zip")
    content: list[ContentBlock] = [
        TextContent(text="one"),
        ImageContent(data=DATA, mime_type="image/png"),
        AudioContent(data=DATA, mime_type="audio/wav"),
        EmbeddedResource(resource=blob),
    ]
    told: list[str | Image | File] = [
        "one",
        Image(data=bytes(1234), media_type="image/png"),
        File(data=bytes(1234), media_type="audio/wav"),
        File(data=bytes(1234), media_type="application/zip", name="a.bin"),
    ]
    assert told == text(content)
    assert content == [block_of(each) for each in told]


def test_addresses_and_paths(tmp_path: Path) -> None:
    """A client gets a link to an address, and the bytes of a file or a data address."""
    path = tmp_path / "a.gif"
    path.write_bytes(b"GIF8")
    linked = ResourceLink(name="b.png", uri="https://a.example/b.png", mime_type="image/png")
    assert linked.uri == cast("ResourceLink", block_of(Image(url="https://a.example/b.png"))).uri
    shown = ImageContent(data="R0lGOA==", mime_type="image/gif")
    given = Image(path=path), Image(url="data:image/gif;base64,R0lGOA==")
    assert [shown, shown] == [*map(block_of, given)]


def test_the_limit_is_for_texts() -> None:
    """A long text is cut; the image beside it stays."""
    content: list[ContentBlock] = [TextContent(text="x" * 50), ImageContent(data=DATA, mime_type="image/png")]
    cut, image = cast("list[object]", result_of(CallToolResult(content=list(content)), 10))
    assert str(cut).startswith("x" * 10 + "\n\n[The result is cut here: it has 50")
    assert isinstance(image, Image)


@pytest.mark.parametrize(
    ("texts", "structured", "told"),
    [
        ([], {"a": [1]}, '{"a": [1]}'),
        (['{"a":[1]}'], {"a": [1]}, '{"a":[1]}'),
        (["5"], {"result": 5}, "5"),
        (["hello"], {"result": "hello"}, "hello"),
        (["1", "2"], {"result": [1, 2]}, "1\n\n2"),
        (["hello"], {"content": "hello"}, "hello"),
        (['{"a":1}'], {"anything": {"a": 1}}, '{"a":1}'),
        (["hello"], {"content": "hello", "more": 1}, 'hello\n\n{"content": "hello", "more": 1}'),
        (["A summary."], {"a": 1}, 'A summary.\n\n{"a": 1}'),
        (["[" * 100_000], {"a": 1}, "[" * 100_000 + '\n\n{"a": 1}'),
    ],
)
def test_structured_content(texts: list[str], structured: object, told: str) -> None:
    """M2: structured content is told once: as JSON, unless the texts are the same already, under any name."""
    assert text([TextContent(text=each) for each in texts], structured) == told
