"""Chat Completions: random streams, and what the SDK of OpenAI makes of them."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from random import Random
from typing import Final, TypeAlias, cast

from openai import AsyncOpenAI
from openai.types.chat.chat_completion_chunk import ChoiceDelta

from .framing import FRAMINGS, arguments, halved
from .plans import (
    UNCOUNTED,
    Answer,
    Block,
    Dialect,
    Event,
    Fault,
    Finishes,
    Plan,
    Spoken,
    at_end,
    between,
    cut,
    instead,
    joined,
    reported,
    unless_cut,
    value_of,
)

__all__ = ["DIALECTS", "FAULTS", "FINISHES", "by_sdk", "meant", "settings", "written"]

FINISHES: Final[Finishes] = (("stop", "stop", "stop", "length", "content_filter"), ("tool_calls", "stop"))

DIALECTS: Final = (
    *FRAMINGS,
    Dialect("event-names", "names"),
    Dialect("done-space", "done"),
    Dialect("done-twice", "done"),
    Dialect("no-done", "done"),
    Dialect("first-choices-null", "first"),
    Dialect("first-choices-empty", "first"),
    Dialect("no-role", "role"),
    Dialect("role-always", "role"),
    Dialect("bare", "object"),
    Dialect("created-float", "object"),
    Dialect("id-number", "id"),
    Dialect("id-null", "id"),
    Dialect("id-changes", "id"),
    Dialect("index-null", "index"),
    Dialect("index-missing", "index"),
    Dialect("fields-null", "fields"),
    Dialect("delta-null", "fields"),
    Dialect("delta-missing", "fields"),
    Dialect("unknown-fields", "unknown"),
    Dialect("other-choices", "unknown"),
    Dialect("finish-empty", "finish"),
    Dialect("finish-missing", "finish"),
    Dialect("finish-always", "finish"),
    Dialect("finish-in-last-piece", "finish"),
    Dialect("no-finish", "finish"),
    Dialect("data-after-end", "after"),
    Dialect("usage-always", "usage"),
    Dialect("usage-float", "usage"),
    Dialect("usage-with-end", "usage"),
    Dialect("usage-beside-choice", "usage"),
    Dialect("usage-empty-first", "usage"),
    Dialect("citations", "citations", needs=("text",)),
    Dialect("reasoning", "thought", needs=("thought",)),
    Dialect("reasoning-details", "thought", needs=("thought",)),
    Dialect("content-list", "content", "its delta.content is a list, which its type denies", ("text",)),
    Dialect(
        "message-for-delta",
        "content",
        "it looks at delta alone",
        ("text",),
        lacks=("thought", "refusal", "call"),
    ),
    Dialect(
        "text-for-delta",
        "content",
        "it looks at delta alone",
        ("text",),
        lacks=("thought", "refusal", "call"),
    ),
    Dialect("calls-in-one", "calls", needs=("call",)),
    Dialect("calls-interleaved", "calls", needs=("call",)),
    Dialect("calls-from-1", "calls", needs=("call",)),
    Dialect("calls-no-index", "calls", "all calls are one to it", ("call",)),
    Dialect("calls-no-index-ids", "calls", "all calls are one to it", ("call",)),
    Dialect("call-no-index-no-id", "calls", needs=("call",), single=("call",)),
    Dialect("calls-index-0", "calls", "all calls are one to it", ("call",)),
    Dialect("name-empty-later", "call", needs=("call",)),
    Dialect("type-null", "call", needs=("call",)),
    Dialect("call-id-number", "call", "its id is a number, which its type denies", ("call",)),
    Dialect("id-and-name-again", "call", needs=("call",)),
    Dialect("arguments-null", "arguments", needs=("call",)),
    Dialect("arguments-missing", "arguments", needs=("call",)),
    Dialect("arguments-unusable", "arguments", needs=("call",)),
    Dialect("arguments-object", "arguments", "its arguments are a dict, which its type denies", ("call",)),
)
"""How servers depart from OpenAI's without losing anything."""

_JSON: TypeAlias = dict[str, object]
_Fields: TypeAlias = Mapping[str, object]


def settings(plan: Plan) -> _JSON:
    """The keywords that the agent needs for such a server."""
    return {"needs_finish_reason": False} if "no-finish" in plan.dialects else {}


def meant(plan: Plan) -> Answer:
    """What a reader must make of a healthy stream."""
    said: list[Spoken] = []
    for kind in ("thought", "text", "refusal"):
        whole = "".join(block.whole for block in plan.of(kind))
        said += [(kind, whole)] if whole else []
    calls = plan.of("call")
    said += [
        ("call", each.name, value_of(joined(arguments(plan, each))), _id_of(each, plan)) for each in calls
    ]
    finish = "" if "no-finish" in plan.dialects else plan.finish
    return Answer(tuple(said), plan.usage or UNCOUNTED, finish)


