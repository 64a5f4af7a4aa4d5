r"""Control characters and lone surrogates as visible escapes, and back.

A text without them stands in the file as it is. A text with one of them would make the file binary for
editors and for git, dangerous for a terminal (`cat`), or no UTF-8 at all, so such a text, and only such a
text, is written with backslash escapes and its record says so. `\t`, `\n` and the pair `\r\n` are ordinary; a
`\r` alone is not.
"""

import re

_UNUSUAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]|\r(?!\n)")
_UNUSUAL_OR_BACKSLASH = re.compile(_UNUSUAL.pattern + r"|\\")
_TWO_DIGITS = 0x100
_ESCAPE = re.compile(r"\\(?:(\\)|x([0-9a-f]{2})|u([0-9a-f]{4}))")


def needs_escaping(text: str) -> bool:
    """Whether the text holds a character that must not stand in a file as it is."""
    return _UNUSUAL.search(text) is not None


def escape(text: str) -> str:
    r"""A text that may hold anything becomes one of ordinary characters; a backslash becomes two.

    >>> escape("bell \x07 and a \\")
    'bell \\x07 and a \\\\'
    """
    return _UNUSUAL_OR_BACKSLASH.sub(_escaped, text)


def unescape(text: str) -> str:
    r"""What `escape` made becomes the text again; a backslash that begins no escape stays as it is.

    >>> unescape("bell \\x07 and a \\\\") == "bell \x07 and a \\"
    True
    """
    return _ESCAPE.sub(_unescaped, text)


def _escaped(match: re.Match[str]) -> str:
    character = match.group()
    if character == "\\":
        return "\\\\"
    number = ord(character)
    return f"\\x{number:02x}" if number < _TWO_DIGITS else f"\\u{number:04x}"


def _unescaped(match: re.Match[str]) -> str:
    digits = match.group(2) or match.group(3)
    return chr(int(digits, 16)) if digits else "\\"
