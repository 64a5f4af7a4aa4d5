"""Crosses modules: the key and the prompt of the canary are found wherever they are shown."""

import logging

import pytest

from miniagents import LLMError, Message
from tests.support.canaries import KEY, PROMPT, Kept, shows
from tests.support.sse_server import Exchange, answer
from tests.support.wires import WIRES, Wire, error_of

PIECE = "Pepper Anchovy"


@pytest.mark.parametrize("wire", WIRES, ids=repr)
async def test_echoed(wire: Wire) -> None:
    """A server that says back what it was sent, key and all, is quoted without them."""

    async def echo(exchange: Exchange) -> None:
        keys = [value for value in exchange.request.headers.values() if KEY in value]
        text = f"Odd: {keys} and {exchange.request.body.decode()}"
        await answer(400, {"error": {"type": "odd", "message": text}})(exchange)

    error = await error_of(wire, echo)
    assert "[redacted]" in str(error)
    assert "[prompt]" in str(error)
    assert [] == shows(error)


def test_an_error_that_shows(nothing_shown: list[str]) -> None:
    """An error is red that shows one of them: itself, its fields, its cause, its note."""
    LLMError(f"Wrong: {PROMPT}")
    LLMError("Wrong.", partial_text=KEY)
    assert [f"{PIECE!r} in LLMError", f"{KEY!r} in LLMError"] == nothing_shown
    nothing_shown.clear()
    error = ValueError("Wrong.")
    assert [] == shows(error)
    error.__cause__ = KeyError(KEY)
    error.add_note(PROMPT)
    assert [KEY, PIECE] == shows(error)


@pytest.mark.logs("asked with", "no")
def test_a_log_that_shows(nothing_shown: list[str]) -> None:
    """A record of any logger is red that shows one of them, also in its arguments."""
    logging.getLogger("a.b").warning("asked with %s", KEY)
    logging.getLogger().error("no", extra={"prompt": PROMPT})
    assert [f"{KEY!r} in the log of a.b", f"{PIECE!r} in the log of root"] == nothing_shown
    nothing_shown.clear()


async def test_a_record_that_shows() -> None:
    """What is persisted is red if it shows the key."""
    kept = Kept()
    await kept(None, Message("Hello"))
    await kept(None, Message("Hello", key=KEY))
    assert (2, ["Message"]) == (kept.count, kept.shown)
