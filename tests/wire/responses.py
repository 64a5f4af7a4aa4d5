"""OpenAI's Responses: random streams, and what the SDK of OpenAI makes of them."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Final, TypeAlias, cast

from openai import AsyncOpenAI
from openai.types.responses import (
    Response,
    ResponseCompletedEvent,
    ResponseFunctionToolCall,
    ResponseIncompleteEvent,
    ResponseOutputItem,
    ResponseReasoningItem,
    ResponseStreamEvent,
)

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
    unless_cut,
    value_of,
)

__all__ = ["DIALECTS", "FAULTS", "FINISHES", "by_sdk", "meant", "settings", "written"]

FINISHES: Final[Finishes] = (
    ("completed", "completed", "completed", "max_output_tokens", "content_filter"),
    ("completed",),
)

_IN_DELTAS: Final = "it looks for text and thoughts in deltas"
DIALECTS: Final = (
    *FRAMINGS,
    Dialect("no-event-names", "names"),
    Dialect("done-at-end", "done"),
    Dialect("unknown-events", "unknown"),
    Dialect("unknown-fields", "unknown"),
    Dialect("unknown-items", "items"),
    Dialect("no-created", "created"),
    Dialect("in-progress-again", "created"),
    Dialect("no-sequence-number", "sequence"),
    Dialect("no-content-index", "content-index"),
    Dialect("no-output-index", "place"),
    Dialect("no-item-id", "place"),
    Dialect("item-ids-change", "place"),
    Dialect("item-id-null", "place"),
    Dialect("output-index-null", "place"),
    Dialect("llama.cpp", "place"),
    Dialect("no-item-added", "added", lacks=("call",)),
    Dialect("no-part-added", "parts"),
    Dialect("citations", "citations", needs=("text",)),
    Dialect("arguments-in-added", "arguments", needs=("call",)),
    Dialect("arguments-in-added-only", "arguments", needs=("call",)),
    Dialect("two-texts", "content-index", needs=("text",)),
    Dialect("two-summaries", "thought", needs=("thought",)),
    Dialect("no-done", "ends"),
    Dialect("no-text-done", "ends"),
    Dialect("no-item-done", "ends"),
    Dialect("only-item-done", "ends", _IN_DELTAS, ("text",)),
    Dialect("end-with-first-piece", "ends", needs=("text",), single=("text",), lacks=("call",)),
    Dialect("only-end", "output", _IN_DELTAS, ("text",)),
    Dialect("end-without-output", "output"),
    Dialect("end-with-empty-output", "output"),
    Dialect("status-missing", "status"),
    Dialect("calls-interleaved", "calls", needs=("call",)),
    Dialect("arguments-unusable", "arguments", needs=("call",)),
    Dialect("usage-null", "usage"),
    Dialect("usage-float", "usage"),
    Dialect("id-number", "id"),
    Dialect("reasoning-text", "thought", needs=("thought",)),
)
"""How servers depart from OpenAI's without losing anything."""

_JSON: TypeAlias = dict[str, object]


def settings(_: Plan) -> _JSON:
    """The keywords that the agent needs for such a server."""
    return {}


def meant(plan: Plan) -> Answer:
    """What a reader must make of a healthy stream."""
    dialects = plan.dialects
    ends = dialects & {"no-done", "no-item-done"} and dialects & {
        "end-without-output",
        "end-with-empty-output",
    }
    signed = "only-end" in dialects or not (ends or "end-with-first-piece" in dialects)
    said: list[Spoken] = []
    for block in plan.blocks:
        if block.kind == "call":
            said.append(("call", block.name, value_of(joined(arguments(plan, block))), block.key))
        elif block.kind == "thought":
            said.append(
                ("thought", "\n\n".join(map(joined, _parts(plan, block))), block.key if signed else "")
            )
        else:
            said.append((block.kind, block.whole))
    usage = UNCOUNTED if plan.usage is None or "usage-null" in dialects else plan.usage
    return Answer(tuple(said), usage, plan.finish)


