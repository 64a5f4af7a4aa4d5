"""Modules, layers and tests are called what they are."""

from pathlib import Path

import pytest

from tests.architecture.source import ROOT, no_breach, plant
from tests.architecture.words import BETTER, house_words


def test_words() -> None:
    """No room, no door, no floor in the package, nor in the pages that tell how it is built."""
    no_breach(house_words(ROOT))


@pytest.mark.parametrize(
    ("file", "text", "sentence"),
    [
        (
            "miniagents/core/_pump.py",
            '"""Rule of this room: closed."""\n',
            "_pump.py:1: 'room': say 'module'",
        ),
        ("miniagents/core/_pump.py", "x = 1  # behind the Door\n", "_pump.py:1: 'Door': say 'public module'"),
        ("miniagents/ext/_http.py", "\nclass ClientRoom: ...\n", "_http.py:2: 'Room': say 'module'"),
        ("miniagents/core/_flow.py", "room_left = 3\n", "_flow.py:1: 'room': say 'module'"),
        ("docs/core.md", "Five floors.\n", "core.md:1: 'floor': say 'layer'"),
        ("README.md", "The map of the house.\n", "README.md:1: 'house': say 'architecture'"),
        ("CONTRIBUTING.md", "Use the corridor.\n", "CONTRIBUTING.md:1: 'corridor': say 'module'"),
    ],
)
def test_words_can_fail(tmp_path: Path, file: str, text: str, sentence: str) -> None:
    """Such a word is found in docstrings, comments, names and pages."""
    (breach,) = house_words(plant(tmp_path, {file: text}), {})
    assert breach.endswith(sentence)


@pytest.mark.parametrize("word", BETTER)
def test_each_word_is_found(tmp_path: Path, word: str) -> None:
    """Each word is found, and its plural, but not where it is part of another one."""
    text = f"# {word} {word}s\n# {word}ing un{word}\n"
    assert len(house_words(plant(tmp_path, {"miniagents/core/_pump.py": text}), {})) == 2


def test_what_is_meant(tmp_path: Path) -> None:
    """A word that means the thing itself is free in the words that are listed, and only there."""
    files = {"miniagents/core/_pump.py": "# no room for an answer\n# this room\n"}
    meant = {"miniagents/core/_pump.py": "no room for"}
    assert house_words(plant(tmp_path, files), meant) == ["miniagents/core/_pump.py:2: 'room': say 'module'"]
    (breach,) = house_words(tmp_path, {"miniagents/core/_pump.py": "no room at all"})[:1]
    assert breach.endswith("is said to have the words 'no room at all', and has not")
