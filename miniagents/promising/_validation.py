"""Messages of one class where a typed agent was promised them: the types are real at run time, too.

Rule of this room: **what fits passes as the same object, and tokens never wait.** A message is looked at
when it is complete. One that is not of the class, but still streams, is copied piece by piece into a stream
that ends with the validated message, or with the error.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar, cast

from pydantic import ValidationError
from typing_extensions import override

from miniagents.streams import Log, Producer, Scope
from miniagents.values import (
    InquiryCancelledError,
    MessageValidationError,
    MiniAgentsError,
    misfit,
    set_partial_text,
)

from ._message import Message, MessagePromise
from ._part_log import PartLog
from ._sequence import MessageSequencePromise
from ._streamed import StreamedPromise
from ._walk import resolved

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Validation:
    """Which classes messages have to be of, and who says so.

    Attributes:
        classes: one of these; a message of another class becomes the first of them that its data fit.
        agent_alias: the agent whose types they are.
        verb: what it does with the messages: ``takes`` or ``replies``.
        passing: what passes as it is, without being of the classes.
        chain: the agents that an error of validation has come through.

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
        """Return the message itself if it is of the classes, else one of them with its text and data.

        Args:
            message: of whatever class.

        Raises:
            MessageValidationError: its data fit none of them.
        """
        if isinstance(message, (*self.classes, *self.passing)):
            return message
        data = dict(message)
        if data.get("text") is None:
            data.pop("text", None)  # a class may have a text of its own where none was given
        problems: list[str] = []
        for each in self.classes:
            try:
                return each.model_validate(data)
            except ValidationError as error:
                problem = misfit(error, each.__pydantic_fields__)
            except MiniAgentsError as error:
                problem = str(error)
            problems.append(problem if len(self.classes) == 1 else f"as {each.__name__}: {problem}")
        # Outside of the handlers: the text of pydantic's error may hold what must not be told.
        raise MessageValidationError(self._refusal(type(message).__name__, problems), self.agent_alias)

    def _refusal(self, kind: str, problems: Sequence[str]) -> str:
        wanted = " or ".join(each.__name__ for each in self.classes) or "no messages"
        what = f"Agent {self.agent_alias} {self.verb} {wanted}"
        if not problems:
            return f"{what}, and this is a {kind}."
        return f"{what}, and this {kind} cannot become one: {'; '.join(problems)}"

    def fits(self, promise: MessagePromise[Message]) -> bool:
        """Whether a promise can be shown as it is: of the classes, going to be of them, or failed.

        Args:
            promise: streaming, finished or failed.
        """
        log = promise.log
        fitting = (*self.classes, *self.passing)
        if not log.closed:
            return issubclass(promise.message_class, fitting)
        return log.error is not None or isinstance(resolved(promise), fitting)

    def admit(self, promise: MessagePromise[Message], scope: Scope) -> MessagePromise[Message]:
        """Return a promise of a message of the classes: the same one wherever it is that already.

        Args:
            promise: streaming, finished or failed; only a streaming one that is going to be of another class
                needs a copy.
            scope: owns what is made here.
        """
        if self.fits(promise):
            return promise
        source = promise.log
        if not source.closed:
            copy = _MessageCopy(promise, self, scope)
            copied = self._shown(copy.target, promise)
            copy.start()
            return copied
        said = (
            resolved(promise).text is not None
        )  # otherwise its tokens are its template filled in, or its JSON
        log: Log[str]
        if isinstance(source, PartLog):
            log = PartLog(scope, list(source.parts))
        else:
            log = Log(scope, list(source.items) if said else [])
        self.conclude(log, resolved(promise))
        return self._shown(log, promise)

    def conclude(self, tokens: Log[str], message: Message) -> None:
        """End a log of tokens with what their message becomes, or with the error.

        Args:
            tokens: has them all.
            message: what they make together, of whatever class.
        """
        try:
            validated = self.validated(message)
        except Exception as error:  # noqa: BLE001 - validation is user code
            set_partial_text(error, "".join(tokens.items))
            tokens.chain = self.chain
            tokens.fail(error)
            return
        text = "" if tokens.items else str(validated)
        if text:
            tokens.append(text)
        tokens.result = validated
        tokens.finish()

    def _shown(self, log: Log[str], source: MessagePromise[Message]) -> MessagePromise[Message]:
        known = self.classes[0] if len(self.classes) == 1 else source.message_class
        return MessagePromise.of_tokens(log, known, source.preliminary_metadata)


