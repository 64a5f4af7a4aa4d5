"""From the body of an error to its reason, and from the reason to whether and how to go on."""

import json
import time
import zlib

import pytest

from miniagents import Image, LLMStatusError, UserMessage
from miniagents.ext.llm._reasons import Reason
from miniagents.ext.llm._refusals import advice, can_pass, is_at_fault, reason_of
from tests.support.amounts import amount
from tests.support.canaries import KEY
from tests.support.sse_server import answer, sse
from tests.support.wires import WIRES, Wire, asking, error_of

LARGEST = amount(2**16, 2**18)  # bytes of a body; outside of the gate, a quarter of the most
on_each_wire = pytest.mark.parametrize("wire", WIRES, ids=repr)

NO_IMAGES = "image input is not supported - hint: if this is unexpected, you may need to provide the mmproj"
LLAMA_CPP = {"error": {"code": 500, "message": NO_IMAGES, "type": "server_error"}}


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b'{"detail": "No."}', "No."),
        (b'\xef\xbb\xbf{"detail": "No."}', "No."),
        (b'{"error": {"message": "cut in the mid', "cut in the mid"),
        (b"{nonsense", "{nonsense"),
        (b"Internal Server Error", "Internal Server Error"),
        (b"", ""),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (
            b"<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>",
            "502 Bad Gateway; nginx",
        ),
        (
            b"<title>A &amp; b</title><style>p {}</style><h1>A &amp; b</h1><script>a</script><p>Gone<br>away",
            "A & b; Gone away",
        ),
        (b"<Error><Code>Denied</Code><Message>No.</Message></Error>", "Denied No."),
        (b'data: {"error": {"message": "No.", "type": "gone"}}\n\ndata: [DONE]\n\n', "gone: No."),
        (b'event: error\ndata: {"type": "error", "error": {"message": "No."}}\n\n', "No."),
        (b"data: nothing\n\n", "data: nothing"),
    ],
)
def test_bodies(body: bytes, told: str) -> None:
    """A body of JSON, whole or cut, of events, of HTML or of plain text has its reason."""
    assert told == str(reason_of(body))


@pytest.mark.parametrize(
    "reason",
    [
        Reason("server_error", NO_IMAGES),
        Reason("server_error", "image input is not supported by this server"),
        Reason("server_error", 'Failed to parse messages: Unsupported content part type: "image_url"'),
        Reason("", "this model is missing data required for image input"),
        Reason("", "opt-125m is not a multimodal model"),
        Reason("server_error", "tools param requires --jinja flag"),
        Reason("", "Conversation roles must alternate user/assistant/user/assistant/..."),
        Reason("server_error", "input is too large to process. increase the physical batch size"),
        Reason("internal_server_error", "litellm.BadRequestError: OpenAIException - no"),
        Reason("invalid_request_error", "no"),
        Reason("not_found_error", "no"),
        Reason("", "no", 400),
    ],
    ids=str,
)
def test_at_fault(reason: Reason) -> None:
    """A server that says that the request is at fault is not asked again, whatever its status."""
    assert is_at_fault(reason)
    assert not any(can_pass(status, reason) for status in (None, 400, 500, 503))


@pytest.mark.parametrize(
    "reason",
    [
        Reason(),
        Reason("server_error", "boom"),
        Reason("overloaded_error", "Overloaded"),
        Reason("", "Internal Server Error"),
        Reason("", "Model is overloaded; streaming is not supported meanwhile"),
        Reason("", "The image could not be loaded, it timed out"),
        Reason("rate_limit_error", "no", 429),
        Reason("", "no", 500),
    ],
    ids=str,
)
def test_may_pass(reason: Reason) -> None:
    """A server error that tells of nothing wrong with the request may pass."""
    assert not is_at_fault(reason)
    assert can_pass(500, reason)
    assert can_pass(429, reason)
    assert not can_pass(501, reason)


@on_each_wire
@pytest.mark.parametrize(
    "body", [LLAMA_CPP, {"error": NO_IMAGES}, {"detail": NO_IMAGES}], ids=["object", "flat", "detail"]
)
async def test_an_image_to_a_blind_model(wire: Wire, body: object) -> None:
    """An image that a server refuses with 500 is told as what it is, and asked for once."""
    async with asking(wire, answer(500, body, {"retry-after-ms": "1"}), max_retries=2) as asked:
        with pytest.raises(
            LLMStatusError, match="leave the images and files out, or choose a model"
        ) as caught:
            await asked.agent.inquire(
                UserMessage(parts=["What is it?", Image(url="https://a.example/b.png")])
            )
        assert len(asked.server.requests) == 1
    assert NO_IMAGES in str(caught.value)
    assert "later" not in str(caught.value)


@on_each_wire
async def test_an_image_refused_in_the_stream(wire: Wire) -> None:
    """The same inside a stream that had begun well: the event of llama.cpp."""
    event = f"error: {json.dumps(LLAMA_CPP['error'])}\n\n".encode()
    async with asking(wire, sse(event), max_retries=2) as asked:
        with pytest.raises(LLMStatusError, match="leave the images and files out"):
            await asked.agent.inquire(
                UserMessage(parts=["What is it?", Image(url="https://a.example/b.png")])
            )
        assert len(asked.server.requests) == 1


def test_an_image_and_no_reason() -> None:
    """A server error that has no reason, after an image: it may be the image."""
    told = advice(500, Reason("", "Internal Server Error"), attached=True, schemas=False)
    assert told.startswith("try again later; if this model takes no images or files")
    assert "try again later" == advice(500, Reason(), attached=False, schemas=False)
    assert "try again" == advice(None, Reason(), attached=False, schemas=False)


