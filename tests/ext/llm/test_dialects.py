"""Crosses modules: what compatible servers say in their own way is healthy, over a real socket."""

import base64
import json

import pytest

from miniagents import Citation, File, Image, Reasoning, ToolCall, Usage
from miniagents.parts import Content
from tests.support.opaque import plain
from tests.support.responses_wire import CREATED, end, response
from tests.support.sse_server import answer, sse
from tests.support.wires import CHAT, RESPONSES, reply_to


def said(*chunks: object) -> tuple[bytes, ...]:
    """Chunks as they are, and the end marker."""
    return (*(b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks), b"data: [DONE]\n\n")


def choice(finish: object = None, **delta: object) -> dict[str, object]:
    """The only choice of a chunk."""
    return {"index": 0, "delta": delta, "finish_reason": finish}


COUNT = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
OLLAMA = said(
    # A role with every piece, an empty text beside the reason, and the count in a chunk of its own.
    {"id": "chatcmpl-1", "model": "llama3", "choices": [choice(role="assistant", content="Hel")]},
    {"id": "chatcmpl-1", "model": "llama3", "choices": [choice(role="assistant", content="lo")]},
    {"id": "chatcmpl-1", "model": "llama3", "choices": [choice("stop", role="assistant", content="")]},
    {"id": "chatcmpl-1", "model": "llama3", "choices": [], "usage": COUNT},
)
VLLM = said(
    # The reason is "" until the end, a count stands in every chunk, unknown fields are there.
    {"id": "cmpl-1", "choices": [choice("", role="assistant", content="")], "usage": {"prompt_tokens": 7}},
    {"id": "cmpl-1", "choices": [{**choice("", content="Hel"), "logprobs": None, "stop_reason": None}]},
    {"id": "cmpl-1", "choices": [{**choice("stop", content="lo"), "stop_reason": 2}], "kv_transfer": None},
    {"id": "cmpl-1", "choices": [], "usage": {**COUNT, "prompt_tokens_details": None}},
)
LLAMA_CPP = said(
    # The first content is null, the count and times stand beside the reason, and no role comes.
    {"choices": [choice(content=None)], "created": 1, "id": "chatcmpl-1", "model": "gguf"},
    {"choices": [choice(content="Hel")], "created": 1, "id": "chatcmpl-1", "model": "gguf"},
    {"choices": [choice(content="lo")], "created": 1, "id": "chatcmpl-1", "model": "gguf"},
    {"choices": [choice("stop")], "id": "chatcmpl-1", "usage": COUNT, "timings": {"predicted_ms": 0.5}},
)
SAFE: dict[str, object] = {}
AZURE = said(
    # Filters of the prompt come first, without a choice and without an id.
    {"id": "", "model": "", "object": "", "choices": [], "prompt_filter_results": [{"prompt_index": 0}]},
    {"id": "1", "choices": [{**choice(role="assistant", content="Hel"), "content_filter_results": SAFE}]},
    {"id": "1", "choices": [{**choice(content="lo"), "content_filter_offsets": {"check_offset": 1}}]},
    {"id": "1", "choices": [{**choice("stop"), "content_filter_results": SAFE}]},
    {"id": "1", "choices": None, "usage": COUNT},
)
BARE = said(
    # No id, no model, no object, no index; choices that are null or missing.
    {"choices": [{"delta": {"content": "Hel"}}]},
    {"choices": None},
    {},
    {"choices": [{"delta": None}]},
    {"choices": [{"delta": {"content": "lo"}}]},
    {"choices": [{"finish_reason": "stop"}]},
    {"usage": COUNT},
)


@pytest.mark.parametrize(
    "events", [OLLAMA, VLLM, LLAMA_CPP, AZURE, BARE], ids=["ollama", "vllm", "llama.cpp", "azure", "bare"]
)
@pytest.mark.parametrize("end_marker", [True, False])
async def test_text(events: tuple[bytes, ...], *, end_marker: bool) -> None:
    """An answer in the dialect of a server is whole, with its reason and its count."""
    message = await reply_to(CHAT, sse(*(events if end_marker else events[:-1])))
    assert ("Hello", "stop", Usage(7, 3)) == (message.text, message.finish_reason, message.usage)


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
async def test_thoughts(field: str) -> None:
    """A thought has no field in the protocol; under both names that servers give it it is one."""
    chunks = said({"choices": [choice(**{field: "Hm."})]}, {"choices": [choice("stop", content="Hello")]})
    message = await reply_to(CHAT, sse(*chunks))
    assert [Reasoning("Hm."), "Hello"] == plain(message.content)


@pytest.mark.parametrize("indexed", [True, False])
async def test_calls(*, indexed: bool) -> None:
    """Calls of tools are told apart by their index, or, where a server gives none, by their ids."""

    def piece(index: int, **call: object) -> dict[str, object]:
        return {"choices": [choice(tool_calls=[{**({"index": index} if indexed else {}), **call}])]}

    chunks = said(
        piece(0, id="a", type="function", function={"name": "look", "arguments": ""}),
        piece(0, function={"arguments": '{"n": 1}'}),
        piece(1, id="b", function={"name": "go", "arguments": "{}"}),
        {"choices": [choice("tool_calls")]},
    )
    message = await reply_to(CHAT, sse(*chunks))
    assert (ToolCall("a", "look", '{"n": 1}'), ToolCall("b", "go", "{}")) == message.tool_calls


async def test_all_at_the_end() -> None:
    """A server of the Responses API that streams nothing before the end is heard nevertheless."""
    output = response("Hello")["output"]
    message = await reply_to(RESPONSES, sse(CREATED, end(output=output), b"data: [DONE]\n\n"))
    assert ("Hello", "completed") == (message.text, message.finish_reason)


PNG = b"\x89PNG\r\n\x1a\n"
ADDRESS = "data:image/png;base64," + base64.b64encode(PNG).decode()
DRAWN = {"type": "image_url", "image_url": {"url": ADDRESS}}


@pytest.mark.parametrize(
    ("delta", "parts"),
    [
        # https://openrouter.ai/docs/features/multimodal/image-generation
        ({"content": "Here.", "images": [DRAWN]}, [Image(url=ADDRESS), "Here."]),
        ({"content": [{"type": "text", "text": "Here."}, DRAWN]}, ["Here.", Image(url=ADDRESS)]),
        # https://developers.openai.com/api/docs/guides/audio: the id goes back, the words are a transcript.
        (
            {"audio": {"id": "a-1", "data": base64.b64encode(b"RIFF").decode(), "transcript": "Here."}},
            ["Here.", Reasoning(), File(data=b"RIFF", name="audio")],
        ),
        # https://docs.mistral.ai/capabilities/citations: references to what tools have said.
        (
            {"content": [{"type": "text", "text": "Here."}, {"type": "reference", "reference_ids": [3]}]},
            ["Here.", Citation("3")],
        ),
    ],
    ids=["images", "an image as a part", "audio", "references"],
)
@pytest.mark.parametrize("stream", [True, False])
async def test_what_models_make(delta: dict[str, object], parts: list[Content], *, stream: bool) -> None:
    """W10: images, sound and references of a model are parts, streamed and whole; none is lost in silence."""
    if stream:
        script = sse(*said({"choices": [choice(**delta)]}, {"choices": [choice("stop")]}))
    else:
        script = answer(200, {"choices": [{"message": delta, "finish_reason": "stop"}]})
    message = await reply_to(CHAT, script, stream=stream)
    assert parts == plain(message.content)
