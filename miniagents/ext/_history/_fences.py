"""Code fences of Markdown: which lines are inside one, and is one still open at the end.

A model's answer that was cut off often ends inside a fence. Left open, it would swallow the rest of the file
in a viewer, so the frame of the record closes it. Rules: CommonMark 0.31, section 4.5 (containers such as
lists are not looked at).
"""

import re

_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})(.*)", re.DOTALL)


def fence_after(line: str, fence: str) -> str:
    """The fence that is open after this line, when `fence` was open before it (empty: none).

    Args:
        line: one line without its end.
        fence: the characters that opened the block, for instance three backticks.

    >>> fence_after("```python", "")
    '```'
    >>> fence_after("```", "```")
    ''
    """
    match = _FENCE.fullmatch(line)
    if match is None:
        return fence
    marks, rest = match.groups()
    if not fence:
        # An info string of a backtick fence has no backtick: such a line is inline code.
        return "" if marks[0] == "`" and "`" in rest else marks
    closes = marks[0] == fence[0] and len(marks) >= len(fence) and not rest.strip()
    return "" if closes else fence


def open_fence(text: str) -> str:
    r"""The fence that would have to be written to close the block the text leaves open, or an empty string.

    >>> open_fence("see:\n````python\nprint()")
    '````'
    """
    if "```" not in text and "~~~" not in text:
        return ""
    fence = ""
    for line in text.split("\n"):
        fence = fence_after(line.removesuffix("\r"), fence)
    return fence
