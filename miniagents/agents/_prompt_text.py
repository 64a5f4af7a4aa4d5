"""Writes one message of a prompt: its literal texts and the values of its slots, without a task.

The literal texts and the values of slots form one flat sequence of messages. A literal text, perhaps empty,
comes before each slot and after the last one. It is a separator: by it the writer knows to which slot a
message belongs. Values of slots are copied and never read as templates.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from typing_extensions import override

from miniagents.messages import Message, MessagePromise, MessageSequencePromise, MessageType, UserMessage
from miniagents.messages._message import ContentMessage, MessageSink, freeze_metadata, text_message
from miniagents.messages._tokens import TokenFeed, TokenTransformer
from miniagents.streams._buffer import ReplayBuffer
from miniagents.streams._context import Context, current_context
from miniagents.values import Content, File, Image, MessageValidationError, Refusal, named_fields

BETWEEN = "\n\n"
"""The text between two messages in one slot, if both have any: calls of tools have none."""


@dataclass(frozen=True, slots=True)
class PromptText:
    """One message of a prompt.

    Attributes:
        kind: the class of the message.
        data: its data besides its text.
        literals: the literal texts before each slot, and after the last one.
        slots: the names of the slots, in order; a name may come several times.
    """

    kind: type[Message]
    data: Mapping[str, object]
    literals: tuple[Message, ...]
    slots: tuple[str, ...]

    @classmethod
    def of(cls, message: Message) -> "PromptText":
        """Find the slots in the texts of a message.

        Args:
            message: its texts are templates; everything else in it is kept.

        Raises:
            MessageValidationError: a brace has no partner, braces do not hold a plain name, or the
                message has no text.
        """
        if message.text is None:
            raise MessageValidationError(
                f"a {type(message).__name__} without a text cannot be part of a prompt; give it a text"
            )
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
        """Begin to write the message; text that has come already is written at once.

        Args:
            values: the value of each slot.
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
    """Writes the tokens of the literal texts and of the values of the slots."""

    __slots__ = (
        *("_between", "_empty", "_marks", "_needed", "_sink"),
        *("_text", "_whole", "_within_slot", "_written"),
    )

    in_step: ClassVar[bool] = True
    at_once: ClassVar[bool] = True
    part_of_run: ClassVar[bool] = True

    def __init__(
        self, text: PromptText, context: Context, marks: Iterable[MessagePromise[Message]], needed: str | None
    ) -> None:
        super().__init__(ReplayBuffer(context))
        self._sink = MessageSink(self.target, text.kind, dict(text.data))
        self._text = text
        self._marks = [*marks]  # the literals that are still to come
        self._needed = needed
        self._empty = True  # whether no message has come for the current slot
        self._within_slot = False
        self._written = False  # whether the current slot has anything
        self._between = False  # whether the next text is the first one of a message behind that
        # For each message so far: where its text ends in the target, and whether it belongs to a slot.
        self._whole: list[tuple[int, Message, bool]] = []

    @override
    def start_message(self, promise: MessagePromise[Message], /) -> None:
        if self._marks and promise is self._marks[0]:
            self._check_slot(len(self._text.literals) - len(self._marks) - 1)
            del self._marks[0]
            self._empty, self._within_slot = True, False
            self._written = self._between = False
            return
        self._empty, self._within_slot = False, True
        self._between = self._written

    def _separate(self) -> None:
        if self._within_slot:
            if self._between:
                self.target.append(BETWEEN)
            self._written, self._between = True, False

    def _check_slot(self, ended: int) -> None:
        if ended >= 0 and self._empty and self._text.slots[ended] == self._needed:
            raise MessageValidationError(
                f"the slot {{{self._needed}}} of a prompt was given no value, and no message was sent that "
                f'could fill it; send one, or give {self._needed}=... ("" for nothing)'
            )

    @override
    def tokens(self, tokens: list[str], /) -> None:
        self._separate()
        self.target.extend(tokens)

    @override
    def end_message(self, message: Message, /) -> None:
        if isinstance(message, ContentMessage) and _shown(message.content):
            self._separate()
        self._whole.append((len(self.target.items), message, self._within_slot))

    @override
    def finish(self) -> None:
        if any(isinstance(message, ContentMessage) and message.parts for _, message, _ in self._whole):
            parts = self._parts()
            if any(not isinstance(part, str) for part in parts):
                if not issubclass(self._text.kind, ContentMessage):
                    raise TypeError(
                        f"an image or a file came for a slot of a {self._text.kind.__name__}, which has a "
                        "text only; put the slot into a UserMessage"
                    )
                self._sink.metadata["parts"] = parts
        self._sink.finish()

    def _parts(self) -> tuple[Content, ...]:
        """Return everything that was written, with images and files of the slots' values in their places."""
        parts: list[Content] = []
        start = 0
        for end, message, within_slot in self._whole:
            text = "".join(self.target.items[start:end])
            start = end
            content = message.content if isinstance(message, ContentMessage) else ()
            kept = _shown(content) if within_slot else content
            own_text = "".join(part for part in kept if isinstance(part, str))
            if text.endswith(own_text):  # the text between two messages may come before it
                parts += (text.removesuffix(own_text), *kept) if own_text else (text, *kept)
            else:
                parts += (text, *(part for part in kept if not isinstance(part, str)))
        return tuple(_joined(parts))

    @override
    def fail(self, error: Exception, chain: tuple[str, ...] = ()) -> None:
        self._sink.fail(error, chain)


def _shown(content: Iterable[Content]) -> tuple[Content, ...]:
    """Return the content of a message that goes into a prompt: texts, images, files; no calls or thoughts."""
    own_text = (part.text if isinstance(part, Refusal) else part for part in content)
    return tuple(part for part in own_text if isinstance(part, str | Image | File))


def _joined(parts: Iterable[Content]) -> Iterable[Content]:
    """Return the same content with neighbouring texts joined and empty texts removed."""
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
