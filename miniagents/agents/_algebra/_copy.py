"""A message passed on token by token, the end of which somebody else decides.

Rule of this module: **the copy keeps its source going, and nothing else keeps the copy**: its holder is not
counted as a reader, so a copy that can have no reader any more lets go of its source.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import cast

from typing_extensions import override

from miniagents.core import (
    Context,
    Message,
    MessagePromise,
    PartBuffer,
    Processor,
    ReplayBuffer,
    message_of,
)
from miniagents.values import InquiryCancelledError, Part, set_partial_text


class MessageCopy(Processor):
    """Writes the tokens of one message into a buffer of its own.

    The copy ends as its source does, unless it is ended before, or is ``held``: then an error of the source
    is left to the holder of the copy.

    Args:
        source: the message.
        context: owns the copy.
        heard: called with each part, before a reader of the copy gets it, and with None at the end.

    Attributes:
        buffer: what is written.
        held: an error of the source is left to the holder of the copy.
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
        """The promise of the copy, and from now on it is written."""
        source = self._source
        if source is None:
            return MessagePromise.of_tokens(self.buffer, Message)
        promise = MessagePromise.of_tokens(self.buffer, source.message_class, source.preliminary_metadata)
        source.buffer.attach(self)
        self.deliver()
        return promise

    @override
    def step(self) -> bool:
        """Pass on what is new, then the end."""
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
        """It is not held or heard any more: for its readers it ends as its source does."""
        self.held = False
        self._heard = None
        self.deliver()

    def fail(self, error: Exception, chain: tuple[str, ...] = ()) -> None:
        """End with ``error`` after what came."""
        self.leave()
        if not self.buffer.closed:
            set_partial_text(error, self.text)
            self.buffer.fail(error, chain)

    def end_here(self) -> None:
        """End as a message of what came, of its own class unless that needs data which did not come."""
        source = self._source
        self.leave()
        message: Message = Message(self.text)
        if source is not None:
            with suppress(Exception):
                message = message_of(source.message_class, self.text, source.preliminary_metadata)
        self.buffer.finish(message)

    @property
    def text(self) -> str:
        """What has come so far."""
        return "".join(self.buffer.items)

    @override
    def leave(self) -> None:
        source, self._source = self._source, None
        if source is not None:
            source.buffer.detach(self)

    # -- its life ------------------------------------------------------------------------------------------

    @override
    def cancel(self) -> None:
        """Stop copying; the source is somebody else's."""
        if self._source is not None:
            self.fail(InquiryCancelledError())
            self.buffer.mark_error_handled()
            self._tell(None)

    abandon = cancel
