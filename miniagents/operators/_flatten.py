"""``flatten``: turns sequences of messages into their messages."""

from collections.abc import Callable, Iterable
from typing import TypeAlias, TypeVar, cast

from reactivex import Observable

from miniagents.messages import MessagePromise
from miniagents.messages._message import Finished
from miniagents.messages._sequence import lifted
from miniagents.streams import StreamedPromise

M = TypeVar("M")

Several: TypeAlias = (
    StreamedPromise[MessagePromise[M], object] | Iterable[MessagePromise[M]] | Iterable[Finished[M]]
)


def flatten() -> Callable[[Observable[Several[M]]], Observable[MessagePromise[M]]]:
    """``Observable[MessageSequencePromise[M]] -> Observable[MessagePromise[M]]``.

    It emits the messages of every item, in the order of the items. The sequences themselves run in parallel.

    Returns:
        A cold operator.

    Example:
        >>> import reactivex as rx
        >>> from miniagents import Message, MiniAgents
        >>> from miniagents.operators import flatten, resolve
        >>> source = rx.of([Message("one"), Message("two")], [Message("three")])
        >>> [message.text for message in MiniAgents().run(source.pipe(flatten(), resolve()))]
        ['one', 'two', 'three']
    """
    flat = lifted(lambda received: received)
    return cast("Callable[[Observable[Several[M]]], Observable[MessagePromise[M]]]", flat)
