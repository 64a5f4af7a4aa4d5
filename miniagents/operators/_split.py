"""``split``: cuts the text of messages at a delimiter into new messages, while it streams."""

from collections.abc import Callable

from reactivex import Observable

from miniagents.messages import Message, MessagePromise, MessageSequencePromise
from miniagents.messages._join_and_split import split_tokens
from miniagents.messages._sequence import lifted


def split(
    delimiter: str = "\n\n", *, code_block_delimiter: str | None = "```", **metadata: object
) -> Callable[[Observable[MessagePromise[Message]]], Observable[MessagePromise[Message]]]:
    r"""``Observable[MessagePromise[M]] -> Observable[MessagePromise[Message]]``.

    The text is cut while it streams; see :func:`miniagents.split_messages`.

    Args:
        delimiter: where to split.
        code_block_delimiter: a block between two of these is one message, and delimiters in it do not count;
            None switches this off.
        **metadata: data of every resulting message.

    Returns:
        A cold operator.

    Raises:
        ValueError: on subscribing, when a delimiter is empty.

    Example:
        >>> import reactivex as rx
        >>> from miniagents import MiniAgents
        >>> from miniagents.operators import as_messages, resolve, split
        >>> source = rx.of("one\n\ntwo")
        >>> [message.text for message in MiniAgents().run(source.pipe(as_messages(), split(), resolve()))]
        ['one', 'two']
    """

    def transform(received: MessageSequencePromise[Message]) -> MessageSequencePromise[Message]:
        return split_tokens(
            received, delimiter=delimiter, code_block_delimiter=code_block_delimiter, metadata=metadata
        )

    return lifted(transform)
