"""What only the server of an answer understands, and needs back with the next request.

Signatures, thoughts before a call, ids of items, results of searches: the decoder of a provider puts them
into `opaque` of a part, as a JSON object. `Origin.mark` adds the server that the answer came from. Later
`Origin.adapt` gives the encoder only parts that this server may have: what came from another one is removed.
The encoder reads the fields with `opened`.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import sha256
from typing import Final, TypeVar, cast

from miniagents.values import (
    Citation,
    Content,
    Reasoning,
    ServerToolCall,
    ServerToolResult,
    ToolCall,
    ToolCallDelta,
    ToolResult,
)

_FROM: Final = "from"
_LENGTH_OF_ID: Final = 9
P = TypeVar("P", Reasoning, ToolCallDelta, ServerToolCall, ServerToolResult, Citation)


def opaque(**fields: object) -> str:
    """Return the fields as `opaque` of a part.

    Args:
        **fields: what the encoder of the same provider needs.

    Example:
        >>> opaque(field="reasoning_content")
        '{"field": "reasoning_content"}'
    """
    return json.dumps(fields)  # in ASCII: halves of characters stay as they are


def opened(part: Reasoning | ToolCall | ServerToolCall | ServerToolResult | Citation) -> Mapping[str, object]:
    """Return the fields in `opaque` of a part; none if it has none.

    Example:
        >>> opened(Reasoning(opaque='{"from": "acme api.acme.example", "field": "thoughts"}'))["field"]
        'thoughts'
    """
    return {} if part.opaque is None else _loaded(part.opaque)


def made_id(*seed: str) -> str:
    """Return an id for a call that has none: nine letters and digits, which every provider accepts.

    Args:
        *seed: what only this call has.

    Example:
        >>> made_id("answer 1", "0") == made_id("answer 1", "0"), len(made_id("answer 1", "1"))
        (True, 9)
    """
    return sha256("\0".join(seed).encode("utf-8", "surrogatepass")).hexdigest()[:_LENGTH_OF_ID]


@dataclass(frozen=True, slots=True)
class Origin:
    """A server: what it has sent goes back to it, and to no other.

    Attributes:
        provider: the name of the provider, whose API it has.
        server: its host and port.
        ids: the ids of calls that it accepts; None for any.

    Example:
        >>> here, there = Origin("acme", "localhost:1"), Origin("acme", "localhost:2")
        >>> thought = here.mark(Reasoning("Hm.", opaque=opaque(field="thoughts")))
        >>> list(here.adapt([thought, "Hi"])) == [thought, "Hi"], list(there.adapt([thought, "Hi"]))
        (True, ['Hi'])
    """

    provider: str
    server: str
    ids: re.Pattern[str] | None = None

    def mark(self, part: P) -> P:
        """Return a part of an answer of this server, with the server in its `opaque`, if it has any."""
        if part.opaque is None:
            return part
        return replace(part, opaque=_marked(part.opaque, f"{self.provider} {self.server}"))

    def adapt(self, content: Iterable[Content]) -> Iterator[Content]:
        """Yield the content that this server may have, with ids of calls that it accepts."""
        for part in content:
            match part:
                case Reasoning() | ServerToolCall() | ServerToolResult() | Citation():
                    if part.opaque is None or self._sent(part.opaque):
                        yield part
                case ToolCall():
                    known = part.opaque is None or self._sent(part.opaque)
                    call = part if known else replace(part, opaque=None, item_id=None)
                    yield call if self._accepts(part.id) else replace(call, id=made_id(part.id))
                case ToolResult():
                    yield (
                        part if self._accepts(part.call_id) else replace(part, call_id=made_id(part.call_id))
                    )
                case _:
                    yield part

    def _sent(self, told: str) -> bool:
        return _loaded(told).get(_FROM) == f"{self.provider} {self.server}"

    def _accepts(self, call_id: str) -> bool:
        return self.ids is None or self.ids.fullmatch(call_id) is not None


@lru_cache(maxsize=64)
def _marked(told: str, origin: str) -> str:
    return json.dumps({_FROM: origin, **json.loads(told)})


def _loaded(told: str) -> Mapping[str, object]:
    """Return the fields in a text; none if it is not a JSON object: a stored message may contain anything."""
    try:
        fields: object = json.loads(told)
    except (ValueError, RecursionError):
        return {}
    return cast("Mapping[str, object]", fields) if isinstance(fields, dict) else {}