def _id_of(block: Block, plan: Plan) -> str:
    """The id that a call has for a reader, "" if the server gives none."""
    if "call-no-index-no-id" in plan.dialects:
        return ""
    return str(_number(block)) if "call-id-number" in plan.dialects else block.key


def _number(block: Block) -> int:
    """The id of a call, where it is a number."""
    return int(block.key.removeprefix("call_"))


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
        self._id = f"chatcmpl-{rng.randrange(10**6)}"
        self._count = 0

    def events(self) -> Iterator[Event]:
        """All events."""
        if self._is("first-choices-null") or self._is("first-choices-empty"):
            choices: list[object] | None = None if self._is("first-choices-null") else []
            yield self._event({**self._base(), "choices": choices, "prompt_filter_results": []})
        pieces = list(self._pieces())
        last = len(pieces) - 1
        joins_end = self._is("finish-in-last-piece") or self._is("message-for-delta")
        for at, said in enumerate(pieces):
            ends = at == last and joins_end
            yield self._event(self._chunk(said, ends=ends), "end" if ends else "piece")
            if self._is("unknown-fields") and self._rng.random() < 0.3:
                yield self._event({"x_groq": {"id": "r"}})
        if not joins_end:
            yield self._event(self._chunk({}, ends=True), "end")
        yield from self._tail()

    def _tail(self) -> Iterator[Event]:
        apart = not (self._is("usage-with-end") or self._is("usage-always"))
        if self._plan.usage is not None and apart:
            choices: list[_JSON] = []
            if self._is("usage-beside-choice"):
                again = None if self._is("no-finish") else self._plan.finish
                choices = [self._choice({}, self._rng.choice((None, again)))]
            yield self._event({**self._base(), "choices": choices, "usage": self._usage()})
        if self._is("data-after-end"):
            yield self._event({"choices": [], "timings": {"predicted_ms": 1.5}})
        if not self._is("no-done") or self._is("no-finish"):
            yield Event(b"[DONE] " if self._is("done-space") else b"[DONE]")
        if self._is("done-twice"):
            yield Event(b"[DONE]")

    def _event(self, data: _JSON, step: str = "") -> Event:
        return Event(data, "chat.completion.chunk" if self._is("event-names") else "", step)

    def _base(self) -> _JSON:
        if self._is("bare"):
            return {}
        self._count += 1
        id_: object = f"{self._id}-{self._count}" if self._is("id-changes") else self._id
        base: _JSON = {
            "id": 7 if self._is("id-number") else None if self._is("id-null") else id_,
            "object": "chat.completion.chunk",
            "created": 1700000000.25 if self._is("created-float") else 1700000000,
            "model": "model-of-server",
        }
        if self._is("unknown-fields"):
            base |= {"system_fingerprint": None, "service_tier": "default", "obfuscation": "aX3", "x": [{}]}
        return base

    def _chunk(self, said: _Fields, *, ends: bool) -> _JSON:
        finish: str | None = None
        if ends or self._is("finish-always"):
            finish = self._plan.finish
        elif self._is("finish-empty"):
            finish = ""
        if self._is("no-finish"):
            finish = None
        choices = [self._choice(said, finish)]
        if self._is("other-choices") and self._rng.random() < 0.3:
            choices.append({"index": 1, "delta": {"content": "of another answer"}, "finish_reason": None})
        chunk: _JSON = {**self._base(), "choices": choices}
        if self._plan.usage is not None and (
            self._is("usage-always") or (ends and self._is("usage-with-end"))
        ):
            chunk["usage"] = self._usage() if ends else {"prompt_tokens": 1, "completion_tokens": self._count}
        elif self._is("usage-empty-first") and not ends:
            chunk["usage"] = {}
        elif self._rng.random() < 0.1:
            chunk["usage"] = None
        return chunk

    def _choice(self, said: _Fields, finish: str | None) -> _JSON:
        choice: _JSON = {"index": 0}
        if self._is("index-null"):
            choice = {"index": None}
        elif self._is("index-missing"):
            choice = {}
        if "text" in said:
            choice |= said
        elif self._is("message-for-delta") and said:
            choice["message"] = said
        else:
            choice["delta"] = None if self._is("delta-null") and not said else said
            if self._is("delta-missing") and not said:
                del choice["delta"]
        if finish is not None or not (self._is("finish-missing") or self._is("no-finish")):
            choice["finish_reason"] = finish
        return choice

    def _usage(self) -> _JSON:
        read, wrote, cached, thought = self._plan.usage or UNCOUNTED
        number = float if self._is("usage-float") else int
        usage: _JSON = {"prompt_tokens": number(read or 0), "completion_tokens": number(wrote or 0)}
        usage["total_tokens"] = number((read or 0) + (wrote or 0))
        if cached is not None or self._rng.random() < 0.2:
            usage["prompt_tokens_details"] = {"cached_tokens": cached, "audio_tokens": 0}
        if thought is not None:
            usage["completion_tokens_details"] = {"reasoning_tokens": thought}
        return usage

    def _pieces(self) -> Iterator[_Fields]:
        role: _JSON = {"role": "assistant"}
        texts = halved(self._plan, [piece for block in self._plan.of("text") for piece in block.pieces])
        if self._is("message-for-delta"):
            yield {**role, "content": joined(texts)}
            return
        if self._is("text-for-delta"):
            yield from ({"text": piece} for piece in texts)
            return
        if not self._is("no-role") and not self._is("role-always"):
            yield {**role, **self._rng.choice(({}, {"content": ""}, {"content": None}))}
        for said in self._said(texts):
            if self._is("fields-null"):
                nothing: _JSON = {
                    "content": None,
                    "refusal": None,
                    "reasoning_content": None,
                    "function_call": None,
                    "tool_calls": self._rng.choice((None, [])),
                }
                said = {**nothing, **said}  # noqa: PLW2901
            yield {**role, **said} if self._is("role-always") else said

    def _said(self, texts: tuple[str, ...]) -> Iterator[_Fields]:
        for block in self._plan.of("thought"):
            for piece in halved(self._plan, block.pieces):
                yield self._thought(piece)
        for piece in texts:
            if self._is("content-list"):
                yield {"content": [{"type": "text", "text": piece}] if piece else []}
            else:
                yield {"content": piece}
        if self._is("citations"):
            cited = {"url": "https://owl.example", "title": None, "start_index": 0, "end_index": 2}
            yield {"content": "", "annotations": [{"type": "url_citation", "url_citation": cited}, {"x": 1}]}
        for block in self._plan.of("refusal"):
            yield from ({"refusal": piece} for piece in halved(self._plan, block.pieces))
        yield from self._calls()

    def _thought(self, piece: str) -> _JSON:
        if self._is("reasoning-details"):
            details = [{"type": "reasoning.text", "text": piece, "index": 0}]
            return {"reasoning": piece, "reasoning_details": details, "content": ""}
        return {"reasoning" if self._is("reasoning") else "reasoning_content": piece}

    def _calls(self) -> Iterator[_Fields]:
        queues = [list(self._call(at, block)) for at, block in enumerate(self._plan.of("call"))]
        if self._is("calls-in-one"):
            pieces = [piece for queue in queues for piece in queue]
            if pieces:
                yield {"tool_calls": pieces}
            return
        if self._is("calls-interleaved"):
            # Calls begin in order; their pieces come in any.
            for queue in queues:
                yield {"tool_calls": [queue.pop(0)]}
            while any(queues):
                yield {"tool_calls": [self._rng.choice([queue for queue in queues if queue]).pop(0)]}
            return
        for queue in queues:
            yield from ({"tool_calls": [piece]} for piece in queue)

    def _call(self, at: int, block: Block) -> Iterator[_JSON]:
        pieces = list(halved(self._plan, arguments(self._plan, block)))
        opening: _JSON = {"name": block.name, **self._opening(block, pieces)}
        place: _JSON = {"index": at + self._is("calls-from-1")}
        if self._is("calls-index-0"):
            place = {"index": 0}
        elif self._plan.dialects & {"calls-no-index", "calls-no-index-ids", "call-no-index-no-id"}:
            place = {}
        named: _JSON = {} if self._is("call-no-index-no-id") else {"id": block.key}
        if self._is("call-id-number") and named:
            named = {"id": _number(block)}
        kind = None if self._is("type-null") else "function"
        yield {**place, **named, "type": kind, "function": opening}
        for piece in pieces:
            yield {**place, **self._later(block, named, piece)}

    def _opening(self, block: Block, pieces: list[str]) -> _JSON:
        """The arguments with which a call begins; what they have is taken out of the pieces."""
        if self._is("arguments-object"):
            pieces.clear()
            return {"arguments": json.loads(block.whole or "{}")}
        if self._is("arguments-null"):
            return {"arguments": None}
        if self._is("arguments-missing"):
            return {}
        first = ""
        if self._is("calls-in-one"):
            first = "".join(pieces)
            pieces.clear()
        elif pieces and self._rng.random() < 0.3:
            first = pieces.pop(0)
        return {"arguments": first}

    def _later(self, block: Block, named: _JSON, piece: str) -> _JSON:
        """A piece of a call that has begun."""
        if self._is("id-and-name-again") and named:
            return {**named, "type": "function", "function": {"name": block.name, "arguments": piece}}
        ids = named if self._is("calls-no-index-ids") else {}
        if self._is("name-empty-later"):
            return {**ids, "function": {"name": self._rng.choice(("", None)), "arguments": piece}}
        return {**ids, "function": {"arguments": piece}}


