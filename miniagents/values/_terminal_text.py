"""Make a model's text safe for a terminal: no character of it may control the screen.

The rule is about single characters only, so a text may come in any pieces.

* Kept: everything printable, newline and tab.
* Replaced by a newline: NEL (U+0085), the line and paragraph separators (U+2028, U+2029).
* Replaced by U+FFFD: lone surrogates, which cannot be encoded.
* Removed: the other C0 and C1 controls and DEL; so also ESC, without which an escape sequence is plain
text, and the
  carriage return, with which a line could overwrite itself; the bidirectional overrides, embeddings and
  isolates (U+202A-202E, U+2066-2069), with which a line could read otherwise than it is. The marks that
  right-to-left text needs (U+200E, U+200F, U+061C) stay.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

_BREAKS: Final[Mapping[str, str]] = MappingProxyType({"\x85": "\n", "\u2028": "\n", "\u2029": "\n"})
_UNSAFE: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]",
)


def strip_control(text: str) -> str:
    r"""Return the text without characters that could control a terminal; they are removed or replaced.

    Args:
        text: A text, or any piece of one: the results of the pieces, joined, are the result of the whole.

    Example:
        >>> strip_control("\x1b[31mred\x07 text\r\n")
        '[31mred text\n'
    """
    return _UNSAFE.sub(_replacement, text)


def _replacement(found: re.Match[str]) -> str:
    character = found[0]
    if "\ud800" <= character <= "\udfff":
        return "\ufffd"
    return _BREAKS.get(character, "")
