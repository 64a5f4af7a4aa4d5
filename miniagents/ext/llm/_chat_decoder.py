"""From what servers of Chat Completions say to parts: OpenAI's own words, and the dialects of many others.

**The rule:** an answer is refused only if text, a call, an order or an end could be lost or wrong by
accepting it.

Understood, beside what OpenAI's servers write:

* no ``choices``, ids, models, roles or places; ids that are numbers; ``null`` or an empty list for what is
  not there; unknown fields, and events and comments between the pieces;
* text as a list of parts, as Mistral's thinking models write it; thoughts under the two names that servers
  give them;
* a whole ``message``, or a ``text``, in place of a ``delta``;
* calls without a place, without an id, or with the same place for all of them: another id with a name is
  another call, and so is a name behind arguments that are whole; arguments as an object instead of its JSON;
  a single ``function_call``;
* a ``finish_reason`` in every chunk: the answer is read on until ``[DONE]`` or the end of the body, and the
  last reason is the reason.

Refused: an event that is no JSON, or no object; text, names or reasons of another type; a part of a text that
is neither text nor known to be none; a call without a name; a whole message that repeats the pieces before it
with more or other text; an answer that ends without a reason (unless ``needs_finish_reason=False``), or, if
text came after its reason, without another one or ``[DONE]``. Errors are found in whichever form they are
written.

What is not refused although it is wrong is the model's doing: arguments of a call that are no JSON. They stay
in the message as they came; the tool is not called, and the model is told.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Final, NamedTuple, TypeAlias, TypeVar, cast

from pydantic import Field, TypeAdapter
from typing_extensions import TypedDict

from miniagents.values import (
    Citation,
    Finish,
    JsonError,
    JsonParser,
    Reasoning,
    Refusal,
    ToolCallDelta,
    Usage,
)

from ._answer import Count, Decoded, End, Identity, Progress, Reason
from ._json import ProviderError, WireError, integer_at, look, parsed
from ._sse import STRAY, ServerEvent, error_of

__all__ = ["ChunkDecoder", "decode_completion"]


_Anything: TypeAlias = object  # one of the fields has this name


class _Function(TypedDict, total=False):
    name: str | None
    arguments: object


class _Call(TypedDict, total=False):
    index: int | None
    id: object
    function: "_OrNothing[_Function]"


class _Said(TypedDict, total=False):
    content: object
    refusal: str | None
    tool_calls: list[_Call] | None
    function_call: "_OrNothing[_Function]"
    annotations: object
    # Reasoning has no field in the protocol; these are the names that servers give it.
    reasoning_content: object
    reasoning: object


class _Choice(TypedDict, total=False):
    index: int | None
    delta: "_OrNothing[_Said]"
    message: "_OrNothing[_Said]"
    text: str | None
    finish_reason: str | None


class _Chunk(TypedDict, total=False):
    id: _Anything
    model: _Anything
    choices: list[_Choice] | None
    usage: _Anything
    error: _Anything
    object: _Anything


T = TypeVar("T")

# Some write `[]` for an empty object. In this order, since nearly all of them are what they should be.
_OrNothing: TypeAlias = Annotated[T | list[None] | None, Field(union_mode="left_to_right")]
_CHUNK: Final = TypeAdapter(_Chunk)


class ChunkDecoder:
    r"""Turns the events of one stream into parts.

    Raises:
        WireError: from a call, if text, a call, an order or an end could be lost.
        ProviderError: from a call, if it is an error, in whichever form servers write one.

    Example:
        >>> decode = ChunkDecoder()
        >>> decode(ServerEvent("", b'{"id": "1", "choices": [{"delta": {"content": "Hel"}}]}'))
        ['Hel', Identity(response_id='1', model=None)]
        >>> decode(ServerEvent("", b'{"id": "1", "choices": [{"text": "lo", "finish_reason": "stop"}]}'))
        ['lo', Reason(reason='stop')]
        >>> decode(ServerEvent("", b"[DONE]"))
        [End()]
    """

    __slots__ = ("_calls", "_id", "_length_of_messages", "_pieces")

    def __init__(self) -> None:
        self._id: str | None = None  # nobody has said who answers
        self._calls = _Calls()
        self._pieces: list[str] = []  # of the text
        self._length_of_messages = 0  # of the text that came as messages in place of pieces

    def __call__(self, event: ServerEvent) -> list[Decoded]:
        """Return the parts of an event; none for what says nothing."""
        if event.name in _ERRORS:
            return _raise(error_of(event))
        if event.data[:1] != b"{" and event.data.strip(b'" ').upper() == b"[DONE]":
            return [End()]
        chunk = parsed(_CHUNK, event.data)
        choices = chunk.get("choices")
        if not choices or choices[0].get("index"):
            return self._rarer(chunk, _first(chunk), event)
        choice = choices[0]
        said = choice.get("delta")
        text = said.get("content") if said and not isinstance(said, list) and len(said) == 1 else None
        more = choice.get("finish_reason") or chunk.get("usage") or chunk.get("error")
        more = more or chunk.get("object") == "error"
        if text and not more and isinstance(text, str) and (chunk.get("id") or "") == self._id:
            self._pieces.append(text)
            return [text]  # most events are no more than text
        return self._rarer(chunk, choice, event)

    def _rarer(self, chunk: _Chunk, choice: _Choice | None, event: ServerEvent) -> list[Decoded]:
        """Return all that an event may bring."""
        _check_error(chunk, event)
        parts: list[Decoded] = [] if choice is None else self._said(choice)
        finish = "" if choice is None else _reason_in(choice)
        if finish:
            parts.append(Reason(finish))
        answer_id = _name(chunk.get("id"))
        if answer_id != self._id:
            self._id = answer_id
            parts.append(Identity(answer_id, _name(chunk.get("model")) or None))
        usage = chunk.get("usage")
        if usage is not None:
            # The last count stands in a chunk without choices, or beside the end; some count in every chunk.
            parts.append(_count(usage, final=choice is None or bool(finish)))
        return parts

    def _said(self, choice: _Choice) -> list[Decoded]:
        """Return what a choice says: a piece, or what some servers write in place of one."""
        delta, message = choice.get("delta"), choice.get("message")
        if delta is None and message:
            return self._message(message)
        parts: list[Decoded] = list(_parts_of(delta, self._calls))
        if delta is None and (text := choice.get("text")):
            parts.append(text)
        self._pieces += [part for part in parts if isinstance(part, str)]
        return parts

    def _message(self, message: "_Said | list[None]") -> list[Decoded]:
        """Return what a message in place of a piece says; one behind pieces may only repeat them."""
        # Whole calls that are known already are repeated, too.
        parts = list(_parts_of(message, self._calls, whole=True))
        text = "".join(part for part in parts if isinstance(part, str))
        came_in_pieces = len(self._pieces) > 0 and not self._length_of_messages
        if not came_in_pieces:
            if text and len(text) >= self._length_of_messages > 0 and text.startswith("".join(self._pieces)):
                raise WireError("a message came again, and may repeat the text before it")
            self._pieces += [text] if text else []
            self._length_of_messages += len(text)
            return parts
        length = sum(map(len, self._pieces))
        if text and (len(text) != length or text != "".join(self._pieces)):
            raise WireError(
                f"the message at the end has {len(text)} characters, and {length} came in pieces, "
                "or they are others, so the text is not known"
            )
        return [part for part in parts if isinstance(part, ToolCallDelta)]


def decode_completion(event: ServerEvent) -> list[Decoded]:
    """Turn a whole answer into parts.

    Args:
        event: the body.

    Raises:
        WireError: if it is no Chat Completion.
        ProviderError: if it is an error in the shape of one.

    Example:
        >>> decode_completion(ServerEvent("", b'{"choices": [{"message": {"content": "Hi"}}]}'))
        [Identity(response_id='', model=None), 'Hi', End()]
    """
    answer = parsed(_CHUNK, event.data)
    _check_error(answer, event)
    choice = _first(answer)
    said = None if choice is None else choice.get("message") or choice.get("delta")
    text = None if choice is None else choice.get("text")
    if choice is None or (said is None and text is None):
        raise WireError("the answer has no choices")
    parts: list[Decoded] = [Identity(_name(answer.get("id")), _name(answer.get("model")) or None)]
    parts += _parts_of(said, _Calls(), whole=True)
    if said is None and text:
        parts.append(text)
    if (usage := answer.get("usage")) is not None:
        parts.append(_count(usage, final=True))
    # The JSON is whole, which is an end by itself where a server says no reason.
    parts.append(Finish(reason) if (reason := _reason_in(choice)) else End())
    return parts


_ERRORS: Final = frozenset({"error", STRAY})
_NO_REASON: Final = frozenset({"null", "none"})


def _raise(error: ProviderError | None) -> list[Decoded]:
    if error is not None:
        raise error
    return []


def _check_error(chunk: _Chunk, event: ServerEvent) -> None:
    if chunk.get("error") or chunk.get("object") == "error":  # the second is vLLM's flat form
        _raise(error_of(ServerEvent("error", event.data)))


def _first(chunk: _Chunk) -> _Choice | None:
    for choice in chunk.get("choices") or ():
        if not choice.get("index"):
            return choice
    return None


def _reason_in(choice: _Choice) -> str:
    """Return why the model stopped; empty if it did not."""
    reason = choice.get("finish_reason") or ""
    return "" if reason.lower() in _NO_REASON else reason


def _name(value: object) -> str:
    """Return a name, which some servers write as a number; empty if there is none."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) else ""


