"""``join_messages`` and ``split_messages``: join and split the text of messages while it streams."""

from typing import cast

from ._join import join_tokens
from ._message import Message, MessagePromise
from ._message_type import MessageType
from ._sequence import MessageSequencePromise
from ._split import split_tokens


def join_messages(
    messages: MessageType,
    delimiter: str = "\n\n",
    strip_leading_newlines: bool = False,
    reference_original_messages: bool = True,
    **metadata: object,
) -> MessagePromise[Message]:
    """Join messages into one, which streams as they stream.

    Args:
        messages: anything that is messages.
        delimiter: the text between two messages.
        strip_leading_newlines: leave out the newlines at the start of each message.
        reference_original_messages: keep the messages as ``original_messages`` of the joined one.
        **metadata: data of the joined message.

    Returns:
        A promise of one message; its text is the texts with the delimiter between them. If a message fails,
        it fails with the same error.

    Example:
        >>> from miniagents import MiniAgents, join_messages
        >>> async def main():
        ...     joined = await join_messages(["one", "two"], delimiter=" + ", lang="en")
        ...     print(joined, joined.lang, len(joined.original_messages))
        >>> MiniAgents().run(main())
        one + two en 2
    """
    return join_tokens(
        _sequence_of(messages),
        delimiter=delimiter,
        strip_leading_newlines=strip_leading_newlines,
        reference_original_messages=reference_original_messages,
        metadata=metadata,
    )


def split_messages(
    messages: MessageType,
    delimiter: str = "\n\n",
    code_block_delimiter: str | None = "```",
    **metadata: object,
) -> MessageSequencePromise[Message]:
    r"""Split the text of messages into new messages while it streams.

    The result does not depend on how the text was cut into tokens or into messages: two given messages are
    read with ``delimiter`` between them.

    Args:
        messages: anything that is messages.
        delimiter: where to split.
        code_block_delimiter: a fenced block is one message, and delimiters in it do not count; None switches
            fences off.
        **metadata: data of every resulting message.

    Returns:
        A promise of the messages; empty input gives no message.

    Raises:
        ValueError: a delimiter is empty.

    Example:
        >>> from miniagents import MiniAgents, split_messages
        >>> async def main():
        ...     print([message.text for message in await split_messages("one\n\ntwo")])
        >>> MiniAgents().run(main())
        ['one', 'two']
    """
    return split_tokens(
        _sequence_of(messages),
        delimiter=delimiter,
        code_block_delimiter=code_block_delimiter,
        metadata=metadata,
    )


def _sequence_of(messages: MessageType) -> MessageSequencePromise[Message]:
    """Return a sequence unchanged, so that its error stays that of the whole; make one of anything else."""
    if isinstance(messages, MessageSequencePromise):
        return cast("MessageSequencePromise[Message]", messages)
    return MessageSequencePromise(messages)
