"""What came in pieces is held against the whole."""

import time

import pytest

from miniagents import ToolCallDelta
from miniagents.ext.llm import WireError
from miniagents.ext.llm._pieces import CallPieces, missing, same_json


@pytest.mark.parametrize(
    ("pieces", "whole", "rest"),
    [
        (["Hel", "lo"], "Hello", ""),
        ([], "Hello", "Hello"),
        (["Hel", "lo"], "", ""),
        ([" Hello ", "\n"], "Hello", ""),
        (["Hello "], "Hello", ""),
        ([" Hello"], "Hello", ""),
        (["a\ud83d", "\ude00"], "a\N{GRINNING FACE}", ""),
        (["a\ud83d"], "a\N{REPLACEMENT CHARACTER}", ""),
    ],
)
def test_missing(pieces: list[str], whole: str, rest: str) -> None:
    """Nothing is missing but what came in no piece at all; space around pieces and halves do not count."""
    assert rest == missing(pieces, whole, of="a text")


@pytest.mark.parametrize(
    ("pieces", "whole", "told"),
    [
        (["Hel"], "Hello", "3 characters in all, but as a whole it has 5"),
        (["Hel", "lo", "lo"], "Hello", "7 characters in all, but as a whole it has 5"),
        (["lo", "Hel"], "Hello", "5 characters in all, but as a whole it has 5 different ones"),
        (["Hello"], " Hello", "5 characters in all, but as a whole it has 6"),
    ],
)
def test_other_whole(pieces: list[str], whole: str, told: str) -> None:
    """A whole that is more than its pieces, or something else, is refused with both lengths."""
    with pytest.raises(WireError, match=f"a text came in pieces of {told}$"):
        missing(pieces, whole, of="a text")


@pytest.mark.parametrize(
    "pieces",
    [["Hel", "lo"], ["Hel", "lo", " you"], ["ha", "ha"], ["a\N{GRINNING FACE}", "b"], ["a\ud83d", "\ude00b"]],
)
def test_first_part_at_the_end(pieces: list[str]) -> None:
    """The end of an answer may repeat the first piece only, since all text came."""
    assert missing(pieces, pieces[0], of="a text", at_end=True) == ""
    assert missing(["", *pieces, "!"], "".join(pieces), of="a text", at_end=True) == ""
    with pytest.raises(WireError):
        missing(pieces, pieces[0], of="a text")


def test_many_pieces_and_another_end() -> None:
    """An end that is not the first of many pieces is refused in a moment."""
    began = time.process_time()
    with pytest.raises(WireError):
        missing(["x"] * 300_000, f"{'x' * 299_999}y", of="a text", at_end=True)
    assert time.process_time() - began < 2.0  # a tenth; it was twenty


@pytest.mark.parametrize("whole", ["Yes", "Yes! N"])
def test_half_a_piece_at_the_end(whole: str) -> None:
    """The end of an answer that stops within a piece is another text: one of both is wrong."""
    with pytest.raises(WireError):
        missing(["Yes!", " No."], whole, of="a text", at_end=True)


def test_last_piece_twice() -> None:
    """A whole after which only its own last words follow came twice in part, also if the end tells it."""
    with pytest.raises(WireError):
        missing(["Hel", "lo", "lo"], "Hello", of="a text", at_end=True)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ('{"a": 1, "b": [2.0]}', '{"b":[2],"a":1}', True),
        ('"\\u00e9"', '"é"', True),
        ("1", "true", False),
        ("{}", "", False),
        ("{'a': 1}", "{'a': 1}", False),
        ("[" * 100_000, "[" * 100_000, False),
        ("1e999", "1e999", True),
    ],
)
def test_same_json(one: str, other: str, *, same: bool) -> None:
    """JSON is the same however it is written; what is no JSON is the same as nothing."""
    assert same == same_json(one, other)


def call(*pieces: str, first: str = "", whole: str = "", at_end: bool = False) -> list[ToolCallDelta]:
    """What the reader is told of a call of `look`."""
    made = CallPieces(3)
    made.begin("c", "look", "i")
    made.begin_with(first)
    news = [*made.news()]
    for piece in pieces:
        made.add(piece)
        news += made.news()
    made.end(whole, at_end=at_end)
    assert news[:1] == [ToolCallDelta(3, "c", "look", item_id="i")]
    return [*news, *made.news()][1:]


@pytest.mark.parametrize(
    ("pieces", "first", "whole", "arguments"),
    [
        (["{", "}"], "", "", "{}"),
        ([], '{"a": 1}', "", '{"a": 1}'),
        ([], "", '{"a": 1}', '{"a": 1}'),
        ([], "{}", '{"a": 1}', '{"a": 1}'),
        ([], "{}", "", ""),
        (['{"a"', ": 1}"], "{}", '{"a":1}', '{"a": 1}'),
        (['{"a": 1}'], '{"a":1}', "", '{"a": 1}'),
        ([": 1}"], '{"a"', "", '{"a": 1}'),
        (["{'a'", ": 1}"], "", "{'a': 1}", "{'a': 1}"),
    ],
)
def test_arguments(pieces: list[str], first: str, whole: str, arguments: str) -> None:
    """The arguments are those of the pieces, else those of the end, else those of the beginning."""
    assert arguments == "".join(each.arguments for each in call(*pieces, first=first, whole=whole))


@pytest.mark.parametrize(
    ("pieces", "first", "whole"),
    [
        (['{"a": 1}'], "", '{"a": 2}'),
        (['{"a": 1'], "", '{"a": 1}'),
        (['{"a": 1}', '{"a": 2}'], "", '{"a": 1}'),
        (['{"a": 1}'], '{"a": 2}', ""),
        ([], '{"a": 1}', '{"a": 2}'),
        (['{"a": 1}'], "", "{}"),
    ],
)
@pytest.mark.parametrize("at_end", [True, False])
def test_other_arguments(pieces: list[str], first: str, whole: str, *, at_end: bool) -> None:
    """A call of which two things are told is refused, and the error names the tool."""
    with pytest.raises(WireError, match="the JSON of a call of the tool 'look'"):
        call(*pieces, first=first, whole=whole, at_end=at_end)


def test_first_piece_of_arguments_at_the_end() -> None:
    """The end of an answer may repeat the first piece of arguments only."""
    pieces = call('{"a"', ": 1}", whole='{"a"', at_end=True)
    assert '{"a": 1}' == "".join(each.arguments for each in pieces)


def test_name() -> None:
    """A call goes out when its name is known, with its id if it has one, and keeps its name."""
    made = CallPieces(3)
    made.add("{}")
    assert [] == [*made.news()]
    made.begin(None, "look", None)
    assert [*made.news()] == [ToolCallDelta(3, None, "look"), ToolCallDelta(3, arguments="{}")]
    with pytest.raises(WireError, match="a call of the tool 'look' has a second name, 'go'"):
        made.begin("c", "go", None)