# -- breaking --------------------------------------------------------------------------------------------


def _without_finish(plan: Plan, _: list[Event], rng: Random) -> list[Event]:
    return list(_Writer(replace(plan, dialects=plan.dialects | {"no-finish"}), rng).events())


def _delta(delta: _JSON) -> Event:
    return Event({"choices": [{"index": 0, "delta": delta}]})


_ERROR: Final = {"message": "It is too much.", "type": "overloaded", "code": 503}
_NO_JSON: Final = (b'{"id":"chatcmpl-1","choi', b"{'id': 1}", b"\xff", b'{"choices":[}]}')
_NAMELESS: Final = {"index": 99, "id": "call_99", "function": {"arguments": "{}"}}

# Under these the answer has its end before the last event.
_ENDED: Final = frozenset({"finish-always", "message-for-delta", "finish-in-last-piece"})
FAULTS: Final = (
    Fault("cut", cut, hidden_by=_ENDED),
    Fault("connection-breaks", cut, hidden_by=_ENDED),
    Fault("no-finish-reason", _without_finish, hidden_by=_ENDED | {"no-finish"}),
    Fault("no-json", instead(*map(Event, _NO_JSON)), hidden_by=_ENDED),
    Fault("choices-are-text", instead(Event({"choices": "Hello"})), hidden_by=_ENDED),
    Fault("error-object", reported(Event({"error": _ERROR})), hidden_by=_ENDED),
    Fault("error-string", reported(Event({"error": "It is too much."})), hidden_by=_ENDED),
    Fault("error-flat", reported(Event({"object": "error", **_ERROR})), hidden_by=_ENDED),
    Fault("error-event", reported(Event({"error": _ERROR}, "error")), hidden_by=_ENDED),
    Fault("content-is-object", between(_delta({"content": {"value": "Hi"}})), hidden_by=_ENDED),
    Fault("content-is-number", between(_delta({"content": 42})), hidden_by=_ENDED),
    Fault(
        "call-without-name",
        unless_cut(at_end(_delta({"tool_calls": [_NAMELESS]}), stays=True)),
        hidden_by=_ENDED,
    ),
)
"""How streams break so that it can be seen. That text is gone between events cannot: nothing counts here."""


