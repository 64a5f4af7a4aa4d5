"""Anthropic's Messages: random streams, and what the SDK's stream helper makes of them."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from random import Random
from typing import Final, TypeAlias, cast

from anthropic import AsyncAnthropic
from anthropic.types import RedactedThinkingBlock, TextBlock, ThinkingBlock, ToolUseBlock, Usage

from .framing import FRAMINGS, arguments, halved
from .plans import (
    UNCOUNTED,
    Answer,
    Block,
    Breaking,
    Dialect,
    Event,
    Fault,
    Finishes,
    Numbers,
    Plan,
    Spoken,
    at_end,
    cut,
    instead,
    joined,
    reported,
    value_of,
)

__all__ = ["DIALECTS", "FAULTS", "FINISHES", "by_sdk", "meant", "settings", "written"]

FINISHES: Final[Finishes] = (
    ("end_turn", "end_turn", "max_tokens", "stop_sequence", "refusal"),
    ("tool_use", "end_turn"),
)

DIALECTS: Final = (
    # An event without data has no name either, and such events its helper passes over.
    *(replace(each, sdk="") if each.name in {"empty-data", "other-fields"} else each for each in FRAMINGS),
    Dialect("no-event-names", "names", "it passes over events without a name"),
    Dialect("ping-empty", "pings"),
    Dialect("pings", "pings"),
    Dialect("unknown-events", "unknown"),
    Dialect("unknown-fields", "unknown"),
    Dialect("unknown-blocks", "blocks"),
    Dialect("server-tools", "blocks"),
    Dialect("done-at-end", "end"),
    Dialect("no-message-stop", "end"),
    Dialect("no-block-stop", "blocks"),
    Dialect("index-reused", "blocks", "its helper adds pieces to the first block of an index"),
    Dialect(
        "no-block-start",
        "blocks",
        "its helper knows no such block",
        ("text",),
        ("text",),
        ("thought", "call", "refusal"),
    ),
    Dialect("no-index", "blocks", "its helper knows no block without an index"),
    Dialect("text-in-start", "text", needs=("text",)),
    Dialect("text-null-in-start", "text", "it has no text to go on from", ("text",)),
    Dialect("citations", "text", needs=("text",)),
    Dialect("input-in-start", "input", needs=("call",)),
    Dialect("input-and-empty-delta", "input", needs=("call",)),
    Dialect("input-twice", "input", needs=("call",)),
    Dialect("empty-deltas", "input", needs=("call",)),
    Dialect("input-null", "input", "a call without arguments has null to it", ("call",)),
    Dialect("input-missing", "input", "a call without arguments has no input to it", ("call",)),
    Dialect("arguments-unusable", "input", "its helper reads JSON as far as it goes", ("call",)),
    Dialect("thoughts-unsigned", "thought", needs=("thought",)),
    Dialect("thoughts-redacted", "thought", needs=("thought",)),
    Dialect("usage-null", "usage", "its helper counts on into nothing"),
    Dialect("usage-at-end-only", "usage"),
    Dialect("usage-float", "usage"),
    Dialect("id-number", "id"),
    Dialect("stop-reason-null-first", "reason"),
    Dialect("no-message-start", "start", "its helper expects it first"),
    Dialect("start-minimal", "start", "its helper counts on into nothing"),
)
"""How servers depart from Anthropic's without losing anything."""

_JSON: TypeAlias = dict[str, object]


def settings(_: Plan) -> _JSON:
    """The keywords that the agent needs for such a server."""
    return {}


def meant(plan: Plan) -> Answer:
    """What a reader must make of a healthy stream."""
    unsigned, redacted = (each in plan.dialects for each in ("thoughts-unsigned", "thoughts-redacted"))
    said: list[Spoken] = []
    for block in _spoken(plan):
        if block.kind == "call":
            said.append(("call", block.name, value_of(joined(arguments(plan, block))), block.key))
        elif block.kind == "thought":
            thought = (
                ("", block.key or "hidden") if redacted else (block.whole, "" if unsigned else block.key)
            )
            said.append(("thought", *thought))
        else:
            said.append(("text", block.whole))
    return Answer(tuple(said), _numbers(plan), plan.finish)


