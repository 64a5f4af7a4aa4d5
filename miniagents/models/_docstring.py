"""What a docstring says about a function and its parameters."""

import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

__all__ = ["Described"]

_HEADING: Final = re.compile(r"(?P<name>[A-Z][A-Za-z ]*):\s*\Z")
_PARAMETERS: Final = frozenset({"Args", "Arguments", "Parameters", "Params"})
_SECTIONS: Final = _PARAMETERS | {
    *("Attributes", "Example", "Examples", "Keyword Args", "Keyword Arguments", "Note", "Notes", "Raises"),
    *("References", "Return", "Returns", "See Also", "Todo", "Warning", "Warnings", "Yield", "Yields"),
}
_ENTRY: Final = re.compile(r"(?P<name>\w+)\s*(?:\([^)]*\))?\s*:\s*(?P<text>.*)\Z")


@dataclass(frozen=True, slots=True)
class Described:
    """A docstring in the style of Google, taken apart.

    Attributes:
        text: everything before the first section.
        parameters: of the section ``Args``, what it says about each parameter, on one line.
    """

    text: str
    parameters: Mapping[str, str]

    @classmethod
    def by(cls, docstring: str | None) -> "Described":
        r"""Take a docstring apart; one without sections is only text.

        Example:
            >>> found = Described.by("Look it up.\n\nArgs:\n    city: where,\n        by name\n")
            >>> found.text, found.parameters["city"]
            ('Look it up.', 'where, by name')
        """
        lines = inspect.cleandoc(docstring or "").splitlines()
        heads = [at for at, line in enumerate(lines) if _section(line) is not None]
        text = "\n".join(lines[: heads[0]] if heads else lines).strip()
        parameters: dict[str, str] = {}
        for head, end in zip(heads, [*heads, len(lines)][1:], strict=True):
            if _section(lines[head]) in _PARAMETERS:
                parameters |= _entries(lines[head + 1 : end])
        return cls(text, MappingProxyType(parameters))


def _section(line: str) -> str | None:
    found = _HEADING.match(line)
    return found["name"] if found and found["name"] in _SECTIONS else None


def _entries(lines: list[str]) -> dict[str, str]:
    filled = [line for line in lines if line.strip()]
    margin = min((len(line) - len(line.lstrip()) for line in filled), default=0)
    entries: dict[str, list[str]] = {}
    last: list[str] = []
    for line in filled:
        entry = _ENTRY.match(line[margin:])
        if entry is not None:
            last = entries.setdefault(entry["name"], [])
            last.append(entry["text"])
        else:
            last.append(line.strip())
    return {name: " ".join(" ".join(texts).split()) for name, texts in entries.items()}
