"""What the headers of a response say leaves the provider as a value."""

from collections.abc import Mapping

import pytest

from miniagents import LLMStatusError, Part, Retry
from miniagents.ext.llm._headers import response_headers, retry_after
from miniagents.values import RateLimit, ResponseHeaders
from tests.support.sse_server import answer, sse
from tests.support.wires import WIRES, Asked, Wire, asking

on_each_wire = pytest.mark.parametrize("wire", WIRES, ids=repr)

NOW = "Sun, 22 Nov 2026 12:00:00 GMT"
OPENAI = {
    "x-ratelimit-limit-requests": "500",
    "x-ratelimit-remaining-requests": "499",
    "x-ratelimit-reset-requests": "120ms",
    "x-ratelimit-limit-tokens": "30000",
    "x-ratelimit-remaining-tokens": "29000",
    "x-ratelimit-reset-tokens": "1m30.5s",
}
ANTHROPIC = {
    "date": NOW,
    "anthropic-ratelimit-requests-limit": "50",
    "anthropic-ratelimit-requests-remaining": "0",
    "anthropic-ratelimit-requests-reset": "2026-11-22T12:01:00Z",
    "anthropic-ratelimit-input-tokens-limit": "40000",
    "anthropic-ratelimit-input-tokens-remaining": "39000",
    "anthropic-ratelimit-output-tokens-remaining": "8000",
    "retry-after": "60",
}


def test_openai() -> None:
    """The headers of OpenAI and its like: limits of requests and tokens."""
    assert response_headers(OPENAI, status=200, request_id="req-1") == ResponseHeaders(
        200, "req-1", requests=RateLimit(500, 499, 0.12), tokens=RateLimit(30_000, 29_000, 90.5)
    )


def test_anthropic() -> None:
    """The headers of Anthropic: dates by its own clock, and limits for each kind of tokens."""
    assert response_headers(ANTHROPIC, status=429) == ResponseHeaders(
        429,
        retry_after=60.0,
        requests=RateLimit(50, 0, 60.0),
        input_tokens=RateLimit(40_000, 39_000),
        output_tokens=RateLimit(remaining=8_000),
    )


@pytest.mark.parametrize(
    ("reset", "seconds"),
    [
        ("1s", 1.0),
        ("6m0s", 360.0),
        ("1h2m3s", 3723.0),
        ("1d", 86_400.0),
        ("2m59.56s", 179.56),
        ("0s", 0.0),
        ("12.5", 12.5),
        ("1795348860", 60.0),
        ("1795348860000", 60.0),
        ("2026-11-22T12:01:00+00:00", 60.0),
        ("2026-11-22T11:00:00Z", 0.0),
        ("Sun, 22 Nov 2026 12:01:00 GMT", 60.0),
    ],
)
def test_reset(reset: str, seconds: float) -> None:
    """The time of a limit is a duration, a number of seconds, or a date, in any of the usual forms."""
    found = response_headers({"x-ratelimit-reset-tokens": reset, "date": NOW})
    assert found is not None
    assert found.tokens is not None
    assert found.tokens.resets_in == pytest.approx(seconds)


@pytest.mark.parametrize(
    "value", ["", "-1", "0", "many", "1e9", "inf", "nan", "9" * 5000, "\u0661", "1.5.1", "s", "-5s", "0x10"]
)
def test_no_limit(value: str) -> None:
    """What is no limit that can be meant is not known: nothing that a server sends is an error here."""
    assert response_headers({"x-ratelimit-limit-tokens": value}) is None


@pytest.mark.parametrize("value", ["", "soon", "9" * 5000 + "s", "9" * 14, "-1s", "nan", "0-0-0", "1h1h"])
def test_no_time(value: str) -> None:
    """What is no time that can be meant is not known, or a number that is finite."""
    found = response_headers({"x-ratelimit-reset-tokens": value, "date": NOW})
    assert found is None or (found.tokens is not None and 0 <= (found.tokens.resets_in or 0) < 1e12)


@pytest.mark.parametrize("value", ["inf", "nan", "-1", "soon", ""])
def test_no_wait(value: str) -> None:
    """A wait that is no number of seconds is none."""
    assert retry_after({"retry-after": value, "date": NOW}) is None


def test_nothing() -> None:
    """Headers that say nothing are no value."""
    assert response_headers({"content-type": "text/plain"}, status=200) is None


async def parts_of(asked: Asked) -> list[Part]:
    """All parts of an answer."""
    return [part async for part in asked.inquire().parts]


@on_each_wire
@pytest.mark.parametrize("stream", [True, False])
async def test_seen(wire: Wire, *, stream: bool) -> None:
    """Who reads the parts of an answer is told first what its headers say; the message keeps none of it."""
    headers = {wire.request_id: "req-9", **OPENAI}
    script = (
        sse(*wire.good("Hello"), headers=headers) if stream else answer(200, wire.whole("Hello"), headers)
    )
    async with asking(wire, script, stream=stream) as asked:
        replies = asked.inquire()
        first, *rest = [part async for part in replies.parts]
        (message,) = await replies
    assert first == response_headers(OPENAI, status=200, request_id="req-9")
    assert not any(isinstance(part, ResponseHeaders) for part in [*rest, *message.content])
    assert "req-9" not in message.model_dump_json()


async def _gather(asked: Asked, parts: list[Part]) -> None:
    async for reply in asked.inquire():
        async for part in reply.parts:
            parts.append(part)  # noqa: PERF401 - what came before an error is kept


@on_each_wire
async def test_seen_at_refusals(wire: Wire) -> None:
    """The headers of each refusal come before the `Retry` or the error that it causes."""
    limits = {**ANTHROPIC, "retry-after-ms": "1"}
    scripts = answer(429, {}, limits), answer(400, {}, {**limits, wire.request_id: "req-9"})
    parts: list[Part] = []
    async with asking(wire, *scripts, max_retries=1) as asked:
        with pytest.raises(LLMStatusError) as caught:
            await _gather(asked, parts)
    first, retry, last = parts
    assert first == response_headers(limits, status=429)
    assert isinstance(retry, Retry)
    assert retry.delay == 0.001
    assert last == response_headers(limits, status=400, request_id="req-9")
    assert (caught.value.request_id, caught.value.retry_after) == ("req-9", 0.001)


@on_each_wire
@pytest.mark.parametrize("headers", [{}, {"x-ratelimit-limit-tokens": "-1"}])
async def test_not_seen(wire: Wire, headers: Mapping[str, str]) -> None:
    """Headers that say nothing bring no part."""
    async with asking(wire, sse(*wire.good("Hello"), headers=headers)) as asked:
        assert not any(isinstance(part, ResponseHeaders) for part in await parts_of(asked))
