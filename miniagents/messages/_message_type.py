"""``MessageType``: everything that is accepted as messages, and how it becomes messages.

Rule of this module: **arguments are read at the call.** Lists, dicts and generators are read at once, so
changing them later changes nothing. Only streams (a promise, an async iterable, an Observable) are read as
they come. The walk is iterative; nesting is limited.
"""

from asyncio import Future
from collections.abc import AsyncIterable, Callable, Collection, Iterable, Iterator, Mapping
from typing import Final, TypeAlias, TypeGuard, Union, cast

from pydantic import BaseModel
from reactivex import Observable
from typing_extensions import TypeVar

from miniagents.streams import StreamedPromise
from miniagents.streams._context import Context
from miniagents.streams._stream import TokenStream
from miniagents.values import NestingError

from ._copies import TokenMessage
from ._message import M_co, Message, MessagePromise, failed_message, text_message
from ._role_dicts import RoleDictError, message_of_role, refuse_pair

# -- message type ---------------------------------------------------------------------------------------

MAX_DEPTH = 64
BINARY: tuple[type[object], ...] = (bytes, bytearray, memoryview)  # these are iterables of numbers
_NO_COLLECTIONS: tuple[type[object], ...] = (*BINARY, Future)  # a task or future is iterable only for `await`

MessageType: TypeAlias = Union[
    str,
    Mapping[str, object],
    BaseModel,
    Exception,
    "StreamedPromise[object, object]",
    "Observable[MessageType]",
    Iterable["MessageType"],
    AsyncIterable["MessageType"],
    None,
]
"""Everything that ``inquire``, ``reply`` and the operators accept as messages.

* a text; a message; ``{"role": "user", "content": ...}``, as in OpenAI's and Anthropic's libraries: a message
  with that role; any other mapping (it becomes ``Message(**mapping)``); any other pydantic model (its fields
  become a message),
* an exception, which is raised in its place,
* a promise, an Observable, an async iterable: their messages, as they come,
* the ``tokens`` of a message or a sequence: one message, which streams as they come,
* any iterable of all these, nested 64 levels deep at most,
* None, but not inside an iterable: no messages.
"""

WHOLE = TypeVar("WHOLE", covariant=True, default=object)  # noqa: PLC0105 - as in StreamedPromise


class FlatStream(StreamedPromise[MessagePromise[M_co], WHOLE]):
    """A stream whose pieces are all message promises, so that it is flat already.

    Example:
        >>> from miniagents import MessageSequencePromise
        >>> issubclass(MessageSequencePromise, FlatStream)
        True
    """

    __slots__ = ()


Piece: TypeAlias = MessagePromise[Message] | FlatStream[Message, object]
Opener: TypeAlias = Callable[[Observable[object] | AsyncIterable[object]], FlatStream[Message, object]]


def pieces_of(value: object, context: Context, open_stream: Opener) -> list[Piece]:
    """Flatten ``value`` into message promises and streams, in order.

    Args:
        value: any ``MessageType``.
        context: the owner of the promises that are made here.
        open_stream: turns an async iterable or an Observable into a promise of a flat sequence.

    Raises:
        TypeError: an item of it is not a ``MessageType``; the text names its type and its position.
        NestingError: collections are nested more than 64 deep.
    """
    if value is None:
        return []
    # The most frequent cases come first and without a walk, at a third of its cost.
    one = one_message(value, context)
    if one is not None:
        return [one]
    # All items are read before anything is started: the value is taken as a whole or not at all.
    given = _flat(value)
    if are_messages(given):
        return cast("list[Piece]", given)
    return [
        MessagePromise.of_message(context, item)
        if type(item) is Message
        else _piece(item, context, open_stream)
        for item in given
    ]


def one_message(value: object, context: Context) -> MessagePromise[Message] | None:
    """Return the promise of ``value`` if it is a single message; None if it is anything else.

    Args:
        value: any ``MessageType``.
        context: the owner of the promise, if one is made here.

    Example:
        >>> from miniagents import MiniAgents
        >>> async def main():
        ...     context = MiniAgents.current()
        ...     print(await one_message("one", context), one_message(["one"], context))
        >>> MiniAgents().run(main())
        one None
    """
    if type(value) is MessagePromise:
        return value
    if isinstance(value, str):
        return MessagePromise.of_message(context, text_message(value))
    if isinstance(value, Message):
        return MessagePromise.of_message(context, value)
    return None


def flat_messages(value: object) -> list[MessageType]:
    """Return all items of ``value``, without their collections, in order; start nothing, need no context.

    Args:
        value: any ``MessageType``.

    Returns:
        Messages, exceptions and streams.

    Raises:
        TypeError: an item cannot become a message; the text names its type and its position.
        NestingError: collections are nested more than 64 deep.

    Example:
        >>> [str(message) for message in flat_messages(["one", [{"text": "two"}]])]
        ['one', 'two']
    """
    return [] if value is None else cast("list[MessageType]", _flat(value))


