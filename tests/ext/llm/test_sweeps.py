"""Crosses modules: an answer that is cut or reset at any byte is never taken for a whole one.

The sweeps go over every byte: of a recorded answer with everything in it without a socket, of the shortest
one over sockets. What would turn them green by accident is tried too: without the rule of the terminal
marker, without the timer of progress, without the caps, they are red. `test_matrix.py` has all other faults.
"""

from collections.abc import Callable
from functools import partial
from math import inf

import pytest

from miniagents import (
    LLMConnectionError,
    LLMError,
    LLMProtocolError,
    LLMTimeoutError,
    LLMTruncatedError,
)
from miniagents.ext.llm import _transport
from miniagents.ext.llm._answer import AnswerAssembler
from miniagents.ext.llm._sse import SSEDecoder
from miniagents.ext.llm._timeouts import Clock
from tests.support.recorded import RECORDINGS, TEXTS, Recording, outcome
from tests.support.sse_server import Script, raw, repeat, reset, sse
from tests.support.wires import CHAT, WIRES, Asked, Wire, asking, error_of

each_recording = pytest.mark.parametrize("recording", RECORDINGS, ids=repr)
quickly = pytest.mark.loop(debug=False, timeout=60)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"


@each_recording
async def test_whole(recording: Recording) -> None:
    """The recorded answer itself is complete, in one piece and byte by byte."""
    for size in (1, 7, len(recording.data)):
        chunks = [recording.data[at : at + size] for at in range(0, len(recording.data), size)]
        played = await outcome(recording.wire, *chunks)
        assert (played.text, played.error, played.closed) == ("".join(TEXTS), None, True)


async def silent_cuts(recording: Recording) -> list[int]:
    """Cut the answer cleanly at every byte; where it was taken for whole although something was missing.

    What is not silent is checked: an error of ours, with exactly the text of the events that were whole, and
    the connection let go.
    """
    silent: list[int] = []
    # The last event needs no blank line: its JSON says by itself that it is whole.
    whole_at = recording.complete_at - len(b"\n\n")
    for count in range(len(recording.data) + 1):
        played = await outcome(recording.wire, recording.data[:count])
        assert played.closed
        if count >= whole_at:
            assert (played.text, played.error) == ("".join(TEXTS), None), count
        elif played.error is None:
            silent.append(count)
        else:
            assert isinstance(played.error, LLMTruncatedError), (count, played.error)
            # A piece that is cut between its JSON and its blank line is whole.
            assert played.text in {recording.text_at(count), recording.text_at(count + 2)}, count
            assert played.error.partial_text == played.text
    return silent


@pytest.mark.gate("half a second for each wire")
@each_recording
@quickly
async def test_cut_at_every_byte(recording: Recording) -> None:
    """A clean end at any byte is an error, or the answer is complete."""
    assert await silent_cuts(recording) == []


@pytest.mark.gate("half a second for each wire")
@each_recording
@quickly
async def test_reset_at_every_byte(recording: Recording) -> None:
    """A reset at any byte is an error with the text that had come, or the answer was complete already."""
    for count in range(len(recording.data) + 1):
        played = await outcome(recording.wire, recording.data[:count], error=ConnectionResetError("reset"))
        assert played.closed
        if count >= recording.complete_at:
            assert (played.text, played.error) == ("".join(TEXTS), None), count
        else:
            assert isinstance(played.error, LLMConnectionError), (count, played.error)
            assert played.text == played.error.partial_text == recording.text_at(count), count


# -- over sockets ----------------------------------------------------------------------------------------


def text_within(data: bytes, count: int) -> str:
    """The text of the events of a shortest answer that are whole within so many bytes."""
    pieces = ((b'"Hel"', "Hel"), (b'"lo"', "lo"))
    return "".join(text for piece, text in pieces if data.index(b"\n\n", data.index(piece)) <= count)


