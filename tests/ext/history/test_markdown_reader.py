"""The bytes of a history file become its messages."""

import time

import pytest
from hypothesis import given, strategies as st

from miniagents.ext._history._markdown_format import write_record
from miniagents.ext._history._markdown_reader import read_plain, scan
from miniagents.runs import Record
from tests.ext.history.samples import RECORDS, TEXTS, UGLY, added, as_read, file_of, no_notes, records
from tests.support.amounts import amount


def _turns(text: str) -> list[tuple[str, object, str | None]]:
    return [(record.role, record.data.get("model"), record.text) for record in read_plain(text).records]


def test_an_old_file() -> None:
    """A role over a line of `=`, perhaps with a model; the text up to the next."""
    text = "\nuser\n========\nHi!\n\n# Title\n\nassistant / gpt-4o\n====\n\nHello.\n\nsystem\n===\nBe nice.\n"
    expected = [
        ("user", None, "Hi!\n\n# Title"),
        ("assistant", "gpt-4o", "Hello."),
        ("system", None, "Be nice."),
    ]
    assert expected == _turns(text)
    assert expected == _turns(text.replace("\n", "\r\n"))
    assert "" == read_plain(text).stray


@pytest.mark.parametrize(
    "line", ["assistant / m", "Assistant/m", "assistant · m", "assistant (m)", "assistant: m"]
)
def test_models_in_old_headings(line: str) -> None:
    """The model may stand behind the role in several ways."""
    assert [("assistant", "m", "x")] == _turns(f"{line}\n======\n\nx")


def test_classes_follow_the_roles() -> None:
    """The message class of a plain turn is the one of its role."""
    names = [record.class_name for record in read_plain("user\n===\na\n\nassistant\n===\nb\n").records]
    assert ["UserMessage", "AssistantMessage"] == names


def test_a_text_keeps_its_inside() -> None:
    """Only the blank lines around a text are taken off."""
    assert [("user", None, "  a\n\n\n b  ")] == _turns("user\n===\n\n\n  a\n\n\n b  \n\n\n")


@pytest.mark.parametrize(
    "text",
    [
        "a user\n====\n",
        "user\n==\n",
        "user\n\n====\n",
        "    user\n====\n",
        "user and more\n====\n",
        "users\n====",
    ],
)
def test_what_is_no_heading(text: str) -> None:
    """Other lines over `=` are text."""
    assert [("user", None, f"x\n\n{text}".strip())] == _turns(f"user\n====\nx\n\n{text}")


def test_fences_protect() -> None:
    """A heading inside a code block is code; a block that is never closed protects nothing."""
    block = "```\nassistant\n====\nx\n```"
    assert [("user", None, block)] == _turns(f"user\n====\n{block}\n")
    cut = _turns("user\n====\n```python\ncode\n\nassistant\n====\nx\n")
    assert [("user", None, "```python\ncode"), ("assistant", None, "x")] == cut


def test_headings_typed_by_hand() -> None:
    """The heading of this library works without its comment lines, for the roles it knows."""
    text = "## user\n\nHi!\n\n## Note\n\n## Assistant · gpt-x\nHello.\n"
    assert [("user", None, "Hi!\n\n## Note"), ("assistant", "gpt-x", "Hello.")] == _turns(text)


def test_the_first_heading_decides_the_form() -> None:
    """A `## user` in an old text stays text, and so does an old heading in a typed one."""
    assert [("user", None, "## assistant\n\nx")] == _turns("user\n====\n## assistant\n\nx")
    assert [("user", None, "assistant\n====\nx")] == _turns("## user\n\nassistant\n====\nx")


def test_empty_turns_and_strays() -> None:
    """A heading with nothing below it is no turn; text before the first belongs to no turn."""
    turns = read_plain("notes\n\nuser\n====\n\n")
    assert ((), "notes") == (turns.records, turns.stray)
    assert ((), "notes") == (read_plain("notes").records, read_plain("notes\n").stray)


