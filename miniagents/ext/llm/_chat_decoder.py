"""Decodes Chat Completions of OpenAI, and the dialects of many other servers.

**The rule:** an answer is refused only if accepting it could lose a text, a call, the order or the end, or
make it wrong.

These deviations from the servers of OpenAI are accepted:

* no ``choices``, ids, models, roles or indexes; ids that are numbers; ``null`` or an empty list for a missing
  field; unknown fields; events and comments between the pieces;
* text as a list of parts, as reasoning models of Mistral send it; reasoning under the two names that servers
  use;
* a whole ``message``, or a ``text``, instead of a ``delta``;
* calls without an index, without an id, or with the same index for all of them. Another id with a name begins
  another call, and so does a name after complete arguments. Arguments may be an object instead of its JSON,
  and a single call may be a ``function_call``;
* a ``finish_reason`` in each chunk: the answer is read until ``[DONE]`` or the end of the body, and the last
  reason counts.

These are refused: an event that is not a JSON object; a text, name or reason of a wrong type; a part of a
text of an unknown type; a call without a name; a whole message after pieces whose text is longer than the
pieces or different; an answer that ends without a reason (unless ``needs_finish_reason=False``); an answer
with text after its reason that ends without another reason or ``[DONE]``. Errors are found in all forms.

Arguments of a call that are not JSON are not refused, since they are a mistake of the model. They stay in the
message unchanged; the tool is not called, and the model is sent the reason.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Final, NamedTuple, TypeAlias, TypeVar, cast

from pydantic import Field, TypeAdapter
from typing_extensions import TypedDict

from miniagents.values import Citation, Finish, JsonError, JsonParser, Refusal, ToolCallDelta, Usage

from ._answer import Count, Decoded, End, Identity, Reason, is_failure
from ._chat_thoughts import Thoughts, attachment_in, thought_in
from ._fields import citations_in, identifier, list_of, with_the_rest
from ._json import ProviderError, WireError, checked, look, parsed, tokens_at, untyped
from ._opaque import opaque
from ._reasons import reason_in
from ._sse import STRAY, ServerEvent

_Anything: TypeAlias = object  # one of the fields has this name


class _Function(TypedDict, total=False):
    name: str | None
    arguments: object


class _Call(TypedDict, total=False):
    index: int | None
    id: object
    function: "_OrNothing[_Function]"
    # What Gemini and LiteLLM need back with the call.
    extra_content: object
    provider_specific_fields: object


class _Said(TypedDict, total=False):
    content: object
    refusal: str | None
    tool_calls: list[_Call] | None
    function_call: "_OrNothing[_Function]"
    annotations: object
    # Reasoning has no field in the protocol; servers use these names.
    reasoning_content: object
    reasoning: object
    # What OpenRouter and MiniMax, LiteLLM, Gemini and OpenAI need back with the message.
    reasoning_details: object
    thinking_blocks: object
    extra_content: object
    audio: object
    images: object


class _Choice(TypedDict, total=False):
    index: int | None
    delta: "_OrNothing[_Said]"
    message: "_OrNothing[_Said]"
    text: str | None
    finish_reason: str | None
    # Of gateways: the reason of the model behind them, and their error.
    native_finish_reason: _Anything
    error: _Anything
    usage: _Anything


class _Chunk(TypedDict, total=False):
    id: _Anything
    model: _Anything
    choices: list[_Choice] | None
    usage: _Anything
    error: _Anything
    object: _Anything
    x_groq: _Anything
    citations: _Anything
    search_results: _Anything


T = TypeVar("T")

# Some servers write `[]` for an empty object. The order matters for speed: nearly all values have the right
# type.
_OrNothing: TypeAlias = Annotated[T | list[None] | None, Field(union_mode="left_to_right")]
_CHUNK: Final = TypeAdapter(_Chunk)
_unchecked: Final = cast("Callable[[bytes], _Chunk]", untyped)  # no field is checked yet


class ChunkDecoder:
    r"""Decodes the events of one stream to parts.

    Raises:
        WireError: when called: a text, a call, the order or the end could be lost.
        ProviderError: when called: the event is an error, in any form.

    Example:
        >>> decode = ChunkDecoder()
        >>> decode(ServerEvent("", b'{"id": "1", "choices": [{"delta": {"content": "Hel"}}]}'))
        ['Hel', Identity(response_id='1', model=None)]
        >>> decode(ServerEvent("", b'{"id": "1", "choices": [{"text": "lo", "finish_reason": "stop"}]}'))
        ['lo', Reason(reason='stop')]
        >>> decode(ServerEvent("", b"[DONE]"))
        [End()]
    """

    def __init__(self) -> None:
        self._id: str | None = None  # None: no event has named the answer yet
        self._calls = _Calls()
        self._cited: set[str] = set()  # the sources of the whole answer that the reader has got
        self._pieces: list[str] = []  # of the text
        self._length_of_messages = 0  # characters that came as messages instead of pieces
        self._thoughts = Thoughts()

    def __call__(self, event: ServerEvent) -> list[Decoded]:
        """Return the parts of an event; none if it has none."""
        data = event.data
        if data[:1] != b"{" and data.strip(b'" ').upper() == b"[DONE]":
            return [*self._thoughts.owed(calls=self._calls.begun), End()]
        given = _unchecked(data)
        if text := self._only_text(given):
            self._pieces.append(text)
            return [text]
        chunk = checked(_CHUNK, given)
        return self._rarer(chunk, _first(chunk), event)

    def _only_text(self, chunk: _Chunk) -> str:
        """Return the text of an event that says nothing else, as most do; no text for any other event.

        Its other fields are not validated: that would take a quarter of the time of an event.
        """
        if type(chunk) is not dict:  # pyright: ignore[reportUnnecessaryComparison] - nothing is checked yet
            return ""
        choices = chunk.get("choices")
        if type(choices) is not list or len(choices) != 1:
            return ""
        choice = choices[0]
        if type(choice) is not dict:  # pyright: ignore[reportUnnecessaryComparison] - nothing is checked yet
            return ""
        said = choice.get("delta")
        if choice.get("index") or type(said) is not dict or len(said) != 1:
            return ""
        more = choice.get("finish_reason") or chunk.get("usage") or chunk.get("error") or choice.get("error")
        more = more or chunk.get("x_groq") or chunk.get("object") == "error"
        text = said.get("content")
        return text if not more and type(text) is str and (chunk.get("id") or "") == self._id else ""

    def _rarer(self, chunk: _Chunk, choice: _Choice | None, event: ServerEvent) -> list[Decoded]:
        """Return the parts of an event of any form."""
        _check_error(chunk, event)
        parts: list[Decoded] = [] if choice is None else self._said(choice)
        parts += _sources(chunk, parts, self._cited)
        finish = "" if choice is None else _reason_in(choice)
        if error := (choice or {}).get("error") or look(chunk.get("x_groq"), "error"):
            parts.append(_failure(error))
        elif finish:
            parts += [*self._thoughts.owed(calls=self._calls.begun), Reason(finish)]
        elif choice is None:
            parts += self._thoughts.owed(calls=self._calls.begun)
        answer_id = identifier(chunk.get("id")) or ""
        if answer_id != self._id:
            self._id = answer_id
            parts.append(Identity(answer_id, identifier(chunk.get("model"))))
        if (usage := _counted(chunk, choice)) is not None:
            # The last count is in a chunk without choices, or in that of the reason; some servers count in
            # each.
            parts.append(_count(usage, final=choice is None or bool(finish)))
        return parts

    def _said(self, choice: _Choice) -> list[Decoded]:
        """Return the parts of a choice: of its piece, or of what some servers send instead."""
        delta, message = choice.get("delta"), choice.get("message")
        if delta is None and message:
            return self._message(message)
        parts: list[Decoded] = list(_parts_of(delta, self._calls, self._thoughts))
        if delta is None and (text := choice.get("text")):
            parts.append(text)
        self._pieces += [part for part in parts if isinstance(part, str)]
        return parts

    def _message(self, message: "_Said | list[None]") -> list[Decoded]:
        """Return the parts of a message that came instead of a piece; after pieces, it may only repeat."""
        # It may also repeat whole calls that are known already.
        parts = list(_parts_of(message, self._calls, self._thoughts, whole=True))
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
                "or they differ, so the text is not known"
            )
        return [part for part in parts if isinstance(part, ToolCallDelta)]


def decode_completion(event: ServerEvent) -> list[Decoded]:
    """Decode a whole answer to parts.

    Args:
        event: the body.

    Raises:
        WireError: it is not a Chat Completion.
        ProviderError: it is an error.

    Example:
        >>> decode_completion(ServerEvent("", b'{"choices": [{"message": {"content": "Hi"}}]}'))
        [Identity(response_id='', model=None), 'Hi', End()]
    """
    answer = parsed(_CHUNK, event.data)
    _check_error(answer, event)
    choice = _first(answer)
    said = None if choice is None else choice.get("message") or choice.get("delta")
    text = None if choice is None else choice.get("text")
    if choice is None or (said is None and text is None and not _reason_in(choice)):
        raise WireError("the answer has no choices")
    parts: list[Decoded] = [Identity(identifier(answer.get("id")) or "", identifier(answer.get("model")))]
    calls, thoughts = _Calls(), Thoughts()
    parts += _parts_of(said, calls, thoughts, whole=True)
    parts += thoughts.owed(calls=calls.begun)
    if said is None and text:
        parts.append(text)
    parts += _sources(answer, parts, set())
    if (usage := _counted(answer, choice)) is not None:
        parts.append(_count(usage, final=True))
    if error := choice.get("error"):
        parts.append(_failure(error))
    else:
        # If the server sends no reason, the end of the JSON is the end of the answer.
        parts.append(Finish(reason) if (reason := _reason_in(choice)) else End())
    return parts


_NO_REASON: Final = frozenset({"null", "none"})


def _check_error(chunk: _Chunk, event: ServerEvent) -> None:
    if chunk.get("error") or chunk.get("object") == "error":  # the second is vLLM's flat form
        ServerEvent("error", event.data).raise_error()
    if not chunk.get("choices"):
        ServerEvent(STRAY, event.data).raise_error()


def _first(chunk: _Chunk) -> _Choice | None:
    for choice in chunk.get("choices") or ():
        if not choice.get("index"):
            return choice
    return None


def _reason_in(choice: _Choice) -> str:
    """Return the finish reason; ``""`` if there is none."""
    reason, native = choice.get("finish_reason") or "", choice.get("native_finish_reason")
    if reason.lower() in _NO_REASON:
        return ""
    return native if reason and isinstance(native, str) and is_failure(native) else reason


def _failure(error: object) -> ProviderError:
    """Return the error in a choice."""
    reason = reason_in(error)
    return ProviderError(reason.kind, reason.text)


def _parts_of(
    said: "_Said | list[None] | None", calls: "_Calls", thoughts: Thoughts, *, whole: bool = False
) -> Iterator[Decoded]:
    if not said or isinstance(said, list):
        return
    yield from thoughts.parts(cast("Mapping[str, object]", said), whole=whole)
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
    yield from citations_in(list_of(said.get("annotations")))


# -- text as a list of parts -----------------------------------------------------------------------------

_THOUGHTS: Final = frozenset({"thinking", "reasoning"})
_NO_TEXTS: Final = frozenset({"reference", "image_url", "image", "audio", "input_audio", "file"})


def _parts_in(content: object) -> Iterator[Decoded]:
    """Return the parts of a text that is a list of parts.

    Raises:
        WireError: it is not a list, or has a part of an unknown type.
    """
    if not isinstance(content, list):
        raise WireError(f"a text is of the type {type(content).__name__}")
    for part in cast("list[object]", content):
        given = look(part, "type")
        kind = given if isinstance(given, str) else ""
        if kind in _THOUGHTS:
            thought = _text_of(next((each for name in (kind, "text") if (each := look(part, name))), None))
            yield thought_in(part, thought)
        elif isinstance(text := look(part, "text"), str):
            yield text
        elif kind == "refusal" and isinstance(refusal := look(part, "refusal"), str):
            yield Refusal(refusal)
        elif (attachment := attachment_in(part)) is not None:
            yield attachment
        elif kind == "reference":
            yield from (Citation(str(each)) for each in list_of(look(part, "reference_ids")))
        elif kind not in _NO_TEXTS:
            raise WireError("a text has a part that is not text")


def _text_of(thought: object) -> str:
    """Return the text of reasoning, which may be a list of parts itself."""
    parts = cast("list[object]", thought) if isinstance(thought, list) else [thought]
    texts = [part if isinstance(part, str) else look(part, "text") for part in parts]
    return "".join(text for text in texts if isinstance(text, str))


# -- calls -----------------------------------------------------------------------------------------------


class _Piece(NamedTuple):
    """A piece of one call in one event; a text that the event does not have is empty.

    `kept` is what the server needs back.
    """

    place: int | None
    id: str
    name: str
    arguments: str
    kept: str | None

    @classmethod
    def of(cls, call: _Call) -> "_Piece":
        """Return the piece of a call."""
        function = call.get("function")
        given = function if function and not isinstance(function, list) else _Function()
        arguments = _arguments(given.get("arguments"))
        extra, fields = call.get("extra_content"), call.get("provider_specific_fields")
        kept = {name: each for name, each in zip(_KEPT, (extra, fields), strict=True) if each}
        told = opaque(call=kept) if kept else None
        call_id = identifier(call.get("id")) or ""
        return cls(call.get("index"), call_id, given.get("name") or "", arguments, told)


_KEPT: Final = ("extra_content", "provider_specific_fields")


def _arguments(given: object) -> str:
    """Return arguments as a text; some servers send an object instead of its JSON."""
    if isinstance(given, str):
        return given
    return json.dumps(given, ensure_ascii=False) if given or isinstance(given, int | float) else ""


@dataclass(slots=True, eq=False)
class _Begun:
    """A call that has begun.

    Attributes:
        number: its index in the answer.
        id: from the server; empty if the server gives none.
        name: of the tool.
        event: the number of the last event with a piece of it.
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
        """Whether the arguments are complete JSON, so that no further piece can belong to them."""
        pieces, self._read = self.pieces[self._read :], len(self.pieces)
        try:
            for piece in pieces:
                if self._parser is not None:
                    self._parser.feed(piece)
        except JsonError:
            self._parser = None
        return self._parser is not None and self._parser.closed

    def is_said_again_by(self, piece: _Piece) -> bool:
        """Return whether a piece repeats this whole call, since JSON cannot continue with all of itself."""
        same = bool(piece.id and piece.name) and piece.id == self.id
        return same and bool(piece.arguments) and self.whole and piece.arguments == "".join(self.pieces)


