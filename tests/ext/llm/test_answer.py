"""What events mean becomes parts for the reader and data of the message."""

import dataclasses
from collections.abc import Sequence

import pytest

from miniagents import Citation, Finish, Part, Reasoning, Refusal, ToolCallDelta, Usage
from miniagents.ext.llm import Count, Identity, Progress, ServerEvent, WireError
from miniagents.ext.llm._answer import AnswerAssembler, Decoded, End, Reason

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


@pytest.mark.parametrize("arguments", ["", '{"a": 1}', '{"a": ', "{}}", "['a']"])
@pytest.mark.parametrize("reason", ["length", "tool_calls"])
def test_arguments_of_calls(arguments: str, reason: str) -> None:
    """Arguments are the model's own text, and are passed on as they are, JSON or not."""
    call = ToolCallDelta(0, "c", "weather", arguments)
    assert fold([call], [Finish(reason)])[0] == [[call], [Finish(reason)]]


@pytest.mark.parametrize("end", [Finish("tool_calls"), Reason("tool_calls")])
def test_a_call_without_a_name(end: Finish | Reason) -> None:
    """A call without a name breaks the protocol, unless the model says that it was stopped."""
    call = ToolCallDelta(0, "c", None, "{}")
    assert folding([call], [Finish("length")])[0].conclude() == []
    folded, _ = folding([call], [end])
    assert [folded.take(NOTHING) for _ in range(2)] == [[call], [Finish("tool_calls")]]
    with pytest.raises(WireError, match="names no tool"):
        folded.conclude()


def test_halves_in_arguments() -> None:
    """Halves of a character are put together in the arguments of a call; one that stays alone is replaced."""
    calls = [ToolCallDelta(index, "c", "n", "\ud83d") for index in (0, 1)]
    folded, _ = folding(calls, [ToolCallDelta(0, arguments="\ude00")])
    assert [each.arguments for each in folded.take(NOTHING) if isinstance(each, ToolCallDelta)] == ["", ""]
    assert folded.take(NOTHING) == [ToolCallDelta(0, arguments="\N{GRINNING FACE}")]
    assert folded.rest() == [ToolCallDelta(1, arguments="\N{REPLACEMENT CHARACTER}")]


def test_a_reason_is_told_at_once() -> None:
    """A reason behind pieces is told at once, and the message is complete."""
    folded, _ = folding(["a"], [Reason("stop")], [Count(Usage(1))])
    assert [folded.take(NOTHING) for _ in range(3)] == [["a"], [Finish("stop")], [Usage(1)]]
    assert (folded.finished, folded.may_go_on, folded.complete) == (True, False, True)
    assert folded.conclude() == []


def test_a_reason_in_each_event() -> None:
    """A reason in each event is told once, at the end; until then nothing is sure, and text is text."""
    folded, _ = folding(["a", Reason("stop")], ["b", Reason("length")], ["c"], [End()])
    assert folded.take(NOTHING) == ["a"]
    assert (folded.finished, folded.may_go_on, folded.complete) == (True, True, True)
    assert folded.take(NOTHING) == ["b"]
    assert (folded.finished, folded.complete) == (False, True)
    assert folded.take(NOTHING) == ["c"]
    assert (folded.finished, folded.complete) == (False, False)
    assert folded.take(NOTHING) == []
    assert (folded.finished, folded.may_go_on, folded.complete) == (True, False, True)
    assert folded.conclude() == [Finish("length")]


def test_text_behind_a_reason() -> None:
    """Where text follows a reason that was told, the last reason is told again."""
    folded, _ = folding(["a"], [Reason("stop")], ["b"], [Reason("stop")], [End()], ["c"])
    parts = [part for _ in range(6) for part in folded.take(NOTHING)]
    assert [*parts, *folded.conclude()] == ["a", Finish("stop"), "b", Finish("stop")]


def test_one_event_and_the_count() -> None:
    """Where the count of tokens follows the only piece, the reason is told before it."""
    folded, _ = folding(["a", Reason("stop")], [Count(Usage(1))])
    assert [folded.take(NOTHING) for _ in range(2)] == [["a"], [Finish("stop"), Usage(1)]]
    assert (folded.finished, folded.may_go_on) == (True, False)


@pytest.mark.parametrize(("needs", "complete"), [(True, False), (False, True)])
def test_an_end_without_a_reason(needs: bool, complete: bool) -> None:
    """The end marker of the wire alone makes an answer complete if no reason is needed."""
    events: list[list[Decoded]] = [["a"], [End()]]
    left = iter(events)
    folded = AnswerAssembler(lambda _: next(left), {}, needs_finish=needs)
    assert [folded.take(NOTHING) for _ in range(2)] == [["a"], []]
    assert (folded.finished, folded.complete, folded.conclude()) == (complete, complete, [])


@pytest.mark.parametrize("part", [Identity("a", "b"), Progress(), Count(Usage(1, 2)), Reason("a"), End()])
def test_parts_are_values(part: object) -> None:
    """A part is equal to its copy, can be a key, and holds nothing but its fields."""
    assert dataclasses.is_dataclass(part)
    assert not isinstance(part, type)
    copy = dataclasses.replace(part)
    assert {part: 1}[copy] == 1
    assert not hasattr(part, "__dict__")