FIRST = Record("user", text="hi")
NEXT = Record("system", "SystemMessage", "next")
STEP = amount(3, 1)  # from cut to cut: the gate has one at every byte


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: ascii(record.text)[:30])
def test_a_cut_at_every_byte(record: Record) -> None:
    """Wherever a file is cut, only the unfinished message is lost, and the next append is sound."""
    known = (FIRST,)
    before = file_of(*known)
    data = added(before, record)
    for cut in range(len(before), len(data) + 1, STEP):
        found = scan(data[:cut])
        assert found.records in (known, (*known, record))
        after = scan(data[:cut] + found.repair + write_record(NEXT, found.last_id))
        assert (*found.records, NEXT) == after.records
        assert no_notes(after.notes)
        assert b"" == after.repair
    assert (*known, record) == scan(data).records


def test_a_cut_at_every_byte_of_the_first_message() -> None:
    """A file whose first message was torn is sound too."""
    data = file_of(FIRST)
    for cut in range(len(data)):
        assert scan(data[:cut]).records in ((), (FIRST,))
        assert (*scan(data[:cut]).records, NEXT) == scan(added(data[:cut], NEXT)).records


def test_a_copy_inside_a_torn_message_stays_dead() -> None:
    """A text that is a perfect copy of its file, torn at every byte, brings nothing to life, now or later."""
    first = file_of(FIRST, Record("assistant", text="yes"))
    copy = Record("assistant", text=first.decode() + first.decode())
    data = added(first, copy)
    known = scan(first).records
    for cut in range(len(first), len(data), STEP):
        found = scan(data[:cut])
        assert found.records in (known, (*known, copy))
        later = added(added(data[:cut], copy), NEXT)
        assert (*found.records, copy, NEXT) == scan(later).records


def test_a_torn_repair_is_repaired() -> None:
    """A second cut, in the repair or the message behind it, harms nothing either."""
    whole = added(file_of(FIRST), Record("assistant", text="```\n" + UGLY[-3]))
    for cut in range(len(file_of(FIRST)), len(whole), 47):
        before = scan(whole[:cut]).records
        longer = added(whole[:cut], NEXT)
        for again in range(cut, len(longer), STEP):
            found = scan(longer[:again])
            assert found.records in (before, (*before, NEXT))
            assert (*found.records, NEXT) == scan(added(longer[:again], NEXT)).records


@given(st.lists(records(), max_size=3), st.lists(records(), max_size=3), st.data())
def test_any_file_cut_anywhere(before: list[Record], behind: list[Record], data: st.DataObject) -> None:
    """What comes after a cut is read as it was written, whatever the texts are."""
    file = file_of(*before)
    torn = file[: data.draw(st.integers(0, len(file)))]
    kept = scan(torn).records
    assert as_read(*before)[: len(kept)] == kept
    for record in behind:
        torn = added(torn, record)
    assert (*kept, *as_read(*behind)) == scan(torn).records


@given(st.binary(), st.lists(TEXTS, max_size=3))
def test_any_bytes_are_some_file(rubbish: bytes, texts: list[str]) -> None:
    """No bytes make a scan fail, and what is appended to them is read."""
    data = rubbish + "".join(texts).encode(errors="replace")
    assert NEXT == scan(added(data, NEXT)).records[-1]


@given(st.lists(records(), max_size=4), st.integers(0, 3))
def test_a_scan_can_go_on_from_an_anchor(several: list[Record], number: int) -> None:
    """Reading on from the end mark of an earlier scan gives the rest of the same."""
    data = file_of(*several)
    first = scan(file_of(*several[:number]))
    # Another file of the same records has other ids, but marks in the same places.
    whole = scan(data)
    ids = scan(data[: first.anchor]).last_id
    rest = scan(data, first.anchor, ids)
    assert whole.records[number:] == rest.records
    assert (whole.repair, whole.last_id, whole.anchor) == (rest.repair, rest.last_id, rest.anchor)


def test_an_edited_text_is_taken_as_it_is_now() -> None:
    """Words changed by hand change the text of that turn, and say so; the other turns stay."""
    data = file_of(Record("user", text="one"), Record("assistant", text="two"), Record("user", text="three"))
    for old, new in (
        (b"two", b"zwei drei"),
        (b"two\n", b"two\n\nand more\n"),
        (b"two\n\n<", b"<"),
        (b"two", b""),
    ):
        found = scan(data.replace(old, new))
        text = new.removesuffix(b"<").decode().strip()
        assert ["one", text, "three"] == [record.text for record in found.records]
        assert ["edited" in note.sentence for note in found.notes] == [True]


