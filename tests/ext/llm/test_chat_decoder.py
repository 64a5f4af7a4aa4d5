"""Chunks and whole answers of Chat Completions, in the words of OpenAI and in dialects, become parts."""

import json
import time
from collections.abc import Mapping

import pytest

from miniagents.ext.llm import Count, Identity, Progress, ServerEvent, WireError
from miniagents.ext.llm._answer import Decoded, End, Reason
from miniagents.ext.llm._chat_decoder import ChunkDecoder, decode_completion
from miniagents.values import Citation, Finish, Reasoning, Refusal, ToolCallDelta, Usage
from tests.support.chat_wire import completion
from tests.support.opaque import plain


def as_event(data: object) -> ServerEvent:
    """An event with this JSON."""
    return ServerEvent("", json.dumps(data).encode())


CHUNKS: tuple[tuple[Mapping[str, object], list[Decoded]], ...] = (
    ({}, []),
    ({"choices": None}, []),
    ({"choices": []}, []),
    ({"choices": [{"delta": {"content": "a"}}]}, ["a"]),
    ({"choices": [{"index": 0, "delta": None}]}, []),
    ({"choices": [{"index": 0, "delta": {"content": None}}]}, []),
    ({"choices": [{"index": 1, "delta": {"content": "other"}}]}, []),
    ({"choices": [{"index": 0, "delta": {"content": "a"}, "finish_reason": ""}]}, ["a"]),
    (
        {"choices": [{"index": 0, "delta": {"content": "a"}, "finish_reason": "stop"}]},
        ["a", Reason("stop")],
    ),
    ({"choices": [{"index": 0, "delta": {"refusal": "no"}}]}, [Refusal("no")]),
    ({"choices": [{"index": 0, "delta": {"reasoning_content": "hm"}}]}, [Reasoning("hm")]),
    ({"choices": [{"index": 0, "delta": {"reasoning": {"a": 1}}}]}, [Progress()]),
    (
        {
            "choices": [
                {
                    "delta": {
                        "tool_calls": [{"index": 1, "id": "c", "function": {"name": "n", "arguments": "{"}}]
                    }
                }
            ]
        },
        [ToolCallDelta(1, "c", "n", "{")],
    ),
    (
        {
            "choices": [
                {
                    "delta": {
                        "content": None,
                        "annotations": [
                            {
                                "type": "url_citation",
                                "url_citation": {"url": "u", "title": "t", "end_index": 2},
                            }
                        ],
                    }
                }
            ]
        },
        [Citation("u", "t", end=2)],
    ),
    ({"usage": {"prompt_tokens": 7, "completion_tokens": 3}}, [Count(Usage(7, 3))]),
    (
        {
            "usage": {"prompt_tokens": 7, "prompt_tokens_details": {"cached_tokens": 2}},
            "choices": [{"index": 0}],
        },
        [Count(Usage(7, cached_tokens=2), final=False)],
    ),
    (
        {"usage": {"prompt_tokens": 7, "cache_creation_input_tokens": 5}},
        [Count(Usage(7, cache_write_tokens=5))],
    ),
    (  # what came from the cache is counted apart, as proxies before Anthropic do
        {
            "usage": {
                "prompt_tokens": 4,
                "completion_tokens": 2,
                "total_tokens": 1_806,
                "prompt_tokens_details": {"cached_tokens": 1_800},
            }
        },
        [Count(Usage(1_804, 2, cached_tokens=1_800))],
    ),
    ({"usage": "none"}, [Count(Usage())]),
    ({"usage": {"prompt_tokens": 4_294_967_295, "completion_tokens": 3}}, [Count(Usage(None, 3))]),  # -1
)


def test_calls_without_ids() -> None:
    """Some servers name neither calls nor places; the id of a call comes once, if at all."""
    decode = ChunkDecoder()

    def parts(*calls: Mapping[str, object]) -> list[Decoded]:
        return decode(as_event({"choices": [{"delta": {"tool_calls": list(calls)}}]}))

    assert parts({"index": 0, "function": {"name": "n"}}) == [
        ToolCallDelta(0, None, "n"),
        Identity("", None),
    ]
    assert parts({"index": 0, "function": {"arguments": "{}"}}) == [ToolCallDelta(0, arguments="{}")]
    assert parts({"index": 1, "id": "", "function": {"name": "n"}}) == [ToolCallDelta(1, None, "n")]
    assert parts({"index": 2, "id": "c", "function": {"name": "n"}}) == [ToolCallDelta(2, "c", "n")]


@pytest.mark.parametrize(("data", "parts"), CHUNKS)
def test_decode_chunk(data: Mapping[str, object], parts: list[Decoded]) -> None:
    """A chunk becomes its parts, whatever is missing in it."""
    decoded = ChunkDecoder()(as_event({"id": "a", "model": "b", **data}))
    assert plain(part for part in decoded if not isinstance(part, Identity)) == parts
    assert Identity("a", "b") in decoded


