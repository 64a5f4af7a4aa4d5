"""What goes wrong becomes one of our errors, over a real socket; `test_matrix.py` has all ways."""

import time

import pytest
from hypothesis import given, strategies as st

from miniagents import (
    Image,
    LLMConnectionError,
    LLMProtocolError,
    LLMStatusError,
    UserMessage,
)
from miniagents.ext.llm._errors import without_prompt
from tests.support.sse_server import (
    answer,
    cut,
    hold,
    refused_url,
    sse,
)
from tests.support.wires import KEY, WIRES, Wire, asking, error_of

on_each_wire = pytest.mark.parametrize("wire", WIRES, ids=repr)


@on_each_wire
@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 529])
async def test_status(wire: Wire, status: int) -> None:
    """An error status keeps the request's id, and a key that the server echoes is covered."""
    body = {"type": "error", "error": {"type": "some_error", "message": f"Wrong key: {KEY}"}}
    error = await error_of(wire, answer(status, body, {wire.request_id: "req-9"}))
    assert isinstance(error, LLMStatusError)
    assert error.status == status
    assert error.request_id == "req-9"
    assert error.attempts == 1
    assert "some_error: Wrong key: [redacted]" in str(error)


@on_each_wire
async def test_refused(wire: Wire) -> None:
    """An address without a listener is a connection error that names it."""
    url = refused_url()
    error = await error_of(wire, hold, base_url=url)
    assert isinstance(error, LLMConnectionError)
    assert url.removeprefix("http://") in str(error)


@on_each_wire
async def test_no_status_of_the_client(wire: Wire) -> None:
    """The error of an answer that breaks off has no number that looks like its status."""
    error = await error_of(wire, sse(*wire.begun("Hel"), cut))
    assert isinstance(error, LLMConnectionError)
    assert "broke in the middle of the answer (Not enough data" in str(error)


@pytest.mark.parametrize("stream", [True, False])
@on_each_wire
async def test_html(wire: Wire, stream: bool) -> None:
    """A page of HTML is no answer."""
    page = answer(200, b"<html>Welcome to the proxy</html>", content_type="text/html")
    assert isinstance(await error_of(wire, page, stream=stream), LLMProtocolError)


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"{nonsense", b'{"content": 5, "choices": 5}'])
@on_each_wire
async def test_json_that_is_no_answer(wire: Wire, body: bytes) -> None:
    """A body that is not what the protocol says is no answer."""
    assert isinstance(await error_of(wire, answer(200, body), stream=False), LLMProtocolError)


@pytest.mark.parametrize(
    ("status", "told", "advice"),
    [
        (401, "Incorrect API key provided", "check the API key"),
        (404, "The model does not exist", "check the model's name and the base URL"),
        (400, "context_length_exceeded", "send a shorter conversation"),
        (400, "prompt is too long: 9 tokens", "send a shorter conversation"),
        (413, "Request too large", "send a shorter conversation"),
        (429, "Rate limit reached", "wait, or ask less often"),
        (400, "Unknown field", "correct what it complains about"),
    ],
)
@on_each_wire
async def test_advice(wire: Wire, status: int, told: str, advice: str) -> None:
    """A refusal says what it was and what to do."""
    error = await error_of(wire, answer(status, {"error": {"type": "odd", "message": told}}))
    assert isinstance(error, LLMStatusError)
    assert str(error).endswith(f"odd: {told}; {advice}")


@on_each_wire
async def test_image_to_a_text_model(wire: Wire) -> None:
    """A refusal of a conversation with an image says that the model may take none."""
    refused = answer(400, {"error": {"message": "Unexpected content."}})
    async with asking(wire, refused) as asked:
        with pytest.raises(LLMStatusError, match="if this model takes no images or files, leave them out"):
            await asked.agent.inquire(
                UserMessage(parts=["What is it?", Image(url="https://a.example/b.png")])
            )


LETTERS = st.text("abc", max_size=60)


@given(LETTERS, LETTERS, LETTERS, LETTERS)
def test_no_prompt(before: str, shared: str, behind: str, prompt: str) -> None:
    """No 12 characters of a prompt are left in a text, and what stands in no prompt stays."""
    asked = f"{prompt}{shared}{before}"
    for piece in without_prompt(f"{before}d{shared}d{behind}", asked).split("[prompt]"):
        assert not any(piece[at : at + 12] in asked for at in range(len(piece) - 11))
    assert without_prompt(behind, "") == behind


def test_a_long_prompt() -> None:
    """A prompt of megabytes, compared with the longest text that is read of an error, takes no second."""
    prompt = "".join(f"{number} bottles of beer on the wall, " for number in range(30_000))
    text = " ".join(f"{number} bottles of wine in the hall;" for number in range(120))
    began = time.perf_counter()
    assert "wine" in without_prompt(text, prompt)
    assert time.perf_counter() - began < 2.0