def _parts(plan: Plan, block: Block) -> tuple[tuple[str, ...], ...]:
    """The pieces of a block, in the parts of its item."""
    splits = {"text": "two-texts", "thought": "two-summaries"}.get(block.kind)
    half = len(block.pieces) // 2 if splits in plan.dialects else 0
    both = block.pieces[:half], block.pieces[half:]
    return tuple(part for part in both if joined(part)) or (block.pieces,)


# -- writing ---------------------------------------------------------------------------------------------


def written(plan: Plan, rng: Random) -> list[Event]:
    """The events of a plan, healthy."""
    events = list(_Writer(plan, rng).events())
    if "no-sequence-number" not in plan.dialects:
        for number, event in enumerate(events):
            if isinstance(event.data, dict):
                event.data["sequence_number"] = number
    return events


@dataclass(frozen=True, slots=True)
class _Item:
    """One item of the output, and what of it is said when."""

    whole: _JSON
    begun: _JSON
    begin: list[Event] = field(default_factory=list["Event"])
    pieces: list[Event] = field(default_factory=list["Event"])
    done: list[Event] = field(default_factory=list["Event"])


class _Writer:
    """Writes one plan."""

    def __init__(self, plan: Plan, rng: Random) -> None:
        self._plan = plan
        self._rng = rng
        self._is = plan.dialects.__contains__
        # Whether the end of a text says the whole again.
        self._says_again = not plan.dialects & {"no-text-done", "no-done", "end-with-first-piece"}
        self._id: object = 7 if self._is("id-number") else f"resp_{rng.randrange(10**6)}"

    def events(self) -> Iterator[Event]:
        """All events."""
        if not self._is("no-created"):
            yield self.created()
            yield self.event("response.in_progress", response=self._response("in_progress"))
        items = [item for at, block in enumerate(self._plan.blocks) for item in self._items(at, block)]
        if not self._is("only-end"):
            for event in self._in_order(items):
                yield event
                if self._is("in-progress-again") and self._rng.random() < 0.1:
                    yield self.event("response.in_progress", response=self._response("in_progress"))
                if self._is("unknown-events") and self._rng.random() < 0.3:
                    yield self.event("response.vendor.delta", delta={"a": 1}, output_index="first", item=[])
        yield self._end([item.whole for item in items])
        if self._is("done-at-end"):
            yield Event(b"[DONE]")

    def _in_order(self, items: list[_Item]) -> Iterator[Event]:
        if not self._is("calls-interleaved"):
            for item in items:
                yield from (*item.begin, *item.pieces, *item.done)
            return
        calls = [item for item in items if item.whole["type"] == "function_call"]
        begun = False
        for item in items:
            if item not in calls:
                yield from (*item.begin, *item.pieces, *item.done)
            elif not begun:
                begun = True
                yield from (event for call in calls for event in call.begin)
                queues = [[*call.pieces, *call.done] for call in calls]
                while any(queues):
                    yield self._rng.choice([queue for queue in queues if queue]).pop(0)

    def created(self) -> Event:
        """The event with which an answer begins."""
        return self.event("response.created", response=self._response("in_progress"))

    def event(self, kind: str, step: str = "", /, **fields: object) -> Event:
        """One event."""
        if self._is("item-ids-change") and "item_id" in fields:
            fields["item_id"] = f"x{self._rng.randrange(10**9)}"
        if self._is("unknown-fields"):
            fields |= {"obfuscation": "aX3", "logprobs": [], "x": [{}]}
        return Event({"type": kind, **fields}, "" if self._is("no-event-names") else kind, step)

    def _response(self, status: str, **fields: object) -> _JSON:
        told: _JSON = {} if self._is("status-missing") else {"status": status}
        base: _JSON = {"id": self._id, "object": "response", "created_at": 1700000000}
        return {**base, **told, "model": "model-of-server", "output": [], "usage": None, **fields}

    def _end(self, output: list[_JSON]) -> Event:
        finish = self._plan.finish
        status = "completed" if finish == "completed" else "incomplete"
        response = self._response(status, usage=self._usage(), output=output)
        if status == "incomplete":
            response["incomplete_details"] = {"reason": finish}
        if self._is("end-with-first-piece") and not self._is("only-end"):
            response["output"] = [self._first_piece(item) for item in output if item["type"] == "message"]
        elif self._is("end-without-output"):
            del response["output"]
        elif self._is("end-with-empty-output"):
            response["output"] = []
        return self.event(f"response.{status}", "end", response=response)

    def _first_piece(self, item: _JSON) -> _JSON:
        (block,) = self._plan.of("text")
        said = [each for each in block.pieces if each]
        return {**item, "content": [{"type": "output_text", "text": joined(said[:1]), "annotations": []}]}

    def _usage(self) -> object:
        if self._plan.usage is None or self._is("usage-null"):
            return None
        read, wrote, cached, thought = self._plan.usage
        number = float if self._is("usage-float") else int
        usage: _JSON = {"input_tokens": number(read or 0), "output_tokens": number(wrote or 0)}
        usage["total_tokens"] = number((read or 0) + (wrote or 0))
        if cached is not None:
            usage["input_tokens_details"] = {"cached_tokens": cached}
        if thought is not None:
            usage["output_tokens_details"] = {"reasoning_tokens": thought}
        return usage

    def _items(self, at: int, block: Block) -> Iterator[_Item]:
        shift = 0
        if self._is("unknown-items"):
            shift = at + 1
            whole: _JSON = {"type": "web_search_call", "id": f"ws_{at}", "status": "completed"}
            yield self._framed(_Item(whole, whole), at + shift - 1, f"ws_{at}")
        maker = {"call": self._call, "thought": self._thought}.get(block.kind, self._message)
        yield maker(at + shift, block)

    def _place(self, index: int, key: str) -> _JSON:
        """Where an event belongs."""
        place: _JSON = {"output_index": index, "item_id": key}
        if self._is("no-output-index") or self._is("llama.cpp"):
            del place["output_index"]
        elif self._is("no-item-id"):
            del place["item_id"]
        elif self._is("item-id-null"):
            place["item_id"] = None
        elif self._is("output-index-null"):
            place["output_index"] = None
        return place

    def _framed(self, item: _Item, index: int, key: str) -> _Item:
        """The item with the events at its beginning and its end."""
        place = self._place(index, key)
        place.pop("item_id", None)
        changes = self._is("item-ids-change") and "id" in item.whole
        begun = {**item.begun, "id": f"x{self._rng.randrange(10**9)}"} if changes else item.begun
        if not self._is("no-item-added"):
            item.begin.insert(0, self.event("response.output_item.added", "begin", item=begun, **place))
        if self._is("only-item-done"):
            item.pieces.clear()
            del item.begin[1:]
            item.done.clear()
        if not self._says_again:
            item.done.clear()
        if not (self._is("no-item-done") or self._is("no-done") or self._is("end-with-first-piece")):
            item.done.append(self.event("response.output_item.done", "done", item=item.whole, **place))
        return item

    def _message(self, index: int, block: Block) -> _Item:
        key = f"msg_{index}"
        name, field_ = ("refusal", "refusal") if block.kind == "refusal" else ("output_text", "text")
        more: _JSON = {} if name == "refusal" else {"annotations": []}
        parts = _parts(self._plan, block)
        content = [{"type": name, field_: joined(part), **more} for part in parts]
        base: _JSON = {"type": "message", "id": key, "role": "assistant"}
        item = _Item(
            {**base, "status": "completed", "content": content},
            {**base, "status": "in_progress", "content": []},
        )
        for at, part in enumerate(parts):
            last = at == len(parts) - 1
            where = self._place(index, key) | ({} if self._is("no-content-index") else {"content_index": at})
            if not self._is("no-part-added"):
                empty = {"type": name, field_: "", **more}
                begun = item.pieces if at else item.begin
                begun.append(self.event("response.content_part.added", part=empty, **where))
            for piece in halved(self._plan, part):
                item.pieces.append(self.event(f"response.{name}.delta", "piece", delta=piece, **where))
            if self._is("citations") and block.kind == "text":
                cited = {
                    "type": "url_citation",
                    "url": "https://owl.example",
                    "start_index": 0,
                    "end_index": 2,
                }
                event = self.event("response.output_text.annotation.added", annotation=cited, **where)
                item.pieces.append(event)
            if last or self._says_again:
                told = {**where, field_: joined(part)}
                done = item.done if last else item.pieces
                done.append(self.event(f"response.{name}.done", "done", **told))
        return self._framed(item, index, key)

    def _thought(self, index: int, block: Block) -> _Item:
        key = f"rs_{index}"
        signature = block.key or None
        base: _JSON = {"type": "reasoning", "id": key}
        parts = _parts(self._plan, block)
        whole: _JSON = {**base, "summary": [{"type": "summary_text", "text": joined(part)} for part in parts]}
        kind = "reasoning_summary_text"
        if self._is("reasoning-text"):
            kind = "reasoning_text"
            content = [{"type": kind, "text": joined(part)} for part in parts]
            whole = {**base, "summary": [], "content": content}
        item = _Item({**whole, "encrypted_content": signature}, {**base, "summary": []})
        for at, part in enumerate(parts):
            last = at == len(parts) - 1
            number = "content_index" if kind == "reasoning_text" else "summary_index"
            where = self._place(index, key) | {number: at}
            if kind != "reasoning_text" and not self._is("no-part-added"):
                empty = {"type": "summary_text", "text": ""}
                begun = item.pieces if at else item.begin
                begun.append(self.event("response.reasoning_summary_part.added", part=empty, **where))
            for piece in halved(self._plan, part):
                item.pieces.append(self.event(f"response.{kind}.delta", "piece", delta=piece, **where))
            if last or self._says_again:
                done = item.done if last else item.pieces
                done.append(self.event(f"response.{kind}.done", "done", text=joined(part), **where))
        return self._framed(item, index, key)

    def _call(self, index: int, block: Block) -> _Item:
        bare = self._is("llama.cpp")
        key = block.key if bare else f"fc_{index}"
        named: _JSON = {"type": "function_call", "call_id": block.key, "name": block.name}
        base = named if bare else {**named, "id": key}
        pieces = arguments(self._plan, block)
        whole = joined(pieces)
        begun = whole if self._plan.dialects & {"arguments-in-added", "arguments-in-added-only"} else ""
        item = _Item(
            {**base, "arguments": whole, "status": "completed"},
            {**base, "arguments": begun, "status": "in_progress"},
        )
        if self._is("arguments-in-added-only"):
            pieces = ()
        for piece in halved(self._plan, pieces):
            item.pieces.append(self.event(_ARGUMENTS, "piece", delta=piece, **self._place(index, key)))
        kind = "response.function_call_arguments.done"
        item.done.append(self.event(kind, "done", arguments=whole, **self._place(index, key)))
        return self._framed(item, index, key)


