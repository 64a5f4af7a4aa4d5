"""``flatten``: turns sequences of messages into their messages."""

from collections.abc import Callable, Iterable
from typing import TypeVar, cast

from reactivex import Observable

from miniagents.messages import Message, MessagePromise, MessageSequencePromise
from miniagents.messages._sequence import Lifted

M = TypeVar("M", bound=Message)


def flatten() -> Callable[
    [Observable[MessageSequencePromise[M] | Iterable[MessagePromise[M]] | Iterable[M]]],
    Observable[MessagePromise[M]],
]:
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

    def operator(
        source: Observable[MessageSequencePromise[M] | Iterable[MessagePromise[M]] | Iterable[M]],
    ) -> Observable[MessagePromise[M]]:
        flat = Lifted(cast("Observable[object]", source), lambda received: received)
        return cast("Observable[MessagePromise[M]]", flat)

    return operator