@pytest.mark.parametrize(
    "data",
    [
        {"choices": 1},
        {"choices": "text"},
        {"choices": [None]},
        {"choices": [{"delta": "text"}]},
        {"choices": [{"delta": {"content": ["a"]}}]},
        {"choices": [{"delta": None, "finish_reason": 1}]},
    ],
)
def test_decode_refuses(data: object) -> None:
    """A field that means nothing in this type breaks the protocol."""
    with pytest.raises(WireError):
        ChunkDecoder()(as_event(data))


def test_decode_completion() -> None:
    """A whole answer becomes the same parts."""
    parts = decode_completion(as_event(completion("Hello", "length")))
    assert parts == [Identity("chat-1", "model-of-server"), "Hello", Count(Usage(7, 3)), Finish("length")]


@pytest.mark.parametrize(
    ("answer", "parts"),
    [
        ({"message": {"content": "Hi"}, "finish_reason": "null"}, ["Hi", End()]),
        ({"delta": {"content": "Hi"}, "finish_reason": "stop"}, ["Hi", Finish("stop")]),
        ({"text": "Hi", "finish_reason": "stop"}, ["Hi", Finish("stop")]),
        ({"message": {"reasoning": "hm", "content": "Hi"}}, [Reasoning("hm"), "Hi", End()]),
        ({"message": {"content": [{"type": "text", "text": "Hi"}]}}, ["Hi", End()]),
        (
            {"message": {"tool_calls": [{"function": {"name": "n"}}, {"function": {"name": "n"}}]}},
            [ToolCallDelta(0, None, "n"), ToolCallDelta(1, None, "n"), End()],
        ),
        (
            {"message": {"tool_calls": [{"id": 1, "function": {"name": "n", "arguments": {"a": "ø"}}}] * 2}},
            [ToolCallDelta(0, "1", "n", '{"a": "ø"}'), ToolCallDelta(1, "1", "n", '{"a": "ø"}'), End()],
        ),
    ],
)
def test_decode_whole_dialects(answer: Mapping[str, object], parts: list[Decoded]) -> None:
    """A whole answer is understood in the dialects of a stream; each call in it is one of its own."""
    assert plain(decode_completion(as_event({"choices": [answer]}))) == [Identity("", None), *parts]


@pytest.mark.parametrize(
    "answer", [b"{}", b'{"choices": []}', b'{"choices": [{}]}', b'{"choices": [{"message": null}]}']
)
def test_decode_whole_refuses(answer: bytes) -> None:
    """A whole answer that says nothing at all is refused: it is a filtered one, or none."""
    with pytest.raises(WireError, match="no choices"):
        decode_completion(ServerEvent("", answer))


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        ([], []),
        ([{"type": "text", "text": "a"}, {"text": "b"}], ["a", "b"]),
        ([{"type": "output_text", "text": "a"}], ["a"]),
        ([{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}, "?"]}], [Reasoning("hm?")]),
        ([{"type": "reasoning", "text": "hm"}], [Reasoning("hm")]),
        ([{"type": "thinking", "thinking": 7}], [Progress()]),
        ([{"type": "refusal", "refusal": "no"}], [Refusal("no")]),
        ([{"type": "reference", "reference_ids": [1]}, {"type": "image_url"}], [Citation("1")]),
    ],
)
def test_lists_of_parts(content: object, parts: list[Decoded]) -> None:
    """A text that is a list of parts is what its parts say."""
    decode = ChunkDecoder()
    decode(as_event({"id": ""}))
    assert plain(decode(as_event({"choices": [{"delta": {"content": content}}]}))) == parts


UNKNOWN = ('[{"type": "tool_use"}]', '[{"type": [1]}]', '[{"type": "text"}]', "[{}]")


@pytest.mark.parametrize("content", [*UNKNOWN, '["a"]', "[null]", "{}", "7"])
def test_what_is_no_text(content: str) -> None:
    """A text that is no text, and no list of parts that are known, is refused."""
    with pytest.raises(WireError):
        ChunkDecoder()(ServerEvent("", b'{"choices": [{"delta": {"content": %s}}]}' % content.encode()))


@pytest.mark.parametrize("data", [b"[DONE]", b"[DONE] ", b'"[DONE]"', b"[done]"])
def test_the_end_marker(data: bytes) -> None:
    """The end marker is one however it is written; it says that there will be no more, and no reason."""
    assert ChunkDecoder()(ServerEvent("", data)) == [End()]


