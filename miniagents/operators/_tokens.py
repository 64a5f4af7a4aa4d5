"""``tokens``: turns message promises into their tokens."""

from collections.abc import Callable

from reactivex import Observable

from miniagents.messages import Message, MessagePromise
from miniagents.messages._sequence import lifted, tokens_of


def tokens() -> Callable[[Observable[MessagePromise[Message]]], Observable[str]]:
    """``Observable[MessagePromise[M]] -> Observable[str]``: emit tokens as they come, message after message.

    Returns:
        A cold operator.

    Example:
        >>> import reactivex as rx
        >>> from miniagents import MiniAgents
        >>> from miniagents.operators import as_messages, tokens
        >>> MiniAgents().run(rx.of("one", "two").pipe(as_messages(), tokens()))
        ['one', 'two']
    """
    return lifted(tokens_of)