def _spoken(plan: Plan) -> Iterator[Block]:
    """The blocks; a refusal is a text here."""
    for block in plan.blocks:
        yield Block("text", block.pieces) if block.kind == "refusal" else block


def _numbers(plan: Plan) -> Numbers:
    read, wrote, cached, _ = plan.usage or UNCOUNTED
    if plan.usage is None or "usage-null" in plan.dialects:
        return UNCOUNTED
    return (read, wrote, cached, None)


# -- writing ---------------------------------------------------------------------------------------------


def written(plan: Plan, rng: Random) -> list[Event]:
    """The events of a plan, healthy."""
    return list(_Writer(plan, rng).events())


class _Writer:
    """Writes one plan."""

    def __init__(self, plan: Plan, rng: Random) -> None:
        self._plan = plan
        self._rng = rng
        self._is = plan.dialects.__contains__

    def events(self) -> Iterator[Event]:
        """All events."""
        if not self._is("no-message-start"):
            yield self.start()
        at = 0
        for block in _spoken(self._plan):
            if self._is("unknown-blocks"):
                yield from self._unknown(at)
                at += 1
            elif self._is("server-tools"):
                yield from self._server_tools(at)
                at += 2
            yield from self._block(at, block)
            at += not self._is("index-reused")
        delta: _JSON = {"stop_reason": self._plan.finish, "stop_sequence": None}
        if self._is("stop-reason-null-first"):
            yield self.event("message_delta", delta={"stop_reason": None}, usage={})
        yield self.event("message_delta", "end", delta=delta, usage=self._usage(end=True))
        if not self._is("no-message-stop"):
            yield self.event("message_stop")
        if self._is("done-at-end"):
            yield Event(b"[DONE]")

    def start(self) -> Event:
        """The event with which a message begins."""
        message: _JSON = {
            "id": 7 if self._is("id-number") else f"msg_{self._rng.randrange(10**6)}",
            "type": "message",
            "role": "assistant",
            "model": "model-of-server",
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": self._usage(end=False),
        }
        if self._is("start-minimal"):
            message = {"id": "msg_1", "role": "assistant", "content": []}
        return self.event("message_start", message=message)

    def event(self, kind: str, step: str = "", **fields: object) -> Event:
        """One event."""
        if self._is("no-index"):
            fields.pop("index", None)
        if self._is("unknown-fields"):
            fields |= {"p": "abc", "context_management": None}
        return Event({"type": kind, **fields}, "" if self._is("no-event-names") else kind, step)

    def _usage(self, *, end: bool) -> object:
        if self._is("usage-null") or self._plan.usage is None:
            return None if self._is("usage-null") else {}
        number = float if self._is("usage-float") else int
        read, wrote, cached, _ = self._plan.usage
        late = bool(self._plan.dialects & {"usage-at-end-only", "no-message-start", "start-minimal"})
        fresh = (read or 0) - (cached or 0)
        usage: _JSON = {}
        if late is end or self._rng.random() < 0.2:
            usage["input_tokens"] = number(fresh)
            if cached is not None:
                usage["cache_read_input_tokens"] = number(cached)
        elif late:
            usage["input_tokens"] = 0
        usage["output_tokens"] = number(wrote or 0) if end else 1
        return usage

    def _pings(self) -> Iterator[Event]:
        if self._is("ping-empty") and self._rng.random() < 0.4:
            yield Event({}, "ping")
        if self._is("pings") and self._rng.random() < 0.4:
            yield self.event("ping")
        if self._is("unknown-events") and self._rng.random() < 0.4:
            yield self.event("vendor.progress", index=77, delta="half", message=[1], usage="much")

    def _unknown(self, index: int) -> Iterator[Event]:
        """A block of a kind that nobody knows."""
        block = {"type": "vendor_search", "query": {"text": "not said"}}
        yield self.event("content_block_start", "begin", index=index, content_block=block)
        if self._rng.random() < 0.5:
            delta = {"type": "vendor_delta", "text_so_far": "not said"}
            yield self.event("content_block_delta", index=index, delta=delta)
        yield self.event("content_block_stop", index=index)

    def _server_tools(self, index: int) -> Iterator[Event]:
        """A tool that the server calls, and what came of it: nothing that a user has to call."""
        block: _JSON = {
            "type": "server_tool_use",
            "id": f"srvtoolu_{index}",
            "name": "web_search",
            "input": {},
        }
        yield self.event("content_block_start", index=index, content_block=block)
        for piece in ('{"query":', '"owls"}'):
            delta = {"type": "input_json_delta", "partial_json": piece}
            yield self.event("content_block_delta", index=index, delta=delta)
        yield self.event("content_block_stop", index=index)
        found = {"type": "web_search_result", "url": "https://owl.example", "title": "Owls"}
        result = {"type": "web_search_tool_result", "tool_use_id": f"srvtoolu_{index}", "content": [found]}
        yield self.event("content_block_start", index=index + 1, content_block=result)
        yield self.event("content_block_stop", index=index + 1)

    def _block(self, index: int, block: Block) -> Iterator[Event]:
        begin, pieces = self._begun(block)
        if not self._is("no-block-start"):
            yield self.event("content_block_start", "begin", index=index, content_block=begin)
        yield from self._pings()
        for piece in pieces:
            yield self.event("content_block_delta", "piece", index=index, delta=piece)
            yield from self._pings()
        if not self._is("no-block-stop") and not self._is("no-block-start"):
            yield self.event("content_block_stop", "done", index=index)

    def _begun(self, block: Block) -> tuple[_JSON, list[_JSON]]:
        """The block as it begins, and the deltas that follow."""
        pieces = list(halved(self._plan, block.pieces))
        match block.kind:
            case "call":
                return self._call(block, list(halved(self._plan, arguments(self._plan, block))))
            case "thought":
                if self._is("thoughts-redacted"):
                    return {"type": "redacted_thinking", "data": block.key or "hidden"}, []
                signature = "" if self._is("thoughts-unsigned") else block.key
                deltas: list[_JSON] = [{"type": "thinking_delta", "thinking": piece} for piece in pieces]
                if signature:
                    deltas.append({"type": "signature_delta", "signature": signature})
                begun: _JSON = {"type": "thinking", "thinking": ""}
                return begun if self._is("thoughts-unsigned") else {**begun, "signature": ""}, deltas
            case _:
                in_start = self._is("text-in-start") and not self._is("no-block-start")
                first = pieces.pop(0) if in_start else ""
                said: list[_JSON] = [{"type": "text_delta", "text": piece} for piece in pieces]
                if self._is("citations"):
                    cited = {"type": "char_location", "cited_text": "Owls fly.", "document_index": 0}
                    said.append({"type": "citations_delta", "citation": cited})
                return {"type": "text", "text": None if self._is("text-null-in-start") else first}, said

    def _call(self, block: Block, pieces: list[str]) -> tuple[_JSON, list[_JSON]]:
        begin: _JSON = {"type": "tool_use", "id": block.key, "name": block.name, "input": {}}
        if self._is("input-in-start") or self._is("input-and-empty-delta") or self._is("input-twice"):
            begin["input"] = json.loads(block.whole or "{}")
            if self._is("input-in-start"):
                pieces = []
            elif self._is("input-and-empty-delta"):
                pieces = [""]
        elif self._is("input-null"):
            begin["input"] = None
        elif self._is("input-missing"):
            del begin["input"]
        elif self._is("empty-deltas"):
            pieces = ["", *pieces, ""]
        return begin, [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]


