"""Messages that a task writes anew: they go on as long as they are read, without their run, too."""

from collections.abc import AsyncGenerator, Callable
from functools import partial

from typing_extensions import override

from miniagents.messages import Message, MessagePromise
from miniagents.messages._message import MessageSink
from miniagents.messages._parts import PartBuffer, new_part_buffer, parts_in, start_part_pump
from miniagents.streams._buffer import ReplayBuffer
from miniagents.streams._context import Context
from miniagents.streams._demand import Request
from miniagents.streams._readers import NEXT_TURN, REST, raise_error, settled, started, until_done
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
    position = 0
    # As in `streams._readers`: before `hot` it waits for one turn, which costs less than a Future.
    hot, rest, backoff = 0, 1, 1
    try:
        yield ""  # taken by `started`
        while True:
            while position < len(parts):
                batch = parts[position:]
                position += len(batch)
                for part in batch:
                    yield part
            if source.closed:
                break
            if len(source.items) < hot:
                await NEXT_TURN
                if position < len(parts) or source.closed:
                    backoff = 1
                    continue
                hot, rest = 0, min(2 * backoff, REST)
                backoff = rest
            reader.request_more()
            if position < len(parts) or source.closed:  # it came at once
                continue
            await until_done(source, source.wait_for_requested())
            rest -= 1
            if rest <= 0 and source.upstream is None:
                hot = source.requested - reader.half
    finally:
        reader.leave()
    await settled(source)
    raise_error(source)


class _Reader:
    """Requests as much of a message as readers of another one have requested of that.

    Args:
        source: the message.
        target: what is written from it.

    Attributes:
        half: so many tokens are half of `prefetch`.
    """

    __slots__ = ("_left", "_little", "_request", "_source", "_target", "half")

    def __init__(self, source: ReplayBuffer[str], target: ReplayBuffer[str]) -> None:
        self._source = source
        self._target = target
        self.half: int = source.context.prefetch >> 1
        self._little = source.context.prefetch >> 2  # below it, more is requested
        self._request = Request()
        self._left = False
        source.reader_came()
        target.write_from(self)
        target.when_closed(self.leave)  # at once: who stops them together looks for other readers

    def request_more(self) -> None:
        """Request more, also if what came was not written; get no news of requests while much may come."""
        source = self._source
        if source.upstream is not None or source.unlimited or self._room() <= self._little:
            self._target.write_from(self)
            # `waiting` has it passed on at once, however little it is; a source that has an upstream itself
            # would make one more token for it, although no reader waits.
            self.pass_demand_on(waiting=source.upstream is None)
        if source.upstream is None and not source.unlimited and self._room() > self._little:
            self._target.write_from(None)  # then each token would be a request

    def _room(self) -> int:
        return self._source.requested - len(self._source.items)

    def pass_demand_on(self, *, waiting: bool) -> None:
        """Request as many more tokens as readers have requested."""
        source = self._source
        self._request.pass_on(source, len(source.items), self._target.credit(), waiting=waiting)

    def leave(self) -> None:
        """Stop reading; it may be called again."""
        if not self._left:
            self._left = True
            self._target.write_from(None)
            self._request.release()
            self._source.reader_left()
