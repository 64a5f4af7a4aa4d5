"""What events mean becomes parts for the reader and data of the message."""

import dataclasses
from collections.abc import Sequence

import pytest

from miniagents import Citation, Finish, Part, Reasoning, Refusal, ToolCallDelta, Usage
from miniagents.ext.llm import Count, Decoded, Identity, Progress, ServerEvent, WireError
from miniagents.ext.llm._answer import AnswerAssembler

NOTHING = ServerEvent("", b"")


def folding(*events: Sequence[Decoded]) -> tuple[AnswerAssembler, dict[str, object]]:
    """An assembler of events that mean these, one after the other."""
    metadata: dict[str, object] = {}
    left = iter(events)
    return AnswerAssembler(lambda _: next(left), metadata), metadata


def fold(*events: Sequence[Decoded]) -> tuple[list[list[Part]], dict[str, object]]:
    """What all events bring."""
    folded, metadata = folding(*events)
    return [folded.take(NOTHING) for _ in events], metadata


def test_text() -> None:
    """Text goes to the reader; empty pieces do not."""
    assert fold(["a", "", "b"], [""], ["c"])[0] == [["a", "b"], [], ["c"]]


def test_metadata() -> None:
    """Who answers becomes data; the last numbers hold, and are told when they change."""
    parts, metadata = fold(
        [Identity("id-1", "model-1"), Count(Usage(7, 1), final=False)],
        [Count(Usage(7, 1), final=False)],
        [Identity("", None), Finish("stop"), Count(Usage(None, 3, 2, 1))],
    )
    assert metadata == {"response_id": "id-1", "model": "model-1"}
    assert parts == [[Usage(7, 1)], [], [Finish("stop"), Usage(7, 3, 2, 1)]]


def test_after_the_end() -> None:
    """After the terminal marker only numbers still count."""
    parts, _ = fold(["a", Finish("stop")], ["b", Refusal("c"), Finish("length"), Count(Usage(None, 3))])
    assert parts == [["a", Finish("stop")], [Usage(None, 3)]]


def test_text_beside_the_end() -> None:
    """Text in the event of the terminal marker belongs to the answer, wherever it stands there."""
    assert fold([Finish("stop"), "a"])[0] == [[Finish("stop"), "a"]]


def test_other_parts() -> None:
    """Every other part goes to the reader as it is."""
    parts: list[Part] = [Reasoning("a", "s"), Refusal("b"), ToolCallDelta(0, "c", "n"), Citation("u")]
    assert fold(parts)[0] == [parts]


def test_halves_of_characters() -> None:
    """A character in two halves is put together, in thoughts too."""
    parts, _ = fold(["a\ud83d", Reasoning("b\ud83d")], [Reasoning("\ude00"), "\ude00"])
    assert parts == [["a", Reasoning("b")], [Reasoning("\N{GRINNING FACE}"), "\N{GRINNING FACE}"]]


def test_progress() -> None:
    """Text and work are progress; names, numbers and empty pieces are none."""
    events: list[list[Decoded]] = [["a"], [Progress()], [Reasoning("b")], [ToolCallDelta(0, "c", "n")]]
    nothing: list[list[Decoded]] = [[Identity("a", "b"), Count(Usage(1)), ""], [Reasoning("")], []]
    folded, _ = folding(*events, *nothing)
    seen: list[bool] = []
    for _ in (*events, *nothing):
        folded.take(NOTHING)
        seen.append(folded.progressed)
    assert seen == [True] * len(events) + [False] * len(nothing)


@pytest.mark.parametrize(
    ("arguments", "whole"), [("", True), ('{"a": 1}', True), ('{"a": ', False), ("{}}", False)]
)
def test_arguments_of_calls(arguments: str, whole: bool) -> None:
    """Arguments that are no whole JSON break the protocol, unless the model says that it was stopped."""
    call = ToolCallDelta(0, "c", "weather", arguments)
    assert fold([call, Finish("length")])[0] == [[call, Finish("length")]]
    folded, _ = folding([call], [Finish("tool_calls")])
    folded.take(NOTHING)
    if whole:
        assert folded.take(NOTHING) == [Finish("tool_calls")]
    else:
        with pytest.raises(WireError, match="tool 'weather' are no whole JSON"):
            folded.take(NOTHING)


@pytest.mark.parametrize("part", [Identity("a", "b"), Progress(), Count(Usage(1, 2))])
def test_parts_are_values(part: object) -> None:
    """A part is equal to its copy, can be a key, and holds nothing but its fields."""
    assert dataclasses.is_dataclass(part)
    assert not isinstance(part, type)
    copy = dataclasses.replace(part)
    assert {part: 1}[copy] == 1
    assert not hasattr(part, "__dict__")
