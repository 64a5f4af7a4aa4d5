"""``tokens``: turns message promises into their tokens."""

from collections.abc import Callable
from typing import cast

from reactivex import Observable

from miniagents.messages import Message, MessagePromise
from miniagents.messages._sequence import Lifted, tokens_of


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

    def operator(source: Observable[MessagePromise[Message]]) -> Observable[str]:
        return Lifted(cast("Observable[object]", source), tokens_of)

    return operator