# -- breaking --------------------------------------------------------------------------------------------


def _event(kind: str, **fields: object) -> Event:
    return Event({"type": kind, **fields}, kind)


def _created_again(plan: Plan, events: list[Event], rng: Random) -> list[Event] | None:
    pieces = [at for at, event in enumerate(events) if event.step == "piece" and event.get("delta")]
    if not pieces:
        return None
    at = rng.choice(pieces) + 1
    return [*events[:at], _Writer(plan, rng).created(), *rng.choice((events[at:], events))]


def _lost(kind: str) -> Breaking:
    """Without a piece of an item that has others. Of one without any the whole stands in its end."""

    def breaks(_: Plan, events: list[Event], rng: Random) -> list[Event] | None:
        several = [at for places in _pieces(events, kind) if len(places) > 1 for at in places]
        if kind == _ARGUMENTS:  # between the words of JSON a space says nothing
            several = [at for at in several if str(events[at].get("delta")).strip()]
        if not several:
            return None
        at = rng.choice(several)
        return [*events[:at], *events[at + 1 :]]

    return breaks


def _changed(kind: str, change: Callable[[Event], list[Event]]) -> Breaking:
    """With these in the place of a piece."""

    def breaks(_: Plan, events: list[Event], rng: Random) -> list[Event] | None:
        pieces = [at for places in _pieces(events, kind) for at in places]
        if not pieces:
            return None
        at = rng.choice(pieces)
        return [*events[:at], *change(events[at]), *events[at + 1 :]]

    return breaks


