"""Messages that a task writes anew: they go on as long as they are read, without their run, too."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from functools import partial

from typing_extensions import override

from miniagents.messages import Message, MessagePromise
from miniagents.messages._message import MessageSink
from miniagents.messages._parts import PartBuffer, new_part_buffer, parts_in, start_part_pump
from miniagents.streams._buffer import ReplayBuffer
from miniagents.streams._context import Context
from miniagents.streams._deadlocks import record_wait
from miniagents.streams._demand import Request
from miniagents.streams._readers import raise_error, settled, started
from miniagents.values import Part


class RewrittenSink(MessageSink[Message]):
    """Ends a message that is written anew.

    Attributes:
        whole: the message that it ends as; None to make one of the parts that were written.
    """

    __slots__ = ("whole",)

    def __init__(self, buffer: PartBuffer, kind: type[Message], metadata: dict[str, object]) -> None:
        super().__init__(buffer, kind, metadata)
        self.whole: object = None

    @override
    def finish(self) -> None:
        if self.whole is None:
            super().finish()
        elif not self.buffer.closed:
            self.buffer.finish(self.whole)


def rewritten(
    name: str, promise: MessagePromise[Message], parts: Callable[[RewrittenSink], AsyncGenerator[Part]]
) -> MessagePromise[Message]:
    """Return the message that readers get in the place of another one.

    Args:
        name: of the task.
        promise: the message of the same class and metadata.
        parts: reads it by :func:`parts_for`, yields what is to be written, and may set how it ends.
    """
    metadata = dict(promise.preliminary_metadata)
    buffer = new_part_buffer(Context.current(), metadata)
    sink = RewrittenSink(buffer, promise.message_class, metadata)
    start_part_pump(name, partial(parts, sink), buffer, sink)
    return MessagePromise.of_tokens(buffer, promise.message_class, promise.preliminary_metadata)


def parts_for(target: ReplayBuffer[str], source: ReplayBuffer[str]) -> AsyncGenerator[Part]:
    """Yield the parts of a message, as far as readers of another one that is written from it need them.

    Raises:
        Exception: the error of the message.
    """
    return started(_read(_Reader(source, target), parts_in(source), source))


async def _read(reader: "_Reader", parts: list[Part], source: ReplayBuffer[str]) -> AsyncGenerator[Part]:
    try:
        yield ""  # taken by `started`
        while True:
            while reader.position < len(parts):
                reader.position += 1
                yield parts[reader.position - 1]
            if source.closed:
                break
            await reader.until_more()
    finally:
        reader.leave()
    await settled(source)
    raise_error(source)


class _Reader:
    """Reads a message, and requests as much of it as readers of another one have requested of that.

    Args:
        source: the message.
        target: what is written from it.

    Attributes:
        position: how many parts it has read.
    """

    __slots__ = ("_more", "_request", "_source", "_target", "position")

    def __init__(self, source: ReplayBuffer[str], target: ReplayBuffer[str]) -> None:
        self.position: int = 0
        self._source = source
        self._target = target
        self._request = Request()
        self._more: asyncio.Future[None] | None = None
        source.attach(self, unbounded=False)
        target.write_from(self)
        target.when_closed(self.leave)  # at once: who stops them together looks for other readers

    def deliver(self) -> None:
        """Go on, since there is more, or the end."""
        more, self._more = self._more, None
        if more is not None and not more.done():
            more.set_result(None)

    async def until_more(self) -> None:
        """Wait for the next part, or for the end."""
        self.pass_demand_on(waiting=False)  # what it has read was perhaps not written
        more = self._more = self._source.context.future()
        record_wait(self._source, more)
        await more

    def pass_demand_on(self, *, waiting: bool) -> None:
        """Request as many more tokens as readers have requested."""
        source = self._source
        self._request.pass_on(source, len(source.items), self._target.credit(), waiting=waiting)

    def leave(self) -> None:
        """Stop reading."""
        self._target.write_from(None)
        self._request.release()
        self._source.detach(self, unbounded=False)