# -- the SDK ---------------------------------------------------------------------------------------------


async def by_sdk(client: AsyncOpenAI) -> Answer:
    """What a user's loop over the chunks makes of the stream, as OpenAI's guides write it."""
    stream = await client.chat.completions.create(
        model="model-of-test", messages=[{"role": "user", "content": "Hi"}], stream=True
    )
    said: dict[str, list[str]] = {"thought": [], "text": [], "refusal": []}
    calls: dict[int, list[str]] = {}
    usage, finish = None, ""
    async for chunk in stream:
        usage = chunk.usage or usage
        for choice in chunk.choices or ():
            delta = cast("ChoiceDelta | None", choice.delta)  # a server decides
            if choice.index:
                continue
            finish = choice.finish_reason or finish
            if delta is None:
                continue
            extra = delta.model_extra or {}
            said["thought"].append(extra.get("reasoning_content") or extra.get("reasoning") or "")
            said["text"].append(delta.content or "")
            said["refusal"].append(delta.refusal or "")
            for piece in delta.tool_calls or ():
                function = piece.function
                call = calls.setdefault(piece.index, ["", "", ""])
                if function is not None:
                    call[0] = call[0] or function.name or ""
                    call[1] += function.arguments or ""
                call[2] = call[2] or piece.id or ""
    spoken: list[Spoken] = [(kind, "".join(pieces)) for kind, pieces in said.items() if any(pieces)]
    spoken += [("call", name, value_of(given), id_) for name, given, id_ in calls.values()]
    if usage is None:
        return Answer(tuple(spoken), UNCOUNTED, finish)
    cached, thought = usage.prompt_tokens_details, usage.completion_tokens_details
    numbers = (
        usage.prompt_tokens,
        usage.completion_tokens,
        None if cached is None else cached.cached_tokens,
        None if thought is None else thought.reasoning_tokens,
    )
    return Answer(tuple(spoken), numbers, finish)
