"""`MessageCopy`: a copy of a streaming message, which can be ended independently of its source.

Rule of this module: **the copy keeps its source going, and only its readers keep the copy going**: the object
that makes a copy does not count as a reader, so a copy that can have no reader any more releases its source.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import cast

from typing_extensions import override

from miniagents.messages import Message, MessagePromise
from miniagents.messages._message import message_of
from miniagents.messages._parts import PartBuffer
from miniagents.streams._buffer import ReplayBuffer
from miniagents.streams._context import Context
from miniagents.streams._derived import Processor
from miniagents.values import InquiryCancelledError, Part, set_partial_text


class MessageCopy(Processor):
    """Writes the tokens of one message into a buffer of its own.

    The copy ends as its source ends, unless it is ended before. If it is ``held``, its owner handles an error
    of the source.

    Args:
        source: the message.
        context: the owner of the copy.
        heard: called with each part, before readers of the copy get it, and with None at the end.

    Attributes:
        buffer: the buffer that it writes.
        held: whether the owner of the copy handles an error of the source.
    """

    __slots__ = ("_heard", "_source", "buffer", "held")

    def __init__(
        self,
        source: MessagePromise[Message],
        context: Context,
        heard: Callable[["MessageCopy", Part | None], None] | None = None,
    ) -> None:
        super().__init__()
        self.buffer: ReplayBuffer[str] = (
            PartBuffer(context) if isinstance(source.buffer, PartBuffer) else ReplayBuffer(context)
        )
        self.buffer.produce_with(self)
        self.held = False
        self._source: MessagePromise[Message] | None = source
        self._heard = heard

    @property
    @override
    def reading(self) -> ReplayBuffer[object] | None:
        return None if self._source is None else cast("ReplayBuffer[object]", self._source.buffer)

    @property
    @override
    def writing(self) -> ReplayBuffer[object]:
        return cast("ReplayBuffer[object]", self.buffer)

    def show(self) -> MessagePromise[Message]:
        """Begin to copy, and return the promise of the copy."""
        source = self._source
        if source is None:
            return MessagePromise.of_tokens(self.buffer, Message)
        promise = MessagePromise.of_tokens(self.buffer, source.message_class, source.preliminary_metadata)
        source.buffer.attach(self)
        self.deliver()
        return promise

    @override
    def step(self) -> bool:
        """Pass on new parts, then the end."""
        source = self._source
        if source is None or self.buffer.closed:
            return False
        buffer = source.buffer
        parts: Sequence[Part] = buffer.parts if isinstance(buffer, PartBuffer) else buffer.items
        if self.position < len(parts):
            part = parts[self.position]
            self.position += 1
            self._tell(part)
            self._put(part)
            return True
        if buffer.closed and not (self.held and buffer.error is not None):
            self.leave()
            if buffer.error is None:
                self.buffer.finish(buffer.result)
            else:
                buffer.mark_error_handled()
                self.fail(buffer.error, buffer.chain)
            self._tell(None)
        return False

    def _put(self, part: Part) -> None:
        if isinstance(self.buffer, PartBuffer):
            self.buffer.put(part)
        elif isinstance(part, str):
            self.buffer.append(part)

    def _tell(self, part: Part | None) -> None:
        if self._heard is not None:
            self._heard(self, part)

    def release(self) -> None:
        """Stop holding and reporting it: for its readers it ends as its source ends."""
        self.held = False
        self._heard = None
        self.deliver()

    def fail(self, error: Exception, chain: tuple[str, ...] = ()) -> None:
        """End with ``error``, after the parts that came."""
        self.leave()
        if not self.buffer.closed:
            set_partial_text(error, self.text)
            self.buffer.fail(error, chain)

    def end_here(self) -> None:
        """End as a message of what came, of its own class unless that requires data that did not come."""
        source = self._source
        self.leave()
        message: Message = Message(self.text)
        if source is not None:
            with suppress(Exception):
                message = message_of(source.message_class, self.text, source.preliminary_metadata)
        self.buffer.finish(message)

    @property
    def text(self) -> str:
        """The text that has come so far."""
        return "".join(self.buffer.items)

    @property
    def uncounted(self) -> int:
        """Return how many tokens have come that were not reported: 0."""
        return 0

    @override
    def leave(self) -> None:
        source, self._source = self._source, None
        if source is not None:
            source.buffer.detach(self)

    # -- its life ------------------------------------------------------------------------------------------

    @override
    def cancel(self) -> None:
        """Stop copying; the source goes on."""
        if self._source is not None:
            self.fail(InquiryCancelledError())
            self.buffer.mark_error_handled()
            self._tell(None)

    abandon = cancel
