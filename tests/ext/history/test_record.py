"""Records are values."""

import dataclasses

import pytest

from miniagents.ext._history._record import Note, Record


def test_a_record_is_a_frozen_value() -> None:
    """Equal fields make equal records, and nobody changes one."""
    record = Record("user", text="hi")
    assert Record(role="user", class_name="Message", text="hi", data={}) == record
    with pytest.raises(dataclasses.FrozenInstanceError):
        record.text = "other"  # type: ignore[misc]  # what is tested


def test_a_note_is_about_new_damage_unless_it_says_otherwise() -> None:
    """Only damage that a later append has sealed is settled."""
    assert not Note(0, "torn").settled
