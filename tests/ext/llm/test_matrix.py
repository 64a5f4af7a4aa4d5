"""Crosses modules: every way in which a wire breaks or is odd, over a real socket, for every provider.

None is silent, none hangs, none is a false error, and every error is ours, with all that it knows.
"""

import asyncio
from dataclasses import dataclass, field

import pytest

from miniagents import AssistantMessage, LLMError
from miniagents.ext.llm import _call, _transport
from miniagents.values import Backoff
from tests.support.canaries import shows
from tests.support.fault_rows import REQUEST_ID, ROWS, Row
from tests.support.item_rows import ITEM_ROWS
from tests.support.wires import WIRES, Asked, Wire, asking

WITHIN = 5.0
"""Seconds within which a call must end; what a row waits for is a tenth of one."""
_OTHER = pytest.mark.gate("the row on its other wires")


@dataclass(slots=True)
class Ended:
    """What a reader saw of a reply, and how it ended."""

    read: list[str] = field(default_factory=list[str])
    message: AssistantMessage | None = None
    error: LLMError | None = None


async def read_to_the_end(asked: Asked) -> Ended:
    """Ask, and read token by token."""
    ended = Ended()
    try:
        async for reply in asked.inquire():
            async for token in reply:
                ended.read.append(token)
            ended.message = await reply
    except LLMError as error:
        ended.error = error
    return ended


@pytest.mark.parametrize(
    ("row", "wire"),
    [
        # Every run does every fourth row on one of its wires, in turn; the gate does the others, too.
        pytest.param(
            row,
            wire,
            id=f"{row!r}-{wire!r}",
            marks=[] if number % 4 == 0 and at == number // 4 % len(row.wires) else _OTHER,
        )
        for number, row in enumerate((*ROWS, *ITEM_ROWS))
        for at, wire in enumerate(row.wires)
    ],
)
async def test_row(row: Row, wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the server does ends in time, with what must come of it, over aiohttp and without it."""
    if (len(row.name) + WIRES.index(wire)) % 2:  # each row on both
        monkeypatch.setattr(_transport, "find_spec", {"aiohttp": None}.get)
    monkeypatch.setattr(_call, "_BACKOFF", Backoff(delay=0.001))
    async with asking(wire, *(make(wire) for make in row.scripts), **row.keywords) as asked:
        async with asyncio.timeout(WITHIN):
            ended = await read_to_the_end(asked)
        assert len(asked.server.requests) == row.attempts
    text = "".join(ended.read)
    assert (text if row.text != "*" else row.text) == row.text
    error, message = ended.error, ended.message
    if error is None:
        assert row.error is None
        assert message is not None
        assert message.text == text
        assert row.finish_reason in {None, message.finish_reason}
        assert row.calls in {None, tuple((call.name, call.arguments) for call in message.tool_calls)}
        assert getattr(message, "attempts", 1) == row.attempts
        return
    assert type(error) is row.error, error
    assert row.says in str(error)
    assert (error.provider, error.model, error.attempts) == (wire.name, "model-of-test", row.attempts)
    assert (error.partial_text, error.status) == (text, row.status)
    assert [] == shows(error)
    assert error.request_id == (REQUEST_ID if row.told else None)
