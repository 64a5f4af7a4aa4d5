"""``split_messages``: cuts the text of messages into new messages while it streams."""

from collections.abc import Iterable, Mapping
from typing import ClassVar

from typing_extensions import override

from miniagents.values import SPLIT_END, FrozenMapping, SplitEvent, TextSplitter

from ._buffer import ReplayBuffer
from ._context import Context
from ._message import Message, MessagePromise, MessageSink, freeze_metadata
from ._message_type import FlatStream
from ._sequence import MessageSequencePromise
from ._token_feed import TokenFeed, TokenTransformer


class _Cutter(TokenTransformer[MessagePromise[Message]]):
    """Writes the events of the splitter into one message after another."""

    __slots__ = ("_current", "_delimiter", "_first", "_metadata", "_splitter")

    in_step: ClassVar[bool] = True
    within_message: ClassVar[bool] = False

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
            # The sequence has the same error and reports it.
            self._current.fail(error, chain, handled=True)
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
    TokenFeed(source, cutter).start()
    return MessageSequencePromise.over(target)