def test_a_repeated_message_of_calls() -> None:
    """A whole message behind pieces may repeat their calls, by their ids; others are more calls."""
    decode = ChunkDecoder()

    def parts(**choice: object) -> list[Decoded]:
        return [part for part in decode(as_event({"choices": [choice]})) if not isinstance(part, Identity)]

    call = {"id": "a", "function": {"name": "n", "arguments": "{}"}}
    assert parts(delta={"content": "Hi", "tool_calls": [call]}) == ["Hi", ToolCallDelta(0, "a", "n", "{}")]
    assert parts(message={"content": "Hi", "reasoning": "hm", "tool_calls": [call]}) == []
    other = {**call, "id": "b"}
    assert parts(message={"tool_calls": [call, other]}) == [ToolCallDelta(1, "b", "n", "{}")]
    with pytest.raises(WireError, match="behind pieces of calls"):
        parts(message={"tool_calls": [{"function": {"name": "n"}}]})


NOTHING: Mapping[str, str] = {}
NAMES: tuple[tuple[list[list[Mapping[str, str]]], list[int]], ...] = (
    ([[NOTHING, NOTHING]], [0, 1]),
    ([[NOTHING], [NOTHING]], [0, 0]),
    ([[{"arguments": "{}"}], [{"arguments": "{}"}]], [0, 1]),
    ([[{"arguments": "{}"}], [{"arguments": " "}]], [0, 0]),
    ([[{"arguments": "{}}"}], [{"arguments": "{}"}], [{"arguments": "{}"}]], [0, 0, 0]),
    ([[{"arguments": "{"}], [{"arguments": "}"}]], [0, 0]),
    ([[{"arguments": "{"}], [{"name": "m", "arguments": "{}"}]], [0, 1]),
)
"""What one event after the other says of calls in one place, and which call each piece belongs to."""


@pytest.mark.parametrize(("pieces", "numbers"), NAMES)
def test_names_in_one_place(pieces: list[list[Mapping[str, str]]], numbers: list[int]) -> None:
    """Without ids a name begins another call where it cannot mean the same one."""
    decode = ChunkDecoder()
    calls = [[{"index": 0, "function": {"name": "n", **each}} for each in event] for event in pieces]
    decoded = [decode(as_event({"choices": [{"delta": {"tool_calls": each}}]})) for each in calls]
    found = [part for parts in decoded for part in parts if isinstance(part, ToolCallDelta)]
    assert numbers == [part.index for part in found]


@pytest.mark.parametrize("text", ["Hi", "Hip", "Help"])
def test_a_message_that_does_not_repeat(text: str) -> None:
    """A whole message behind pieces with more, less or other text is refused, with both lengths."""
    decode = ChunkDecoder()
    decode(as_event({"choices": [{"delta": {"content": "Hel"}}]}))
    with pytest.raises(WireError, match=f"has {len(text)} characters, and 3 came in pieces"):
        decode(as_event({"choices": [{"message": {"content": text}, "finish_reason": "stop"}]}))


@pytest.mark.gate("what is timed")
def test_many_pieces_of_calls() -> None:
    """However many calls and pieces there are, and whatever they repeat, each is looked at once."""
    decode = ChunkDecoder()
    many = 20_000
    name = {"index": 0, "function": {"name": "n", "arguments": '"}'}}
    first = {"index": 0, "function": {"name": "n", "arguments": '{"a": ["'}}
    calls = [{"id": str(each), "index": 0, "function": {"name": "n"}} for each in range(many)]
    began = time.monotonic()
    decode(as_event({"choices": [{"delta": {"tool_calls": [first]}}]}))
    for _ in range(many):
        decode(as_event({"choices": [{"delta": {"tool_calls": [name]}}]}))
    decode(as_event({"choices": [{"delta": {"tool_calls": calls}}]}))
    decode_completion(as_event({"choices": [{"message": {"tool_calls": calls}}]}))
    for number in range(many):
        decode(as_event({"choices": [{"message": {"content": f"{number} "}}]}))
    assert time.monotonic() - began < 20


def test_many_pieces_of_a_thought() -> None:
    """A piece of a thought costs no more if many came before it, also where the server needs them back."""
    thought = {"type": "reasoning.text", "text": "word " * 20, "index": 0}
    data = {"choices": [{"delta": {"reasoning": "word ", "reasoning_details": [thought]}}]}
    decode, piece = ChunkDecoder(), ServerEvent("", json.dumps(data).encode())
    began = time.process_time()
    assert 30_001 == sum(len(decode(piece)) for _ in range(30_000))
    assert time.process_time() - began < 4  # 0.5; 12 if each copies all before it
    (kept, _) = decode(ServerEvent("", b'{"choices": [{"finish_reason": "stop"}]}'))
    assert isinstance(kept, Reasoning)
    assert len(str(kept.opaque)) > 3_000_000
