"""Makes one streaming message of a stream of tokens that was given where messages are accepted."""

from typing import cast

from typing_extensions import override

from ._buffer import ReplayBuffer
from ._context import Context
from ._flow import request_upstream
from ._message import Message, MessagePromise, MessageSink
from ._processor import Processor
from ._stream import TokenStream


class TokenMessage(Processor):
    """Writes one message from a stream of tokens, as they come and without a task.

    If the tokens fail, the message fails with the same error, after the tokens before it. Cancelling the
    message, or leaving it, does not cancel the tokens, which belong to another stream.

    Args:
        context: the owner of the message.
        tokens: the tokens of its text; kept alive as long as they are read.

    Attributes:
        buffer: the buffer of the message.

    Example:
        >>> from miniagents import MessageSequencePromise, MiniAgents
        >>> async def main():
        ...     tokens = MessageSequencePromise(["Hel", "lo"]).tokens
        ...     print([str(message) for message in await MessageSequencePromise(tokens)])
        >>> MiniAgents().run(main())
        ['Hello']
    """

    __slots__ = ("_sink", "_tokens", "buffer")

    def __init__(self, context: Context, tokens: TokenStream) -> None:
        super().__init__()
        self.buffer: ReplayBuffer[str] = ReplayBuffer(context)
        self._sink = MessageSink(self.buffer, Message, {})
        self._tokens: TokenStream | None = tokens
        self.buffer.produce_with(self, tokens.shown.ancestry)
        self.buffer.write_from(self)

    @property
    @override
    def reading(self) -> ReplayBuffer[object] | None:
        return None if self._tokens is None else cast("ReplayBuffer[object]", self._tokens.shown)

    @property
    @override
    def writing(self) -> ReplayBuffer[object]:
        return cast("ReplayBuffer[object]", self.buffer)

    def start(self) -> MessagePromise[Message]:
        """Begin to read; the tokens that have come already are taken at once.

        Returns:
            The promise of the message.
        """
        promise = MessagePromise.of_tokens(self.buffer, Message)
        source = self.reading
        if source is not None:
            source.attach(self, unbounded=False)
            request_upstream(source, 0, self.buffer.credit())
            self.deliver()
        return promise

    @override
    def step(self) -> bool:
        """Take the new tokens, then the end."""
        if self._tokens is None:
            return False
        source = self._tokens.shown
        batch = source.items[self.position :]
        if batch:
            self.position += len(batch)
            self.buffer.extend(batch)
            return True
        if source.closed:
            error, chain = source.error, source.chain
            if error is not None:
                source.mark_error_handled()
            self.leave()
            if error is None:
                self._sink.finish()
            else:
                self._sink.fail(error, chain)
        return False

    @override
    def leave(self) -> None:
        tokens, self._tokens = self._tokens, None
        if tokens is not None:
            tokens.shown.detach(self, unbounded=False)