# -- breaking --------------------------------------------------------------------------------------------


def _event(kind: str, **fields: object) -> Event:
    return Event({"type": kind, **fields}, kind)


def _second_start(plan: Plan, events: list[Event], rng: Random) -> list[Event] | None:
    pieces = [at for at, event in enumerate(events) if event.step == "piece"]
    if not pieces:
        return None
    at = rng.choice(pieces) + 1
    return [*events[:at], _Writer(plan, rng).start(), *rng.choice((events[at:], events[1:]))]


def _in_text_block(step: str, delta: Mapping[str, object]) -> Breaking:
    """This piece after a block of text has begun, or has ended."""

    def breaks(_: Plan, events: list[Event], __: Random) -> list[Event] | None:
        index: object = None
        for at, event in enumerate(events):
            block = event.get("content_block")
            if isinstance(block, dict):
                index = event.get("index") if cast("_JSON", block).get("type") == "text" else None
            if event.step == step and index is not None:
                piece = _event("content_block_delta", index=index, delta=delta)
                return [*events[: at + 1], piece, *events[at + 1 :]]
        return None

    return breaks


_ERROR: Final = {"type": "overloaded_error", "message": "It is too much."}
_LATE: Final = {"type": "text_delta", "text": "late"}
_NAMELESS: Final[_JSON] = {"type": "tool_use", "id": "toolu_9", "input": {}}
_REASON_NULL: Final = _event("message_delta", delta={"stop_reason": None}, usage={"output_tokens": 3})
FAULTS: Final = (
    Fault("cut", cut),
    Fault("connection-breaks", cut),
    Fault("second-start", _second_start),
    Fault(
        "text-after-stop",
        _in_text_block("done", _LATE),
        ("text",),
        frozenset({"no-block-stop", "no-block-start"}),
    ),
    Fault(
        "json-in-text-block",
        _in_text_block("begin", {"type": "input_json_delta", "partial_json": "{}"}),
        ("text",),
        frozenset({"no-block-start"}),
    ),
    Fault(
        "text-is-number",
        _in_text_block("begin", {"type": "text_delta", "text": 42}),
        ("text",),
        frozenset({"no-block-start"}),
    ),
    Fault("no-message-delta", at_end(stays=False)),
    Fault("stop-reason-null", at_end(_REASON_NULL, stays=False)),
    Fault("no-json", instead(Event(b'{"type":"content_block', "content_block_delta"))),
    Fault("error-event", reported(_event("error", error=_ERROR))),
    Fault("error-flat", reported(_event("error", message="It is too much."))),
    Fault(
        "call-without-name",
        at_end(
            _event("content_block_start", index=99, content_block=_NAMELESS),
            _event("content_block_stop", index=99),
            stays=True,
        ),
    ),
)
"""How streams break so that it can be seen. That text is gone between events cannot: nothing counts here."""


