"""``as_messages``: turns items of any ``MessageType`` into message promises."""

from collections.abc import Callable

from reactivex import Observable

from miniagents.messages import Message, MessagePromise, MessageType
from miniagents.messages._sequence import lifted


def as_messages() -> Callable[[Observable[MessageType]], Observable[MessagePromise[Message]]]:
    """``Observable[MessageType] -> Observable[MessagePromise[Message]]``.

    Texts, mappings, collections and promises become message promises, in order. An item that cannot become a
    message becomes a message that fails, in its place; the items after it still arrive.

    Returns:
        A cold operator.

    Example:
        >>> import reactivex as rx
        >>> from miniagents import MiniAgents
        >>> from miniagents.operators import as_messages, resolve
        >>> source = rx.of("one", {"text": "two"}, ["three", ["four"]])
        >>> [message.text for message in MiniAgents().run(source.pipe(as_messages(), resolve()))]
        ['one', 'two', 'three', 'four']
    """
    return lifted(lambda received: received)
