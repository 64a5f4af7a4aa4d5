"""``resolve``: turns message promises into messages."""

from collections.abc import Callable
from typing import ClassVar, TypeVar, cast

from reactivex import Observable
from typing_extensions import override

from miniagents.messages import Message, MessagePromise, MessageSequencePromise
from miniagents.messages._sequence import lifted
from miniagents.messages._tokens import TokenTransformer, write_with
from miniagents.streams import StreamedPromise
from miniagents.streams._buffer import ReplayBuffer

M = TypeVar("M")


class _Resolved(TokenTransformer[Message]):
    """Writes every message when it is complete."""

    __slots__ = ()

    whole_messages: ClassVar[bool] = True

    @override
    def end_message(self, message: Message, /) -> None:
        self.target.append(message)


def resolve() -> Callable[[Observable[MessagePromise[M]]], Observable[M]]:
    """``Observable[MessagePromise[M]] -> Observable[M]``: emit each message when it is complete, in order.

    A message that fails ends the result with its error, after the messages before it.

    Returns:
        A cold operator.

    Example:
        >>> import reactivex as rx
        >>> from miniagents import MiniAgents
        >>> from miniagents.operators import as_messages, resolve
        >>> MiniAgents().run(rx.of("hello").pipe(as_messages(), resolve()))[0].text
        'hello'
    """

    def transform(received: MessageSequencePromise[Message]) -> StreamedPromise[Message, object]:
        resolved = _Resolved(ReplayBuffer(received.buffer.context))
        return StreamedPromise[Message, object].over(write_with(received, resolved))

    return cast("Callable[[Observable[MessagePromise[M]]], Observable[M]]", lifted(transform))
