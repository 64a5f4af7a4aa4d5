"""Tests of cutting a streamed text into messages."""

import time
from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import example, given, settings, strategies as st

from miniagents.values import SPLIT_END, SplitEvent, TextSplitter
from tests.support.amounts import amount


def reference(text: str, delimiter: str, fence: str | None) -> list[str]:
    """The documented rule over the whole text, character by character, as plainly as it can be said."""
    messages: list[str] = []
    piece = ""
    at = 0
    while at <= len(text):
        line_start = at == 0 or text[at - 1] == "\n"
        opens = fence is not None and line_start and text.startswith(fence, at)
        if opens or text.startswith(delimiter, at) or at == len(text):
            messages += [stripped] if (stripped := piece.strip("\r\n")) else []
            piece = ""
        if opens and fence is not None:
            closing = at + len(fence)
            while closing < len(text) and not (text[closing - 1] == "\n" and text.startswith(fence, closing)):
                closing += 1
            if closing == len(text):
                return [*messages, fence + text[at + len(fence) :].rstrip("\r\n")]
            messages.append(text[at : closing + len(fence)])
            at = closing + len(fence)
        elif text.startswith(delimiter, at):
            at += len(delimiter)
        else:
            piece += text[at : at + 1]
            at += 1
    return messages


def events_of(tokens: Iterable[str], splitter: TextSplitter) -> list[SplitEvent]:
    return [*(event for token in tokens for event in splitter.feed(token)), *splitter.finish()]


def messages_of(events: Iterable[SplitEvent]) -> list[str]:
    """Put the events together, checking their grammar: (text+ end)*."""
    messages: list[str] = []
    pieces: list[str] = []
    for event in events:
        if event is SPLIT_END:
            assert pieces
            messages.append("".join(pieces))
            pieces = []
        else:
            assert event
            pieces.append(event)
    assert not pieces
    return messages


def split(text: str, delimiter: str = "\n\n", fence: str | None = "```") -> list[str]:
    return messages_of(events_of([text], TextSplitter(delimiter, fence)))


def chunked(text: str, cuts: Iterable[int]) -> list[str]:
    places = [0, *sorted(cut % (len(text) + 1) for cut in cuts), len(text)]
    return [text[start:end] for start, end in pairwise(places)]


# Few different characters, so that delimiters and fences are often there, overlap, and begin one another.
TEXTS = st.text("ab\n\r", max_size=20)
MARKS = st.text("ab\n", min_size=1, max_size=4)
CUTS = st.lists(st.integers(0, 10_000), max_size=20)


@settings(max_examples=amount(40, 500))
@given(TEXTS, MARKS, MARKS | st.none(), CUTS)
@example("a\n```", "\n```\n-", "```", [2])
@example("a\n```\n-b", "\n```\n-", "```", [2])
@example("```", "`", "```", [1])
@example("``", "`", "```", [1])
@example("```\n\n```", "\n\n", "```", [])
def test_any_cut_into_tokens_gives_the_same(
    text: str, delimiter: str, fence: str | None, cuts: list[int]
) -> None:
    """The messages are those of the rule for the whole text, however it came."""
    expected = reference(text, delimiter, fence)
    splitter = TextSplitter(delimiter, fence)
    assert expected == messages_of(events_of([text], splitter))
    assert expected == messages_of(events_of(text, splitter))
    assert expected == messages_of(events_of(chunked(text, cuts), splitter))


PARTS = st.sampled_from(["\n", "\n\n", "`", "```", "\n```", "a", " ", "\r\n"])
MARKDOWN = st.lists(PARTS, max_size=25).map("".join)


@given(MARKDOWN, CUTS)
def test_any_cut_of_markdown(text: str, cuts: list[int]) -> None:
    """The same with the delimiters that are the default."""
    assert reference(text, "\n\n", "```") == messages_of(events_of(chunked(text, cuts), TextSplitter()))