def _flat(value: object) -> list[object]:
    """Return all messages, streams and errors in ``value``, in order; nothing is started."""
    found: list[object] = []
    stack: list[Iterator[tuple[int, object]]] = [iter([(0, value)])]
    path: list[int] = []
    while stack:
        step = next(stack[-1], None)
        if step is None:
            stack.pop()
            if path:
                path.pop()
            continue
        index, item = step
        try:
            single = _single(item)
            if single is None:
                _check_pair(item, nested=len(stack) > 1)
        except RoleDictError as error:
            at = _where(path, index)
            raise TypeError(f"{error} (at {at} of what was given)" if at else str(error)) from None
        if single is not None:
            found.append(single)
        elif _is_collection(item):
            if len(stack) > MAX_DEPTH:
                raise NestingError(
                    f"Messages are nested more than {MAX_DEPTH} collections deep; flatten them first."
                )
            if isinstance(item, _PLAIN) and _LEAVES.issuperset(map(type, cast("Collection[object]", item))):
                found.extend(cast("Collection[object]", item))
                continue
            stack.append(enumerate(cast("Iterable[object]", item)))
            path.append(index)
        else:
            raise TypeError(_refusal(item, _where(path, index)))
    return found


_LEAVES: Final = frozenset({Message, MessagePromise})
_PLAIN = (list, tuple)  # the most frequent collections; they are checked as a whole, at the speed of C


def are_messages(items: Collection[object]) -> TypeGuard[list[MessagePromise[Message]]]:
    """Return whether all of ``items`` are message promises, at the speed of C."""
    return {MessagePromise}.issuperset(map(type, items))


def _is_collection(item: object) -> bool:
    return isinstance(item, Iterable) and not isinstance(item, _NO_COLLECTIONS)


# Tuples, made once: `A | B` would make an object at each use.
_SINGLE: Final = (StreamedPromise, Message, Exception, Observable, AsyncIterable)
_FLAT: Final = (MessagePromise, FlatStream)


def _single(item: object) -> object:
    """Return ``item`` as a message, stream or error; None if it is a collection or of an unknown type."""
    if type(item) is Message or type(item) is MessagePromise:  # the most frequent ones first
        return cast("object", item)
    if isinstance(item, str):
        return text_message(item)
    if isinstance(item, _SINGLE):
        return cast("object", item)
    if isinstance(item, BaseModel):
        return _from_mapping(dict(item))
    if isinstance(item, Mapping):
        return _from_mapping(cast("Mapping[object, object]", item))
    return None


def _piece(item: object, context: Context, open_stream: Opener) -> Piece:
    if isinstance(item, _FLAT):
        return cast("Piece", item)
    if isinstance(item, Message):
        return MessagePromise.of_message(context, item)
    if isinstance(item, Exception):
        return failed_message(context, item)
    if isinstance(item, StreamedPromise):
        return open_stream(cast("StreamedPromise[object, object]", item).pieces)
    if isinstance(item, TokenStream):
        return TokenMessage(context, item).begin()
    return open_stream(cast("Observable[object] | AsyncIterable[object]", item))


def _from_mapping(fields: Mapping[object, object]) -> Message:
    wrong = [key for key in fields if not isinstance(key, str)]
    if wrong:
        raise TypeError(
            f"A mapping becomes a Message, with its keys as fields: they must be str, not {wrong[0]!r}."
        )
    data = {str(key): value for key, value in fields.items()}
    said = message_of_role(data)
    if said is not None:
        return said
    text = data.pop("text", None)
    if text is not None and not isinstance(text, str):
        raise TypeError(
            f"A mapping becomes a Message, so its 'text' must be str or None; it is {type(text).__name__}."
        )
    return Message(text, **data)


def _where(path: list[int], index: int) -> str:
    """Return the position of an item in the argument, such as ``[1][0]``; empty for the argument itself."""
    return "".join(f"[{each}]" for each in [*path[1:], index]) if path else ""


def _check_pair(item: object, *, nested: bool) -> None:
    # The argument itself may be a list of two texts, of which the first happens to be "user".
    if isinstance(item, _PLAIN if nested else tuple):
        pair = cast("list[object] | tuple[object, ...]", item)
        if len(pair) == 2:  # noqa: PLR2004 - a pair
            refuse_pair(pair[0], pair[1])


def _refusal(item: object, where: str) -> str:
    at = f" at {where} of what was given" if where else ""
    what = "None" if item is None else f"a value of type {type(item).__name__}"
    return (
        f"{what}{at} cannot become a message. Give a str, a mapping, a Message or another pydantic model, "
        "a promise, an exception, an Observable, or an iterable or async iterable of these."
    )
