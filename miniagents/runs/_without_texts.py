"""Events of a run without what people and models have written."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from ._message_records import Json
from ._stores import Event

_TEXT: Final = "…"  # what was not empty is not empty, so that frames keep their positions
KINDS: Final[Mapping[Json, tuple[int, ...] | None]] = MappingProxyType(
    {
        **dict.fromkeys(("began", "asked", "kept", "failed", "input", "delivered", "cut", "refused")),
        **dict.fromkeys(("model", "reply", "intent", "void", "parked"), ()),
        "call": (5,),
        "parts": (3,),
        "call_end": (4, 5),
        "question": (4, 5),
        "answer": (3,),
        "frame": (2,),
        "ended": (3,),
    }
)
"""The kinds of events in the log of a run, and where each has texts; None: all its data is one."""
_NAMES: Final = frozenset(
    {"agent", "agent_alias", "agents", "call", "call_id", "finish_reason", "how", "id", "item_id", "kind"}
    | {"model", "provider", "role", "tool", "type"}
)
_INSTEAD: Final[Mapping[str, Json]] = MappingProxyType({"arguments": "{}", "data": None, "opaque": None})


def without_texts(event: Event) -> Event:
    """Return an event without texts: what happened when, in which call, and how many tokens it took.

    Args:
        event: of the log of a run.

    Example:
        >>> without_texts(["parts", 1, 0, ["Hel", "lo", {"kind": "finish", "reason": "stop"}], [0, 1, 1]])
        ['parts', 1, 0, ['…', '…', {'kind': 'finish', 'reason': 'stop'}], [0, 1, 1]]
        >>> without_texts(["began", 0, {"agent": "poet", "messages": ["Hi"]}])
        ['began', 0]
    """
    texts_at = KINDS.get(event[0])
    if texts_at is None:
        return event[:2]
    return [_blank(each) if at in texts_at else each for at, each in enumerate(event)]


def _blank(value: Json) -> Json:
    match value:
        case str():
            return value and _TEXT
        case list():
            return [_blank(each) for each in value]
        case {"kind": "image" | "file" as kind}:
            return {"kind": kind, "url": _TEXT}
        case dict():  # the names of anything but parts and frames may be texts, too
            names = value if isinstance(value.get("kind", value.get("type")), str) else {"usage", *_NAMES}
            return {name: _field(name, each, value) for name, each in value.items() if name in names}
        case _:
            return value


def _field(name: str, value: Json, within: Mapping[str, Json]) -> Json:
    if (name in _NAMES and not isinstance(value, dict)) or (name, within.get("kind")) == ("reason", "finish"):
        return value
    return _INSTEAD[name] if name in _INSTEAD and value is not None else _blank(value)
