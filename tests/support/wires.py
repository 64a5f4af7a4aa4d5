"""All wires side by side: what a test asks of every provider is written once.

A `Wire` knows how its server says things; `reply_to` asks its agent over a real socket and gives the message.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from typing_extensions import override

from miniagents import AssistantMessage, LLMError, MessageSequencePromise, MiniAgents, ModelAgent
from miniagents.ext.llm.anthropic import anthropic_agent
from miniagents.ext.llm.openai import openai_agent
from miniagents.ext.llm.openai_responses import openai_responses_agent
from tests.support import anthropic_wire, chat_wire, responses_wire
from tests.support.canaries import KEY, PROMPT, Kept, shows
from tests.support.sse_server import Script, ScriptedServer, serve

__all__ = [
    "ANTHROPIC",
    "CHAT",
    "KEY",
    "PROMPT",
    "RESPONSES",
    "WIRES",
    "Asked",
    "Wire",
    "asking",
    "error_of",
    "reply_to",
]


@dataclass(frozen=True, slots=True)
class Wire:
    """How one provider says things.

    Attributes:
        name: of the provider.
        agent: its agent.
        path: what its base URL ends with.
        good: all events of a good answer with these texts.
        begun: the events until after these texts.
        piece: the event of one piece of text.
        end: the event with the terminal marker.
        idle: an event that keeps the connection alive and brings nothing.
        error: an error event of a type.
        whole: a whole answer.
        malformed: an event that is no JSON.
        request_id: the header with the request's id.
        shortest: the events of the shortest answer that says "Hel" and "lo", and which of them is its end.
    """

    name: str
    agent: ModelAgent[...]
    path: str
    good: Callable[..., tuple[bytes, ...]]
    begun: Callable[..., tuple[bytes, ...]]
    piece: Callable[[object], bytes]
    end: bytes
    idle: bytes
    error: Callable[[str], bytes]
    whole: Callable[..., dict[str, object]]
    malformed: Callable[[bytes], bytes]
    request_id: str
    shortest: tuple[tuple[bytes, ...], int]

    @override
    def __repr__(self) -> str:
        return self.agent.alias.removesuffix("_AGENT").lower()


def _chat_piece(text: object) -> bytes:
    return chat_wire.chunk(None, content=text)


CHAT = Wire(
    name="openai",
    agent=openai_agent,
    path="/v1",
    good=chat_wire.chat,
    begun=lambda *texts: tuple(map(_chat_piece, texts)),
    piece=_chat_piece,
    end=chat_wire.chunk(finish="stop"),
    idle=b": still here\n\n" + chat_wire.event({"choices": []}),
    error=lambda kind: chat_wire.event({"error": {"type": kind, "message": "It is too much."}}),
    whole=chat_wire.completion,
    malformed=lambda data: b"data: " + data + b"\n\n",
    request_id="x-request-id",
    shortest=(
        (
            b'data: {"choices":[{"delta":{"content":"Hel"}}]}\n\n',
            b'data: {"choices":[{"delta":{"content":"lo"}}]}\n\n',
            b'data: {"choices":[{"finish_reason":"stop"}]}\n\n',
            chat_wire.DONE,
        ),
        2,
    ),
)
ANTHROPIC = Wire(
    name="anthropic",
    agent=anthropic_agent,
    path="",
    good=anthropic_wire.answered,
    begun=lambda *texts: (
        anthropic_wire.START,
        anthropic_wire.begin(),
        *map(anthropic_wire.delta, texts),
    ),
    piece=anthropic_wire.delta,
    end=anthropic_wire.end(),
    idle=b": still here\n\n" + anthropic_wire.PING,
    error=lambda kind: anthropic_wire.event("error", error={"type": kind, "message": "It is too much."}),
    whole=anthropic_wire.message,
    malformed=lambda data: b"event: content_block_delta\ndata: " + data + b"\n\n",
    request_id="request-id",
    shortest=(
        (
            b'data: {"type":"content_block_start","index":0,"content_block":{"type":"text"}}\n\n',
            b'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hel"}}\n\n',
            b'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"lo"}}\n\n',
            b'data: {"type":"message_delta","delta":{"stop_reason":"end_turn"}}\n\n',
            b'data: {"type":"message_stop"}\n\n',
        ),
        3,
    ),
)
RESPONSES = Wire(
    name="openai",
    agent=openai_responses_agent,
    path="/v1",
    good=responses_wire.responded,
    begun=lambda *texts: (
        responses_wire.CREATED,
        responses_wire.begin(),
        *map(responses_wire.delta, texts),
    ),
    piece=responses_wire.delta,
    end=responses_wire.end(),
    idle=b": still here\n\n" + responses_wire.event("response.in_progress", response={"id": "resp-1"}),
    error=lambda kind: responses_wire.event("error", code=kind, message="It is too much."),
    whole=responses_wire.response,
    malformed=lambda data: b"event: response.output_text.delta\ndata: " + data + b"\n\n",
    request_id="x-request-id",
    shortest=(
        (
            b'data: {"type":"response.output_item.added","output_index":0,"item":{"type":"message"}}\n\n',
            b'data: {"type":"response.output_text.delta","output_index":0,"delta":"Hel"}\n\n',
            b'data: {"type":"response.output_text.delta","output_index":0,"delta":"lo"}\n\n',
            b'data: {"type":"response.completed","response":{"status":"completed"}}\n\n',
        ),
        3,
    ),
)
WIRES = (CHAT, ANTHROPIC, RESPONSES)


@dataclass(frozen=True, slots=True)
class Asked:
    """A server and the agent that asks it."""

    server: ScriptedServer
    agent: ModelAgent[...]

    def inquire(
        self, messages: str = PROMPT, /, **keywords: object
    ) -> MessageSequencePromise[AssistantMessage]:
        """Ask it."""
        return self.agent.inquire(messages, **keywords)


@asynccontextmanager
async def asking(wire: Wire, *scripts: Script, **keywords: object) -> AsyncGenerator[Asked]:
    """Run a server and a context; the agent is ready to ask the server, once. No record shows the key."""
    kept = Kept()
    async with serve(*scripts) as server, MiniAgents(on_persist_message=kept):
        settings: dict[str, object] = {
            "model": "model-of-test",
            "api_key": KEY,
            "base_url": server.url + wire.path,
            "max_retries": 0,
        }
        yield Asked(server, wire.agent.fork(**{**settings, **keywords}))
    assert [] == kept.shown


async def reply_to(wire: Wire, script: Script, **keywords: object) -> AssistantMessage:
    """Ask a server that follows the script, and return the message; raise what the agent raises."""
    async with asking(wire, script, **keywords) as asked:
        (message,) = await asked.inquire()
    return message


async def error_of(wire: Wire, script: Script, **keywords: object) -> LLMError:
    """Return the error that the agent ends with; it may not show the key, nor be longer than a paragraph."""
    with pytest.raises(LLMError) as caught:
        await reply_to(wire, script, **keywords)
    error = caught.value
    assert error.provider == wire.name
    assert error.model == "model-of-test"
    assert [] == shows(error)
    return error
