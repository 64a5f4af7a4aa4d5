"""``errors_as_messages``: turns errors into messages in their place."""

from collections.abc import Callable

from reactivex import Observable

from miniagents.messages import Message, MessagePromise, MessageSequencePromise
from miniagents.messages._errors_as_messages import replace_errors
from miniagents.messages._sequence import lifted


def errors_as_messages() -> Callable[
    [Observable[MessagePromise[Message]]], Observable[MessagePromise[Message]]
]:
    """``Observable[MessagePromise[M]] -> Observable[MessagePromise[Message]]``, which does not fail.

    If a message fails, the text before its error becomes a message, and an ``ErrorMessage`` follows it.

    Returns:
        A cold operator.

    Example:
        >>> import reactivex as rx
        >>> from miniagents import MiniAgents
        >>> from miniagents.operators import as_messages, errors_as_messages, resolve
        >>> source = rx.of("one", ValueError("two"), "three")
        >>> messages = MiniAgents().run(source.pipe(as_messages(), errors_as_messages(), resolve()))
        >>> [message.text for message in messages]
        ['one', 'ValueError: two', 'three']
    """

    def transform(received: MessageSequencePromise[Message]) -> MessageSequencePromise[Message]:
        return MessageSequencePromise.over(replace_errors(received, None))

    return lifted(transform)