def _parts_of(
    said: "_Said | list[None] | None", calls: "_Calls", *, whole: bool = False
) -> Iterator[Decoded]:
    if not said or isinstance(said, list):
        return
    thought = said.get("reasoning_content") or said.get("reasoning")
    if thought:
        yield Reasoning(thought) if isinstance(thought, str) else Progress()
    content = said.get("content")
    if isinstance(content, str):
        yield content
    elif content is not None:
        yield from _parts_in(content)
    if refusal := said.get("refusal"):
        yield Refusal(refusal)
    pieces = said.get("tool_calls") or ()
    if function := said.get("function_call"):
        pieces = (*pieces, _Call(function=function))
    yield from calls.deltas(pieces, whole=whole)
    annotations = said.get("annotations")
    if isinstance(annotations, list):
        yield from _citations(cast("list[object]", annotations))


# -- text as a list of parts -----------------------------------------------------------------------------

_THOUGHTS: Final = frozenset({"thinking", "reasoning"})
_NO_TEXTS: Final = frozenset({"reference", "image_url", "image", "audio", "input_audio", "file"})


def _parts_in(content: object) -> Iterator[Decoded]:
    """Return what a text says that is a list of parts.

    Raises:
        WireError: it is no list, or a part is neither text nor known to be none.
    """
    if not isinstance(content, list):
        raise WireError(f"a text is of the type {type(content).__name__}")
    for part in cast("list[object]", content):
        given = look(part, "type")
        kind = given if isinstance(given, str) else ""
        if kind in _THOUGHTS:
            thought = _text_of(next((each for name in (kind, "text") if (each := look(part, name))), None))
            yield Reasoning(thought) if thought else Progress()
        elif isinstance(text := look(part, "text"), str):
            yield text
        elif kind == "refusal" and isinstance(refusal := look(part, "refusal"), str):
            yield Refusal(refusal)
        elif kind not in _NO_TEXTS:
            raise WireError("a text has a part that is no text")


