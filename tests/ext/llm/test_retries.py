"""Asking again, over a real socket."""

import logging

import pytest

from miniagents import LLMConnectionError, LLMStatusError, Part, Retry
from miniagents.ext.llm import _call
from miniagents.values import Backoff
from tests.support.sse_server import answer, raw, reset, sse
from tests.support.wires import KEY, WIRES, Wire, asking

pytestmark = pytest.mark.parametrize("wire", WIRES, ids=repr)

SOON = {"retry-after-ms": "1"}
BUSY = {"type": "error", "error": {"type": "busy", "message": "Not now."}}


@pytest.mark.parametrize("status", [408, 409, 429, 500, 529])
async def test_asked_again(wire: Wire, status: int, caplog: pytest.LogCaptureFixture) -> None:
    """A refusal that may pass is asked again, and every attempt is logged without the key."""
    caplog.set_level(logging.INFO, "miniagents.ext.llm")
    body = {"error": {"type": "busy", "message": f"Not now, {KEY}."}}
    async with asking(wire, answer(status, body, SOON), sse(*wire.good("Hello")), max_retries=2) as asked:
        assert str(await asked.inquire()) == "Hello"
        assert len(asked.server.requests) == 2
    records = [record.getMessage() for record in caplog.records if record.name == "miniagents.ext.llm"]
    assert len(records) == 1
    assert "attempt 1 failed" in records[0]
    assert KEY not in caplog.text


async def test_seen(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who reads the parts sees each retry before it is waited for; the message keeps none of it."""
    monkeypatch.setattr(_call, "_BACKOFF", Backoff(delay=0.001, jitter=0.25))
    scripts = answer(429, BUSY), raw(reset), sse(*wire.good("Hel", "lo"))
    async with asking(wire, *scripts, max_retries=2) as asked:
        parts: list[Part] = []
        replies = asked.inquire()
        async for reply in replies:
            async for part in reply.parts:
                if isinstance(part, Retry):
                    assert len(asked.server.requests) == part.attempt
                parts.append(part)
        (message,) = await replies
    first, second, *rest = parts
    assert isinstance(first, Retry)
    assert isinstance(second, Retry)
    assert ["busy: Not now." in first.reason, "could not be made" in second.reason] == [True, True]
    assert 0 < first.delay < second.delay
    assert [part for part in rest if isinstance(part, str)] == ["Hel", "lo"]
    assert not any(isinstance(part, Retry) for part in [*rest, *message.content])
    assert message.text == "Hello"


async def test_given_up(wire: Wire) -> None:
    """When it does not help the error of the last attempt tells how many there were."""
    async with asking(wire, answer(500, BUSY, SOON), max_retries=2) as asked:
        with pytest.raises(LLMStatusError, match="after 3 attempts") as caught:
            await asked.inquire()
        assert len(asked.server.requests) == 3
    assert caught.value.attempts == 3
    assert caught.value.status == 500


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
async def test_not_asked_again(wire: Wire, status: int) -> None:
    """A refusal that will not pass is not asked again."""
    async with asking(wire, answer(status, BUSY, SOON), max_retries=2) as asked:
        with pytest.raises(LLMStatusError):
            await asked.inquire()
        assert len(asked.server.requests) == 1


@pytest.mark.parametrize(("told", "count"), [("true", 2), ("false", 1)])
async def test_server_decides(wire: Wire, told: str, count: int) -> None:
    """A server that says whether to ask again is obeyed."""
    status = 400 if told == "true" else 500
    async with asking(wire, answer(status, BUSY, {**SOON, "x-should-retry": told}), max_retries=1) as asked:
        with pytest.raises(LLMStatusError):
            await asked.inquire()
        assert len(asked.server.requests) == count


@pytest.mark.parametrize("after", ["3600", "Wed, 21 Oct 2099 07:28:00 GMT"])
async def test_long_wait(wire: Wire, after: str) -> None:
    """A wait that would end after the deadline is not begun."""
    headers = {"Retry-After": after, "Date": "Wed, 21 Oct 2026 07:28:00 GMT"}
    async with asking(wire, answer(429, BUSY, headers), max_retries=2) as asked:
        with pytest.raises(LLMStatusError) as caught:
            await asked.inquire()
        assert len(asked.server.requests) == 1
    assert "after a timeout of this call" in " ".join(caught.value.__notes__)


@pytest.mark.gate("half a second for each wire")
async def test_connection_asked_again(wire: Wire) -> None:
    """A connection that breaks before the answer is made again."""
    async with asking(wire, raw(reset), sse(*wire.good("Hello")), max_retries=1) as asked:
        assert str(await asked.inquire()) == "Hello"
        assert len(asked.server.connections) == 2


async def test_not_in_the_middle(wire: Wire) -> None:
    """After the first piece nothing is asked again: the reader has seen it."""
    async with asking(wire, sse(*wire.begun("Hel"), reset), max_retries=2) as asked:
        with pytest.raises(LLMConnectionError):
            await asked.inquire()
        assert len(asked.server.requests) == 1
