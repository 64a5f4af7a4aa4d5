"""Code fences by the rules of CommonMark."""

import pytest

from miniagents.ext._history._fences import fence_after, open_fence


@pytest.mark.parametrize(
    ("line", "before", "after"),
    [
        ("```", "", "```"),
        ("   ~~~~ text", "", "~~~~"),
        ("    ```", "", ""),
        ("``", "", ""),
        ("```a`b", "", ""),
        ("~~~a`b", "", "~~~"),
        ("```", "```", ""),
        ("````  ", "```", ""),
        ("```", "````", "````"),
        ("~~~", "```", "```"),
        ("``` no end", "```", "```"),
        ("text", "```", "```"),
    ],
)
def test_lines_open_and_close_blocks(line: str, before: str, after: str) -> None:
    """Three marks open; as many of the same, alone, close."""
    assert after == fence_after(line, before)


@pytest.mark.parametrize(
    ("text", "fence"),
    [
        ("", ""),
        ("no code", ""),
        ("```py\nx\n```", ""),
        ("```py\nx", "```"),
        ("~~~~\n```\n~~~", "~~~~"),
        ("```\r\nx\r\n```\r\n", ""),
        ("```\nx\n```\ny\n```", "```"),
    ],
)
def test_what_is_open_at_the_end(text: str, fence: str) -> None:
    """The fence that must be written to close what a text left open."""
    assert fence == open_fence(text)
