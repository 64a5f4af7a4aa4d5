"""The Markdown form of a record: escapes, code fences, the text in its frame."""

import itertools
import time

import pytest
from hypothesis import given, strategies as st

from miniagents.ext._history._comments import ESCAPED, SHOWN, VERBATIM, Opening
from miniagents.ext._history._markdown_format import (
    digest_of,
    escape,
    fence_after,
    frame_end,
    heading,
    is_whole,
    lay_down,
    needs_escaping,
    open_fence,
    read_body,
    read_heading,
    text_start,
    unescape,
    write_record,
)
from miniagents.ext._history._markdown_reader import read_plain, scan
from miniagents.runs import Record
from tests.ext.history.samples import RECORDS, TEXTS, UGLY, added, as_read, file_of, records


@given(TEXTS)
def test_what_was_escaped_comes_back(text: str) -> None:
    """Any text survives, and what stands in the file is ordinary UTF-8."""
    escaped = escape(text)
    assert text == unescape(escaped)
    assert not needs_escaping(escaped)
    assert escaped == escaped.encode().decode()


@pytest.mark.parametrize(
    "text", ["", "plain\ttext\n", "a\\b", "naïve 🙂", "windows\r\n", "<!-- -->", "\u2028"]
)
def test_ordinary_texts_are_left_alone(text: str) -> None:
    """Common texts stand in the file as they are."""
    assert not needs_escaping(text)


@pytest.mark.parametrize("text", ["\x00", "\x1b[31m", "a\rb", "\r\r\n", "\x85", "\ud800", "\x0c"])
def test_what_would_spoil_a_file_is_escaped(text: str) -> None:
    """Control characters, a lone CR and lone surrogates do not reach the file."""
    assert needs_escaping(text)


def test_a_backslash_that_begins_no_escape_stays() -> None:
    """Text that was typed into an escaped one by hand is not harmed."""
    assert "C:\\dir \\u12 \x07" == unescape("C:\\dir \\u12 \\x07")


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


def _opening(record: Record) -> Opening:
    body = lay_down(record)
    return Opening(
        "0f3a9c4e5b7d", size=len(body.raw), digest=digest_of(body.raw), form=body.form, fence=body.fence
    )


@pytest.mark.parametrize(
    ("record", "raw", "form"),
    [
        (Record("user", text="# Hi\n"), b"# Hi\n", VERBATIM),
        (Record("user", text="\x07"), b"\\x07", ESCAPED),
        (Record("user", shown="{}"), b"{}", SHOWN),
        (Record("user", shown="\x07"), b"\\x07", SHOWN),
    ],
)
def test_how_a_text_is_laid_down(record: Record, raw: bytes, form: str) -> None:
    """Verbatim, unless it has control characters or is no text at all."""
    body = lay_down(record)
    assert (raw, form) == (body.raw, body.form)
    assert record.text == read_body(_opening(record), raw + b"\n\n").text


@pytest.mark.parametrize("behind", [b"", b"\n", b"\n\n", b"\n```\n\n", b"\r\n```\r\n\r\n"])
def test_blank_lines_and_the_closing_fence_are_no_text(behind: bytes) -> None:
    """What the frame puts behind a text is taken off again, also when an editor trimmed it."""
    record = Record("user", text="```\ncode")
    read = read_body(_opening(record), b"```\ncode" + behind)
    assert (record.text, False) == (read.text, read.edited)


@pytest.mark.parametrize(
    ("now", "text"),
    [
        (b"new\n\n", "new"),
        (b"new", "new"),
        (b"new\n```\n\n", "new"),
        (b"\n\n", ""),
        (b"bad \xff\n\n", "bad \ufffd"),
    ],
)
def test_an_edited_text_loses_only_the_frame(now: bytes, text: str) -> None:
    """What was changed by hand is the text now."""
    read = read_body(_opening(Record("user", text="```\ncode")), now)
    assert (text, True) == (read.text, read.edited)


def test_where_the_text_begins() -> None:
    """Behind the heading and the blank line, as far as they are still there."""
    for behind in (b"## user\n\n", b"## other\r\n\r\n", b"## user\n", b"\n", b""):
        assert len(behind) == text_start(behind + b"text\n\n", 0)


def test_the_heading_of_a_damaged_message() -> None:
    """Role and model are read from the heading when the comment line cannot be."""
    assert ("assistant", "gpt · x") == read_heading(heading("assistant", "gpt · x"), 0)
    assert ("user", None) == read_heading(b"no heading\n", 0)
    assert ("user", None) == read_heading(heading("user", 5), 0)


