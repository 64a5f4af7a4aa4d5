"""What goes wrong becomes one of our errors, over a real socket."""

import pytest

from miniagents import (
    LLMConnectionError,
    LLMProtocolError,
    LLMStatusError,
)
from tests.support.sse_server import (
    Script,
    answer,
    cut,
    hold,
    raw,
    refused_url,
    reset,
    sse,
)
from tests.support.wires import KEY, WIRES, Wire, error_of

pytestmark = pytest.mark.parametrize("wire", WIRES, ids=repr)


@pytest.mark.parametrize("end", [cut, reset])
async def test_broken_in_the_middle(wire: Wire, end: Script) -> None:
    """A connection that breaks is a connection error, with the text that had arrived."""
    error = await error_of(wire, sse(*wire.begun("Hel"), end))
    assert isinstance(error, LLMConnectionError)
    assert error.partial_text == "Hel"


async def test_lying_length(wire: Wire) -> None:
    """A body that is shorter than it said is a connection error."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 99999\r\n\r\n"
    error = await error_of(wire, raw(head, *wire.begun("Hel")))
    assert isinstance(error, LLMConnectionError)


async def test_error_event(wire: Wire) -> None:
    """An error event in the middle is a status error with the provider's own type."""
    error = await error_of(wire, sse(*wire.begun("Hel"), wire.error("overloaded_error")))
    assert isinstance(error, LLMStatusError)
    assert "overloaded_error: It is too much." in str(error)
    assert error.partial_text == "Hel"
    assert error.status is None


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


async def test_refused(wire: Wire) -> None:
    """An address where nobody listens is a connection error that names it."""
    url = refused_url()
    error = await error_of(wire, hold, base_url=url)
    assert isinstance(error, LLMConnectionError)
    assert url.removeprefix("http://") in str(error)


@pytest.mark.parametrize("script", [raw(b""), raw(reset)])
async def test_closed_before_the_answer(wire: Wire, script: Script) -> None:
    """A connection that is closed without an answer is a connection error."""
    assert isinstance(await error_of(wire, script), LLMConnectionError)


@pytest.mark.parametrize("stream", [True, False])
async def test_html(wire: Wire, stream: bool) -> None:
    """A page of HTML is no answer."""
    page = answer(200, b"<html>Welcome to the proxy</html>", content_type="text/html")
    assert isinstance(await error_of(wire, page, stream=stream), LLMProtocolError)


async def test_json_instead_of_a_stream(wire: Wire) -> None:
    """A whole JSON body where a stream was asked for is no answer, and the error says what it was."""
    error = await error_of(wire, answer(200, wire.whole("Hello")))
    assert isinstance(error, LLMProtocolError)
    assert "application/json" in str(error)


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"{nonsense", b'{"content": 5, "choices": 5}'])
async def test_json_that_is_no_answer(wire: Wire, body: bytes) -> None:
    """A body that is not what the protocol says is no answer."""
    assert isinstance(await error_of(wire, answer(200, body), stream=False), LLMProtocolError)


@pytest.mark.parametrize("data", [b"{nonsense", b"null", b"[1]", b'"text"', b"7", b"\xff\xfe", b"{}{}"])
async def test_malformed_event(wire: Wire, data: bytes) -> None:
    """An event that is no JSON, no UTF-8 or no object breaks the protocol; what had arrived is kept."""
    error = await error_of(wire, sse(*wire.begun("Hel"), wire.malformed(data), wire.end))
    assert isinstance(error, LLMProtocolError)
    assert error.partial_text == "Hel"


@pytest.mark.parametrize("text", [5, ["a"], {"a": "b"}, True])
async def test_text_of_another_type(wire: Wire, text: object) -> None:
    """A piece of text that is no text breaks the protocol."""
    error = await error_of(wire, sse(*wire.begun("Hel"), wire.piece(text), wire.end))
    assert isinstance(error, LLMProtocolError)
    assert error.partial_text == "Hel"