@given(st.text(), st.text(min_size=1, max_size=3), st.text(min_size=1, max_size=3))
def test_any_text(text: str, delimiter: str, fence: str) -> None:
    """The same for any characters."""
    assert reference(text, delimiter, fence) == messages_of(events_of(text, TextSplitter(delimiter, fence)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("\n\n\n\n", []),
        ("one", ["one"]),
        ("one\n\ntwo", ["one", "two"]),
        ("\n\none\n\n\n\n\ntwo\nthree\n", ["one", "two\nthree"]),
        ("one\n\n  \n\ntwo", ["one", "  ", "two"]),
        ("  one  \n\n\ttwo", ["  one  ", "\ttwo"]),
        ("one\r\n\r\ntwo", ["one\r\n\r\ntwo"]),
        ("text:\n```py\na\n\nb\n```\nmore", ["text:", "```py\na\n\nb\n```", "more"]),
        ("```\na\n```\n```\nb\n```", ["```\na\n```", "```\nb\n```"]),
        ("```\n\n\n```", ["```\n\n\n```"]),
        ("```\r\na\r\n\r\nb\r\n```\r\n", ["```\r\na\r\n\r\nb\r\n```"]),
        ("no ```fence\n\n here```", ["no ```fence", " here```"]),
        ("  ```\n\nindented", ["  ```", "indented"]),
        ("```\nnever\n\nclosed\n\n", ["```\nnever\n\nclosed"]),
        ("a\n\n```", ["a", "```"]),
        ("```\nx ```\n\ny\n``` tail\n\nz", ["```\nx ```\n\ny\n```", " tail", "z"]),
    ],
)
def test_examples(text: str, expected: list[str]) -> None:
    """The rule in examples."""
    assert expected == split(text)
    assert expected == reference(text, "\n\n", "```")


def test_windows_line_ends() -> None:
    """A text with CRLF is cut by a delimiter with CRLF, and its fences are found."""
    text = "one\r\n\r\ntwo\r\n```\r\na\r\n\r\nb\r\n```\r\n\r\nthree\r\n"
    assert split(text, delimiter="\r\n\r\n") == ["one", "two", "```\r\na\r\n\r\nb\r\n```", "three"]


def test_without_fences() -> None:
    """With None a fence is text like any other."""
    assert split("```\na\n\nb\n```", fence=None) == ["```\na", "b\n```"]


def test_streams_at_once() -> None:
    """What cannot be a part of a delimiter or fence is given out with its token."""
    splitter = TextSplitter()
    assert splitter.feed("Hel") == ["Hel"]
    assert splitter.feed("lo\n") == ["lo"]
    assert splitter.feed("wor") == ["\nwor"]
    assert splitter.feed("ld\n\n") == ["ld", SPLIT_END]
    assert splitter.feed("\n") == []
    assert splitter.feed("`") == []
    assert splitter.feed("x`") == ["`x`"]
    assert splitter.feed("\n``") == []
    assert splitter.feed("`py\ncode\n\nmore") == [SPLIT_END, "```", "py\ncode\n\nmore"]
    assert splitter.feed("\n``") == []
    assert splitter.feed("`") == ["\n```", SPLIT_END]
    assert splitter.finish() == []


@given(MARKDOWN)
def test_held_back_is_little(text: str) -> None:
    """After each token all text of the current message is out, up to newlines and a beginning of a mark."""
    splitter = TextSplitter()
    given_out = ""
    for at, character in enumerate(text):
        given_out += "".join(each for each in splitter.feed(character) if isinstance(each, str))
        held = len(text[: at + 1].replace("\n", "").replace("\r", "")) - len(
            given_out.replace("\n", "").replace("\r", "")
        )
        assert 0 <= held < len("```")


def test_can_be_used_again() -> None:
    """After the end it is as new, also after an open code block."""
    splitter = TextSplitter()
    assert messages_of(events_of(["```\nopen\n"], splitter)) == ["```\nopen"]
    assert messages_of(events_of(["one\n\n```\ntwo"], splitter)) == ["one", "```\ntwo"]


def test_empty_delimiters_are_refused() -> None:
    """An empty delimiter stands everywhere; the error says what to give."""
    with pytest.raises(ValueError, match="the delimiter is empty; give the text"):
        TextSplitter("")
    with pytest.raises(ValueError, match="the code_block_delimiter is empty; give the fence, or None"):
        TextSplitter(code_block_delimiter="")


def seconds(text: str) -> float:
    start = time.process_time()
    events_of(text, TextSplitter("----"))
    return time.process_time() - start


@pytest.mark.gate("times a text and a larger one")
@pytest.mark.parametrize(
    ("unit", "length"),
    [("\n", 4_000), ("-", 4_000), ("---\n", 4_000), ("`", 4_000), ("```\n", 4_000), ("\r\n\n-", 4_000)],
)
def test_linear_time(unit: str, length: int) -> None:
    """One character at a time, eight times the text takes about eight times the time, not sixty-four."""
    text = unit * (length // len(unit))
    ratios = (seconds(text * 8) / seconds(text) for _ in range(3))
    assert any(ratio < 24 for ratio in ratios)
