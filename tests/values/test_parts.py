"""Parts: small frozen values with a hash key and a `kind`."""

import json
import pickle
from dataclasses import FrozenInstanceError, dataclass

import pytest
from pydantic import ValidationError

from miniagents.messages import AssistantMessage, ToolMessage
from miniagents.runs._recordings import part_data, part_of_data
from miniagents.values import (
    MAX_NESTING,
    AgentPart,
    Citation,
    File,
    Finish,
    Frozen,
    Image,
    PartValue,
    RateLimit,
    Reasoning,
    Refusal,
    ResponseHeaders,
    Restart,
    Retry,
    ToolCall,
    ToolCallDelta,
    ToolResult,
    Usage,
    freeze,
    part_from_data,
)


@dataclass(frozen=True, slots=True)
class Pair(PartValue):
    """A part of a test."""

    left: object
    right: object = None


def test_data() -> None:
    """Its data are its fields, those of their default too."""
    assert Pair(1).as_data() == {"left": 1, "right": None}


def test_frozen() -> None:
    """It is frozen already, so it is kept as it is."""
    pair = Pair(1)
    assert freeze([pair]) == (pair,)
    assert Frozen(pair=pair).model_extra == {"pair": pair}


def test_hash_key() -> None:
    """The key of a message tells parts apart by class and by data."""
    keys = {Frozen(part=part).hash_key for part in (Pair(1), Pair(2), Pair(1, 2), {"left": 1, "right": None})}
    assert len(keys) == 4


def test_depth() -> None:
    """It is one level, and one more than what it holds."""
    assert Pair(1).__frozen_depth__() == 1
    assert Pair(Pair((1,))).__frozen_depth__() == 3
    assert MAX_NESTING > 3


ALL: tuple[PartValue, ...] = (
    Reasoning("Hm.", "signed", "r-1", 2, redacted=True),
    Refusal("No."),
    ToolCallDelta(1, "call-1", "look", "{", "item-1"),
    ToolCall("call-1", "look", "{}"),
    ToolResult("call-1", "dark", is_error=True),
    ToolResult("call-1", ("A dot:", Image(data=b"GIF8"), File(path="a.pdf"))),
    Citation("https://example.org", "Title", "words", 1, 6),
    Usage(7, 3, 2, 1, 4),
    Finish("stop"),
    AgentPart(("READER",), "words"),
    Restart("name: Field required"),
    Retry(1, 0.5, "busy"),
    ResponseHeaders(200, "req-1", 0.5, RateLimit(500, 499, 0.12)),
)


@pytest.mark.parametrize("part", ALL, ids=lambda part: type(part).__name__)
def test_values(part: PartValue) -> None:
    """A part cannot be changed, is equal to its copy, and comes back from a pickle and from its data."""
    with pytest.raises((FrozenInstanceError, AttributeError)):
        part.kind = "other"  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    assert not hasattr(part, "__dict__")
    assert pickle.loads(pickle.dumps(part)) == part  # noqa: S301 - our own
    assert part_from_data(part.as_data()) == part
    assert hash(part) == hash(part_from_data(part.as_data()))


def test_in_a_message() -> None:
    """Parts stand in a message as they are, and are part of its hash key."""
    message = AssistantMessage("Hi", parts=[Reasoning("Hm."), "Hi"], usage=Usage(7, 3))
    assert message.parts == (Reasoning("Hm."), "Hi")
    assert AssistantMessage.model_validate_json(message.model_dump_json()) == message
    same = AssistantMessage("Hi", parts=[Reasoning("Hm."), "Hi"], usage=Usage(7, 3))
    other = AssistantMessage("Hi", parts=[Reasoning("Ha."), "Hi"], usage=Usage(7, 3))
    assert message.hash_key == same.hash_key != other.hash_key


def test_results_with_images() -> None:
    """A result with images stands in a message, is part of its key, and comes back from JSON."""
    parts = [
        ToolResult("1", ("A dot:", Image(data=b"GIF8"))),
        ToolResult("2", (Image(url="https://a.b/c.png"),)),
    ]
    message = ToolMessage(parts=parts)
    assert "A dot:" == str(message).strip()
    assert message == ToolMessage.model_validate_json(message.model_dump_json())
    for part in parts:
        data = json.loads(json.dumps(part_data(part)))
        assert part == part_of_data(data)
    other = ToolMessage(parts=[ToolResult("1", ("A dot:", Image(data=b"GIF9"))), parts[1]])
    assert message.hash_key != other.hash_key


def test_wrong_data() -> None:
    """What is no part's data is refused, by name."""
    with pytest.raises(ValueError, match="'poem' is no kind of part"):
        part_from_data({"kind": "poem"})
    with pytest.raises(ValueError, match="data of a finish does not fit"):
        part_from_data({"kind": "finish", "why": "because"})
    with pytest.raises(ValidationError, match="cost"):
        AssistantMessage.model_validate({"text": "Hi", "usage": {"cost": 7}})


def test_an_end_in_the_middle() -> None:
    """A model that had no tokens left, or may not say it, was cut; one that calls tools was not."""
    reasons = ("length", "max_tokens", "max_output_tokens", "content_filter", "refusal")
    assert [Finish(reason).cut for reason in reasons] == [True] * 5
    assert [Finish(reason).cut for reason in ("stop", "end_turn", "tool_use", "completed")] == [False] * 4


def test_usages_add() -> None:
    """Tokens are added where they are known; what nobody knows stays unknown."""
    one, other = Usage(7, 3, 2, None, None), Usage(5, None, 1, None, 4)
    assert one + other == Usage(12, 3, 3, None, 4)
    assert sum([one, other]) == sum([one, other], Usage()) == one + other
    assert one + Usage() == Usage() + one == one
    with pytest.raises(TypeError):
        one + 1  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue, reportUnusedExpression]
    with pytest.raises(TypeError):
        1 + one  # pyright: ignore[reportUnusedExpression]


def test_keys_of_usages() -> None:
    """What was written to a cache is part of a key where it is known."""
    key = Frozen(usage=Usage(7, 3)).hash_key
    assert key != Frozen(usage=Usage(7, 3, cache_write_tokens=1)).hash_key
