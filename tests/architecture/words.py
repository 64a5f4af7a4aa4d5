"""The check of the words: the structure of code is called by the field's words, not by those of a house."""

import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from tests.architecture.project import WORDS_MEANT
from tests.architecture.source import PACKAGE

__all__ = ["BETTER", "house_words"]

BETTER: Final = MappingProxyType(
    {
        "corridor": "module",
        "door": "public module",
        "floor": "layer",
        "house": "architecture",
        "lineage": "ancestry",
        "mailbox": "bounded queue",
        "room": "module",
        "stepper": "processor",
        "wall": "architecture test",
    }
)
"""A word that is not used here -> the one that is."""

_WORD = re.compile(rf"(?<![a-z])({'|'.join(BETTER)})(?:e?s)?(?![a-z])", re.IGNORECASE)
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")


def house_words(root: Path, meant: Mapping[str, str] = WORDS_MEANT) -> list[str]:
    """Return a sentence for each such word in the package, in names too, and in the pages on the code.

    Args:
        root: the folder that holds the package and the pages.
        meant: for each file in which such a word means the thing itself, the words around it.
    """
    found: list[str] = []
    for path in _texts(root):
        name = path.relative_to(root).as_posix()
        text = path.read_text(encoding="utf-8")
        if name in meant and meant[name] not in text:
            found.append(f"{name} is said to have the words {meant[name]!r}, and has not")
        for number, line in enumerate(text.splitlines(), start=1):
            rest = line.replace(meant[name], "") if name in meant else line
            words: list[str] = _WORD.findall(_HUMP.sub(" ", rest))
            found += [f"{name}:{number}: {word!r}: say {BETTER[word.lower()]!r}" for word in words]
    return found


def _texts(root: Path) -> list[Path]:
    """The modules of the package, and the pages that tell of its structure."""
    pages = [path for path in (root / "README.md", root / "CONTRIBUTING.md") if path.exists()]
    return [*sorted((root / PACKAGE).rglob("*.py")), *pages, *sorted((root / "docs").rglob("*.md"))]