def _pieces(events: list[Event], kind: str) -> list[list[int]]:
    """Where the pieces are that say something, item by item."""
    of_item: dict[object, list[int]] = {}
    begun = 0
    for at, event in enumerate(events):
        if event.step == "begin":
            begun = at
        if event.get("type") == kind and event.get("delta"):
            place = event.get("output_index")
            of_item.setdefault(event.get("item_id") or begun if place is None else place, []).append(at)
    return list(of_item.values())


def _other(event: Event, delta: object) -> list[Event]:
    return [Event({**cast("Mapping[str, object]", event.data), "delta": delta}, event.name, event.step)]


_TEXT: Final = "response.output_text.delta"
_ARGUMENTS: Final = "response.function_call_arguments.delta"
_ERROR: Final = {"code": "server_error", "message": "It is too much."}
_NAMELESS: Final = {"type": "function_call", "call_id": "call_99", "id": "fc_99", "arguments": "{}"}

# Under these nothing says again what came in pieces.
_TOLD_ONCE: Final = frozenset(
    {"only-end", "only-item-done", "end-with-first-piece", "two-texts", "two-summaries"}
)
_NO_DONE: Final = _TOLD_ONCE | {"no-done"}
_NO_OUTPUT: Final = _TOLD_ONCE | {"end-without-output", "end-with-empty-output"}
FAULTS: Final = (
    Fault("cut", cut),
    Fault("connection-breaks", cut),
    Fault("no-end", at_end(stays=False)),
    Fault(
        "failed",
        at_end(_event("response.failed", response={"status": "failed", "error": _ERROR}), stays=False),
    ),
    Fault("no-json", instead(Event(b'{"type":"response.out', _TEXT))),
    Fault("error-event", reported(_event("error", **_ERROR))),
    Fault("error-object", reported(Event({"error": _ERROR}))),
    Fault("created-again", _created_again, hidden_by=frozenset({"only-end", "only-item-done"})),
    Fault("text-lost-before-done", _lost(_TEXT), ("text",), _NO_DONE),
    Fault("text-lost-before-end", _lost(_TEXT), ("text",), _NO_OUTPUT),
    Fault("text-twice", _changed(_TEXT, lambda event: [event, event]), ("text",), _NO_DONE),
    Fault(
        "text-differs",
        _changed(_TEXT, lambda event: _other(event, f"{event.get('delta')}!")),
        ("text",),
        _NO_OUTPUT,
    ),
    Fault("text-is-number", _changed(_TEXT, lambda event: _other(event, 42)), ("text",), _TOLD_ONCE),
    Fault("arguments-lost", _lost(_ARGUMENTS), ("call",), _NO_DONE),
    Fault(
        "arguments-differ",
        _changed(_ARGUMENTS, lambda event: _other(event, f"x{event.get('delta')}")),
        ("call",),
        _NO_OUTPUT,
    ),
    Fault(
        "call-without-name",
        unless_cut(at_end(_event("response.output_item.done", item=_NAMELESS, output_index=99), stays=True)),
    ),
)
"""How streams break so that it can be seen."""


