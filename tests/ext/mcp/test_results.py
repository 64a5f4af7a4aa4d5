"""Results of servers as the text that a model is told."""

import base64
from collections.abc import Sequence

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

from miniagents.ext.mcp._results import result_of

DATA = base64.b64encode(bytes(1234)).decode()


def text(content: Sequence[ContentBlock], structured: object = None) -> str:
    return result_of(CallToolResult(content=list(content), structured_content=structured), 1_000_000)


def test_content() -> None:
    """Texts are told as they are; what cannot be shown is a sentence with its type and size."""
    assert text([]) == ""
    assert text([TextContent(text="one"), TextContent(text="two")]) == "one\n\ntwo"
    assert text([ImageContent(data=DATA, mime_type="image/png")]) == (
        "[The tool returned an image of type image/png, 1,234 bytes, which cannot be shown to you.]"
    )
    assert "a sound of type audio/wav" in text([AudioContent(data=DATA, mime_type="audio/wav")])
    resource = TextResourceContents(uri="file:///a.txt", text="inside")
    assert text([EmbeddedResource(resource=resource)]) == "inside"
    blob = BlobResourceContents(uri="file:///a.bin", blob=DATA)
    assert "the file file:///a.bin, 1,234 bytes" in text([EmbeddedResource(resource=blob)])
    link = ResourceLink(name="a", uri="file:///a.txt", description="the file")
    assert text([link]) == "[A link to a at file:///a.txt: the file]"


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