@on_each_wire
@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (400, {"detail": "Model m is not loaded"}, "Model m is not loaded"),
        (
            422,
            {"detail": [{"type": "missing", "loc": ["body", "x"], "msg": "Required", "input": "I"}]},
            "body.x: Required",
        ),
        (400, [{"error": {"code": 400, "message": "No key"}}], "No key"),
        (400, {"code": 1001, "msg": "quota gone"}, "1001: quota gone"),
        (404, {"error": "model 'm' not found"}, "model 'm' not found"),
        (400, b"plain words", "plain words"),
        (502, b"<html><title>502 Bad Gateway</title>", "502 Bad Gateway"),
        (200, {"code": 1001, "msg": "quota gone"}, "1001: quota gone"),
        (200, {"detail": "not here"}, "not here"),
    ],
)
async def test_told(wire: Wire, stream: bool, status: int, body: object, told: str) -> None:
    """The server's reason stands in the error, whatever the form of the body, also under status 200."""
    error = await error_of(wire, answer(status, body), stream=stream)
    assert isinstance(error, LLMStatusError)
    assert told in str(error)
    assert "Error code" not in str(error)


@on_each_wire
async def test_told_in_a_stream(wire: Wire) -> None:
    """An error inside a stream is told, also in a form that is not that of the wire."""
    told = json.dumps({"error": {"message": "boom", "type": "odd"}})
    error = await error_of(wire, sse(*wire.begun("Hel"), f"data: {told}\n\n".encode()))
    assert "odd: boom" in str(error)
    assert error.partial_text == "Hel"


def test_advice_by_the_body() -> None:
    """Inside a stream, or in a server error, the status that the body names says what to do."""
    missing = Reason("not_found_error", "No such model", 404)
    for status in (None, 500):
        assert "check the model's name and the base URL" == advice(
            status, missing, attached=False, schemas=False
        )


@on_each_wire
@pytest.mark.parametrize("key", ["x", "1", "ollama", "not-needed", "EMPTY", "lm-studio"])
async def test_a_placeholder(wire: Wire, key: str) -> None:
    """A key that is a placeholder covers nothing in a sentence, and changes no advice."""
    body = {"error": {"type": "odd", "message": f"context length exceeded: {key} 1 x"}}
    error = await error_of(wire, answer(400, body), api_key=key)
    assert str(error).endswith(f"odd: context length exceeded: {key} 1 x; send a shorter conversation")


@on_each_wire
async def test_advice_of_words_that_a_key_has(wire: Wire) -> None:
    """Advice is found in what the server says, not in what is left when keys are covered."""
    body = {"error": {"message": "context length exceeded by sk-context length exceeded"}}
    error = await error_of(wire, answer(400, body), api_key="context length exceeded")
    assert "context length exceeded" not in str(error)
    assert str(error).endswith("send a shorter conversation")


@on_each_wire
@pytest.mark.parametrize("key", [KEY, "aB3dEf9h", "correct-horse-battery", "12345678"])
async def test_a_key(wire: Wire, key: str) -> None:
    """What looks like a key is covered wherever it stands, in the causes of the error too."""
    error = await error_of(wire, answer(400, {"detail": f"Refused {key} for x{key}"}), api_key=key)
    assert key not in f"{error} {error.__cause__}"
    assert "Refused [redacted] for x[redacted]" in str(error)


@on_each_wire
async def test_quoted_requests(wire: Wire) -> None:
    """What the server quotes of the request is covered, however it writes it: short, escaped or cut."""
    prompt = 'Hi "Bo",\nGr\u00fc\u00df Gott aus \u00d6sterreich'
    sent = json.dumps([{"role": "user", "content": prompt}])
    for told in (
        f"Failed to parse messages: Unsupported content part type; messages = {sent}",
        f"Failed to parse messages: {json.dumps(sent)}",
        f"Failed to parse messages: {[{'role': 'user', 'content': prompt}]}",
        f"Failed to parse messages: {prompt}",
        f"Failed to parse messages: {sent[:40]}",
    ):
        async with asking(wire, answer(400, {"error": {"message": told}})) as asked:
            with pytest.raises(LLMStatusError, match="Failed to parse messages") as caught:
                await asked.inquire(prompt)
        error = str(caught.value)
        assert "[prompt]" in error
        assert not any(word in error for word in ("Bo", "Gott", "sterreich", "u00d6"))


@on_each_wire
async def test_one_short_line(wire: Wire) -> None:
    """The reason is one line of at most 500 characters; it commands no terminal and has no image's data."""
    told = f"a\nb\x1b[31m c\r\nd data:image/png;base64,{'iVBOR' * 100} {'word ' * 1_000}"
    error = str(await error_of(wire, answer(400, {"error": {"message": told}})))
    assert "a b[31m c d data:image/png;base64,[data] word word" in error
    assert "\n" not in error
    assert len(error) < 700


@pytest.mark.parametrize(
    "body",
    [
        *(
            piece * (LARGEST // len(piece))
            for piece in (b"<", b"<script", b"<title", b"[", b'{"a":', b"[],", b"data: ")
        ),
        *(
            piece * (LARGEST // len(piece))
            for piece in (b'"\\u00', b"requires ", b"failed to parse the ", b"&")
        ),
        b"[" + b"[]," * (LARGEST * 80_000 // 2**18),
        b"<title>" + b"&amp;" * (LARGEST * 50_000 // 2**18),
    ],
    ids=lambda body: str(zlib.crc32(body)),
)
def test_hostile_bodies(body: bytes) -> None:
    """No body of the largest size takes long: the time is linear in its size."""
    began = time.perf_counter()
    reason = reason_of(body)
    is_at_fault(reason)
    advice(500, reason, attached=True, schemas=True)
    assert time.perf_counter() - began < 2.0
