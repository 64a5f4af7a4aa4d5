"""``join``: joins all messages into one, which streams."""

from collections.abc import Callable

from reactivex import Observable

from miniagents.messages import Message, MessagePromise, MessageSequencePromise
from miniagents.messages._sequence import lifted


def join(
    delimiter: str = "\n\n",
    *,
    strip_leading_newlines: bool = False,
    reference_original_messages: bool = True,
    **metadata: object,
) -> Callable[[Observable[MessagePromise[Message]]], Observable[MessagePromise[Message]]]:
    """``Observable[MessagePromise[M]] -> Observable[MessagePromise[Message]]``: one message of all texts.

    It is emitted on subscribing and streams while the messages come; see :func:`miniagents.join_messages`.

    Args:
        delimiter: the text between two messages.
        strip_leading_newlines: leave out the newlines at the start of each message.
        reference_original_messages: keep the messages as ``original_messages`` of the joined one.
        **metadata: data of the joined message.

    Returns:
        A cold operator.

    Example:
        >>> import reactivex as rx
        >>> from miniagents import MiniAgents
        >>> from miniagents.operators import as_messages, join, resolve
        >>> MiniAgents().run(rx.of("one", "two").pipe(as_messages(), join(" + "), resolve()))[0].text
        'one + two'
    """

    def transform(received: MessageSequencePromise[Message]) -> MessageSequencePromise[Message]:
        joined = received.as_single_promise(
            delimiter,
            strip_leading_newlines=strip_leading_newlines,
            reference_original_messages=reference_original_messages,
            **metadata,
        )
        return MessageSequencePromise(joined)

    return lifted(transform)
