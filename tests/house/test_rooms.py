"""Rooms are short, and each is mirrored by its test."""

from pathlib import Path

import pytest

from tests.house.rooms import MAX_LINES, crowded_operators, long_rooms, stray_tests, untested_rooms
from tests.house.source import ROOT, no_breach, plant

# room -> the test that covers it; the comment says why it has none of its own.
TESTED_ELSEWHERE: dict[str, str] = {
    # Aliases only, for type checkers: every member of them is tried there.
    "miniagents/core/_message_type_of.py": "tests/typing/core_agents.py",
    # Protocols only: there is nothing in it to run; whoever has these roles is tested with the log.
    "miniagents/core/_protocols.py": "tests/core/test_buffer.py",
    # The SDK behind two agents, each of which is tested against a server.
    "miniagents/ext/llm/_openai_sdk.py": "tests/ext/llm/test_openai.py",
    # Values without behaviour: the machine's test compares every one of them.
    "miniagents/values/_json_events.py": "tests/values/test_json_machine.py",
    # What `map_agent` runs on: it is nothing without inquiries, so it is tested with them.
    "miniagents/core/_concurrent_map.py": "tests/operators/test_map_agent.py",
    "miniagents/core/_windowed.py": "tests/operators/test_map_agent.py",
    # What goes around runs: one sentence of the README, tested as one.
    "miniagents/agents/_algebra/_around.py": "tests/agents/test_around.py",
    "miniagents/agents/_run_context.py": "tests/agents/test_around.py",
    "miniagents/agents/_wrapping.py": "tests/agents/test_around.py",
    "miniagents/models/_typed_map.py": "tests/agents/test_around.py",
    # The run of a typed answer is nothing without the answer.
    "miniagents/agents/_message_run.py": "tests/models/test_typed_agent.py",
}

ROOM = "miniagents/values/_frozen.py"
LONG = "value = 1\n" * (MAX_LINES + 1)


def test_rooms_are_short() -> None:
    """No room of the house has more than 250 lines, docstrings not counted, without its reason."""
    no_breach(long_rooms(ROOT, "miniagents", "examples"))


def test_rooms_are_tested() -> None:
    """Each room has its test, in the same place under `tests/`."""
    no_breach(untested_rooms(ROOT, TESTED_ELSEWHERE))


def test_tests_have_rooms() -> None:
    """Each test in a floor's folder mirrors a room, or says which rooms it crosses."""
    no_breach(stray_tests(ROOT))


def test_one_operator_one_file() -> None:
    """A new operator is a new file."""
    no_breach(crowded_operators(ROOT))


@pytest.mark.parametrize(
    ("text", "count"),
    [
        (LONG, 1),
        ('"""Long."""\n' + LONG, 1),
        ('"""Long.\n\nWhy so long: a table of all the cases.\n"""\n' + LONG, 0),
        ("value = 1\n" * MAX_LINES, 0),
        ('def f():\n    """Text.\n' + "\n" * MAX_LINES + '    """\n', 0),
        ('def f():\n    """Text.\n\n    """\n' + LONG, 1),
    ],
)
def test_length_can_fail(tmp_path: Path, text: str, count: int) -> None:
    """A room of 251 lines is found, unless it says why."""
    assert len(long_rooms(plant(tmp_path, {ROOM: text}))) == count


@pytest.mark.parametrize(
    ("room", "test"),
    [
        ("miniagents/values/_frozen.py", "tests/values/test_frozen.py"),
        ("miniagents/ext/llm/openai.py", "tests/ext/llm/test_openai.py"),
        ("miniagents/ext/_history/_marks.py", "tests/ext/history/test_marks.py"),
    ],
)
def test_mirror_can_fail(tmp_path: Path, room: str, test: str) -> None:
    """A room without its test is found; with it, or with a test that is listed for it, it is not."""
    plant(tmp_path, {room: "", "tests/values/test_others.py": ""})
    assert untested_rooms(tmp_path, {}) == [f"{room}: has no test; write {test}"]
    assert untested_rooms(tmp_path, {room: "tests/values/test_others.py"}) == []
    assert len(untested_rooms(tmp_path, {room: "tests/values/test_gone.py"})) == 1
    assert untested_rooms(plant(tmp_path, {test: ""}), {}) == []


def test_doors_need_no_test(tmp_path: Path) -> None:
    """A door has nothing to test that its rooms have not."""
    doors = {"miniagents/values/__init__.py": "", "miniagents/utils.py": "", "miniagents/__main__.py": ""}
    assert untested_rooms(plant(tmp_path, doors), {}) == []


def test_stray_can_fail(tmp_path: Path) -> None:
    """A test of no room is found, unless it says which it crosses; helpers and other folders are free."""
    test = "tests/values/test_laws.py"
    free = {
        ROOM: "",
        "tests/values/helper.py": "",
        "tests/values/test_frozen.py": "",
        "tests/test_free.py": "",
    }
    assert stray_tests(plant(tmp_path, free)) == []
    assert len(stray_tests(plant(tmp_path, {test: '"""Laws."""\n'}))) == 1
    assert stray_tests(plant(tmp_path, {test: '"""Laws.\n\nCrosses rooms: all values.\n"""\n'})) == []


def test_crowd_can_fail(tmp_path: Path) -> None:
    """A second operator in a file is found; helpers with an underscore are free, and so are other floors."""
    operator = "miniagents/operators/_shout.py"
    plant(
        tmp_path,
        {operator: "def shout(): ...\ndef _louder(): ...\n", "miniagents/values/_a.py": "def f(): ...\n"},
    )
    assert crowded_operators(tmp_path) == []
    (breach,) = crowded_operators(plant(tmp_path, {operator: "def shout(): ...\ndef whisper(): ...\n"}))
    assert breach.startswith(f"{operator}:2: one operator, one file")
