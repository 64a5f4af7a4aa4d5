"""What a message is made of: attachments, and pieces put together."""

from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from miniagents.values import (
    Citation,
    Content,
    File,
    Finish,
    Image,
    Part,
    Reasoning,
    Refusal,
    ToolCall,
    ToolCallDelta,
    ToolResult,
    Usage,
    content_of,
    media_type_of,
    parts_of_content,
)

PNG = b"\x89PNG\r\n\x1a\n0000"


def test_one_source() -> None:
    """Exactly one of data, path and url is given."""
    with pytest.raises(ValueError, match="Image was given nothing; give exactly one of"):
        Image()
    with pytest.raises(ValueError, match="File was given data and url"):
        File(data=b"x", url="https://example.org/x")
    assert Image(data=PNG).data == PNG
    assert Image(path=Path("a.png")).path == Path("a.png")


@pytest.mark.parametrize(
    ("attachment", "media_type"),
    [
        (Image(data=b"anything", media_type="image/heic"), "image/heic"),
        (Image(data=PNG), "image/png"),
        (Image(data=b"\xff\xd8\xff\xe0"), "image/jpeg"),
        (Image(data=b"GIF89a"), "image/gif"),
        (Image(data=b"RIFF1234WEBPVP8 "), "image/webp"),
        (File(data=b"%PDF-1.7"), "application/pdf"),
        (Image(path="cat.jpg"), "image/jpeg"),
        (Image(url="https://example.org/cat.gif?size=9"), "image/gif"),
        (File(data=b"a,b", name="table.csv"), "text/csv"),
        (File(data=b"????"), "application/octet-stream"),
    ],
)
def test_media_type(attachment: Image | File, media_type: str) -> None:
    """What is said counts, then the bytes, then the name."""
    assert media_type_of(attachment) == media_type


def test_media_type_of_what_was_read() -> None:
    """The bytes that were read from a path tell more than its name."""
    assert media_type_of(Image(path="cat.jpg"), PNG) == "image/png"


def test_no_content_in_repr() -> None:
    """Bytes are never shown."""
    assert "PNG" not in repr(Image(data=PNG))


@pytest.mark.parametrize(
    ("parts", "content"),
    [
        ([], ()),
        (["Hel", "lo"], ("Hello",)),
        ([Usage(1), "", Finish("stop")], ()),
        ([Refusal("I "), Refusal("won't")], (Refusal("I won't"),)),
        (
            [Reasoning("a"), Reasoning("b", id="r"), Reasoning(signature="s"), "Hi", Reasoning("c", index=2)],
            (Reasoning("ab", "s", "r"), "Hi", Reasoning("c", index=2)),
        ),
        ([Reasoning("a"), Reasoning("b", index=1)], (Reasoning("a"), Reasoning("b", index=1))),
        # A signature that is told only at the end.
        (
            [
                Reasoning("a", id="r"),
                "Hi",
                Reasoning(signature="s", id="r"),
                Reasoning(signature="t", id="q"),
            ],
            (Reasoning("a", "s", "r"), "Hi", Reasoning("", "t", "q")),
        ),
        (
            [
                ToolCallDelta(0, "c-1", "look"),
                ToolCallDelta(1, "c-2", "ask", "{"),
                ToolCallDelta(0, arguments="{}"),
                "and",
                ToolCallDelta(1, arguments="}"),
            ],
            (ToolCall("c-1", "look", "{}"), ToolCall("c-2", "ask", "{}"), "and"),
        ),
        (["a", Citation("x"), "b"], ("a", Citation("x"), "b")),
        ([ToolResult("c-1", "dark"), "a"], (ToolResult("c-1", "dark"), "a")),
    ],
)
def test_content(parts: list[Part], content: tuple[Content, ...]) -> None:
    """Pieces of one block are put together where the block began."""
    assert content_of(parts) == content


BLOCKS = st.one_of(
    st.text(min_size=1),
    st.builds(Reasoning, st.text(), st.none() | st.text(min_size=1), index=st.integers(0, 5)),
    st.builds(ToolCall, st.text(), st.text(), st.text()),
    st.builds(Citation, st.text()),
)


@given(st.lists(BLOCKS))
def test_there_and_back(blocks: list[Content]) -> None:
    """Content that was put together once stays as it is when it is streamed and put together again."""
    once = content_of(parts_of_content(blocks))
    assert content_of(parts_of_content(once)) == once


def test_attachments_stream() -> None:
    """W10: an image is a part: models make images, too."""
    content = (Image(path="a.png"), "Hi")
    assert content == parts_of_content(content) == content_of(content)


def test_opaque_goes_to_its_thought() -> None:
    """W2: what is opaque in the pieces of a thought or of a call is in the whole, however it is divided."""
    pieces: list[Part] = [
        Reasoning("Hm", opaque='{"a": 1}'),
        Reasoning(".", opaque='{"a": 1}'),
        "Hi",
        ToolCallDelta(0, "1", "look", opaque='{"b": 2}'),
        ToolCallDelta(0, arguments="{}"),
        Reasoning(opaque='{"c": 3}'),
    ]
    call = ToolCall("1", "look", "{}", opaque='{"b": 2}')
    content = (Reasoning("Hm.", opaque='{"a": 1, "c": 3}'), "Hi", call)
    assert content == content_of(pieces)
    assert content == content_of(parts_of_content(content))
