"""Decodes the Responses API: the events of a stream, or a whole answer, become parts.

**The rule: an answer is refused only if text, a call, an order or an end could be lost or wrong by accepting
it.** Whatever a healthy server leaves out or adds is passed over. So

* an item is found by its id, its place or its order, and begins with its first piece if nothing has begun it;
* what a ``.done`` or the end tells of a text or of arguments must have come in pieces: if it is more, or
  something else, the answer is refused. What came in no piece at all is taken from there, if it is in order;
* the end may tell less than what came: no output, no status, or only the first piece of a text;
* an answer that begins a second time, a piece for what has ended, and a call without a name are refused;
* events of types that are not known here are passed over.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from types import MappingProxyType
from typing import Final, TypeAlias

from pydantic import TypeAdapter

from miniagents.values import Finish, Reasoning, Refusal

from ._answer import Decoded, Progress
from ._fields import arguments_of, identifier, identity_of, list_of, object_of, raise_error, text_of
from ._json import ProviderError, WireError, look, parsed
from ._pieces import missing
from ._responses_fields import (
    REFUSAL,
    TEXT,
    THINKING,
    Event,
    citations_in,
    count_of,
    item_name,
    kind_of,
    name_in,
    part_number,
    said_in,
    said_in_part,
    thought_in,
    whole_text,
)
from ._responses_items import CALL, MESSAGE, THOUGHT, Item, Items
from ._sse import STRAY, ServerEvent

__all__ = ["ResponsesDecoder", "decode_response"]

_EVENT: Final = TypeAdapter(Event)
_OBJECT: Final = TypeAdapter(dict[str, object])
_ERRORS: Final = frozenset({"error", STRAY})
_FAILED: Final = frozenset({"failed", "cancelled"})
_ENDS: Final = frozenset({"completed", "incomplete", *_FAILED})
_STATUSES: Final = MappingProxyType({f"response.{status}": status for status in _ENDS})

_TEXT_PIECE: Final = "response.output_text.delta"
# In which voice the events with a piece speak, and those with the whole of it; the kind of item that speaks.
_PIECES: Final = MappingProxyType(
    {
        _TEXT_PIECE: TEXT,
        "response.refusal.delta": REFUSAL,
        "response.reasoning_text.delta": THINKING,
        "response.reasoning_summary_text.delta": THINKING,
    }
)
_WHOLES: Final = MappingProxyType({name.replace(".delta", ".done"): voice for name, voice in _PIECES.items()})
_SPEAKERS: Final = MappingProxyType({TEXT: MESSAGE, REFUSAL: MESSAGE, THINKING: THOUGHT})


class ResponsesDecoder:
    """Turns the events of one stream into parts.

    Raises:
        WireError: from a call, if the event is none of the protocol, or contradicts what came before.
        ProviderError: from a call, if it is an error.

    Example:
        >>> decode = ResponsesDecoder()
        >>> decode(ServerEvent("", b'{"type": "response.output_text.delta", "delta": "Hi"}'))
        ['Hi']
        >>> decode(ServerEvent("", b'{"type": "response.completed"}'))
        [Finish(reason='completed')]
    """

    __slots__ = ("_ended", "_items", "_name", "_others", "_pieces", "_spoke")

    def __init__(self) -> None:
        self._items = Items()
        self._spoke = -1  # the number of the last item whose text went out
        self._name: tuple[object, ...] = ()  # what the last piece of text called its item
        self._pieces: list[str] = []  # where that piece is kept
        self._others = False  # there were pieces of types that are not known here
        self._ended = False

    def __call__(self, event: ServerEvent) -> list[Decoded]:
        """Return the parts of an event; none for a type that it does not know."""
        if event.name in _ERRORS:
            raise_error(event)
            return []
        if self._ended:
            return []
        try:
            known = parsed(_EVENT, event.data)
        except WireError:
            if event.data.strip() in {b"", b"[DONE]"}:
                return []
            raise
        kind = known.get("type")
        if kind == _TEXT_PIECE:
            piece = known.get("delta")
            name = known.get("item_id"), known.get("output_index"), known.get("content_index")
            if name == self._name and type(piece) is str:  # most events are no more than text
                self._pieces.append(piece)
                return [piece]
        self._name = ()
        return list(self._rarer(kind, known, event))

    def _rarer(self, kind: str | None, event: Event, raw: ServerEvent) -> Iterator[Decoded]:
        """Return all that an event may bring."""
        kind = kind or (raw.name if raw.name.startswith("response.") else "")
        if (handle := _HANDLERS.get(kind)) is not None:
            yield from handle(self, event)
        elif (voice := _PIECES.get(kind)) is not None:
            yield from self._piece(voice, event)
        elif (voice := _WHOLES.get(kind)) is not None:
            text = event.get("refusal") if voice == REFUSAL else event.get("text")
            yield from self._whole_part(voice, event, text_of(text))
        elif (status := _STATUSES.get(kind)) is not None:
            yield from self.whole(object_of(event.get("response") or {}), status)
            self._ended = True
        elif kind in {"error", "response.error"}:
            raise_error(ServerEvent("error", raw.data))
        elif not kind:
            raise_error(ServerEvent("", raw.data))
            if event:
                raise WireError("an event has no type")
        elif kind.endswith(".delta"):
            self._others = True

    # -- pieces ------------------------------------------------------------------------------------------

    def _piece(self, voice: str, event: Event) -> Iterator[Decoded]:
        """Take a piece of text."""
        if "delta" not in event:
            raise WireError("a piece has no text")
        if not (text := text_of(event["delta"])):
            return
        item = self._items.of_piece(name_in(event, _SPEAKERS[voice]))
        part = item.part_of(voice, part_number(event))
        if part.ended and voice != THINKING:
            raise WireError("a piece came for a text that has ended: an event is missing")
        if voice == THINKING and not part.pieces and item.said(THINKING):
            yield Reasoning("\n\n", id=item.id, index=item.number)  # another part of its summary
        if voice == TEXT:
            self._pieces = part.pieces
            self._name = event.get("item_id"), event.get("output_index"), event.get("content_index")
        yield self._said(item, voice, part.pieces, text)

    def _said(self, item: Item, voice: str, pieces: list[str], text: str) -> Decoded:
        """Note a text that goes out, and return it as what it is."""
        pieces.append(text)
        if voice == THINKING:
            return Reasoning(text, id=item.id, index=item.number)
        self._spoke = max(self._spoke, item.number)
        return text if voice == TEXT else Refusal(text)

    def item_begins(self, event: Event) -> Iterator[Decoded]:
        """Take the beginning of an item; what it says already is its first piece."""
        fields = object_of(event.get("item"))
        item = self._items.announced(item_name(fields, event.get("output_index")))
        if item.kind == CALL:
            item.call.begin_with(arguments_of(fields.get("arguments")))
            yield from item.call.news()
        elif item.kind != MESSAGE:
            yield Progress()
        elif not item.came:
            yield from self._content(item, fields, (TEXT, REFUSAL))

    def part_begins(self, event: Event) -> Iterator[Decoded]:
        """Take the beginning of a part of a message; what it says already is its first piece."""
        if (said := said_in_part(event.get("part"))) is not None:
            voice, text = said
            item, number = self._items.told(name_in(event, MESSAGE)), part_number(event)
            if number is None:
                item.next_part(voice)
            pieces = item.part_of(voice, number).pieces
            yield from self._late(item, voice, number, missing(pieces, text, of="a text"))

    def summary_begins(self, event: Event) -> Iterator[Decoded]:
        """Take the beginning of a part of a thought."""
        self._items.told(name_in(event, THOUGHT))
        yield Progress()

    def annotated(self, event: Event) -> Iterator[Decoded]:
        """Take an annotation of a text."""
        self._items.told(name_in(event, MESSAGE)).cited = True
        yield from citations_in([event.get("annotation")])

    def arguments_piece(self, event: Event) -> Iterator[Decoded]:
        """Take a piece of the arguments of a call."""
        if "delta" not in event:
            raise WireError("a piece of arguments has no text")
        if piece := arguments_of(event["delta"]):
            item = self._items.of_piece(name_in(event, CALL))
            item.call.add(piece)
            yield Progress()
            yield from item.call.news()

    # -- wholes ------------------------------------------------------------------------------------------

    def _late(self, item: Item, voice: str, number: int | None, text: str) -> Iterator[Decoded]:
        """Return a text that no piece has brought."""
        if text:
            if item.number < self._spoke and voice != THINKING:
                raise WireError("a text came only after the one that stands behind it")
            yield self._said(item, voice, item.part_of(voice, number).pieces, text)

    def part_ends(self, event: Event) -> Iterator[Decoded]:
        """Take the whole of a part of a message."""
        if (said := said_in_part(event.get("part"))) is not None:
            voice, text = said
            yield from self._whole_part(voice, event, text)

    def _whole_part(self, voice: str, event: Event, text: str) -> Iterator[Decoded]:
        """Take the whole text of a part of an item."""
        item, number = self._items.told(name_in(event, _SPEAKERS[voice])), part_number(event)
        if voice == THINKING:
            rest = "" if item.said(voice) else text
        else:
            rest = item.end_of_part(voice, number, text)
        yield from self._late(item, voice, number, rest)

    def arguments_whole(self, event: Event) -> Iterator[Decoded]:
        """Take the whole arguments of a call."""
        call = self._items.told(name_in(event, CALL)).call
        call.begin(None, identifier(event.get("name")), None)
        call.end(arguments_of(event.get("arguments")))
        yield from call.news()

    def item_ends(self, event: Event) -> Iterator[Decoded]:
        """Take the whole of an item."""
        fields = object_of(event.get("item"))
        item = self._items.whole(item_name(fields, event.get("output_index")))
        yield from self._whole_item(item, fields)
        item.ended = True

    def _whole_item(
        self, item: Item, fields: Mapping[str, object], *, at_end: bool = False
    ) -> Iterator[Decoded]:
        """Take what an item is as a whole, here or at the end of the answer."""
        if item.kind == CALL:
            item.call.end(arguments_of(fields.get("arguments")), at_end=at_end)
            yield from item.call.news()
        elif item.kind == MESSAGE:
            said = list(said_in(fields))
            voices = TEXT, REFUSAL
            late = [each for each in voices if item.end_of_voice(each, whole_text(said, each), at_end=at_end)]
            yield from self._content(item, fields, late)
            yield from _citations(item, fields)
        elif item.kind == THOUGHT and not item.ended:
            thought = "" if item.said(THINKING) else thought_in(fields)
            signature = identifier(fields.get("encrypted_content"))
            if thought or signature:
                yield Reasoning(thought, signature, item.id, item.number)
        else:
            yield Progress()

    def _content(
        self, item: Item, fields: Mapping[str, object], voices: Collection[str]
    ) -> Iterator[Decoded]:
        """Return what a message says in these voices, which no piece has brought."""
        for number, (voice, text) in enumerate(said_in(fields)):
            if voice in voices:
                yield from self._late(item, voice, number, text)

    # -- the end -----------------------------------------------------------------------------------------

    def created(self, event: Event) -> Iterator[Decoded]:
        """Take the beginning of the answer."""
        if len(self._items):
            raise WireError(f"the answer began a second time, after {len(self._items)} of its items")
        yield from self.in_progress(event)

    def in_progress(self, event: Event) -> Iterator[Decoded]:
        """Take who answers."""
        yield identity_of(object_of(event.get("response") or {}))

    def whole(self, answer: Mapping[str, object], status: str) -> Iterator[Decoded]:
        """Return what an answer tells as a whole and has not gone out yet, and its end.

        Args:
            answer: the whole, at the end of a stream or instead of one.
            status: how it ends, if it does not say so itself; `""` if that is not known.
        """
        told = answer.get("status")
        if status not in _FAILED and isinstance(told, str) and told in _ENDS:
            status = told
        elif told is None and "output" not in answer and not len(self._items):
            status = ""  # an end of nothing tells nothing
        if status in _FAILED:
            error = answer.get("error")
            raise ProviderError(str(look(error, "code") or status), str(look(error, "message") or ""))
        if answer.get("id") or answer.get("model"):
            yield identity_of(answer)
        yield from self._output(answer)
        yield from self._calls(complete=status == "completed")
        if self._others and not len(self._items):
            raise WireError("all pieces of the answer are of types that are not known here")
        if (usage := answer.get("usage")) is not None:
            yield count_of(usage)
        if status in _ENDS:
            reason = look(answer.get("incomplete_details"), "reason") if status == "incomplete" else None
            yield Finish(str(reason or status))

    def _output(self, answer: Mapping[str, object]) -> Iterator[Decoded]:
        """Take all items of an answer."""
        output = [object_of(each) for each in list_of(answer.get("output"))]
        told = "".join(whole_text(said_in(each), TEXT) for each in output if kind_of(each) == MESSAGE)
        # However servers divide it into items.
        same = bool(told) and told == "".join(piece for item in self._items for piece in item.said(TEXT))
        items = self._items.all_told([item_name(each) for each in output])
        late = False
        for item, fields in zip(items, output, strict=True):
            spoke = bool(item.said(TEXT))
            if spoke and late:
                raise WireError("a text came only after the one that stands behind it")
            if same and item.kind == MESSAGE:
                yield from _citations(item, fields)
            else:
                yield from self._whole_item(item, fields, at_end=True)
            late = late or (not spoke and bool(item.said(TEXT)))
        if not len(self._items) and (text := text_of(answer.get("output_text"))):
            yield text  # some servers tell nothing else

    def _calls(self, *, complete: bool) -> Iterator[Decoded]:
        """Return what is left of calls when the answer ends."""
        for item in self._items:
            if item.kind == CALL:
                item.call.end("")
                if complete and not item.call.name:
                    raise WireError("a call came without the name of its tool")
                yield from item.call.news()


_Handler: TypeAlias = Callable[[ResponsesDecoder, Event], Iterator[Decoded]]

_HANDLERS: Final[Mapping[str, _Handler]] = MappingProxyType(
    {
        "response.created": ResponsesDecoder.created,
        "response.in_progress": ResponsesDecoder.in_progress,
        "response.output_item.added": ResponsesDecoder.item_begins,
        "response.output_item.done": ResponsesDecoder.item_ends,
        "response.content_part.added": ResponsesDecoder.part_begins,
        "response.content_part.done": ResponsesDecoder.part_ends,
        "response.output_text.annotation.added": ResponsesDecoder.annotated,
        "response.reasoning_summary_part.added": ResponsesDecoder.summary_begins,
        "response.function_call_arguments.delta": ResponsesDecoder.arguments_piece,
        "response.function_call_arguments.done": ResponsesDecoder.arguments_whole,
    }
)


def decode_response(event: ServerEvent) -> list[Decoded]:
    """Turn a whole answer into parts.

    Args:
        event: the body.

    Raises:
        WireError: it is no response of the Responses API.
        ProviderError: it is an error.

    Example:
        >>> said = '{"status": "completed", "output": [{"type": "message", "content": "Hello"}]}'
        >>> decode_response(ServerEvent("", said.encode()))
        ['Hello', Finish(reason='completed')]
    """
    answer = parsed(_OBJECT, event.data)
    if not isinstance(answer.get("output"), list) and not isinstance(answer.get("output_text"), str):
        raise_error(event)
        raise WireError("the answer has no output")
    # An answer without a status ends as its items do.
    ends = {str(look(each, "status")) for each in list_of(answer.get("output"))}
    ended = answer.get("status") is None and len(ends) == 1
    return list(ResponsesDecoder().whole(answer, ends.pop() if ended else ""))


def _citations(item: Item, fields: Mapping[str, object]) -> Iterator[Decoded]:
    """Return the citations of a message, if none has come yet."""
    if not item.cited:
        for part in list_of(fields.get("content")):
            for citation in citations_in(list_of(look(part, "annotations"))):
                item.cited = True
                yield citation
