"""The table of a stream's life in `docs/core.md` is true: each cell of it is driven.

Crosses modules: the page, the lifetime of a buffer, and the errors that no reader saw.
"""

import asyncio
import logging
import re
from collections.abc import Callable
from pathlib import Path

import pytest

import miniagents
from miniagents.streams._buffer import ReplayBuffer
from miniagents.streams._context import Context
from miniagents.streams._lifetime import Lease
from miniagents.streams._protocols import Producer

PAGE = Path(__file__).parents[2] / "docs" / "core.md"


def _rows() -> tuple[list[str], dict[str, dict[str, str]]]:
    lines = PAGE.read_text().split("<!-- table: life -->")[1].strip().splitlines()
    table = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[: _end(lines)]]
    _, *events = table[0]
    return events, {row[0]: dict(zip(events, row[1:], strict=True)) for row in table[2:]}


def _end(lines: list[str]) -> int:
    return next((at for at, line in enumerate(lines) if not line.startswith("|")), len(lines))


EVENTS, TABLE = _rows()
CELLS = [
    pytest.param(state, event, TABLE[state][event], id=f"{state}, {event}")
    for state in TABLE
    for event in EVENTS
    if TABLE[state][event] != "\N{EN DASH}"
]


class Recorded:
    """A producer that notes what it is told, and ends its stream as a real one does."""

    name = "recorded"

    def __init__(self, buffer: ReplayBuffer[int]) -> None:
        self.told: list[str] = []
        self._buffer = buffer

    def blocked_by(self) -> Producer | None:
        """It can go on by itself."""
        return None

    def cancel(self) -> None:
        """Note it."""
        self.told.append("cancel")
        self._buffer.end_cancelled()

    def abandon(self) -> None:
        """Note it."""
        self.told.append("abandon")
        self._buffer.end_cancelled()


class Life:
    """One stream in a state of the table, with one lease on it if any can be held."""

    def __init__(self, state: str) -> None:
        context = Context()
        context.open()
        self.buffer: ReplayBuffer[int] = ReplayBuffer(context, [1, 2])
        self.producer = Recorded(self.buffer)
        self.buffer.produce_with(self.producer)
        self.lease: Lease | None = Lease(self.buffer)
        _STATES[state](self)

    def drop(self) -> None:
        """Let the last lease go."""
        self.lease = None

    @property
    def state(self) -> str:
        """What the page calls it."""
        buffer = self.buffer
        if buffer.closed:
            return "ended" if buffer.error is None else "failed"
        if buffer.readers:
            return "read"
        if buffer.was_read:
            return "left"
        return "unread" if buffer.reachable else "alone"


def _read(life: Life) -> None:
    life.buffer.reader_came()


def _left(life: Life) -> None:
    life.buffer.reader_came()
    life.buffer.reader_left()


def _ended(life: Life) -> None:
    _read(life)  # then a reader can leave, too
    life.buffer.finish()


def _failed(life: Life) -> None:
    _read(life)
    life.buffer.fail(ValueError("broken"))


_STATES: dict[str, Callable[[Life], None]] = {
    "unread": lambda life: None,
    "read": _read,
    "left": _left,
    "alone": Life.drop,
    "ended": _ended,
    "failed": _failed,
}

_EVENTS: dict[str, Callable[[Life], None]] = {
    "reader comes": lambda life: life.buffer.reader_came(),
    "reader leaves": lambda life: life.buffer.reader_left(),
    "handed over": lambda life: life.buffer.expect_reader(),
    "last lease gone": Life.drop,
    "given up": lambda life: life.buffer.give_up(),
    "cancelled": lambda life: life.buffer.cancel(),
    "abandoned": lambda life: life.buffer.abandon(),
    "finishes": lambda life: life.buffer.finish(),
    "fails": lambda life: life.buffer.fail(ValueError("late")),
}


@pytest.mark.logs("No reader ever saw")
@pytest.mark.parametrize(("state", "event", "cell"), CELLS)
async def test_each_cell(state: str, event: str, cell: str, caplog: pytest.LogCaptureFixture) -> None:
    """In each state, each event leads to the state on the page, and to what stands behind the colon."""
    life = Life(state)
    assert state == life.state
    with caplog.at_level(logging.ERROR, "miniagents"):
        _EVENTS[event](life)
        await asyncio.sleep(0)
    then, _, besides = cell.partition(": ")
    happened = [
        *life.producer.told,
        *(["drop"] if not life.buffer.items else []),
        *(["log"] if caplog.records else []),
    ]
    assert (then, besides.split(", ") if besides else []) == (life.state, happened)
    life.buffer.mark_error_handled()


def test_the_table_is_whole() -> None:
    """The page knows every state and every event that a test can make, and no other."""
    assert (set(TABLE), set(EVENTS)) == (set(_STATES), set(_EVENTS))


def test_the_page_names_what_is_there() -> None:
    """Every module, function and test that the page names is there."""
    text = PAGE.read_text()
    package = Path(miniagents.__file__).parent
    for name in re.findall(r"`(_\w+\.py)`", text):
        assert any((package / layer / name).exists() for layer in ("streams", "messages")), name
    for name in re.findall(r"`(tests/[\w/.]+\.py)`", text):
        assert (PAGE.parents[1] / name).exists(), name
    source = "".join(path.read_text() for path in package.rglob("*.py"))
    words = set(re.findall(r"\w+", source))
    for name in re.findall(r"`(?:\w+\.)?(\w+)(?:\(\))?`", text):
        assert name in words, name
