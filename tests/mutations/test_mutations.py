"""What is taken away from a module, and that a test that does not miss it is told of."""

import ast
from pathlib import Path

import pytest

from tests.architecture.source import plant
from tests.mutations.__main__ import main, survivors
from tests.mutations.lab import Lab
from tests.mutations.mutants import mutants_of

FILE = Path("miniagents/values/_a.py")
MODULE = '''"""A module."""

LIMIT = 3
print("at import")


def positive(number, seen):
    """Return the number."""
    if number < 0 or number > LIMIT:
        raise ValueError(number)
    seen.append(
        number
    )
    try:
        self.last = number
    except TypeError:
        return None
    return number
'''
TEST = """
import pytest
from miniagents.values._a import positive

def test_positive():
    assert positive(1, []) == 1
    with pytest.raises(ValueError):
        positive(-1, [])
"""
SETTINGS = '[tool.pytest.ini_options]\npythonpath = ["."]\naddopts = ["--import-mode=importlib"]\n'


def small(tmp_path: Path, test: str = TEST) -> Path:
    """A package of one module, and its test."""
    root = tmp_path / "project"
    files = {str(FILE): MODULE.replace("self.last = number", "seen.reverse()"), "pyproject.toml": SETTINGS}
    return plant(root, {**files, "tests/values/test_a.py": test})


def test_what_is_taken_away() -> None:
    """Statements, conditions, operands and handlers of functions are; what is done at import is not."""
    assert [
        (9, "never true: number < 0 or number > LIMIT"),
        (9, "always true: number < 0 or number > LIMIT"),
        (9, "without the operand: number < 0"),
        (9, "without the operand: number > LIMIT"),
        (10, "without: raise ValueError(number)"),
        (11, "without: seen.append(number)"),
        (15, "without: self.last = number"),
        (16, "caught nowhere: TypeError"),
        (17, "without: return None"),
    ] == [(each.line, each.says) for each in mutants_of(FILE, MODULE)]


def test_the_rest_stays_as_it_is() -> None:
    """Each mutant is a module again, differs from the others, and has its other lines where they were."""
    mutants = mutants_of(FILE, MODULE)
    assert len({each.text for each in mutants}) == len(mutants)
    for each in mutants:
        assert isinstance(ast.parse(each.text), ast.Module)
        assert each.text.splitlines()[17] == "    return number"
        assert each.text != MODULE


def test_words_of_more_than_one_byte() -> None:
    """What stands behind a letter of several bytes is found where it is."""
    (mutant,) = mutants_of(FILE, 'def f():\n    "é"; send("ü")\n    x = 1\n')
    assert mutant.text == 'def f():\n    "é"; pass\n    x = 1\n'


def test_what_tests_read_is_copied(tmp_path: Path) -> None:
    """A copy has the pages, programs and settings that tests read, and nothing of git."""
    read = dict.fromkeys(["README.md", "docs/core.md", "examples/a.py", "stubs/b.pyi", ".ci/run"], "")
    root, copy = plant(small(tmp_path), {**read, ".git": ""}), tmp_path / "copy"
    Lab(root, copy)
    copied, known = ({str(each.relative_to(top)) for each in top.rglob("*")} for top in (copy, root))
    assert copied == known - {".git"}


@pytest.mark.loop(timeout=300)
@pytest.mark.gate("runs pytest once for each mutant")
def test_what_no_test_misses_is_found(tmp_path: Path) -> None:
    """What a test is red without is not told of; the rest is, unless a test of a later stage misses it."""
    root = small(tmp_path)
    tried = {"without: raise ValueError(number)", "without: seen.append(number)", "without: return None"}
    mutants = [each for each in mutants_of(FILE, (root / FILE).read_text()) if each.says in tried]
    left = survivors(root, mutants, [["tests/values/test_a.py"]])
    assert [each.says for each in left] == ["without: seen.append(number)", "without: return None"]
    more = "from miniagents.values._a import positive\ndef test_b():\n    seen = []\n    positive(1, seen)\n"
    plant(root, {"tests/values/test_b.py": f"{more}    assert seen == [1]\n"})
    now = survivors(root, left, [["tests/values/test_a.py"], ["tests/values"]])
    assert [each.says for each in now] == ["without: return None"]


@pytest.mark.gate("runs pytest in a process of its own")
def test_red_without_a_mutation(tmp_path: Path) -> None:
    """Tests that are red anyway, or cannot be run, prove nothing: that is an error."""
    lab = Lab(small(tmp_path, "def test_a():\n    assert False\n"), tmp_path / "copy")
    with pytest.raises(RuntimeError, match="red although nothing was taken away"):
        lab.seconds(["tests/values/test_a.py"])
    with pytest.raises(RuntimeError, match="could not be run"):
        lab.run(["tests/values/gone.py"], seconds=60)


def test_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    """`--list` shows what would be taken away, and tries nothing; what is no module is an error."""
    assert main(["--list", "miniagents/cli"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) > 10
    assert all(line.startswith("miniagents/cli/") for line in lines)
    with pytest.raises(SystemExit):
        main(["miniagents/gone.py"])
    assert "no module of the package is miniagents/gone.py" in capsys.readouterr().err