def _text_of(thought: object) -> str:
    """Return the text of a thought, which may be a list of parts itself."""
    parts = cast("list[object]", thought) if isinstance(thought, list) else [thought]
    texts = [part if isinstance(part, str) else look(part, "text") for part in parts]
    return "".join(text for text in texts if isinstance(text, str))


# -- calls -----------------------------------------------------------------------------------------------


class _Piece(NamedTuple):
    """What one event says of one call; a text is empty where nothing is said."""

    place: int | None
    id: str
    name: str
    arguments: str

    @classmethod
    def of(cls, call: _Call) -> "_Piece":
        """Read it."""
        function = call.get("function")
        given = function if function and not isinstance(function, list) else _Function()
        arguments = _arguments(given.get("arguments"))
        return cls(call.get("index"), _name(call.get("id")), given.get("name") or "", arguments)


def _arguments(given: object) -> str:
    """Return arguments as a text; some servers write an object in place of its JSON."""
    if isinstance(given, str):
        return given
    return json.dumps(given, ensure_ascii=False) if given or isinstance(given, int | float) else ""


@dataclass(slots=True, eq=False)
class _Begun:
    """A call that has begun.

    Attributes:
        number: its place in the answer.
        id: as the server named it; empty if it did not.
        name: of the tool.
        event: the last one that brought a piece.
        pieces: of its arguments.
    """

    number: int
    id: str
    name: str
    event: int = 0
    pieces: list[str] = field(default_factory=list[str])
    _parser: JsonParser | None = field(default_factory=JsonParser)
    _read: int = 0

    @property
    def whole(self) -> bool:
        """Whether the arguments are whole JSON, behind which nothing more can belong to them."""
        pieces, self._read = self.pieces[self._read :], len(self.pieces)
        try:
            for piece in pieces:
                if self._parser is not None:
                    self._parser.feed(piece)
        except JsonError:
            self._parser = None
        return self._parser is not None and self._parser.closed

    def is_said_again_by(self, piece: _Piece) -> bool:
        """Whether a piece is this whole call once more: no JSON goes on with all of itself."""
        same = bool(piece.id and piece.name) and piece.id == self.id
        return same and bool(piece.arguments) and self.whole and piece.arguments == "".join(self.pieces)


