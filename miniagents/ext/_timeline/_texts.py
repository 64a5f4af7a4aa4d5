"""Texts for pictures: nothing that a model, a server or a user says can be markup, a script or a command."""

import json
import re
from types import MappingProxyType
from typing import Final

from miniagents.values import redact_keys, strip_control

_NO_CHARACTERS: Final = re.compile("[\ufffe\uffff]")  # the rest of what XML refuses goes with the controls
_ESCAPES: Final = MappingProxyType({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})
_UNITS: Final = ((1e-3, 1e6, "µs"), (1.0, 1e3, "ms"), (120.0, 1.0, "s"))


def clean(text: str) -> str:
    r"""A text without controls and without keys; line breaks and tabs stay.

    Args:
        text: any text.

    Example:
        >>> clean("red \x1b[31m sk-abcdef123456")
        'red [31m [redacted]'
    """
    return redact_keys(_NO_CHARACTERS.sub("", strip_control(text)))


def line(text: str, most: int) -> str:
    r"""A text as one clean line.

    Args:
        text: any text; white space becomes single spaces.
        most: how many characters it may have; a longer one ends with an ellipsis.

    Example:
        >>> line("to be\nor not to be", 12)
        'to be or no…'
    """
    cut = text[: 8 * most + 1000]  # what is cut off anyway need not be cleaned
    words = " ".join(clean(cut).split())
    return words if len(words) <= most and len(cut) == len(text) else f"{words[: most - 1]}…"


def data(value: object) -> str:
    r"""JSON that can stand in a script element.

    Args:
        value: what `json` can write.

    Example:
        >>> print(data({"a": "</script>"}))
        {"a":"\u003c/script\u003e"}
    """
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    for character, escaped in _ESCAPES.items():
        text = text.replace(character, escaped)
    return text


def duration(seconds: float) -> str:
    """How long something took, in three digits.

    Args:
        seconds: how long.

    Example:
        >>> [duration(each) for each in (0, 0.00025, 0.0425, 3.14159, 59.96, 125, 7300)]
        ['0 s', '250 µs', '42.5 ms', '3.14 s', '60 s', '2 min 05 s', '2 h 01 min']
    """
    if seconds <= 0:
        return "0 s"
    for below, times, unit in _UNITS:
        if seconds < below * 0.9995:  # rounded to three digits it still is
            scaled = seconds * times
            digits = 0 if scaled >= 99.95 else 1 if scaled >= 9.995 else 2  # noqa: PLR2004 - three digits
            return f"{_without_zeros(f'{scaled:.{digits}f}')} {unit}"
    return _clock(seconds)


def _clock(seconds: float) -> str:
    whole = round(seconds)
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {whole % 60:02} s"


def _without_zeros(number: str) -> str:
    return number.rstrip("0").rstrip(".") if "." in number else number


def tick(seconds: float, step: float, longest: float) -> str:
    """The label of a tick of an axis.

    Args:
        seconds: where it stands.
        step: seconds from one tick to the next one.
        longest: the time at the end of the axis, in seconds, which chooses the unit.

    Example:
        >>> tick(0.5, 0.5, 2), tick(0.25, 0.05, 0.4), tick(90, 30, 300), tick(7200, 1800, 9000)
        ('0.5 s', '250 ms', '1 min 30 s', '2 h')
    """
    for below, times, unit in _UNITS:
        if longest < below:
            digits = max(0, -exponent(step * times)) if seconds else 0
            return f"{seconds * times:.{digits}f} {unit}"
    return _clock(seconds).removesuffix(" 00 s").removesuffix(" 00 min") if seconds else "0 s"


def exponent(number: float) -> int:
    """The power of ten of the first digit.

    Args:
        number: more than 0.

    Example:
        >>> exponent(5), exponent(0.5)
        (0, -1)
    """
    return int(f"{number:e}".partition("e")[2])
