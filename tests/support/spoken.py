"""What a model says in one turn, written down once, and how each wire says it.

A wire knows by itself how a server sends it, which parts come of that, what the message is made of, and
what the next request must have of it. So whole bodies and whole streams can be compared.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from typing_extensions import override

from miniagents import Content, Finish, Part, Reasoning, ToolCall, ToolCallDelta, Usage
from tests.support import anthropic_wire as a, chat_wire as c, responses_wire as r
from tests.support.wires import ANTHROPIC, CHAT, RESPONSES, Wire

__all__ = ["SPOKEN", "Anthropic", "Asked", "Chat", "ContentMessage", "Json", "Responses", "Said", "Told"]

Json = Mapping[str, object]
Told = tuple[str, str, object]
"""Name, description and JSON schema of a tool."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A call of a tool, in the pieces in which its arguments come, and what the tool says to it."""

    id: str
    name: str
    pieces: tuple[str, ...]
    result: str
    is_error: bool = False

    @property
    def arguments(self) -> str:
        """All of the arguments."""
        return "".join(self.pieces)


@dataclass(frozen=True, slots=True)
class Said:
    """What a model says in one turn."""

    number: int
    thought: tuple[str, ...]
    secret: str
    text: tuple[str, ...]
    calls: tuple[Asked, ...]

    @property
    def usage(self) -> Usage:
        """What it costs; every turn has other numbers."""
        return Usage(105 + self.number, 10 + self.number, 5 + self.number, 1 + self.number)


class ContentMessage(ABC):
    """How one wire says it."""

    wire: Wire

    @abstractmethod
    def events(self, said: Said) -> Sequence[bytes]:
        """What the server sends."""

    @abstractmethod
    def parts(self, said: Said) -> list[Part]:
        """What comes of that."""

    @abstractmethod
    def content(self, said: Said) -> tuple[Content, ...]:
        """What the message is made of."""

    @abstractmethod
    def history(self, said: Said) -> list[Json]:
        """What later requests must have of it, with the results of its calls."""

    @abstractmethod
    def request(self, history: list[Json], tools: Iterable[Told] = ()) -> Json:
        """A whole request."""


def _deltas(said: Said, first: int, items: bool = False) -> Iterator[Part]:
    for at, call in enumerate(said.calls, first):
        yield ToolCallDelta(at, call.id, call.name, item_id=f"item-{call.id}" if items else None)
        for piece in call.pieces:
            yield ToolCallDelta(at, arguments=piece)


class Chat(ContentMessage):
    """Chat Completions: thoughts have no signature there, and go back under the name that they came with."""

    wire = CHAT

    @override
    def events(self, said: Said) -> Sequence[bytes]:
        events = [c.chunk("", role="assistant")]
        events += [c.chunk(None, reasoning_content=piece) for piece in said.thought]
        events += map(c.chunk, said.text)
        for at, call in enumerate(said.calls):
            begun = {"index": at, "id": call.id, "type": "function"}
            events.append(c.chunk(tool_calls=[{**begun, "function": {"name": call.name, "arguments": ""}}]))
            events += [
                c.chunk(tool_calls=[{"index": at, "function": {"arguments": piece}}]) for piece in call.pieces
            ]
        events.append(c.chunk(finish="tool_calls" if said.calls else "stop"))
        counted = {
            "prompt_tokens": said.usage.input_tokens,
            "completion_tokens": said.usage.output_tokens,
            "prompt_tokens_details": {"cached_tokens": said.usage.cached_tokens},
            "completion_tokens_details": {"reasoning_tokens": said.usage.reasoning_tokens},
        }
        whole: Json = {"id": "chat-1", "object": "chat.completion.chunk", "choices": [], "usage": counted}
        return [*events, c.event(whole), c.DONE]

    @override
    def parts(self, said: Said) -> list[Part]:
        finish = Finish("tool_calls" if said.calls else "stop")
        return [*map(Reasoning, said.thought), *said.text, *_deltas(said, 0), finish, said.usage]

    @override
    def content(self, said: Said) -> tuple[Content, ...]:
        calls = [ToolCall(call.id, call.name, call.arguments) for call in said.calls]
        texts = ["".join(said.text)] if said.text else []
        return (Reasoning("".join(said.thought)), *texts, *calls)

    @override
    def history(self, said: Said) -> list[Json]:
        calls = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments or "{}"},
            }
            for call in said.calls
        ]
        said_by_model: Json = {"content": "".join(said.text) or None, "tool_calls": calls}
        answer: Json = {"role": "assistant", "reasoning_content": "".join(said.thought), **said_by_model}
        results = [{"role": "tool", "tool_call_id": call.id, "content": call.result} for call in said.calls]
        return [answer, *results]

    @override
    def request(self, history: list[Json], tools: Iterable[Told] = ()) -> Json:
        return {
            "model": "model-of-test",
            "messages": [
                {"role": "system", "content": "You are Bo."},
                {"role": "user", "content": "Go on."},
                *history,
            ],
            "stream": True,
            "stream_options": {"include_usage": True},
            "tools": [
                {
                    "type": "function",
                    "function": {"name": name, "description": description, "parameters": parameters},
                }
                for name, description, parameters in tools
            ],
        }