async def outcome_of(asked: Asked) -> tuple[str, LLMError | None]:
    """Ask, and return the text of the message, or the error that it ended with."""
    try:
        (message,) = await asked.inquire()
    except LLMError as error:
        return "", error
    return str(message), None


async def over_sockets(
    wire: Wire, script: Callable[[bytes], Script], *kinds: type[LLMError], swallows: bool
) -> None:
    """Send the beginnings of an answer, of every length; each is an error of these kinds, or complete."""
    events, end = wire.shortest
    data = b"".join(events)
    complete_at = len(b"".join(events[: end + 1])) - len(b"\n\n")
    async with asking(wire, *(script(data[:count]) for count in range(len(data) + 1))) as asked:
        for count in range(len(data) + 1):
            message, error = await outcome_of(asked)
            if error is None:
                assert (message, count >= complete_at) == ("Hello", True)
                continue
            assert isinstance(error, kinds), (count, error)
            text = text_within(data, count)
            assert text.startswith(error.partial_text) if swallows else error.partial_text == text, count
            assert count < complete_at or swallows, error
        assert len(asked.server.requests) == len(data) + 1


@pytest.mark.gate("a request over a socket for every byte")
@pytest.mark.parametrize("wire", WIRES, ids=repr)
@quickly
async def test_cut_at_every_byte_over_sockets(wire: Wire) -> None:
    """The same with the SDK, over sockets: a body that ends cleanly."""
    await over_sockets(wire, lambda data: sse(*([data] if data else [])), LLMTruncatedError, swallows=False)


@pytest.mark.gate("a request over a socket for every byte")
@pytest.mark.parametrize("wire", WIRES, ids=repr)
@quickly
async def test_reset_at_every_byte_over_sockets(wire: Wire) -> None:
    """The same with the SDK, over sockets: a reset, which may swallow what was not read yet."""
    # aiohttp shows the reset of a body without a length as its end.
    kinds = LLMConnectionError, LLMTruncatedError
    await over_sockets(wire, lambda data: raw(HEAD + data, reset), *kinds, swallows=True)


# -- what must turn them red -----------------------------------------------------------------------------


@pytest.mark.gate("cuts a stream at each byte")
@pytest.mark.parametrize(
    "recording",
    [
        pytest.param(each, id=repr(each), marks=pytest.mark.gate("the same on another wire") if at else ())
        for at, each in enumerate(RECORDINGS)
    ],
)
@quickly
async def test_without_the_rule_of_the_terminal_marker(
    recording: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the rule that a stream needs its terminal marker, most cuts are silent."""
    monkeypatch.setattr(AnswerAssembler, "complete", property(lambda _: True))
    assert len(await silent_cuts(recording)) > recording.complete_at / 2


@pytest.mark.gate("half a second for each wire")
async def test_without_the_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the timer of progress, a stall is not found before the whole call must have ended."""
    idle = sse(*CHAT.begun("Hel"), repeat(CHAT.idle, 0.01))
    assert "stall_timeout" in str(await error_of(CHAT, idle, stall_timeout=0.1, total_timeout=0.4))

    def no_limit(clock: Clock) -> None:
        monkeypatch.setattr(clock, "_next_at", inf)

    monkeypatch.setattr(Clock, "progressed", no_limit)
    error = await error_of(CHAT, idle, stall_timeout=0.1, total_timeout=0.4)
    assert isinstance(error, LLMTimeoutError)
    assert "total_timeout" in str(error)


@each_recording
async def test_without_the_caps(recording: Recording, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without caps, an event of any size goes through."""
    bomb = [b": " + b"x" * 2**20] * 20
    played = await outcome(recording.wire, *bomb, b"\n\n", recording.data)
    assert isinstance(played.error, LLMProtocolError)
    monkeypatch.setattr(_transport, "SSEDecoder", partial(SSEDecoder, max_event=2**40, max_stream=2**40))
    assert (await outcome(recording.wire, *bomb, b"\n\n", recording.data)).error is None
