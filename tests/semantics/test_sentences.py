"""Every sentence of what is promised has its tests."""

import ast
from collections import Counter
from functools import lru_cache
from pathlib import Path

from tests.semantics.sentences import SENTENCES, Sentence

ROOT = Path(__file__).parents[2]


def missing(root: Path, sentence: Sentence) -> list[str]:
    """The tests that a sentence names and that are not there."""
    return [node for node in sentence.tests if not is_there(root, node)]


def is_there(root: Path, node: str) -> bool:
    """Whether there is such a test; its parameters are not looked at."""
    path, *names = node.split("::")
    if not names or not (root / path).is_file():
        return False
    body = _statements(root / path)
    for name in names:
        found = [each for each in body if getattr(each, "name", None) == name]
        if not found:
            return False
        body = getattr(found[0], "body", [])
    return names[-1].startswith("test_")


@lru_cache  # many sentences have tests in the same file
def _statements(path: Path) -> list[ast.stmt]:
    return ast.parse(path.read_text(encoding="utf-8")).body


def test_each_sentence_has_its_tests() -> None:
    """A sentence without a test, or with one that is not there, is not promised."""
    assert [] == [each.text for each in SENTENCES if not each.tests]
    assert {} == {each.text: gone for each in SENTENCES if (gone := missing(ROOT, each))}


def test_no_sentence_twice() -> None:
    """Each sentence stands once, and so does each of its tests within it."""
    texts = Counter(each.text for each in SENTENCES)
    assert [] == [text for text, count in texts.items() if count > 1]
    assert [] == [each.text for each in SENTENCES if len({*each.tests}) != len(each.tests)]


def test_a_missing_test_is_found() -> None:
    """A test that was renamed, moved or taken away is missed."""
    here = "tests/semantics/test_sentences.py"
    wrong = ("tests/semantics/gone.py::test_a", f"{here}::test_gone", here, f"{here}::missing")
    sentence = Sentence("", "", (*wrong, f"{here}::test_a_missing_test_is_found"))
    assert [*wrong] == missing(ROOT, sentence)