class ValidatedLog(Log[MessagePromise[Message]]):
    """The replies of a typed agent: each is validated when it is added or, if it still streams, ends.

    Args:
        scope: owns it.
        validation: what the messages have to be.

    Example:
        >>> from miniagents import AssistantMessage, Message, MiniAgents
        >>> from miniagents.promising import ValidatedLog, Validation
        >>> from miniagents.streams import current_scope
        >>> async def main():
        ...     log = ValidatedLog(current_scope(), Validation((AssistantMessage,), "POET", "replies"))
        ...     log.append(Message("Roses are red").as_promise)
        ...     print(type(await log.items[0]).__name__)
        >>> MiniAgents().run(main())
        AssistantMessage
    """

    __slots__ = ("_validation",)

    def __init__(self, scope: Scope, validation: Validation) -> None:
        super().__init__(scope)
        self._validation = validation

    @override
    def append(self, item: MessagePromise[Message]) -> None:
        """Add one promise, or what it is validated into.

        Args:
            item: of whatever class.
        """
        if not self.closed:
            super().append(self._validation.admit(item, self.scope))

    @override
    def extend(self, items: list[MessagePromise[Message]]) -> None:
        """Add several promises, or what they are validated into.

        Args:
            items: of whatever classes.
        """
        if not self.closed:
            super().extend([self._validation.admit(item, self.scope) for item in items])


def validated(
    source: MessageSequencePromise[Message], validation: Validation
) -> MessageSequencePromise[Message]:
    """What a typed agent was sent, as messages of its classes; the same sequence if it is that already.

    Args:
        source: the messages as they were sent.
        validation: what they have to be.

    Example:
        >>> from miniagents import MessageSequencePromise, MiniAgents, UserMessage
        >>> from miniagents.promising import Validation, validated
        >>> async def main():
        ...     sent = MessageSequencePromise(["Hello", UserMessage("Hi")])
        ...     received = await validated(sent, Validation((UserMessage,), "AGENT", "takes"))
        ...     print([type(each).__name__ for each in received])
        >>> MiniAgents().run(main())
        ['UserMessage', 'UserMessage']
    """
    log = source.log
    if log.closed and all(map(validation.fits, log.items)):
        return source
    copy = _Copy(source, ValidatedLog(log.scope, validation))
    copied: MessageSequencePromise[Message] = MessageSequencePromise.over(copy.target)
    copy.start()
    return copied


class _Copy(Generic[T]):
    """Writes the pieces of a stream into another log as they come, without a task.

    It is as eager as whoever reads it: a copy that nobody has read runs to its end, one whose readers have
    all gone leaves its source.

    Args:
        source: is kept alive as long as it is copied.
        target: gets the pieces.
    """

    __slots__ = ("_source", "position", "target")

    name = ""  # in a chain of waiting it is only a link

    def __init__(self, source: StreamedPromise[T, object], target: Log[T]) -> None:
        self._source: StreamedPromise[T, object] | None = source
        self.position = 0
        self.target = target
        target.producer = self
        target.lineage = source.log.lineage
        target.was_read = source.log.was_read

    def start(self) -> None:
        """Begin to listen; what is there already is copied at once."""
        if self._source is not None:
            log = self._source.log
            was_read = log.was_read
            log.follow(self)
            log.was_read = was_read  # a copy is no reader before somebody reads it
            self.deliver()

    def deliver(self) -> None:
        """Copy what is new."""
        source = self._source
        if source is None:
            return
        log = source.log
        self._copy(log)
        if log.closed and self._leave() is not None:
            self._conclude(source)

    def _copy(self, log: Log[T]) -> None:
        if self.position < len(log.items):
            batch = log.items[self.position :]
            self.position += len(batch)
            self.target.extend(batch)

    def _conclude(self, source: StreamedPromise[T, object]) -> None:
        log = source.log
        if log.error is None:
            self._finish(source)
        else:
            log.see_error()
            self.target.chain = log.chain
            self.target.fail(log.error)

    def _finish(self, source: StreamedPromise[T, object]) -> None:
        del source
        self.target.finish()

    def _leave(self) -> StreamedPromise[T, object] | None:
        source, self._source = self._source, None
        if source is not None:
            source.log.unfollow(self)
        return source

    # -- Producer ----------------------------------------------------------------------------------------

    def blocked_by(self) -> Producer | None:
        """Whoever makes the source."""
        return None if self._source is None else self._source.log.producer

    def cancel(self) -> None:
        """Stop the source: it is the same message, or the same sequence, to whoever reads it here."""
        source = self._leave()
        if source is not None:
            source.cancel()
            self._end()

    def abandon(self) -> None:
        """Leave the source, because nobody can read the rest."""
        source = self._leave()
        if source is not None:
            source.log.was_read = True  # from now on dropping it ends it
            self._end()
            self.target.forget()

    def _end(self) -> None:
        self.target.fail(InquiryCancelledError())
        self.target.see_error()


class _MessageCopy(_Copy[str]):
    """Copies the tokens of a message, and whatever else it streams, and validates it at the end."""

    __slots__ = ("_validation",)

    def __init__(self, source: MessagePromise[Message], validation: Validation, scope: Scope) -> None:
        super().__init__(source, PartLog(scope) if isinstance(source.log, PartLog) else Log(scope))
        self._validation = validation

    @override
    def _copy(self, log: Log[str]) -> None:
        if isinstance(log, PartLog) and isinstance(self.target, PartLog):
            parts = log.parts[self.position :]
            self.position += len(parts)
            for part in parts:
                self.target.put(part)
        else:
            super()._copy(log)

    @override
    def _finish(self, source: StreamedPromise[str, object]) -> None:
        self._validation.conclude(self.target, resolved(cast("MessagePromise[Message]", source)))
