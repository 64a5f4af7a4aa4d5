"""A file has one concept, and each module is mirrored by its test."""

from pathlib import Path

import pytest

from tests.architecture.files import crowded_operators, long_files, stray_tests, untested_modules
from tests.architecture.project import MAX_LINES, TESTED_ELSEWHERE
from tests.architecture.source import ROOT, no_breach, plant

MODULE = "miniagents/values/_frozen.py"
LONG = "value = 1\n" * (MAX_LINES + 1)


def test_files_are_short() -> None:
    """No module of the package has more than 450 lines, docstrings of its definitions not counted."""
    no_breach(long_files(ROOT, "miniagents", "examples"))


def test_modules_are_tested() -> None:
    """Each module has its test, in the same place under `tests/`."""
    no_breach(untested_modules(ROOT, TESTED_ELSEWHERE))


def test_tests_have_modules() -> None:
    """Each test in a layer's folder mirrors a module, or says which modules it crosses."""
    no_breach(stray_tests(ROOT))


def test_one_operator_one_file() -> None:
    """A new operator is a new file."""
    no_breach(crowded_operators(ROOT))


@pytest.mark.parametrize(
    ("text", "count"),
    [
        (LONG, 1),
        ('"""Long."""\n' + LONG, 1),
        ("value = 1\n" * MAX_LINES, 0),
        ('def f():\n    """Text.\n' + "\n" * MAX_LINES + '    """\n', 0),
        ('def f():\n    """Text.\n\n    """\n' + LONG, 1),
    ],
)
def test_length_can_fail(tmp_path: Path, text: str, count: int) -> None:
    """A module of one line too many is found."""
    assert len(long_files(plant(tmp_path, {MODULE: text}))) == count
    assert len(long_files(tmp_path, longer={MODULE: "it is a table"})) == 1 - count


@pytest.mark.parametrize(
    ("module", "test"),
    [
        ("miniagents/values/_frozen.py", "tests/values/test_frozen.py"),
        ("miniagents/ext/llm/openai.py", "tests/ext/llm/test_openai.py"),
        ("miniagents/ext/_history/_marks.py", "tests/ext/history/test_marks.py"),
    ],
)
def test_mirror_can_fail(tmp_path: Path, module: str, test: str) -> None:
    """A module without its test is found; with it, or with a test that is listed for it, it is not."""
    plant(tmp_path, {module: "", "tests/values/test_others.py": ""})
    assert untested_modules(tmp_path, {}) == [f"{module}: has no test; write {test}"]
    assert untested_modules(tmp_path, {module: "tests/values/test_others.py"}) == []
    assert len(untested_modules(tmp_path, {module: "tests/values/test_gone.py"})) == 1
    assert untested_modules(plant(tmp_path, {test: ""}), {}) == []


def test_public_modules_need_no_test(tmp_path: Path) -> None:
    """A public module has nothing to test that its modules have not."""
    files = {"miniagents/values/__init__.py": "", "miniagents/utils.py": "", "miniagents/__main__.py": ""}
    assert untested_modules(plant(tmp_path, files), {}) == []


def test_stray_can_fail(tmp_path: Path) -> None:
    """A test of no module is found, unless it says which it crosses; helpers and other folders are free."""
    test = "tests/values/test_laws.py"
    free = {
        MODULE: "",
        "tests/values/helper.py": "",
        "tests/values/test_frozen.py": "",
        "tests/test_free.py": "",
    }
    assert stray_tests(plant(tmp_path, free)) == []
    assert len(stray_tests(plant(tmp_path, {test: '"""Laws."""\n'}))) == 1
    assert stray_tests(plant(tmp_path, {test: '"""Laws.\n\nCrosses modules: all values.\n"""\n'})) == []


def test_crowd_can_fail(tmp_path: Path) -> None:
    """A second operator in a file is found; helpers with an underscore are free, and so are other layers."""
    operator = "miniagents/operators/_shout.py"
    plant(
        tmp_path,
        {operator: "def shout(): ...\ndef _louder(): ...\n", "miniagents/values/_a.py": "def f(): ...\n"},
    )
    assert crowded_operators(tmp_path) == []
    (breach,) = crowded_operators(plant(tmp_path, {operator: "def shout(): ...\ndef whisper(): ...\n"}))
    assert breach.startswith(f"{operator}:2: one operator, one file")