class Anthropic(ContentMessage):
    """The Messages API: signed thoughts go back, and so do those that only the signature tells."""

    wire = ANTHROPIC

    @override
    def events(self, said: Said) -> Sequence[bytes]:
        usage = said.usage
        begun = {"input_tokens": 100, "cache_read_input_tokens": 5 + said.number, "output_tokens": 1}
        message: Json = {
            "id": f"msg-{said.number}",
            "model": "model-of-server",
            "content": [],
            "usage": begun,
        }
        # Of the input 100 are fresh; what was read from the cache is told here and counted to it.
        events = [
            a.event("message_start", message=message),
            a.begin(0, "thinking", thinking="", signature=""),
        ]
        events += [_piece(0, type="thinking_delta", thinking=piece) for piece in said.thought]
        events += [_piece(0, type="signature_delta", signature=said.secret), _stop(0)]
        events += [a.begin(1, "redacted_thinking", data=f"hidden-{said.number}"), _stop(1), a.PING]
        if said.text:
            events += [a.begin(2), *(a.delta(piece, 2) for piece in said.text), _stop(2)]
        for at, call in enumerate(said.calls, 3):
            events.append(a.begin(at, "tool_use", id=call.id, name=call.name, input={}))
            events += [
                _piece(at, type="input_json_delta", partial_json=piece) for piece in ("", *call.pieces)
            ]
            events.append(_stop(at))
        counted = {
            "output_tokens": usage.output_tokens,
            "output_tokens_details": {"thinking_tokens": usage.reasoning_tokens},
        }
        reason = {"stop_reason": "tool_use" if said.calls else "end_turn", "stop_sequence": None}
        return [*events, a.event("message_delta", delta=reason, usage=counted), a.STOP]

    @override
    def parts(self, said: Said) -> list[Part]:
        usage = said.usage
        cached = usage.cached_tokens or 0
        return [
            Usage(100 + cached, 1, cached),
            *(Reasoning(piece) for piece in said.thought),
            Reasoning("", said.secret),
            Reasoning("", f"hidden-{said.number}", index=1, redacted=True),
            *said.text,
            *_deltas(said, 3 if said.text else 2),
            Finish("tool_use" if said.calls else "end_turn"),
            Usage(100 + cached, usage.output_tokens, cached, usage.reasoning_tokens),
        ]

    @override
    def content(self, said: Said) -> tuple[Content, ...]:
        calls = [ToolCall(call.id, call.name, call.arguments) for call in said.calls]
        hidden = Reasoning("", f"hidden-{said.number}", index=1, redacted=True)
        texts = ["".join(said.text)] if said.text else []
        return (Reasoning("".join(said.thought), said.secret), hidden, *texts, *calls)

    @override
    def history(self, said: Said) -> list[Json]:
        blocks: list[Json] = [
            {"type": "thinking", "thinking": "".join(said.thought), "signature": said.secret},
            {"type": "redacted_thinking", "data": f"hidden-{said.number}"},
        ]
        if said.text:
            blocks.append({"type": "text", "text": "".join(said.text)})
        for call in said.calls:
            given = json.loads(call.arguments or "{}")
            blocks.append({"type": "tool_use", "id": call.id, "name": call.name, "input": given})
        results = [
            {
                "type": "tool_result",
                "tool_use_id": call.id,
                "content": call.result,
                **({"is_error": True} if call.is_error else {}),
            }
            for call in said.calls
        ]
        return [{"role": "assistant", "content": blocks}, {"role": "user", "content": results}]

    @override
    def request(self, history: list[Json], tools: Iterable[Told] = ()) -> Json:
        return {
            "model": "model-of-test",
            "max_tokens": 8192,
            "system": "You are Bo.",
            "messages": [{"role": "user", "content": "Go on."}, *history],
            "stream": True,
            "tools": [
                {"name": name, "description": description, "input_schema": parameters}
                for name, description, parameters in tools
            ],
        }


