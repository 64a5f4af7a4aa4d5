"""Decodes the Responses API: the events of a stream, or a whole answer, to parts.

**The rule: an answer is refused only if accepting it could lose a text, a call, the order or the end, or make
it wrong.** What a healthy server omits or adds is ignored. So

* an item is found by its id, its index or its order. Without a start event, it begins with its first piece;
* the whole text or arguments in a ``.done`` event, or at the end, must be equal to the pieces: if they are
  longer or different, the answer is refused. If no piece came, they are used, if they come in order;
* the end may have less than the pieces: no output, no status, or only the first piece of a text;
* a message that ended as incomplete, and is not in the output at the end, was withdrawn: `Restart`, and then
  the output;
* these are refused: an answer that begins a second time, a piece for an item that has ended, and a call
  without a name;
* events of unknown types are ignored.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from types import MappingProxyType
from typing import Final, TypeAlias

from pydantic import TypeAdapter

from miniagents.values import Finish, Reasoning, Refusal, Restart

from ._answer import Decoded, Progress
from ._fields import (
    arguments_of,
    citations_in,
    identifier,
    identity_of,
    list_of,
    object_of,
    rest_of,
    text_of,
)
from ._json import ProviderError, WireError, look, parsed
from ._opaque import opaque
from ._responses_fields import (
    OF_CALL,
    OF_THOUGHT,
    REFUSAL,
    TEXT,
    THINKING,
    Event,
    count_of,
    item_name,
    kind_of,
    name_in,
    of_server,
    part_number,
    said_in,
    said_in_part,
    thought_in,
    whole_text,
)
from ._responses_items import CALL, MESSAGE, THOUGHT, Item, Items
from ._sse import ServerEvent

_EVENT: Final = TypeAdapter(Event)
_OBJECT: Final = TypeAdapter(dict[str, object])
_FAILED: Final = frozenset({"failed", "cancelled"})
_ENDS: Final = frozenset({"completed", "incomplete", *_FAILED})
_STATUSES: Final = MappingProxyType({f"response.{status}": status for status in _ENDS})

_TEXT_PIECE: Final = "response.output_text.delta"
# The voice (text, refusal or reasoning) of the events with a piece, and of those with the whole text; the
# kind of item that has this voice.
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
    """Decodes the events of one stream to parts.

    Raises:
        WireError: when called: the event does not fit the protocol, or contradicts earlier events.
        ProviderError: when called: the event is an error.

    Example:
        >>> decode = ResponsesDecoder()
        >>> decode(ServerEvent("", b'{"type": "response.output_text.delta", "delta": "Hi"}'))
        ['Hi']
        >>> decode(ServerEvent("", b'{"type": "response.completed"}'))
        [Finish(reason='completed')]
    """

    def __init__(self) -> None:
        self._items = Items()
        self._spoke = -1  # the number of the last item whose text the reader has got
        self._name: tuple[object, ...] = ()  # how the last piece of text named its item
        self._pieces: list[str] = []  # the pieces of that text
        self._others = False  # there were pieces of unknown types
        self._unsure: set[object] = set()  # the ids of messages that ended as incomplete
        self._ended = False

    def __call__(self, event: ServerEvent) -> list[Decoded]:
        """Return the parts of an event; none if its type is unknown."""
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
            if name == self._name and type(piece) is str:  # most events have only text
                self._pieces.append(piece)
                return [piece]
        self._name = ()
        return list(self._rarer(kind, known, event))

    def _rarer(self, kind: str | None, event: Event, raw: ServerEvent) -> Iterator[Decoded]:
        """Return the parts of an event of any form."""
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
            ServerEvent("error", raw.data).raise_error()
        elif not kind:
            ServerEvent("", raw.data).raise_error()
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
        if voice == THINKING and not part.pieces and item.has_said(THINKING):
            yield Reasoning("\n\n", id=item.id, index=item.number)  # another part of its summary
        if voice == TEXT:
            self._pieces = part.pieces
            self._name = event.get("item_id"), event.get("output_index"), event.get("content_index")
        yield self._said(item, voice, part.number, text)

    def _said(self, item: Item, voice: str, number: int | None, text: str) -> Decoded:
        """Note a text that the reader gets, and return it as a part."""
        item.say(voice, number, text)
        if voice == THINKING:
            return Reasoning(text, id=item.id, index=item.number)
        self._spoke = max(self._spoke, item.number)
        return text if voice == TEXT else Refusal(text)

    def item_begins(self, event: Event) -> Iterator[Decoded]:
        """Take the beginning of an item; content in it is its first piece."""
        fields = object_of(event.get("item"))
        item = self._items.announced(item_name(fields, event.get("output_index")))
        if item.kind == CALL:
            item.call.rest = rest_of(fields, OF_CALL)
            item.call.begin_with(arguments_of(fields.get("arguments")))
            yield from item.call.news()
        elif item.kind != MESSAGE:
            yield Progress()
        elif not item.came:
            yield from self._content(item, fields, (TEXT, REFUSAL))

    def part_begins(self, event: Event) -> Iterator[Decoded]:
        """Take the beginning of a part of a message; text in it is its first piece."""
        if (said := said_in_part(event.get("part"))) is not None:
            voice, text = said
            item, number = self._items.told(name_in(event, MESSAGE)), part_number(event)
            if number is None:
                item.next_part(voice)
            yield from self._late(item, voice, number, item.rest_of_part(voice, number, text))

    def summary_begins(self, event: Event) -> Iterator[Decoded]:
        """Take the beginning of a part of the reasoning."""
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
        """Return a text that did not come in pieces."""
        if text:
            if item.number < self._spoke and voice != THINKING:
                raise WireError("a text came after the text that follows it")
            yield self._said(item, voice, number, text)

    def part_ends(self, event: Event) -> Iterator[Decoded]:
        """Take the whole of a part of a message."""
        if (said := said_in_part(event.get("part"))) is not None:
            voice, text = said
            yield from self._whole_part(voice, event, text)

    def _whole_part(self, voice: str, event: Event, text: str) -> Iterator[Decoded]:
        """Take the whole text of a part of an item."""
        item, number = self._items.told(name_in(event, _SPEAKERS[voice])), part_number(event)
        if voice == THINKING:
            rest = "" if item.has_said(voice) else text
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
        if item.kind == MESSAGE and fields.get("status") == "incomplete":
            self._unsure.add(fields.get("id"))

    def _whole_item(
        self, item: Item, fields: Mapping[str, object], *, at_end: bool = False
    ) -> Iterator[Decoded]:
        """Take a whole item, at its end or at the end of the answer."""
        if item.kind == CALL:
            item.call.rest = item.call.rest or rest_of(fields, OF_CALL)
            item.call.end(arguments_of(fields.get("arguments")), at_end=at_end)
            yield from item.call.news()
        elif item.kind == MESSAGE:
            said = list(said_in(fields))
            voices = TEXT, REFUSAL
            late = [each for each in voices if item.end_of_voice(each, whole_text(said, each), at_end=at_end)]
            yield from self._content(item, fields, late)
            yield from _citations(item, fields)
            yield from _phase(item, fields)
        elif item.ended:
            yield Progress()
        elif item.kind == THOUGHT:
            thought = "" if item.has_said(THINKING) else thought_in(fields)
            signature = identifier(fields.get("encrypted_content"))
            if thought or signature or list_of(fields.get("content")):
                told = opaque(item={"type": THOUGHT, **rest_of(fields, OF_THOUGHT)})
                yield Reasoning(thought, signature, item.id, item.number, opaque=told)
        else:
            yield from of_server(fields)

    def _content(
        self, item: Item, fields: Mapping[str, object], voices: Collection[str]
    ) -> Iterator[Decoded]:
        """Return the texts of a message in these voices, which did not come in pieces."""
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
        """Take the id and the model of the answer."""
        yield identity_of(object_of(event.get("response") or {}))

    def whole(self, answer: Mapping[str, object], status: str) -> Iterator[Decoded]:
        """Return the parts of a whole answer that the reader has not got yet, and its end.

        Args:
            answer: the whole answer, at the end of a stream or instead of one.
            status: its status if it has none itself; `""` if it is not known.
        """
        told = answer.get("status")
        if status not in _FAILED and isinstance(told, str) and told in _ENDS:
            status = told
        elif told is None and "output" not in answer and not len(self._items):
            status = ""  # an end without an answer is not the end of an answer
        if status in _FAILED:
            error = answer.get("error")
            raise ProviderError(str(look(error, "code") or status), str(look(error, "message") or ""))
        if answer.get("id") or answer.get("model"):
            yield identity_of(answer)
        yield from self._output(answer)
        yield from self._calls(complete=status == "completed")
        if self._others and not len(self._items):
            raise WireError("all pieces of the answer have unknown types")
        if (usage := answer.get("usage")) is not None:
            yield count_of(usage)
        if status in _ENDS:
            reason = look(answer.get("incomplete_details"), "reason") if status == "incomplete" else None
            yield Finish(str(reason or status))

    def _output(self, answer: Mapping[str, object]) -> Iterator[Decoded]:
        """Take all items of an answer."""
        output = [object_of(each) for each in list_of(answer.get("output"))]
        if output and self._unsure - {each.get("id") for each in output}:
            yield Restart("the server has withdrawn a message")
            self._items, self._spoke = Items(), -1
        told = "".join(whole_text(said_in(each), TEXT) for each in output if kind_of(each) == MESSAGE)
        # The text may be divided into items in another way than its pieces.
        same = bool(told) and told == "".join(piece for item in self._items for piece in item.said(TEXT))
        items = self._items.all_told([item_name(each) for each in output])
        late = False
        for item, fields in zip(items, output, strict=True):
            spoke = item.has_said(TEXT)
            if spoke and late:
                raise WireError("a text came after the text that follows it")
            if same and item.kind == MESSAGE:
                yield from _citations(item, fields)
                yield from _phase(item, fields)
            else:
                yield from self._whole_item(item, fields, at_end=True)
            late = late or (not spoke and item.has_said(TEXT))
        if not len(self._items) and (text := text_of(answer.get("output_text"))):
            yield text  # some servers send nothing else

    def _calls(self, *, complete: bool) -> Iterator[Decoded]:
        """Return the rest of the calls when the answer ends."""
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
    """Decode a whole answer to parts.

    Args:
        event: the body.

    Raises:
        WireError: it is not a response of the Responses API.
        ProviderError: it is an error.

    Example:
        >>> said = '{"status": "completed", "output": [{"type": "message", "content": "Hello"}]}'
        >>> decode_response(ServerEvent("", said.encode()))
        ['Hello', Finish(reason='completed')]
    """
    answer = parsed(_OBJECT, event.data)
    if not isinstance(answer.get("output"), list) and not isinstance(answer.get("output_text"), str):
        event.raise_error()
        raise WireError("the answer has no output")
    # An answer without a status has that of its items, if it is the same for all.
    ends = {str(look(each, "status")) for each in list_of(answer.get("output"))}
    ended = answer.get("status") is None and len(ends) == 1
    return list(ResponsesDecoder().whole(answer, ends.pop() if ended else ""))


def _phase(item: Item, fields: Mapping[str, object]) -> Iterator[Decoded]:
    """Return what the server needs back with a message: which phase of the answer it is."""
    if (phase := fields.get("phase")) is not None and not item.ended:
        yield Reasoning(id=item.id, index=item.number, opaque=opaque(message={"phase": phase}))


def _citations(item: Item, fields: Mapping[str, object]) -> Iterator[Decoded]:
    """Return the citations of a message, if none has come yet."""
    if not item.cited:
        for part in list_of(fields.get("content")):
            for citation in citations_in(list_of(look(part, "annotations"))):
                item.cited = True
                yield citation
