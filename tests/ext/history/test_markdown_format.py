"""A record becomes bytes that give the record again and read well."""

import itertools

import pytest
from hypothesis import given, strategies as st

from miniagents.ext._history._markdown_format import write_record
from miniagents.ext._history._record import Record
from miniagents.ext._history._scan import scan
from tests.ext.history.samples import RECORDS, UGLY, added, as_read, file_of, records


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
