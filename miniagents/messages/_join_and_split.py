"""``split_messages``: cuts the text of messages into new messages while it streams."""

from collections.abc import Iterable, Mapping
from typing import ClassVar, cast

from typing_extensions import override

from miniagents.streams._buffer import ReplayBuffer
from miniagents.streams._context import Context
from miniagents.values import SPLIT_END, FrozenMapping, SplitEvent, TextSplitter

from ._message import Message, MessagePromise, MessageSink, freeze_metadata
from ._message_type import FlatStream, MessageType
from ._sequence import MessageSequencePromise
from ._tokens import TokenTransformer, join_tokens, write_with

# -- split ----------------------------------------------------------------------------------------------


class _Cutter(TokenTransformer[MessagePromise[Message]]):
    """Writes the events of the splitter into one message after another."""

    __slots__ = ("_current", "_delimiter", "_first", "_metadata", "_splitter")

    in_step: ClassVar[bool] = True
    within_message: ClassVar[bool] = False
    part_of_run: ClassVar[bool] = True

    def __init__(
        self,
        target: ReplayBuffer[MessagePromise[Message]],
        splitter: TextSplitter,
        delimiter: str,
        metadata: FrozenMapping[str, object],
    ) -> None:
        super().__init__(target)
        self._splitter = splitter
        self._delimiter = delimiter
        self._metadata = metadata
        self._first = True
        self._current: MessageSink[Message] | None = None

    @override
    def writing(self) -> ReplayBuffer[str] | None:
        return None if self._current is None else self._current.buffer

    @override
    def start_message(self, promise: MessagePromise[Message], /) -> None:
        del promise
        if not self._first:
            self._write(self._splitter.feed(self._delimiter))
        self._first = False

    @override
    def token(self, token: str, /) -> None:
        self._write(self._splitter.feed(token))

    @override
    def finish(self) -> None:
        self._write(self._splitter.finish())
        self.target.finish()

    @override
    def fail(self, error: Exception, chain: tuple[str, ...] = ()) -> None:
        """Write the text that was held back; then its message fails, and so does the sequence."""
        held_back = self._splitter.finish()
        self._write(held_back[:-1])
        if self._current is not None:
            self._current.fail(error, chain)
        self.target.fail(error, chain)

    def _write(self, events: Iterable[SplitEvent]) -> None:
        for event in events:
            if event is SPLIT_END:
                current, self._current = self._current, None
                if current is not None:
                    current.finish()
            else:
                self._open().append(event)

    def _open(self) -> ReplayBuffer[str]:
        if self._current is None:
            buffer: ReplayBuffer[str] = ReplayBuffer(self.target.context)
            buffer.produce_together_with(self.target)
            self._current = MessageSink(buffer, Message, dict(self._metadata))
            self.target.append(MessagePromise.of_tokens(buffer, Message, self._metadata))
        return self._current.buffer


def split_tokens(
    source: FlatStream[Message, object],
    *,
    delimiter: str,
    code_block_delimiter: str | None,
    metadata: Mapping[str, object],
) -> MessageSequencePromise[Message]:
    """Split a flat stream of messages; see :func:`split_messages`, which takes any `MessageType`.

    Args:
        source: the messages.
        delimiter: where to split.
        code_block_delimiter: a fenced block is one message, and delimiters in it do not count; None switches
            fences off.
        metadata: data of every resulting message.

    Returns:
        A promise of the messages; empty input gives no message.

    Raises:
        ValueError: a delimiter is empty.
        NoActiveContextError: no context is active.
        FreezeError: a value of ``metadata`` is not of an allowed type.

    Example:
        >>> from miniagents import MessageSequencePromise, MiniAgents
        >>> async def main():
        ...     source = MessageSequencePromise("one, two")
        ...     parts = split_tokens(source, delimiter=", ", code_block_delimiter=None, metadata={})
        ...     print([part.text for part in await parts])
        >>> MiniAgents().run(main())
        ['one', 'two']
    """
    splitter = TextSplitter(delimiter, code_block_delimiter)
    target: ReplayBuffer[MessagePromise[Message]] = ReplayBuffer(Context.current())
    cutter = _Cutter(target, splitter, delimiter, freeze_metadata(metadata))
    return MessageSequencePromise.over(write_with(source, cutter))


# -- join and split -------------------------------------------------------------------------------------
#
# ``join_messages`` and ``split_messages``: join and split the text of messages while it streams.


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