# -- the SDK ---------------------------------------------------------------------------------------------


async def by_sdk(client: AsyncOpenAI) -> Answer:
    """What a user's loop over the events makes of the stream.

    Texts and thoughts come in deltas; calls, and the signatures of thoughts, stand in items and at the end.
    """
    reader = _Reader()
    async for event in await client.responses.create(model="model-of-test", input="Hi", stream=True):
        reader.take(event)
    return reader.answer()


class _Reader:
    """Puts an answer together."""

    def __init__(self) -> None:
        self._said: list[list[str]] = []
        self._places: dict[object, list[str]] = {}
        self._end: Response | None = None
        self._finish = ""

    def take(self, event: ResponseStreamEvent) -> None:
        """Take the next event."""
        match event.type:
            case "response.output_text.delta":
                self._say("text", event.delta)
            case "response.refusal.delta":
                self._say("refusal", event.delta)
            case "response.reasoning_text.delta":
                self._think(event.delta, (event.item_id, event.output_index), 0)
            case "response.reasoning_summary_text.delta":
                self._think(event.delta, (event.item_id, event.output_index), event.summary_index)
            case "response.function_call_arguments.delta":
                call = self._at((event.item_id, event.output_index))
                if call is not None:
                    call[4] += event.delta
            case "response.output_item.added" | "response.output_item.done":
                self._item(event.item, event.output_index)
            case "response.completed" | "response.incomplete":
                self._ends(event)
            case _:
                pass

    def _ends(self, event: ResponseCompletedEvent | ResponseIncompleteEvent) -> None:
        self._end = event.response
        details = event.response.incomplete_details
        self._finish = (details and details.reason) or event.type.removeprefix("response.")
        for index, item in enumerate(event.response.output or ()):
            self._item(item, index)

    def _say(self, kind: str, delta: str) -> None:
        if not self._said or self._said[-1][0] != kind:
            self._said.append([kind, ""])
        self._said[-1][1] += delta

    def _think(self, delta: str, places: tuple[object, ...], part: int) -> None:
        """Add a piece of a thought; kind, text, signature, and the part of its summary."""
        thought = self._at(places)
        if thought is None:
            thought = ["thought", "", "", str(part)]
            self._said.append(thought)
        self._places.update((place, thought) for place in places if place is not None)
        if thought[3] != str(part):
            thought[1] += "\n\n"
            thought[3] = str(part)
        thought[1] += delta

    def _at(self, places: tuple[object, ...]) -> list[str] | None:
        """What has begun at one of these places: an id, or a number in the output."""
        return next((self._places[place] for place in places if place in self._places), None)

    def _item(self, item: ResponseOutputItem, index: int | None) -> None:
        if isinstance(item, ResponseFunctionToolCall):
            places = (item.call_id, item.id, index)
            call = self._at((item.call_id,))
            if call is None:
                call = ["call", item.name, "", item.call_id, ""]  # arguments of the item, and in pieces
                self._said.append(call)
            self._places.update((place, call) for place in places if place is not None)
            call[2] = item.arguments or call[2]
        elif isinstance(item, ResponseReasoningItem):
            thought = self._at((item.id, index))
            if thought is not None:
                thought[2] = item.encrypted_content or thought[2]

    def answer(self) -> Answer:
        """What it is in all."""
        if self._end is None:
            raise EOFError("the stream has no end")
        said: list[Spoken] = []
        for each in self._said:
            if each[0] == "call":
                said.append(("call", each[1], value_of(each[2] or each[4]), each[3]))
            elif each[0] == "thought":
                said.append(("thought", each[1], each[2]))
            else:
                said.append((each[0], each[1]))
        return Answer(tuple(said), self._usage(), self._finish)

    def _usage(self) -> Numbers:
        usage = None if self._end is None else self._end.usage
        if usage is None:
            return UNCOUNTED
        cached, thought = usage.input_tokens_details, usage.output_tokens_details
        return (
            usage.input_tokens,
            usage.output_tokens,
            _counted(cached, "cached_tokens"),
            _counted(thought, "reasoning_tokens"),
        )


def _counted(details: object, name: str) -> int | None:
    """A number that few servers tell, though the types of the SDK say that it is there."""
    number = getattr(details, name, None)
    return int(number) if isinstance(number, int | float) and number else None
