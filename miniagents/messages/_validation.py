"""Validates the messages that typed agents take and reply, so that their types also hold at run time.

Rule of this module: **a message that fits passes as the same object, and tokens never wait.** A message is
validated when it is complete. If a message of another class still streams, its pieces are copied as they come
into a new stream, which ends with the validated message or with the error.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar, cast

from pydantic import ValidationError
from typing_extensions import override

from miniagents.streams import StreamedPromise
from miniagents.streams._buffer import ReplayBuffer
from miniagents.streams._context import Context
from miniagents.streams._lifetime import contain_all
from miniagents.values import MessageValidationError, MiniAgentsError, misfit, set_partial_text

from ._copies import Copy
from ._message import Message, MessagePromise
from ._parts import PartBuffer
from ._sequence import MessageSequencePromise
from ._tokens import resolved

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Validation:
    """The classes that messages must have, and the agent that requires them.

    Attributes:
        classes: the allowed classes; a message of another class becomes that of these which has most of its
            data as fields: the first one, if several have.
        agent_alias: the agent whose types they are.
        verb: what the agent does with the messages: ``takes`` or ``replies``.
        passing: further classes, whose messages pass unchanged.
        chain: the agents that an error of validation has gone through.

    Example:
        >>> from miniagents import Message
        >>> class Year(Message):
        ...     year: int
        >>> Validation((Year,), "NEXT_YEAR", "takes").validated(Message(year="1999"))
        Year(text=None, year=1999)
    """

    classes: tuple[type[Message], ...]
    agent_alias: str
    verb: str
    passing: tuple[type[Message], ...] = ()
    chain: tuple[str, ...] = ()

    def validated(self, message: Message) -> Message:
        """Return the message itself if it has an allowed class, else a message of one with its text and data.

        Args:
            message: a message of any class.

        Raises:
            MessageValidationError: its data fit none of the classes.
        """
        if isinstance(message, (*self.classes, *self.passing)):
            return message
        data = dict(message)
        if data.get("text") is None:
            data.pop("text", None)  # a class may have a default text
        problems: list[str] = []
        made: list[Message] = []
        for each in self.classes:
            try:
                made.append(each.model_validate(data))
                continue
            except ValidationError as error:
                problem = misfit(error, each.__pydantic_fields__)
            except MiniAgentsError as error:
                problem = str(error)
            problems.append(problem if len(self.classes) == 1 else f"as {each.__name__}: {problem}")
        if made:
            return min(made, key=lambda each: len(each.model_extra or ()))
        # Outside of the `except` blocks: pydantic's error, which may contain secrets, must not be its
        # context.
        raise MessageValidationError(self._refusal(type(message).__name__, problems), self.agent_alias)

    def _refusal(self, kind: str, problems: Sequence[str]) -> str:
        wanted = " or ".join(each.__name__ for each in self.classes) or "no messages"
        what = f"Agent {self.agent_alias} {self.verb} {wanted}"
        if not problems:
            return f"{what}, and this is a {kind}."
        return f"{what}, and this {kind} cannot become one: {'; '.join(problems)}"

    def fits(self, promise: MessagePromise[Message]) -> bool:
        """Return whether a promise can pass unchanged: its message has or will have an allowed class.

        Args:
            promise: a promise that is streaming, finished or failed.
        """
        fitting = (*self.classes, *self.passing)
        if promise.given is not None:
            return isinstance(promise.given, fitting)
        buffer = promise.buffer
        if not buffer.closed:
            return issubclass(promise.message_class, fitting)
        return buffer.error is not None or isinstance(resolved(promise), fitting)

    def admit(self, promise: MessagePromise[Message], context: Context) -> MessagePromise[Message]:
        """Return a promise of a message of an allowed class; the same promise if it fits.

        Args:
            promise: a promise that is streaming, finished or failed; only a streaming one of another class
                needs a copy.
            context: the owner of a new message.
        """
        if self.fits(promise):
            return promise
        source = promise.buffer
        if not source.closed:
            copy = _ValidatedMessage(promise, self, context)
            copied = self._shown(copy.target, promise)
            copy.start(reads=False)  # it counts as a reader when it is read itself
            return copied
        said = resolved(promise).text is not None  # otherwise its tokens are its filled template, or its JSON
        buffer: ReplayBuffer[str]
        if isinstance(source, PartBuffer):
            buffer = PartBuffer(context, list(source.parts))
        else:
            buffer = ReplayBuffer(context, list(source.items) if said else [])
        self.conclude(buffer, resolved(promise))
        return self._shown(buffer, promise)

    def conclude(self, tokens: ReplayBuffer[str], message: Message) -> None:
        """End a buffer of tokens with the validated message, or with the error.

        Args:
            tokens: a buffer that has all tokens.
            message: the message of these tokens, of any class.
        """
        try:
            validated = self.validated(message)
        except Exception as error:  # noqa: BLE001 - validation is user code
            set_partial_text(error, message.text or "".join(tokens.items))
            tokens.fail(error, self.chain)
            return
        text = "" if tokens.items else str(validated)
        if text:
            tokens.append(text)
        tokens.finish(validated)

    def _shown(self, buffer: ReplayBuffer[str], source: MessagePromise[Message]) -> MessagePromise[Message]:
        known = self.classes[0] if len(self.classes) == 1 else source.message_class
        return MessagePromise.of_tokens(buffer, known, source.preliminary_metadata)


class ValidatedBuffer(ReplayBuffer[MessagePromise[Message]]):
    """The replies of a typed agent: each is validated when it is added, or when it ends if it still streams.

    Args:
        context: the owner of the buffer.
        validation: the classes of the messages.

    Example:
        >>> from miniagents import AssistantMessage, Message, MiniAgents
        >>> from miniagents.messages._validation import ValidatedBuffer, Validation
        >>> from miniagents.streams._context import current_context
        >>> async def main():
        ...     answers = Validation((AssistantMessage,), "POET", "replies")
        ...     buffer = ValidatedBuffer(current_context(), answers)
        ...     buffer.append(Message("Roses are red").as_promise)
        ...     print(type(await buffer.items[0]).__name__)
        >>> MiniAgents().run(main())
        AssistantMessage
    """

    __slots__ = ("_validation",)

    def __init__(self, context: Context, validation: Validation) -> None:
        super().__init__(context)
        self._validation = validation

    @override
    def append(self, item: MessagePromise[Message]) -> None:
        """Add one promise, or the validated copy of it.

        Args:
            item: a promise of a message of any class.
        """
        if not self.closed:
            admitted = self._validation.admit(item, self.context)
            admitted.contain(self)
            super().append(admitted)

    @override
    def extend(self, items: list[MessagePromise[Message]]) -> None:
        """Add several promises, or the validated copies of them.

        Args:
            items: promises of messages of any class.
        """
        if not self.closed:
            admitted = [self._validation.admit(item, self.context) for item in items]
            contain_all(admitted, self)
            super().extend(admitted)


def validated(
    source: MessageSequencePromise[Message], validation: Validation
) -> MessageSequencePromise[Message]:
    """Return what a typed agent was sent, as messages of its classes; the same sequence if all fit already.

    Args:
        source: the messages as they were sent.
        validation: the classes of the messages.

    Example:
        >>> from miniagents import MessageSequencePromise, MiniAgents, UserMessage
        >>> from miniagents.messages._validation import Validation, validated
        >>> async def main():
        ...     sent = MessageSequencePromise(["Hello", UserMessage("Hi")])
        ...     received = await validated(sent, Validation((UserMessage,), "AGENT", "takes"))
        ...     print([type(each).__name__ for each in received])
        >>> MiniAgents().run(main())
        ['UserMessage', 'UserMessage']
    """
    buffer = source.buffer
    if buffer.closed and all(map(validation.fits, buffer.items)):
        return source
    copy = _Validated(source, ValidatedBuffer(buffer.context, validation))
    copied: MessageSequencePromise[Message] = MessageSequencePromise.over(copy.target)
    copy.start(reads=False)  # it counts as a reader when it is read itself
    return copied


class _Validated(Copy[T]):
    """A copy that stands for its source: to its readers it is the same message or sequence."""

    __slots__ = ()

    def __init__(self, source: StreamedPromise[T, object], target: ReplayBuffer[T]) -> None:
        super().__init__(source, target)
        if source.buffer.was_read:
            target.expect_reader()

    @override
    def cancel(self) -> None:
        source = self._source
        if source is not None:
            self.leave()
            cast("StreamedPromise[T, object]", source).cancel()
            self.target.end_cancelled()

    @override
    def abandon(self) -> None:
        reading = self.reading
        if reading is not None:
            reading.expect_reader()
            self.leave()
            self.target.end_cancelled()
            self.target.forget()


class _ValidatedMessage(_Validated[str]):
    """Validates the message at its end."""

    __slots__ = ("_validation",)

    def __init__(self, source: MessagePromise[Message], validation: Validation, context: Context) -> None:
        parts = isinstance(source.buffer, PartBuffer)
        super().__init__(source, PartBuffer(context) if parts else ReplayBuffer(context))
        self._validation = validation

    @override
    def finish(self, source: object) -> None:
        self._validation.conclude(self.target, resolved(cast("MessagePromise[Message]", source)))
