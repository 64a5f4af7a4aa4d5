"""``join_messages``: joins many messages into one streaming message."""

from collections.abc import Mapping
from typing import ClassVar

from typing_extensions import override

from ._buffer import ReplayBuffer
from ._context import Context
from ._message import Message, MessagePromise, MessageSink, freeze_metadata
from ._message_type import FlatStream
from ._token_feed import TokenFeed, TokenTransformer


class _Joiner(TokenTransformer[str]):
    """Writes the tokens of all messages into one buffer, with a delimiter between two messages."""

    __slots__ = ("_at_start", "_delimiter", "_first", "_keep", "_originals", "_sink", "_strip")

    in_step: ClassVar[bool] = True

    def __init__(
        self,
        sink: MessageSink[Message],
        delimiter: str,
        *,
        strip_leading_newlines: bool,
        reference_originals: bool,
    ) -> None:
        super().__init__(sink.buffer)
        self._sink = sink
        self._delimiter = delimiter
        self._strip = strip_leading_newlines
        self._keep = reference_originals
        self._originals: list[Message] = []
        self._first = True
        self._at_start = True

    @override
    def start_message(self, promise: MessagePromise[Message], /) -> None:
        del promise
        if not self._first and self._delimiter:
            self.target.append(self._delimiter)
        self._first = False
        self._at_start = True

    @override
    def token(self, token: str, /) -> None:
        if self._strip and self._at_start:
            token = token.lstrip("\r\n")
            self._at_start = not token
        if token:
            self.target.append(token)

    @override
    def end_message(self, message: Message, /) -> None:
        if self._keep:
            self._originals.append(message)

    @override
    def finish(self) -> None:
        if self._keep:
            self._sink.metadata["original_messages"] = tuple(self._originals)
        self._sink.finish()

    @override
    def fail(self, error: Exception, chain: tuple[str, ...] = ()) -> None:
        self._sink.fail(error, chain)


def join_tokens(
    source: FlatStream[Message, object],
    *,
    delimiter: str,
    strip_leading_newlines: bool,
    reference_original_messages: bool,
    metadata: Mapping[str, object],
) -> MessagePromise[Message]:
    """Join a flat stream of messages; see :func:`join_messages`, which takes any `MessageType`.

    Args:
        source: the messages.
        delimiter: the text between two messages.
        strip_leading_newlines: leave out the newlines at the start of each message.
        reference_original_messages: keep the messages as ``original_messages`` of the joined one.
        metadata: data of the joined message.

    Returns:
        A promise of one message, which streams as they stream.

    Raises:
        NoActiveContextError: no context is active.
        FreezeError: a value of ``metadata`` is not of an allowed type.

    Example:
        >>> from miniagents import MessageSequencePromise, MiniAgents
        >>> async def main():
        ...     options = {"strip_leading_newlines": False, "reference_original_messages": False}
        ...     source = MessageSequencePromise(["one", "two"])
        ...     print(await join_tokens(source, delimiter=" + ", metadata={}, **options))
        >>> MiniAgents().run(main())
        one + two
    """
    buffer: ReplayBuffer[str] = ReplayBuffer(Context.current())
    known = freeze_metadata(metadata)
    joiner = _Joiner(
        MessageSink(buffer, Message, dict(known)),
        delimiter,
        strip_leading_newlines=strip_leading_newlines,
        reference_originals=reference_original_messages,
    )
    TokenFeed(source, joiner).start()
    return MessagePromise.of_tokens(buffer, Message, known)
