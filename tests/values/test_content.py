"""Pieces become content, and content becomes pieces again."""

import pytest
from hypothesis import given, strategies as st

from miniagents.values import (
    Citation,
    Content,
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
    parts_of_content,
)


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


def test_attachments_do_not_stream() -> None:
    """Images are for the model, not from it."""
    assert parts_of_content([Image(path="a.png"), "Hi"]) == ("Hi",)
