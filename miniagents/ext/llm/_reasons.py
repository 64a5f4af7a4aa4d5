"""Finds the kind and the text of an error in the JSON of a server, in any form.

There is no common form. OpenAI and compatible servers have an object under ``error``, FastAPI a text or a
list under ``detail``, others ``code`` and ``msg``, a list, or only a text. `reason_in` knows these names, and
returns JSON without any of them unchanged. If such a body quotes the request (``input``, ``messages``, ...),
the quote is removed: it is the text of the user.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, cast

from typing_extensions import override

from ._json import look

_TEXTS: Final = (
    *("message", "msg", "error_msg", "error_message", "errorMessage", "status_msg", "Message", "faultstring"),
    *("detail", "error_description", "description", "reason", "title", "error"),
)
_INSIDE: Final = ("error", "errors", "detail", "fault", "base_resp", "message")
_KINDS: Final = ("type", "status", "code", "error_code", "errorcode", "status_code", "__type")
_ADDRESSES: Final = ("about:", "http:", "https:")  # of a page that explains the kind
_OF_THE_REQUEST: Final = frozenset(
    {"body", "content", "contents", "ctx", "data", "input", "messages", "prompt", "request", "system"}
)
_DEEPEST: Final = 6
_MOST: Final = 5
_LONGEST: Final = 4_000


@dataclass(frozen=True, slots=True)
class Reason:
    """The error of a server, as its body describes it.

    Attributes:
        kind: the type or code of the error; ``""`` if it has none.
        text: its text; ``""`` if it has none.
        status: the HTTP status that the body names; it may differ from the status of the response.
    """

    kind: str = ""
    text: str = ""
    status: int | None = None

    @override
    def __str__(self) -> str:
        return f"{self.kind}: {self.text}" if self.kind and self.text else self.kind or self.text


def reason_in(value: object) -> Reason:
    """Return the reason in the JSON of an error.

    Args:
        value: the whole JSON, or the value under ``error``.

    Example:
        >>> str(reason_in({"code": 1001, "msg": "quota gone"}))
        '1001: quota gone'
        >>> str(reason_in({"detail": [{"loc": ["body", "n"], "msg": "Field required", "input": "secret"}]}))
        'body.n: Field required'
    """
    return _reason(value, 0) or Reason("", _as_it_is(value))


def _reason(value: object, depth: int) -> Reason | None:
    """Return the reason in a value; None if it has none under a known name."""
    if isinstance(value, str):
        return Reason("", value) if value.strip() else None
    if depth > _DEEPEST:
        return None
    if isinstance(value, list):
        return _together(cast("list[object]", value), depth)
    return _of_fields(cast("Mapping[str, object]", value), depth) if isinstance(value, Mapping) else None


def _of_fields(fields: Mapping[str, object], depth: int) -> Reason | None:
    """Return the reason in an object, or in a value inside it."""
    kind, status = _kind(fields), _status(fields)
    for name in _INSIDE:
        inner = fields.get(name)
        if isinstance(inner, Mapping | list) and (found := _reason(cast("object", inner), depth + 1)):
            return Reason(found.kind or kind, found.text, found.status or status)
    text = next((said for name in _TEXTS if isinstance(said := fields.get(name), str) and said.strip()), "")
    where = fields.get("loc")
    if text and isinstance(where, list):  # FastAPI; its `type` says no more than its `msg`
        return Reason("", f"{'.'.join(map(str, cast('list[object]', where)))}: {text}")
    behind = look(fields, "metadata", "raw")  # OpenRouter; its own text is "Provider returned error"
    if text and isinstance(behind, str):
        text = f"{text}: {behind}"
    return Reason(kind, text, status) if text or kind else None


def _together(values: list[object], depth: int) -> Reason | None:
    """Return the reasons in the first items of a list, as one."""
    found = [said for each in values[:_MOST] if (said := _reason(each, depth + 1))]
    if not found:
        return None
    text = "; ".join(said.text for said in found if said.text)
    return Reason(found[0].kind, f"{text}; ..." if len(values) > _MOST else text, found[0].status)


def _kind(fields: Mapping[str, object]) -> str:
    """Return the kind of an error, a word rather than a number."""
    number = ""
    for name in _KINDS:
        found = fields.get(name)
        if isinstance(found, str):
            # "error" is the type of the event around it.
            if found.strip() in {"", "error"} or found.startswith(_ADDRESSES):
                continue
            if not found.isdecimal():
                return found
            number = number or found
        elif isinstance(found, int) and not isinstance(found, bool):
            number = number or str(found)
    return number


def _status(fields: Mapping[str, object]) -> int | None:
    """Return the HTTP status that an error names, as a number or a text."""
    for name in ("code", "status", "status_code"):
        found = str(fields.get(name))
        if len(found) == 3 and found.isdecimal() and found.isascii():  # noqa: PLR2004 - digits of a status
            return int(found)
    return None


def _as_it_is(value: object) -> str:
    """Return JSON without any known name as a text, without fields that may quote the request."""
    if isinstance(value, Mapping):
        fields = cast("Mapping[str, object]", value)
        value = {name: each for name, each in fields.items() if name not in _OF_THE_REQUEST}
    if value in (None, "", {}, []):
        return ""
    try:
        return json.dumps(value, ensure_ascii=False, default=str)[:_LONGEST]
    except (ValueError, RecursionError):
        return ""
