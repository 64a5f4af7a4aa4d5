"""Recorded answers with all that an answer may have, and calls of them without a socket.

A `Recording` knows what a reader must have seen after each byte; `outcome` plays bytes, or their beginning,
to the very code that reads a connection, and says what came of it.
"""

import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field

from typing_extensions import override

from miniagents import LLMError, Part, Refusal
from miniagents.ext.llm import ModelCall, Wire
from miniagents.ext.llm._timeouts import Timeouts
from miniagents.ext.llm.anthropic import _WIRE as ANTHROPIC_WIRE
from miniagents.ext.llm.openai import _WIRE as CHAT_WIRE
from miniagents.ext.llm.openai_responses import _WIRE as RESPONSES_WIRE
from tests.support import anthropic_wire, chat_wire, responses_wire

__all__ = ["RECORDINGS", "Played", "Recording", "outcome"]

TEXTS = ("Let me ", "look \N{GRINNING FACE} up ", "the wind.")
ARGUMENTS = ('{"city": ', '"Troms\N{LATIN SMALL LETTER O WITH STROKE}"}')


@dataclass(frozen=True, slots=True)
class Recording:
    """An answer as it came.

    Attributes:
        name: of the wire.
        wire: what reads it.
        events: its events, in UTF-8 without escapes.
        end: which of the events is the terminal marker.
    """

    name: str
    wire: Wire
    events: tuple[bytes, ...]
    end: int

    @override
    def __repr__(self) -> str:
        return self.name

    @property
    def data(self) -> bytes:
        """All bytes."""
        return b"".join(self.events)

    @property
    def complete_at(self) -> int:
        """How many bytes there are when the terminal marker has come, its blank line included."""
        return len(b"".join(self.events[: self.end + 1]))

    def text_at(self, count: int) -> str:
        """The text of the events that are whole after so many bytes."""
        at, text = 0, ""
        for event in self.events:
            at += len(event)
            if at > count:
                break
            text += "".join(each for each in TEXTS if f'"{each}"'.encode() in event)
        return text


def _unescaped(*events: bytes) -> tuple[bytes, ...]:
    plain: list[bytes] = []
    for event in events:
        name, mark, data = event.rpartition(b"data: ")
        body = (
            data if not data.startswith(b"{") else json.dumps(json.loads(data), ensure_ascii=False).encode()
        )
        plain.append(name + mark + body + (b"\n\n" if body is not data else b""))
    return tuple(plain)


def _call(**function: object) -> bytes:
    return chat_wire.chunk(
        tool_calls=[{"index": 0, "function": function, **({"id": "c"} if "name" in function else {})}]
    )


CHAT = Recording(
    "chat",
    CHAT_WIRE,
    _unescaped(
        chat_wire.chunk("", role="assistant"),
        chat_wire.chunk(reasoning_content="Hm \N{GRINNING FACE}."),
        *map(chat_wire.chunk, TEXTS),
        _call(name="look", arguments=ARGUMENTS[0]),
        b": still here\n\n",
        _call(arguments=ARGUMENTS[1]),
        chat_wire.chunk(finish="tool_calls"),
        chat_wire.USAGE,
        chat_wire.DONE,
    ),
    8,
)


def _delta(kind: str, index: int, **fields: object) -> bytes:
    return anthropic_wire.event("content_block_delta", index=index, delta={"type": kind, **fields})


ANTHROPIC = Recording(
    "anthropic",
    ANTHROPIC_WIRE,
    _unescaped(
        anthropic_wire.START,
        anthropic_wire.begin(0, "thinking", thinking=""),
        _delta("thinking_delta", 0, thinking="Hm."),
        _delta("signature_delta", 0, signature="signed"),
        anthropic_wire.begin(1),
        anthropic_wire.PING,
        *(anthropic_wire.delta(text, 1) for text in TEXTS),
        anthropic_wire.begin(2, "tool_use", id="c", name="look", input={}),
        *(_delta("input_json_delta", 2, partial_json=piece) for piece in ARGUMENTS),
        anthropic_wire.end("tool_use"),
        anthropic_wire.STOP,
    ),
    12,
)
_ARGUMENTS = "response.function_call_arguments.delta"
RESPONSES = Recording(
    "responses",
    RESPONSES_WIRE,
    _unescaped(
        responses_wire.CREATED,
        responses_wire.begin(0, "reasoning"),
        responses_wire.delta("Hm.", 0, "response.reasoning_summary_text.delta"),
        responses_wire.done(0, "reasoning", encrypted_content="secret"),
        responses_wire.begin(1),
        *(responses_wire.delta(text, 1) for text in TEXTS),
        responses_wire.begin(2, "function_call", call_id="c", name="look"),
        *(responses_wire.delta(piece, 2, _ARGUMENTS) for piece in ARGUMENTS),
        responses_wire.end(),
    ),
    11,
)
RECORDINGS = (CHAT, ANTHROPIC, RESPONSES)


@dataclass(slots=True)
class _Memory:
    """A response that is in memory; it ends with an error if there is one."""

    chunks: Sequence[bytes]
    error: Exception | None
    headers: Mapping[str, str]
    closed: bool = False
    content: bytes = b""
    is_stream_consumed: bool = False

    @property
    def http_response(self) -> "_Memory":
        """Itself."""
        return self

    async def aiter_raw(self) -> AsyncGenerator[bytes]:
        """The chunks."""
        for chunk in self.chunks:
            yield chunk
        if self.error is not None:
            raise self.error

    async def aclose(self) -> None:
        """Note that it was closed."""
        self.closed = True


@dataclass(slots=True)
class Played:
    """What came of an answer.

    Attributes:
        parts: everything that a reader saw.
        error: how it ended, None if the answer is complete.
        closed: whether the connection was let go.
    """

    parts: list[Part] = field(default_factory=list[Part])
    error: Exception | None = None
    closed: bool = False

    @property
    def text(self) -> str:
        """The text that a reader saw."""
        texts = (part.text if isinstance(part, Refusal) else part for part in self.parts)
        return "".join(text for text in texts if isinstance(text, str))


async def outcome(
    wire: Wire, *chunks: bytes, error: Exception | None = None, headers: Mapping[str, str] | None = None
) -> Played:
    """Play chunks of bytes, then an end or an error, to what reads a connection of this wire."""
    memory = _Memory(chunks, error, {"content-type": "text/event-stream", **(headers or {})})
    call = ModelCall(
        wire,
        lambda: nullcontext(memory),
        "model-of-test",
        "server",
        max_retries=0,
        timeouts=Timeouts(5, 5, 5),
    )
    played = Played()
    try:
        async for part in call.parts({}):
            played.parts.append(part)
    except LLMError as failed:
        played.error = failed
    played.closed = memory.closed
    return played