# -- the SDK ---------------------------------------------------------------------------------------------


async def by_sdk(client: AsyncAnthropic) -> Answer:
    """What the SDK's stream helper makes of the stream."""
    asked = client.messages.stream(
        model="model-of-test", max_tokens=9, messages=[{"role": "user", "content": "Hi"}]
    )
    async with asked as stream:
        message = await stream.get_final_message()
    said: list[Spoken] = []
    for block in message.content:
        match block:
            case TextBlock():
                said.append(("text", block.text))
            case ThinkingBlock():
                said.append(("thought", block.thinking, block.signature or ""))
            case RedactedThinkingBlock():
                said.append(("thought", "", block.data))
            case ToolUseBlock():
                said.append(("call", block.name, json.dumps(block.input, sort_keys=True), block.id))
            case _:
                pass
    return Answer(tuple(said), _counted(message.usage), message.stop_reason or "")


def _counted(usage: Usage | None) -> Numbers:
    """What the SDK counted; it fills in nothing that a server leaves out."""
    if usage is None:
        return UNCOUNTED
    # Its type says that there is always a number; a server decides.
    fresh = cast("int | None", usage.input_tokens)
    cached = usage.cache_read_input_tokens
    return (None if fresh is None else fresh + (cached or 0), usage.output_tokens, cached, None)
