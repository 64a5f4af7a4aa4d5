"""``map_messages``: applies a function to whole messages."""

from collections.abc import Callable
from contextvars import copy_context
from typing import TypeVar, cast

from reactivex import Observable
from typing_extensions import override

from miniagents.messages import Message, MessagePromise, MessageSequencePromise
from miniagents.messages._message import failed_message
from miniagents.messages._sequence import lifted
from miniagents.messages._tokens import TokenTransformer, write_with
from miniagents.streams._buffer import ReplayBuffer

M = TypeVar("M", bound=Message)
N = TypeVar("N", bound=Message)


class _MappedMessages(TokenTransformer[MessagePromise[Message]]):
    """Writes the result of the function for each message when the message is complete."""

    __slots__ = ("_function", "_variables")

    def __init__(
        self, target: ReplayBuffer[MessagePromise[Message]], function: Callable[[Message], Message]
    ) -> None:
        super().__init__(target)
        self._function = function
        self._variables = copy_context()  # of the subscriber; the writer of the messages has others

    @override
    def end_message(self, message: Message, /) -> None:
        try:
            mapped = MessagePromise.of_message(
                self.target.context, _checked(self._variables.run(self._function, message))
            )
        except Exception as error:  # noqa: BLE001 - it is the error of this message
            mapped = failed_message(self.target.context, error)
        self.target.append(mapped)

    @override
    def fail_message(self, error: Exception, chain: tuple[str, ...], /) -> bool:
        self.target.append(failed_message(self.target.context, error, chain))
        return True


def _checked(mapped: object) -> Message:
    if isinstance(mapped, Message):
        return mapped
    kind = type(mapped).__name__
    raise TypeError(
        f"The function of map_messages returned a value of type {kind}; it must return a Message."
    )


def map_messages(
    function: Callable[[M], N],
) -> Callable[[Observable[MessagePromise[M]]], Observable[MessagePromise[N]]]:
    """``Observable[MessagePromise[M]] -> Observable[MessagePromise[N]]``.

    It calls ``function`` with each message when the message is complete.

    Args:
        function: from message to message. If it raises, the result has a message that fails in that place,
            and the next messages still arrive.

    Returns:
        A cold operator.

    Example:
        >>> import reactivex as rx
        >>> from miniagents import Message, MiniAgents
        >>> from miniagents.operators import as_messages, map_messages, resolve
        >>> def numbered(message: Message) -> Message:
        ...     return Message(f"1. {message}")
        >>> MiniAgents().run(rx.of("hello").pipe(as_messages(), map_messages(numbered), resolve()))[0].text
        '1. hello'
    """

    def transform(received: MessageSequencePromise[Message]) -> MessageSequencePromise[Message]:
        buffer: ReplayBuffer[MessagePromise[Message]] = ReplayBuffer(received.buffer.context)
        mapped = _MappedMessages(buffer, cast("Callable[[Message], Message]", function))
        return MessageSequencePromise.over(write_with(received, mapped))

    operator = lifted(transform)
    return cast("Callable[[Observable[MessagePromise[M]]], Observable[MessagePromise[N]]]", operator)
