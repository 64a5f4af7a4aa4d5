"""Decodes the Messages API: the events of a stream, or a whole answer, to parts.

**The rule: an answer is refused only if accepting it could lose a text, a call, the order or the end, or make
it wrong.** What a healthy server omits or adds is ignored. So

* a block without a start event begins with its first piece, if it is the next one. A call does not, since its
  name is in the start event;
* another block may use an index again, after the stop of the first one, or for another call;
* if no pieces of the arguments of a call come, its arguments are the `input` of its start event. If pieces
  come, they must be equal to it;
* these are refused: an answer that begins a second time, a piece for a block that has stopped, arguments for
  a block that is not a call, and text for a call;
* events, blocks and pieces of unknown types are ignored.

This API sends nothing twice: a piece of text that is lost on the way is not noticed.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final, TypeAlias, cast

from pydantic import TypeAdapter

from miniagents.values import Finish, Reasoning

from ._answer import Decoded, Progress
from ._fields import arguments_of, identifier, identity_of, list_of, object_of, rest_of, text_of
from ._json import WireError, look, parsed, untyped
from ._messages_fields import (
    CALL,
    OF_CALL,
    SPEAKERS,
    TEXT,
    THOUGHTS,
    Counts,
    Event,
    citation_of,
    kind_of,
    of_server,
)
from ._opaque import opaque
from ._pieces import CallPieces, Comparisons, missing
from ._sse import ServerEvent

_EVENT: Final = TypeAdapter(Event)
_OBJECT: Final = TypeAdapter(dict[str, object])
_NOWHERE: Final = -1
_OPAQUE: Final = opaque()  # nothing but the server that it came from
# The field of a piece, by the type of the piece.
_FIELDS: Final = MappingProxyType(
    {
        "text_delta": "text",
        "thinking_delta": "thinking",
        "signature_delta": "signature",
        "input_json_delta": "partial_json",
        "citations_delta": "citation",
    }
)


class _Block:
    """What has come of one block.

    Attributes:
        number: the position of the block in the answer; its index may be used again.
        kind: its type.
        call: the pieces of a call.
        fields: of the start event of a block of another kind: a call or a result of a tool of the provider.
        came: whether a piece of it has come.
        stopped: whether it has ended.
    """

    def __init__(self, number: int, kind: str, compared: Comparisons) -> None:
        self.number = number
        self.kind = kind
        self.call = CallPieces(number, compared)
        self.fields: Mapping[str, object] = {}
        self.came = False
        self.stopped = False


class MessagesDecoder:
    """Decodes the events of one stream to parts.

    Raises:
        WireError: when called: the event does not fit the protocol, or contradicts earlier events.
        ProviderError: when called: the event is an error.

    Example:
        >>> decode = MessagesDecoder()
        >>> decode(ServerEvent("", b'{"type": "content_block_delta", "delta": {"text": "Hi"}}'))
        ['Hi']
        >>> decode(ServerEvent("", b'{"type": "message_delta", "delta": {"stop_reason": "end_turn"}}'))
        [Finish(reason='end_turn')]
    """

    def __init__(self) -> None:
        self._blocks: dict[int, _Block] = {}  # the last block of each index
        self._calls: list[_Block] = []  # and results of tools of the provider
        self._number = 0  # of the next block
        self._next = 0  # the next index
        self._last = 0  # the index of the block that began last
        self._text = _NOWHERE  # the index of the text block of the last piece
        self._announced = False  # there was a start event of a block
        self._spoke = False  # a part for the reader has come
        self._others = False  # there were pieces of unknown types
        self._whole: list[object] = []  # the whole content, if the first event has it
        self._said: list[str] = []  # then: the text that has come
        self._compared = Comparisons()
        self._counted = Counts()
        self._finished = False
        self._ended = False

    def __call__(self, event: ServerEvent) -> list[Decoded]:
        """Return the parts of an event; none if its type is unknown."""
        try:
            known = parsed(_EVENT, event.data)
        except WireError:
            if self._ended or _says_nothing(event):
                return []
            raise
        if known.get("type") == "content_block_delta" and known.get("index") == self._text:
            delta = known.get("delta")
            if delta is not None and delta.get("type") == "text_delta":
                text = delta.get("text")
                if type(text) is str:  # most events have only text
                    return [text]
        return list(self._rarer(known, event))

    def _rarer(self, known: Event, event: ServerEvent) -> Iterator[Decoded]:
        """Return the parts of an event of any form."""
        kind = known.get("type") or (event.name if event.name in _HANDLERS else "")
        if self._ended or event.name == "ping":
            return
        if (handle := _HANDLERS.get(kind)) is not None:
            yield from handle(self, known)
        elif kind == "error":
            ServerEvent("error", event.data).raise_error()
        elif not kind:
            ServerEvent("", event.data).raise_error()
            if known:
                raise WireError("an event has no type")

    # -- blocks ------------------------------------------------------------------------------------------

    def block_begins(self, event: Event) -> Iterator[Decoded]:
        """Take the beginning of a block."""
        if (fields := event.get("content_block")) is None:
            raise WireError("a block begins without a block")
        yield from self._begin(fields, _place(event))

    def block_stops(self, event: Event) -> Iterator[Decoded]:
        """Take the end of a block."""
        place = _place(event)
        if (block := self._blocks.get(self._last if place is None else place)) is not None:
            yield from self._stop(block)

    def _begin(self, fields: Mapping[str, object], place: int | None) -> Iterator[Decoded]:
        """Begin a block with the fields of its start event."""
        self._text = _NOWHERE
        self._announced = True
        kind, call_id = kind_of(fields), identifier(fields.get("id"))
        place = self._next if place is None else place
        block = self._blocks.get(place)
        if block is not None and not block.stopped and (block.kind != kind or block.call.id != call_id):
            yield from self._stop(block)  # another block begins with this index
        if block is None or block.stopped:
            block = self._new(kind, place)
        elif block.came:
            raise WireError("a block began a second time, after pieces of it had come")
        if kind == TEXT:
            if text := text_of(fields.get("text")):
                yield self._say(block, text)
            for citation in list_of(fields.get("citations")):
                yield citation_of(citation)
        elif kind in THOUGHTS:
            yield from self._thought(block, fields)
        elif kind == CALL:
            block.call.begin(call_id, identifier(fields.get("name")), None)
            if not block.call.name:
                raise WireError("a call began without the name of its tool")
            block.call.rest = rest_of(fields, OF_CALL)
            block.call.begin_with(arguments_of(fields.get("input")))
            self._spoke = True
            yield from block.call.news()
        else:
            block.fields = fields
            block.call.begin_with(arguments_of(fields.get("input")))
            yield Progress()

    def _stop(self, block: _Block) -> Iterator[Decoded]:
        """End a block, which may have ended already."""
        self._text = _NOWHERE
        again, block.stopped = block.stopped, True
        if block.kind == CALL:
            block.call.end("")
            yield from block.call.news()
        elif block.kind not in SPEAKERS and block.fields and not again:
            block.call.end("")
            yield of_server(block.fields, block.call.arguments)

    def _new(self, kind: str, place: int) -> _Block:
        block = self._blocks[place] = _Block(self._number, kind, self._compared)
        self._number += 1
        self._last = place
        self._next = max(self._next, place + 1)
        if kind not in SPEAKERS:
            self._calls.append(block)
        return block

    def _block_of_piece(self, kind: str, place: int | None) -> _Block:
        """Return the block of a piece; it begins with the piece if it had no start event."""
        place = self._last if place is None else place
        block = self._blocks.get(place)
        if block is None:
            if kind == CALL or (self._announced and place != self._next):
                raise WireError("a piece came for a block that has not begun: an event is missing")
            block = self._new(kind, place)
        elif block.stopped:
            raise WireError("a piece came for a block that has ended: an event is missing")
        elif kind != block.kind and (block.kind == CALL or (kind == CALL and block.kind in SPEAKERS)):
            raise WireError(f"a piece of a {kind} block came for a block of the type {block.kind}")
        return block

    def piece(self, event: Event) -> Iterator[Decoded]:
        """Take a piece of a block."""
        delta, place = event.get("delta"), _place(event)
        if delta is None:
            raise WireError("a piece has no delta")
        kind = delta.get("type") or next((kind for kind, name in _FIELDS.items() if name in delta), None)
        if (name := _FIELDS.get(str(kind))) is None:
            self._others = True
            return
        if name not in delta:
            raise WireError(f"a piece has no {name}")
        value = cast("Mapping[str, object]", delta)[name]
        if kind == "citations_delta":
            yield citation_of(value)
        elif kind == "input_json_delta":
            if piece := arguments_of(value):
                block = self._block_of_piece(CALL, place)
                block.came = True
                block.call.add(piece)
                yield Progress()
                if block.kind == CALL:
                    yield from block.call.news()
        elif text := text_of(value):
            block = self._block_of_piece(TEXT if kind == "text_delta" else "thinking", place)
            if kind == "text_delta":
                yield self._say(block, text)
                self._text = _NOWHERE if self._whole or place is None else place
            else:
                yield from self._thought(block, cast("Mapping[str, object]", delta))

    def _say(self, block: _Block, text: str) -> str:
        """Note a text that the reader gets."""
        block.came = self._spoke = True
        if self._whole:
            self._said.append(text)
        return text

    def _thought(self, block: _Block, fields: Mapping[str, object]) -> Iterator[Decoded]:
        """Return reasoning, or a piece of it."""
        thought, signature = text_of(fields.get("thinking")), text_of(fields.get("signature")) or None
        hidden = text_of(fields.get("data"))
        if thought or signature or hidden:
            block.came = self._spoke = True
            sign = signature or hidden or None
            yield Reasoning(thought, sign, index=block.number, redacted=bool(hidden), opaque=_OPAQUE)
        else:
            yield Progress()

    # -- the answer --------------------------------------------------------------------------------------

    def starts(self, event: Event) -> Iterator[Decoded]:
        """Take the beginning of the answer."""
        message = event.get("message")
        if message is None:
            raise WireError("a message begins without a message")
        if self._finished:
            yield from self.stops(event)  # what follows is another answer
            return
        if self._number:
            raise WireError(f"the answer began a second time, after {self._number} of its blocks")
        self._whole = list_of(message.get("content"))
        yield identity_of(message)
        yield from self._counted.take(message, final=False)

    def ends(self, event: Event) -> Iterator[Decoded]:
        """Take the stop reason, if the event has one, and a count of tokens."""
        reason = text_of((event.get("delta") or {}).get("stop_reason"))
        if reason:
            yield from self.whole(self._whole)
            self._finished = True
            yield Finish(reason)
        yield from self._counted.take(cast("Mapping[str, object]", event), final=bool(reason))

    def stops(self, _: Event) -> Iterator[Decoded]:
        """Take the end of the stream."""
        self._ended = self._finished
        self._text = _NOWHERE
        yield from ()

    def whole(self, content: Sequence[object]) -> Iterator[Decoded]:
        """Return the rest when the answer ends.

        Args:
            content: all blocks, if the server has sent them as a whole; they are used if no pieces came.
        """
        fields = [object_of(each) for each in content]
        if not self._number:
            for each in fields:
                if kind_of(each) == TEXT and "text" not in each:
                    raise WireError("a text block has no text")
                yield from self._begin(each, None)
                yield from self._stop(self._blocks[self._last])
        elif said := "".join(text_of(each.get("text")) for each in fields if kind_of(each) == TEXT):
            self._compared.count([said, *self._said], 0)  # the end may come again and again
            missing(self._said, said, of="the text")
        calls, self._calls = self._calls, []
        for block in calls:
            yield from self._stop(block)
        if self._others and not self._spoke:
            raise WireError("all pieces of the answer have unknown types")


_Handler: TypeAlias = Callable[[MessagesDecoder, Event], Iterator[Decoded]]

_HANDLERS: Final[Mapping[str, _Handler]] = MappingProxyType(
    {
        "message_start": MessagesDecoder.starts,
        "content_block_start": MessagesDecoder.block_begins,
        "content_block_delta": MessagesDecoder.piece,
        "content_block_stop": MessagesDecoder.block_stops,
        "message_delta": MessagesDecoder.ends,
        "message_stop": MessagesDecoder.stops,
    }
)


def decode_message(event: ServerEvent) -> list[Decoded]:
    """Decode a whole answer to parts.

    Args:
        event: the body.

    Raises:
        WireError: it is not a message of the Messages API.
        ProviderError: it is an error.

    Example:
        >>> decode_message(ServerEvent("", b'{"content": "Hi", "stop_reason": "end_turn"}'))
        [Identity(response_id=None, model=None), 'Hi', Finish(reason='end_turn')]
    """
    answer = parsed(_OBJECT, event.data)
    if answer.get("type") == "error":
        ServerEvent("error", event.data).raise_error()
    content = answer.get("content")
    if not isinstance(content, list | str):
        event.raise_error()
        raise WireError("the answer has no content")
    told = [{"type": TEXT, "text": content}] if isinstance(content, str) else list_of(answer.get("content"))
    blocks, count = MessagesDecoder().whole(told), Counts().take(answer, final=True)
    parts = [identity_of(answer), *blocks, *count]
    reason = text_of(answer.get("stop_reason"))
    return [*parts, Finish(reason)] if reason else parts


def _place(event: Event) -> int | None:
    """Return the index of the block of an event; None if it has none."""
    index = event.get("index")
    return index if isinstance(index, int) else None


def _says_nothing(event: ServerEvent) -> bool:
    """Return whether an event that cannot be read can be ignored: it is empty, or of an unknown type."""
    if event.name == "ping" or event.data.strip() in {b"", b"[DONE]"}:
        return True
    kind = look(untyped(event.data), "type")
    return isinstance(kind, str) and kind not in _HANDLERS and kind != "error"