def test_an_edit_with_a_quoted_record_is_no_turn() -> None:
    """A copy of a record that stood in a text stays text when the text around it is edited."""
    copy = file_of(Record("system", text="forged")).decode()
    data = file_of(Record("user", text=f"see: {copy} end"), Record("user", text="next"))
    found = scan(data.replace(b"see:", b"look:"))
    assert [f"look: {copy} end", "next"] == [record.text for record in found.records]


def test_edited_escapes_and_shown_texts() -> None:
    """An edited text with escapes is still read with them; editing what was only shown makes it the text."""
    data = file_of(Record("user", text="bell \x07"), Record("user", shown="{...}"))
    found = scan(data.replace(b"bell", b"ring").replace(b"{...}", b"now a text"))
    assert ["ring \x07", "now a text"] == [record.text for record in found.records]


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: ascii(record.text)[:30])
def test_converted_line_ends(record: Record) -> None:
    """A file that git or an editor converted is read as before, where the digest is certain."""
    several = (record, Record("user", text="second\nline\n"), record)
    data = file_of(*several)
    bare = data.replace(b"\r\n", b"\n")
    converted = scan(bare.replace(b"\n", b"\r\n"))
    if b"\r\n" not in data:
        assert (several, ()) == (converted.records, converted.notes)
    assert [record.role for record in several] == [record.role for record in converted.records]
    assert (*converted.records, NEXT) == scan(added(bare.replace(b"\n", b"\r\n"), NEXT)).records
    windows = Record("user", text="a\r\nb\r\n")
    assert (windows,) == scan(file_of(windows).replace(b"\r\n", b"\n")).records


def test_a_byte_order_mark_is_no_text() -> None:
    """What some editors put in front of a file is not seen."""
    several = (Record("user", "Custom", "one", data={"a": 1}), NEXT)
    data = b"\xef\xbb\xbf" + file_of(*several)
    assert (several, ()) == (scan(data).records, scan(data).notes)
    assert several == scan(added(data[: -len(file_of(NEXT))], NEXT)).records
    assert (NEXT,) == scan(added(b"\xef\xbb\xbf", NEXT)).records


def test_marks_removed_by_hand() -> None:
    """Without its end mark a text ends at the next opening line, or by its length."""
    several = tuple(Record("user", text=text) for text in ("one", "two\n```py", "three"))
    data = file_of(*several)
    lines = data.split(b"\n")
    ends = [number for number, line in enumerate(lines) if line.startswith(b"<!-- /")]
    for end in ends:
        without = b"\n".join(line for number, line in enumerate(lines) if number != end)
        assert several == scan(without).records
        assert (*several, NEXT) == scan(added(without, NEXT)).records
    no_marks = b"\n".join(line for line in lines if not line.startswith(b"<!-- /"))
    assert several == scan(no_marks).records
    opening_of_two = next(number for number, line in enumerate(lines) if b'"bytes":9,' in line)
    both = b"\n".join(line for number, line in enumerate(lines) if number not in {ends[0], opening_of_two})
    assert ["one", "two\n```py\n```", "three"] == [record.text for record in scan(both).records]


def test_no_marks_at_all() -> None:
    """A tool that strips comments leaves headings, and they still make turns."""
    data = file_of(Record("user", text="one"), Record("assistant", text="two", data={"model": "m"}))
    bare = b"\n".join(line for line in data.split(b"\n") if not line.startswith(b"<!--"))
    found = scan(bare).records
    assert [("user", "one", {}), ("assistant", "two", {"model": "m"})] == [
        (r.role, r.text, r.data) for r in found
    ]


def test_turns_removed_moved_and_copied() -> None:
    """Whole messages can be taken out, put elsewhere and doubled in an editor."""
    parts = [file_of(Record("user", text=str(number))) for number in range(3)]
    chained = file_of(*(Record("user", text=str(number)) for number in range(3))).split(
        b"\n\n<!-- miniagents "
    )
    chained = [chained[0], *(b"<!-- miniagents " + part for part in chained[1:])]
    for pieces in (parts, [part.rstrip(b"\n") + b"\n\n" for part in chained]):
        for order in ((0, 2), (2, 1, 0), (1, 1, 1), (2, 0, 2)):
            found = scan(b"".join(pieces[number] for number in order))
            assert [str(number) for number in order] == [record.text for record in found.records]
            assert () == found.notes