class _Calls:
    """Finds the call of each piece: some servers give no index or id, others all calls the same index."""

    def __init__(self) -> None:
        self._taken: set[int] = set()  # the numbers of calls
        self._next = 0  # greater than all of them
        self._events = 0  # the count of events with calls
        self._by_place: dict[int, _Begun] = {}
        self._by_id: dict[str, _Begun] = {}
        self._last: _Begun | None = None

    @property
    def begun(self) -> bool:
        """Whether there is a call."""
        return bool(self._taken)

    def deltas(self, pieces: Sequence[_Call], *, whole: bool = False) -> Iterator[ToolCallDelta]:
        """Return pieces of calls with the indexes of their calls.

        Args:
            pieces: of one event.
            whole: whether each is a whole call.

        Raises:
            WireError: a piece may belong to several calls.
        """
        self._events += 1
        if whole and self._taken and not all(identifier(each.get("id")) for each in pieces):
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
            if call_id := call.id or piece.id:
                call.id = call_id
                self._by_id[call_id] = call
            call.pieces.append(piece.arguments)
            call.event = self._events
            self._last = call
            yield ToolCallDelta(
                call.number,
                (call.id or None) if begins else None,
                None if named else piece.name or None,
                piece.arguments,
                opaque=piece.kept,
            )

    def _of(self, piece: _Piece) -> _Begun | None:
        """Return the call to which a piece seems to belong."""
        call = self._last if piece.place is None else self._by_place.get(piece.place)
        if call is None or not piece.id or piece.id == call.id or (piece.place is not None and not call.id):
            return call
        # Older versions of vLLM give each piece another id; only the first piece of a call has a name.
        return self._by_id.get(piece.id) or (None if piece.name else call)

    def _is_another(self, call: _Begun, piece: _Piece) -> bool:
        """Return whether a piece begins another call than the one with its index."""
        if not piece.name or not call.name or (piece.id and piece.id == call.id):
            return False
        if call.event == self._events:
            return True
        if piece.name == call.name:
            return bool(piece.arguments.strip()) and call.whole
        if piece.place is not None and not any(map(str.strip, call.pieces)):
            raise WireError("a call has two names, or two calls have one index")
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