def _piece(index: int, **delta: object) -> bytes:
    return a.event("content_block_delta", index=index, delta=delta)


def _stop(index: int) -> bytes:
    return a.event("content_block_stop", index=index)


class Responses(ContentMessage):
    """The Responses API: encrypted thoughts go back under their names, before the calls that they led to."""

    wire = RESPONSES

    @override
    def events(self, said: Said) -> Sequence[bytes]:
        thought = {"id": f"rs-{said.number}", "type": "reasoning"}
        summary = [{"type": "summary_text", "text": "".join(said.thought)}]
        whole = {**thought, "summary": summary, "encrypted_content": said.secret}
        events = [r.CREATED, _added(0, {**thought, "summary": []})]
        kind = "response.reasoning_summary_text.delta"
        place: Json = {"item_id": thought["id"], "output_index": 0, "summary_index": 0}
        events += [r.event(kind, **place, delta=piece) for piece in said.thought]
        events.append(_done(0, whole))
        if said.text:
            content: list[Json] = [{"type": "output_text", "text": "".join(said.text), "annotations": []}]
            pieces = [r.delta(piece, 1) for piece in said.text]
            events += [r.begin(1), *pieces, r.done(1, content=content)]
        for at, call in enumerate(said.calls, 2):
            item = {
                "id": f"item-{call.id}",
                "type": "function_call",
                "call_id": call.id,
                "name": call.name,
            }
            events.append(_added(at, {**item, "arguments": ""}))
            kind = "response.function_call_arguments.delta"
            events += [r.delta(piece, at, kind) for piece in call.pieces]
            events.append(_done(at, {**item, "arguments": call.arguments}))
        usage = said.usage
        counted = {
            "input_tokens": usage.input_tokens,
            "output_tokens": usage.output_tokens,
            "input_tokens_details": {"cached_tokens": usage.cached_tokens},
            "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        }
        answer = {"id": "resp-1", "model": "model-of-server", "status": "completed", "usage": counted}
        return [*events, r.event("response.completed", response=answer)]

    @override
    def parts(self, said: Said) -> list[Part]:
        name = f"rs-{said.number}"
        return [
            *(Reasoning(piece, id=name) for piece in said.thought),
            Reasoning("", said.secret, name),
            *said.text,
            *_deltas(said, 2 if said.text else 1, items=True),
            said.usage,
            Finish("completed"),
        ]

    @override
    def content(self, said: Said) -> tuple[Content, ...]:
        calls = [ToolCall(call.id, call.name, call.arguments, f"item-{call.id}") for call in said.calls]
        texts = ["".join(said.text)] if said.text else []
        return (Reasoning("".join(said.thought), said.secret, f"rs-{said.number}"), *texts, *calls)

    @override
    def history(self, said: Said) -> list[Json]:
        items: list[Json] = [
            {
                "type": "reasoning",
                "id": f"rs-{said.number}",
                "summary": [{"type": "summary_text", "text": "".join(said.thought)}],
                "encrypted_content": said.secret,
            }
        ]
        if said.text:
            items.append({"type": "message", "role": "assistant", "content": "".join(said.text)})
        items += [
            {
                "type": "function_call",
                "id": f"item-{call.id}",
                "call_id": call.id,
                "name": call.name,
                "arguments": call.arguments or "{}",
            }
            for call in said.calls
        ]
        items += [
            {"type": "function_call_output", "call_id": call.id, "output": call.result} for call in said.calls
        ]
        return items

    @override
    def request(self, history: list[Json], tools: Iterable[Told] = ()) -> Json:
        return {
            "model": "model-of-test",
            "instructions": "You are Bo.",
            "input": [{"role": "user", "content": "Go on."}, *history],
            "stream": True,
            "store": False,
            "include": ["reasoning.encrypted_content"],
            "tools": [
                {
                    "type": "function",
                    "name": name,
                    "description": description,
                    "parameters": parameters,
                    "strict": False,
                }
                for name, description, parameters in tools
            ],
        }


def _added(index: int, item: Mapping[str, object]) -> bytes:
    return r.event("response.output_item.added", output_index=index, item=item)


def _done(index: int, item: Mapping[str, object]) -> bytes:
    return r.event("response.output_item.done", output_index=index, item=item)


SPOKEN: tuple[ContentMessage, ...] = (Chat(), Anthropic(), Responses())
