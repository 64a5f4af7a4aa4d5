"""Parts become text for the reader and data of the message."""

from collections.abc import Iterable
from typing import cast

from miniagents.ext.llm import Finish, Identity, Part, Progress, Refusal, Usage
from miniagents.ext.llm._fold import Fold


def fold(*events: Iterable[Part]) -> tuple[list[list[str]], dict[str, object]]:
    """Fold events that are parts already."""
    metadata: dict[str, object] = {}
    folded = Fold(_as_it_is, metadata)
    return [folded.take(list(event)) for event in events], metadata


def _as_it_is(event: object) -> list[Part]:
    return cast("list[Part]", event)


def test_text() -> None:
    """Text goes to the reader; empty pieces do not."""
    assert fold(["a", "", "b"], [""], ["c"])[0] == [["a", "b"], [], ["c"]]


def test_metadata() -> None:
    """Who answers, how it ended and what it cost become data; the last numbers hold."""
    _, metadata = fold(
        [Identity("id-1", "model-1"), Usage(input=7, output=1, final=False)],
        [Identity("", None), Finish("stop"), Usage(output=3, cached=2, reasoning=1)],
    )
    assert metadata == {
        "response_id": "id-1",
        "model": "model-1",
        "finish_reason": "stop",
        "usage": {"input_tokens": 7, "output_tokens": 3, "cached_tokens": 2, "reasoning_tokens": 1},
    }


def test_after_the_end() -> None:
    """After the terminal marker only numbers still count."""
    texts, metadata = fold(["a", Finish("stop")], ["b", Refusal("c"), Finish("length"), Usage(output=3)])
    assert texts == [["a"], []]
    assert metadata == {"finish_reason": "stop", "usage": {"output_tokens": 3}}


def test_text_beside_the_end() -> None:
    """Text in the event of the terminal marker belongs to the answer, wherever it stands there."""
    assert fold([Finish("stop"), "a"])[0] == [["a"]]


def test_refusal() -> None:
    """A refusal is text for the reader, and is kept apart as well."""
    assert fold([Refusal("I ")], [Refusal("won't")]) == ([["I "], ["won't"]], {"refusal": "I won't"})


def test_progress() -> None:
    """Text and work are progress; names, numbers and empty pieces are none."""
    folded = Fold(_as_it_is, {})
    seen: list[bool] = []
    for event in (["a"], [Progress()], [Identity("a", "b"), Usage(1), ""], []):
        folded.take(event)
        seen.append(folded.progressed)
    assert seen == [True, True, False, False]