def _sources(chunk: _Chunk, parts: Iterable[Decoded], known: set[str]) -> list[Decoded]:
    """Return the new sources of the whole answer, which Perplexity and xAI send beside the choices."""
    known.update(part.source for part in parts if isinstance(part, Citation))
    found = [(look(each, "url"), look(each, "title")) for each in list_of(chunk.get("search_results"))]
    found += [(each, None) for each in list_of(chunk.get("citations"))]
    new: list[Decoded] = []
    for address, title in found:
        if isinstance(address, str) and address not in known:
            known.add(address)
            new.append(Citation(address, title if isinstance(title, str) else None))
    return new


def _counted(chunk: _Chunk, choice: _Choice | None) -> object:
    """Return the usage of an event; Groq and Moonshot have other places for it."""
    usage = chunk.get("usage")
    if usage is None and (usage := look(chunk.get("x_groq"), "usage")) is None and choice is not None:
        usage = choice.get("usage")
    return usage


def _count(usage: object, *, final: bool) -> Count:
    def first(*paths: tuple[str, ...]) -> int | None:
        return next((number for path in paths if (number := tokens_at(usage, *path)) is not None), None)

    counted = Usage(
        tokens_at(usage, "prompt_tokens"),
        tokens_at(usage, "completion_tokens"),
        first(("prompt_tokens_details", "cached_tokens"), ("prompt_cache_hit_tokens",), ("cached_tokens",)),
        first(("completion_tokens_details", "reasoning_tokens"), ("reasoning_tokens",)),
        # A proxy before a model of Anthropic sends the second field, under the name of Anthropic.
        first(("prompt_tokens_details", "cache_write_tokens"), ("cache_creation_input_tokens",)),
    )
    return Count(with_the_rest(counted, tokens_at(usage, "total_tokens")), final=final)
