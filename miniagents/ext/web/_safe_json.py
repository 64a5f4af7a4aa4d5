"""JSON that a model wrote, as a value that every client can read.

Clients parse what they are sent in one piece: a number that is no JSON, or a name that their parser takes for
an attack, would be the end of the whole answer, and a model may write both.
"""

import json
from collections.abc import Iterable
from typing import Final, Never, cast

_DEEPEST: Final = 64


def safe_json(text: str) -> object:
    """Return the value of some JSON.

    Args:
        text: as a model or a tool wrote it.

    Raises:
        ValueError: it is no JSON; or it has infinite numbers, names that begin an attack on JavaScript
            (``__proto__``, ``constructor.prototype``), or is nested more than 64 deep.

    Example:
        >>> safe_json('{"city": "Oslo"}')
        {'city': 'Oslo'}
        >>> safe_json('{"__proto__": {"admin": true}}')
        Traceback (most recent call last):
            ...
        ValueError: a name in it is not safe in JavaScript
    """
    try:
        value = cast("object", json.loads(text, parse_constant=_refuse, parse_float=_finite))
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    level = [value]
    for _ in range(_DEEPEST):
        level = [inner for each in level for inner in _inside(each)]
        if not level:
            return value
    raise ValueError("it is nested too deep")


def _inside(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        fields = cast("dict[str, object]", value)
        constructor = fields.get("constructor")
        if "__proto__" in fields or (isinstance(constructor, dict) and "prototype" in constructor):
            raise ValueError("a name in it is not safe in JavaScript")
        return fields.values()
    return cast("list[object]", value) if isinstance(value, list) else ()


def _finite(text: str) -> float:
    number = float(text)
    if number in {float("inf"), float("-inf")}:
        _refuse(text)
    return number


def _refuse(text: str) -> Never:
    raise ValueError(f"{text[:20]} is no number of JSON")
