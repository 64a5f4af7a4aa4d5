"""``flatten``: turns sequences of messages into their messages."""

from collections.abc import Callable, Iterable
from typing import Protocol, TypeAlias, TypeVar, cast

from reactivex import Observable

from miniagents.messages import MessagePromise
from miniagents.messages._sequence import Lifted
from miniagents.streams import StreamedPromise

M = TypeVar("M")
M_co = TypeVar("M_co", covariant=True)


class Whole(Protocol[M_co]):
    """A message, by what it can become: a type variable with a bound would lose the class of the message."""

    @property
    def as_promise(self) -> MessagePromise[M_co]:
        """The same message as a promise."""
        ...


Several: TypeAlias = (
    StreamedPromise[MessagePromise[M], object] | Iterable[MessagePromise[M]] | Iterable[Whole[M]]
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

    def operator(source: Observable[Several[M]]) -> Observable[MessagePromise[M]]:
        flat = Lifted(cast("Observable[object]", source), lambda received: received)
        return cast("Observable[MessagePromise[M]]", flat)

    return operator
