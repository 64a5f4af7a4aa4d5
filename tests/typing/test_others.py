"""What other checkers say is counted by statements, and compared with the table of docs/types.md."""

from pathlib import Path

from tests.typing.others import CHECKERS, PAGE, Corpus, recorded, refused

PROGRAM = """
assert_type(
    one,
    int,
)
two("x")  # type: ignore[arg-type]
three()  # pyright: ignore[reportCallIssue]
if four:
    five()
"""


def test_an_error_is_of_the_statement_that_it_stands_in(tmp_path: Path) -> None:
    """Each statement counts once, whatever line of it is named; what is said of other files does not."""
    file = tmp_path / "program.py"
    file.write_text(PROGRAM, encoding="utf-8")
    known = Corpus.read([file])
    said = """
ERROR tests/typing/program.py:4:5-8: it is no int [assert-type]
tests/typing/program.py:3:5: error[type-assertion-failure] the same
tests/typing/program.py:6: error: wrong  [arg-type]
  elsewhere/tests/typing/program.py:9:4 - error: "five" is not defined
tests/typing/program.py:8: note: see there
elsewhere/package.py:2: error: not ours
Found 4 errors
"""
    found = refused(said, known)
    assert {"assert_type(", 'two("x")  # type: ignore[arg-type]', "five()"} == {each.text for each in found}
    assert {6} == {each.line for each in known.wrong}
    assert {7} == {each.line for each in known.open}
    assert 5 == len(set(known.at.values()))


def test_the_table_has_each_of_them() -> None:
    """The table of the page names every checker, with what it refuses and what passes."""
    assert set(CHECKERS) == set(recorded(PAGE.read_text(encoding="utf-8")))
    assert {"ty": (12, 3)} == recorded("| ty 0.0.105 | 12 | 3 | why |\n| two words | 1 | 2 |")