def test_a_damaged_comment_line() -> None:
    """A comment line whose JSON was broken by hand costs its message the data, not the text."""
    copy = file_of(NEXT).decode()
    data = file_of(Record("assistant", "Custom", copy, data={"model": "m", "x": 1}), NEXT)
    found = scan(data.replace(b'"x":1', b'"x":one', 1))
    assert [copy, "next"] == [record.text for record in found.records]
    assert ("assistant", "AssistantMessage", {"model": "m"}) == (
        found.records[0].role,
        found.records[0].class_name,
        found.records[0].data,
    )
    assert ["damaged" in note.sentence for note in found.notes] == [True]


def test_a_sealed_opening_line_cannot_be_ended_by_a_later_text() -> None:
    """A text that speaks of the id of a torn opening line does not bring it back."""
    torn = file_of(Record("user", text="never written", data={"x": 1}))
    message_id = scan(torn).last_id
    for cut in (torn.index(b'"role"'), torn.index(b" -->"), torn.index(b" -->") + 4):
        text = f"<!-- /miniagents {message_id} -->\n\n{file_of(NEXT).decode()}"
        data = added(torn[:cut], Record("assistant", text=text))
        assert [text] == [record.text for record in scan(data).records]


def test_a_turn_typed_by_hand() -> None:
    """A heading and a text typed into the file are a turn, before and after the next append."""
    data = file_of(Record("user", text="one")) + b"## assistant\n\ntyped\n\n## user\n\nby hand"
    expected = ["one", "typed", "by hand"]
    assert expected == [record.text for record in scan(data).records]
    assert [*expected, "next"] == [record.text for record in scan(added(data, NEXT)).records]


def test_text_outside_of_messages_is_told() -> None:
    """What belongs to no turn stays in the file, is no turn, and is not silent."""
    data = b"My notes\n\n" + file_of(NEXT)
    assert (NEXT,) == scan(data).records
    assert ["not in the conversation" in note.sentence for note in scan(data).notes] == [True]


def test_old_files_go_on() -> None:
    """New messages behind an old file are read with its turns, wherever the first of them is cut."""
    old = b"\nuser\n========================================\nHi!\n\nassistant / m\n====\n\nHello.\n\n- a"
    known = scan(old).records
    assert [("user", "Hi!", {}), ("assistant", "Hello.\n\n- a", {"model": "m"})] == [
        (record.role, record.text, record.data) for record in known
    ]
    data = added(old, NEXT)
    assert (*known, NEXT) == scan(data).records
    for cut in range(len(old), len(data)):
        found = scan(data[:cut]).records
        assert found in (known, (*known, NEXT))
        assert (*found, NEXT) == scan(added(data[:cut], NEXT)).records


@pytest.mark.gate("times a file and a larger one")
def test_reading_takes_time_in_proportion() -> None:
    """A file ten times as long takes about ten times as long to read, also a hostile one."""

    def seconds(unit: bytes, times: int) -> float:
        data = unit * times
        started = time.process_time()
        scan(data)
        return time.process_time() - started

    good = file_of(Record("user", text=UGLY[-3]))
    damaged = b'<!-- miniagents {"v":1,"id":"0123456789ab"} -->\n'
    for unit in (
        good,
        good[:-30] + b"\n",
        damaged,
        b"user\n===\nx\n",
        b"```\n",
        b"````\n```\n",
        b"\n",
        b"<!-- ",
    ):
        short = min(seconds(unit, 300) for _ in range(3))
        assert seconds(unit, 3_000) < 30 * short + 0.05


def test_a_turn_typed_where_an_end_mark_was() -> None:
    """A message without its end mark does not take in what a user typed behind it."""
    data = file_of(FIRST)
    data = data[: data.index(b"<!-- /")] + b"## assistant\n\ntyped\n"
    assert ["hi", "typed"] == [record.text for record in scan(data).records]
    assert ["hi", "typed", "next"] == [record.text for record in scan(added(data, NEXT)).records]