class _Calls:
    """Which call a piece belongs to: not all servers give places or ids, and some give all calls one place.

    A call without an id gets one that is made up, since its result must name one.
    """

    __slots__ = ("_by_id", "_by_place", "_events", "_last", "_next", "_taken")

    def __init__(self) -> None:
        self._taken: set[int] = set()  # the numbers of calls
        self._next = 0  # above all of them
        self._events = 0  # in which calls came
        self._by_place: dict[int, _Begun] = {}
        self._by_id: dict[str, _Begun] = {}
        self._last: _Begun | None = None

    def deltas(self, pieces: Sequence[_Call], *, whole: bool = False) -> Iterator[ToolCallDelta]:
        """Return pieces of calls with the places of these.

        Args:
            pieces: as they came, in one event.
            whole: whether each is a whole call.

        Raises:
            WireError: a piece may belong to one call or to another one.
        """
        self._events += 1
        if whole and self._taken and not all(_name(each.get("id")) for each in pieces):
            raise WireError("whole calls came behind pieces of calls, and may repeat them")
        for each in pieces:
            piece = _Piece.of(each)
            call = self._by_id.get(piece.id) if whole else self._of(piece)
            if whole and call is not None and call.event == self._events:
                call = None  # two calls with one id
            elif call is not None and (whole or call.is_said_again_by(piece)):
                continue
            begins = call is None or self._is_another(call, piece)
            call = self._begin(piece) if call is None or begins else call
            named, call.name = bool(call.name) and not begins, call.name or piece.name
            if identifier := call.id or piece.id:
                call.id = identifier
                self._by_id[identifier] = call
            call.pieces.append(piece.arguments)
            call.event = self._events
            self._last = call
            yield ToolCallDelta(
                call.number,
                (call.id or f"call-{call.number}") if begins else None,
                None if named else piece.name or None,
                piece.arguments,
            )

    def _of(self, piece: _Piece) -> _Begun | None:
        """Return the call that a piece seems to belong to."""
        call = self._last if piece.place is None else self._by_place.get(piece.place)
        if call is None or not piece.id or piece.id == call.id or (piece.place is not None and not call.id):
            return call
        # Older servers of vLLM give each piece an id of its own; only the first one of a call has a name.
        return self._by_id.get(piece.id) or (None if piece.name else call)

    def _is_another(self, call: _Begun, piece: _Piece) -> bool:
        """Whether a piece begins another call than the one that has its place."""
        if not piece.name or not call.name or (piece.id and piece.id == call.id):
            return False
        if call.event == self._events:
            return True
        if piece.name == call.name:
            return bool(piece.arguments.strip()) and call.whole
        if piece.place is not None and not any(map(str.strip, call.pieces)):
            raise WireError("a call has two names, or two calls have one place")
        return True

    def _begin(self, piece: _Piece) -> _Begun:
        number = self._next if piece.place is None or piece.place in self._taken else piece.place
        self._taken.add(number)
        self._next = max(self._next, number + 1)
        call = _Begun(number, piece.id, piece.name)
        if piece.place is not None:
            self._by_place[piece.place] = call
        return call


# -- the rest --------------------------------------------------------------------------------------------


def _citations(annotations: Iterable[object]) -> Iterator[Citation]:
    for each in annotations:
        cited = look(each, "url_citation")
        address, title = look(cited, "url"), look(cited, "title")
        if isinstance(address, str):
            yield Citation(
                address,
                title if isinstance(title, str) else None,
                start=integer_at(cited, "start_index"),
                end=integer_at(cited, "end_index"),
            )


def _count(usage: object, *, final: bool) -> Count:
    written = integer_at(usage, "prompt_tokens_details", "cache_write_tokens")
    counted = Usage(
        integer_at(usage, "prompt_tokens"),
        integer_at(usage, "completion_tokens"),
        integer_at(usage, "prompt_tokens_details", "cached_tokens"),
        integer_at(usage, "completion_tokens_details", "reasoning_tokens"),
        # A proxy before an Anthropic model leaves that in the words of its provider.
        integer_at(usage, "cache_creation_input_tokens") if written is None else written,
    )
    return Count(counted, final=final)
