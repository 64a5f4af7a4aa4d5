"""What may be given wherever messages are taken: ``MessageType``, and how it becomes messages.

Rule of this module: **what is given is taken as it is at the call.** Lists, dicts and generators are read at
once, so changing them later changes nothing; only what is itself a stream (a promise, an async iterable, an
Observable) is left to come in its own time. The walk is iterative; nesting is capped.
"""

from collections.abc import AsyncIterable, Callable, Collection, Iterable, Iterator, Mapping
from typing import Final, TypeAlias, TypeGuard, Union, cast

from pydantic import BaseModel
from reactivex import Observable
from typing_extensions import TypeVar

from miniagents.values import NestingError

from ._context import Context
from ._message import M_co, Message, MessagePromise, failed_message, text_message
from ._promise import StreamedPromise
from ._stream import TokenStream
from ._token_message import TokenMessage

MAX_DEPTH = 64
BINARY: tuple[type[object], ...] = (bytes, bytearray, memoryview)  # iterable, but of numbers

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
"""Whatever ``inquire``, ``reply`` and the operators take for messages.

* a text; a mapping (``Message(**it)``); a message; any other pydantic model (its fields),
* an exception, which is raised where it stands,
* a promise, an Observable, an async iterable: their messages when they come,
* the ``tokens`` of a message or a sequence: one message, which streams as they come,
* any iterable of all these, nested 64 levels deep at most,
* None at the top: no messages.
"""

WHOLE = TypeVar("WHOLE", covariant=True, default=object)  # noqa: PLC0105 - as in StreamedPromise


class FlatStream(StreamedPromise[MessagePromise[M_co], WHOLE]):
    """A stream of which every piece is a message promise: nothing in it needs flattening any more.

    Example:
        >>> from miniagents import MessageSequencePromise
        >>> issubclass(MessageSequencePromise, FlatStream)
        True
    """

    __slots__ = ()


Piece: TypeAlias = MessagePromise[Message] | FlatStream[Message, object]
Opener: TypeAlias = Callable[[Observable[object] | AsyncIterable[object]], FlatStream[Message, object]]


def pieces_of(value: object, context: Context, open_stream: Opener) -> list[Piece]:
    """Flatten ``value`` into message promises and the streams between them, in order.

    Args:
        value: any ``MessageType``.
        context: who owns the promises made here.
        open_stream: turns an async iterable or an Observable into a promise of a flat sequence.

    Raises:
        TypeError: something in it is no ``MessageType``; the text names its type and where it stands.
        NestingError: collections are nested more than 64 deep.
    """
    if value is None:
        return []
    # What is given most comes first and without a walk: a third of what the walk costs.
    one = one_message(value, context)
    if one is not None:
        return [one]
    # All of it, before anything is started: it is taken as a whole or not at all.
    single = _single(value)
    given = _flat(value) if single is None else [single]
    if are_messages(given):
        return cast("list[Piece]", given)
    return [
        MessagePromise.of_message(context, item)
        if type(item) is Message
        else _piece(item, context, open_stream)
        for item in given
    ]


def one_message(value: object, context: Context) -> MessagePromise[Message] | None:
    """The promise of the one message that ``value`` is as it stands; None if it is anything else.

    Args:
        value: any ``MessageType``.
        context: who owns the promise, if it is made here.

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


def _flat(value: object) -> list[object]:
    """Everything in ``value`` that is one message, stream or error, in order; nothing is started yet."""
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
        single = _single(item)
        if single is not None:
            found.append(single)
        elif _is_collection(item):
            if len(stack) > MAX_DEPTH:
                msg = f"Messages are nested more than {MAX_DEPTH} collections deep; flatten them first."
                raise NestingError(msg)
            if isinstance(item, _PLAIN) and _LEAVES.issuperset(map(type, cast("Collection[object]", item))):
                found.extend(cast("Collection[object]", item))
                continue
            stack.append(enumerate(cast("Iterable[object]", item)))
            path.append(index)
        else:
            raise TypeError(_refusal(item, [*path[1:], index] if path else []))
    return found


_LEAVES: Final = frozenset({Message, MessagePromise})
_PLAIN = (list, tuple)  # what most collections are; the walk looks at them as a whole, at the speed of C


def are_messages(items: Collection[object]) -> TypeGuard[list[MessagePromise[Message]]]:
    """Whether all of ``items`` are message promises; told at the speed of C."""
    return {MessagePromise}.issuperset(map(type, items))


def _is_collection(item: object) -> bool:
    return isinstance(item, Iterable) and not isinstance(item, BINARY)


# Tuples, made once: `A | B` makes an object at each look.
_SINGLE: Final = (StreamedPromise, Message, Exception, Observable, AsyncIterable)
_FLAT: Final = (MessagePromise, FlatStream)


def _single(item: object) -> object:
    """The one message, stream or error that ``item`` is; None if it is a collection or nothing we know."""
    if type(item) is Message or type(item) is MessagePromise:  # what comes most, before what is looked up
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
        return TokenMessage(context, item).start()
    return open_stream(cast("Observable[object] | AsyncIterable[object]", item))


def _from_mapping(fields: Mapping[object, object]) -> Message:
    wrong = [key for key in fields if not isinstance(key, str)]
    if wrong:
        msg = f"A mapping becomes a Message, with its keys as fields: they must be str, not {wrong[0]!r}."
        raise TypeError(msg)
    data = {str(key): value for key, value in fields.items()}
    text = data.pop("text", None)
    if text is not None and not isinstance(text, str):
        msg = f"A mapping becomes a Message, so its 'text' must be str or None; it is {type(text).__name__}."
        raise TypeError(msg)
    return Message(text, **data)


def _refusal(item: object, path: list[int]) -> str:
    where = "".join(f"[{index}]" for index in path)
    at = f" at {where} of what was given" if where else ""
    what = "None" if item is None else f"a value of type {type(item).__name__}"
    return (
        f"{what}{at} cannot become a message. Give a str, a mapping, a Message or another pydantic model, "
        "a promise, an exception, an Observable, or an iterable or async iterable of these."
    )
