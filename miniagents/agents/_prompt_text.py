"""The text of one message of a prompt: literal pieces and slots become tokens as they come, without a task.

The pieces and what fills the slots are one flat sequence of messages. In front of each slot and behind the
last one stands a separator, which is the literal piece, perhaps empty: so the writer knows for which slot a
message comes. What fills a slot is copied and never looked at.
"""

from collections.abc import Iterable, Mapping
from typing import ClassVar

from typing_extensions import override

from miniagents.core import (
    ContentMessage,
    Context,
    Message,
    MessagePromise,
    MessageSequencePromise,
    MessageSink,
    MessageType,
    ReplayBuffer,
    TokenFeed,
    TokenTransformer,
    UserMessage,
    current_context,
    freeze_metadata,
    text_message,
)
from miniagents.values import Content, File, Image, Refusal, TemplateError, lazy_dataclass, named_fields

BETWEEN = "\n\n"
"""What stands between two messages that fill one slot."""


@lazy_dataclass(frozen=True, slots=True)
class PromptText:
    """One message of a prompt.

    Attributes:
        kind: the class of the message.
        data: what it has besides its text.
        literals: what stands before each slot, and behind the last one.
        slots: their names, in order; one may come several times.
    """

    kind: type[Message]
    data: Mapping[str, object]
    literals: tuple[Message, ...]
    slots: tuple[str, ...]

    @classmethod
    def of(cls, message: Message) -> "PromptText":
        """Find the slots in the texts of a message.

        Args:
            message: its texts are templates, all else in it stays.

        Raises:
            TemplateError: a brace has no partner, what is in braces is no plain name, or there is no text.
        """
        if message.text is None:
            msg = f"a {type(message).__name__} without a text is no part of a prompt; give it a text"
            raise TemplateError(msg)
        parts = message.content if isinstance(message, ContentMessage) else (message.text,)
        before: list[Content] = []
        literals, slots = list[Message](), list[str]()
        for part in parts:
            if not isinstance(part, str):
                before.append(part)
                continue
            for literal, slot in named_fields(part, "the prompt"):
                before += [literal] if literal else []
                if slot is not None:
                    literals.append(_separator(before))
                    slots.append(slot)
                    before.clear()
        literals.append(_separator(before))
        given = message.model_fields_set
        data = {name: value for name, value in message if name in given and name not in {"text", "parts"}}
        kind = UserMessage if type(message) is Message and not data else type(message)
        return cls(kind, freeze_metadata(data), tuple(literals), tuple(slots))

    def filled(self, values: Mapping[str, MessageType], needed: str | None) -> MessagePromise[Message]:
        """Begin to write it; what is there already is taken at once.

        Args:
            values: what fills each slot.
            needed: a slot that at least one message must fill.

        Raises:
            NoActiveContextError: no context is active.
        """
        context = current_context()
        marks = [MessagePromise.of_message(context, literal, announced=False) for literal in self.literals]
        pieces: list[MessageType] = [marks[0]]
        for slot, mark in zip(self.slots, marks[1:], strict=True):
            pieces += (values[slot], mark)
        writer = _Writer(self, context, marks, needed)
        TokenFeed(MessageSequencePromise(pieces), writer).start()
        return MessagePromise.of_tokens(writer.target, self.kind, freeze_metadata(self.data))


def _separator(content: list[Content]) -> Message:
    if all(isinstance(part, str) for part in content):
        return text_message("".join(part for part in content if isinstance(part, str)))
    return UserMessage(parts=tuple(content))


class _Writer(TokenTransformer[str]):
    """Writes the tokens of the literals and of what fills the slots."""

    __slots__ = ("_empty", "_marks", "_needed", "_sink", "_text", "_whole", "_within_slot")

    in_step: ClassVar[bool] = True
    at_once: ClassVar[bool] = True

    def __init__(
        self,
        text: PromptText,
        context: Context,
        marks: Iterable[MessagePromise[Message]],
        needed: str | None,
    ) -> None:
        super().__init__(ReplayBuffer(context))
        self._sink = MessageSink(self.target, text.kind, dict(text.data))
        self._text = text
        self._marks = [*marks]  # those to come
        self._needed = needed
        self._empty = True  # no message has come for the slot that is being written
        self._within_slot = False
        # Of each message that has come: where its text ends in the target, and whether it came for a slot.
        self._whole: list[tuple[int, Message, bool]] = []

    @override
    def start_message(self, promise: MessagePromise[Message], /) -> None:
        if self._marks and promise is self._marks[0]:
            self._check_slot(len(self._text.literals) - len(self._marks) - 1)
            del self._marks[0]
            self._empty, self._within_slot = True, False
            return
        if not self._empty:
            self.target.append(BETWEEN)
        self._empty, self._within_slot = False, True

    def _check_slot(self, ended: int) -> None:
        if ended >= 0 and self._empty and self._text.slots[ended] == self._needed:
            msg = (
                f"the slot {{{self._needed}}} of a prompt was given no value, and no message was sent that "
                f'could fill it; send one, or give {self._needed}=... ("" for nothing)'
            )
            raise TemplateError(msg)

    @override
    def tokens(self, tokens: list[str], /) -> None:
        self.target.extend(tokens)

    @override
    def end_message(self, message: Message, /) -> None:
        self._whole.append((len(self.target.items), message, self._within_slot))

    @override
    def finish(self) -> None:
        if any(isinstance(message, ContentMessage) and message.parts for _, message, _ in self._whole):
            parts = self._parts()
            if any(not isinstance(part, str) for part in parts):
                if not issubclass(self._text.kind, ContentMessage):
                    msg = (
                        f"an image or a file came for a slot of a {self._text.kind.__name__}, which has a "
                        "text only; put the slot into a UserMessage"
                    )
                    raise TypeError(msg)
                self._sink.metadata["parts"] = parts
        self._sink.finish()

    def _parts(self) -> tuple[Content, ...]:
        """All that was written, with the images and files of what filled the slots in their places."""
        parts: list[Content] = []
        start = 0
        for end, message, within_slot in self._whole:
            text = "".join(self.target.items[start:end])
            start = end
            content = message.content if isinstance(message, ContentMessage) else ()
            kept = _shown(content) if within_slot else content
            said = "".join(part for part in kept if isinstance(part, str))
            if text.endswith(said):  # in front of it may stand what is between two messages
                parts += (text.removesuffix(said), *kept) if said else (text, *kept)
            else:
                parts += (text, *(part for part in kept if not isinstance(part, str)))
        return tuple(_joined(parts))

    @override
    def fail(self, error: Exception, chain: tuple[str, ...] = ()) -> None:
        self._sink.fail(error, chain)


def _shown(content: Iterable[Content]) -> tuple[Content, ...]:
    """What of a message goes into a prompt: what it says, and what it shows; no calls and no thoughts."""
    said = (part.text if isinstance(part, Refusal) else part for part in content)
    return tuple(part for part in said if isinstance(part, str | Image | File))


def _joined(parts: Iterable[Content]) -> Iterable[Content]:
    """The same with neighbouring texts as one, and without empty ones."""
    text = ""
    for part in parts:
        if isinstance(part, str):
            text += part
            continue
        if text:
            yield text
        text = ""
        yield part
    if text:
        yield text