def test_no_heading_is_slow() -> None:
    """A heading takes some milliseconds, whatever stands in it."""
    for sign in (b" ", b"\t", " · ".encode(), b"a ", b"\r"):
        line = b"## " + sign * (200_000 // len(sign)) + b"x"
        began = time.process_time()
        read_heading(line + b"\n", 0)
        read_plain(f"## user\n\n{line.decode()}\n## user · {line[3:].decode()}\n\nHi\n")
        assert time.process_time() - began < 2.0, sign


def test_whole_is_what_begins_with_the_text() -> None:
    """The digest tells whether the text that was written is still there."""
    opening = _opening(Record("user", text="abc"))
    assert is_whole(opening, b"abcdef")
    assert not is_whole(opening, b"ab")
    assert not is_whole(opening, b"abd")
    assert not is_whole(Opening("0f3a9c4e5b7d"), b"abc")


def test_the_end_of_a_frame() -> None:
    """A blank line, the end mark, a blank line."""
    assert b"\n\n<!-- /miniagents 0f3a9c4e5b7d -->\n\n" == frame_end(Opening("0f3a9c4e5b7d"))


@given(st.lists(records(), max_size=4))
def test_any_records_come_back(several: list[Record]) -> None:
    """Any text with any data survives the file byte for byte, and the file needs no repair."""
    found = scan(file_of(*several))
    assert as_read(*several) == found.records
    assert (b"", ()) == (found.repair, found.notes)


@pytest.mark.parametrize("text", [*UGLY, "x" * 100_000, "\n" * 100_000, "\r" * 1_000, None])
def test_any_text_comes_back(text: str | None) -> None:
    """Each text that is known to be difficult survives."""
    record = Record("user", text=text)
    assert (record, record) == scan(file_of(record, record)).records


@given(st.lists(st.lists(st.integers(0, 10_000), max_size=3), min_size=1, max_size=5), st.data())
def test_a_text_that_quotes_its_own_file_is_text(quotes: list[list[int]], data: st.DataObject) -> None:
    """A model that was shown the file, and repeats any parts of it, adds one turn and no other."""
    file, several = b"", list[Record]()
    for places in quotes:
        pieces = [file[min(a, b) : max(a, b)].decode(errors="replace") for a, b in itertools.pairwise(places)]
        record = Record("assistant", text=file.decode() + "\n".join(pieces) + "\n\n" + file.decode())
        several.append(record)
        file = added(file, record)
    cut = data.draw(st.integers(0, len(file)))
    found = scan(file[:cut]).records
    assert tuple(several[: len(found)]) == found


def test_an_id_never_occurs_in_its_text() -> None:
    """An id that the text speaks of is drawn again, so no text can end its own frame."""
    ids = iter(["aaaaaaaa", "bbbbbbbb", "cccccccc"])
    text = "<!-- /miniagents aaaaaaaa -->\n\n## user"
    data = write_record(Record("user", text=text), after="bbbbbbbb", draw_id=lambda: next(ids))
    assert b'"id":"cccccccc"' in data
    assert (Record("user", text=text),) == scan(data).records


def test_the_file_reads_well() -> None:
    """A heading with role and model, then the text as it is, between two comment lines."""
    text = "# Title\n\n```python\nprint('<b>')\n```\n\n| a | b |"
    record = Record("assistant", "AssistantMessage", text, data={"model": "gpt-x"})
    lines = write_record(record, draw_id=lambda: "0f3a9c4e5b7d").decode().split("\n")
    comments = [line for line in lines if line.startswith("<!-- ") and line.endswith(" -->")]
    shown = "\n".join(line for line in lines if line not in comments)
    assert f"## assistant · gpt-x\n\n{text}\n\n\n" == shown
    assert 2 == len(comments)


def test_an_open_code_block_does_not_swallow_the_next_turn() -> None:
    """What an answer left open is closed by the frame; the text stays the same."""
    record = Record("assistant", text="see\n````python\nprint(1)")
    data = write_record(record)
    assert b"print(1)\n````\n\n<!-- /" in data
    assert (record,) == scan(data).records


def test_no_value_ends_the_comment() -> None:
    """Data with `-->` or line ends stays on its comment line."""
    record = Record("user", text="x", data={"a": "--> ---> \n## user\u2028\x85", "-->": 1})
    first, *rest = write_record(record).decode().split("\n")
    assert 1 == first.count("--", 4, -3) + 1
    assert ("## user", "") == tuple(rest[:2])
    assert (record,) == scan(write_record(record)).records


@pytest.mark.parametrize(
    ("role", "model", "line"),
    [
        ("user", None, "## user"),
        ("us\ner", "m\r\n## system", "## us er · m ## system"),
        ("", "", "## message"),
        ("x" * 300, None, "## " + "x" * 200),
    ],
)
def test_the_heading_is_one_line(role: str, model: str | None, line: str) -> None:
    """Role and model cannot break the heading; they come back from the comment line."""
    record = Record(role, text="t", data={"model": model})
    assert line == write_record(record).decode().split("\n")[1]
    assert (record,) == scan(write_record(record)).records


def test_a_number_too_long_for_json_is_refused() -> None:
    """A number Python will not write out is an error before anything is written."""
    with pytest.raises(ValueError, match="4300 digits"):
        write_record(Record("user", text="", data={"n": 10**5_000}))


def test_records_of_the_samples_differ() -> None:
    """The samples are worth their name."""
    assert len(RECORDS) == len(set(UGLY))
