"""`MessageCopy`: a copy of a streaming message, which can be ended independently of its source.

**The copy keeps its source going, and only its readers keep the copy going**: the object that makes a copy
does not count as a reader, so a copy that can have no reader any more releases its source.
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import cast

from typing_extensions import override

from miniagents.messages import Message, MessagePromise
from miniagents.messages._message import message_of
from miniagents.messages._parts import PartBuffer
from miniagents.streams._buffer import ReplayBuffer
from miniagents.streams._derived import Processor
from miniagents.streams._run_task import current_ancestry
from miniagents.values import InquiryCancelledError, Part, set_partial_text


class MessageCopy(Processor):
    """Writes the parts of one message into a buffer of its own, as far as that is read.

    The copy belongs to the run that makes it. It ends as its source ends, unless it is ended before. If it is
    ``held``, its owner handles an error of the source.

    Args:
        source: the message.
        held: whether the owner of the copy handles an error of the source.

    Attributes:
        buffer: the buffer that it writes.
    """

    __slots__ = ("_held", "_source", "buffer")

    def __init__(self, source: MessagePromise[Message], *, held: bool = False) -> None:
        super().__init__()
        context = source.buffer.context
        self.buffer: ReplayBuffer[str] = (
            PartBuffer(context) if isinstance(source.buffer, PartBuffer) else ReplayBuffer(context)
        )
        self._held = held
        self._source: MessagePromise[Message] | None = source
        self.buffer.produce_with(self, current_ancestry())
        self.buffer.write_from(self)

    @property
    @override
    def reading(self) -> ReplayBuffer[object] | None:
        return None if self._source is None else cast("ReplayBuffer[object]", self._source.buffer)

    @property
    @override
    def writing(self) -> ReplayBuffer[object]:
        return cast("ReplayBuffer[object]", self.buffer)

    def begin(self) -> MessagePromise[Message]:
        """Begin to copy, and return the promise of the copy; once."""
        source = cast("MessagePromise[Message]", self._source)
        promise = MessagePromise.of_tokens(self.buffer, source.message_class, source.preliminary_metadata)
        source.buffer.attach(self, unbounded=False, reads=False)
        self.deliver()
        return promise

    @override
    def step(self) -> bool:
        """Pass on a new part, then the end."""
        source = self._source
        if source is None or self.buffer.closed:
            return False
        buffer = source.buffer
        parts: Sequence[Part] = buffer.parts if isinstance(buffer, PartBuffer) else buffer.items
        if self.position < len(parts):
            part = parts[self.position]
            self.position += 1
            if isinstance(self.buffer, PartBuffer):
                self.buffer.put(part)
            elif isinstance(part, str):
                self.buffer.append(part)
            return True
        if buffer.closed and not (self._held and buffer.error is not None):
            self.leave()
            if buffer.error is None:
                self.buffer.finish(buffer.result)
            else:
                buffer.mark_error_handled()
                self.fail(buffer.error, buffer.chain)
        return False

    @override
    def pass_demand_on(self, buffer: object, *, waiting: bool) -> None:
        reading = self.reading
        if reading is not None:  # what is counted are tokens, not parts
            self._request.pass_on(reading, len(self.buffer.items), self.buffer.credit(), waiting=waiting)

    def release(self) -> None:
        """Stop holding it: for its readers it ends as its source ends."""
        self._held = False
        self.deliver()

    def fail(self, error: Exception, chain: tuple[str, ...] = ()) -> None:
        """End with ``error``, after the parts that came."""
        self.leave()
        if not self.buffer.closed:
            set_partial_text(error, self._text)
            self.buffer.fail(error, chain)

    def end_here(self) -> None:
        """End as a message of what came, of its own class unless that requires data that did not come."""
        source = self._source
        self.leave()
        message: Message = Message(self._text)
        if source is not None:
            with suppress(Exception):
                message = message_of(source.message_class, self._text, source.preliminary_metadata)
        self.buffer.finish(message)

    @property
    def _text(self) -> str:
        return "".join(self.buffer.items)

    @override
    def leave(self) -> None:
        source, self._source = self._source, None
        if source is not None:
            self._request.release()
            source.buffer.detach(self, unbounded=False)

    @override
    def cancel(self) -> None:
        """Stop copying; the source goes on."""
        if self._source is not None:
            self.fail(InquiryCancelledError())
            self.buffer.mark_error_handled()

    @override
    def abandon(self) -> None:
        self.cancel()
