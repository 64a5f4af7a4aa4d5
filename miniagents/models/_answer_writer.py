"""Calls a model for a typed answer, reads it, and calls again if needed: one conversation, without a task.

Each part of the answer is passed on when it arrives. At the end of the answer, it is validated.
"""

from collections.abc import Mapping, MutableMapping
from contextvars import Context as Variables
from typing import Protocol, TypeAlias, cast

from typing_extensions import override

from miniagents.agents import MiniAgent
from miniagents.messages import Message, MessagePromise, MessageSequencePromise, MessageType
from miniagents.messages._parts import PartBuffer
from miniagents.messages._tokens import resolved
from miniagents.streams._buffer import ReplayBuffer
from miniagents.streams._demand import request_upstream
from miniagents.streams._derived import Processor
from miniagents.values import Part, Restart, ToolCallDelta

__all__ = ["AnswerEnd", "AnswerWriter", "Judge"]


class AnswerEnd(Protocol):
    """Takes the end of a conversation."""

    def finished(self) -> None:
        """Take the end: the answer fits."""
        ...

    def failed(self, error: Exception, chain: tuple[str, ...] = ()) -> None:
        """Take the end: there is no answer.

        Args:
            error: the reason.
            chain: the aliases of the agents through which the error came.
        """
        ...


class Judge(Protocol):
    """Checks each answer."""

    def __call__(
        self, answer: Message, attempt: int, metadata: MutableMapping[str, object], /
    ) -> "tuple[str, Message] | None":
        """Return None if the answer fits; else the reason, and the message for the model.

        Raises:
            Exception: the model must not be called again; this is the error of the answer.
        """
        ...


Asked: TypeAlias = MiniAgent[Message, Message, ...]


class AnswerWriter(Processor):
    """Writes the answer of a model into a buffer, and calls the model again if the answer does not fit.

    Args:
        model: the model that is called.
        received: the conversation that it is sent.
        given: the keywords of the call.
        judge: checks each answer.
        buffer: gets all parts of the answers.
        metadata: of the answer.
        variables: the context variables in which the model is called.
        end: is called at the end.
        calls: True: the text of the answer is the arguments of its first tool call.
    """

    __slots__ = (
        *("_attempt", "_buffer", "_calls", "_end", "_first", "_given", "_judge", "_message", "_metadata"),
        *("_model", "_parts", "_received", "_replies", "_said", "_source", "_taken", "_variables"),
    )

    def __init__(
        self,
        model: Asked,
        received: MessageSequencePromise | str,
        given: Mapping[str, object],
        *,
        judge: Judge,
        buffer: PartBuffer,
        metadata: MutableMapping[str, object],
        variables: Variables,
        end: AnswerEnd,
        calls: bool,
    ) -> None:
        super().__init__()
        self._model = model
        self._received: MessageSequencePromise | str | list[MessageType] = received
        self._given = given
        self._judge = judge
        self._buffer = buffer
        self._metadata = metadata
        self._variables = variables
        self._end: AnswerEnd | None = end
        self._calls = calls
        self._attempt = 0
        self._said: list[Message] = []
        self._replies: MessageSequencePromise | None = None
        self._taken = 0  # of the replies; `position` is within a message
        self._message: MessagePromise[Message] | None = None
        self._source: ReplayBuffer[str] | None = None  # the buffer of that message, and its parts
        self._parts: list[Part] = []
        self._first: int | None = None  # the index of the call whose arguments are the text

    @property
    @override
    def reading(self) -> ReplayBuffer[object] | None:
        read = self._replies if self._message is None else self._message
        return None if read is None else cast("ReplayBuffer[object]", read.buffer)

    @property
    @override
    def writing(self) -> ReplayBuffer[object]:
        return self._buffer  # type: ignore[return-value]  # of texts; here it is only looked at

    def begin(self) -> None:
        """Ask the model, in the context variables of the caller."""
        self._buffer.write_from(self)
        self._ask()

    def _ask(self) -> None:
        self._said = []
        self._taken = 0
        self._replies = replies = self._model.inquire(self._received, **self._given)
        replies.buffer.attach(self, unbounded=False)
        if replies.buffer.items or replies.buffer.closed:  # later: this may be inside `step` or `begin`
            replies.buffer.context.loop.call_soon(self.deliver)

    @override
    def step(self) -> bool:
        """Pass new parts on, and check the answer when it is complete."""
        replies = self._replies
        if replies is None:
            return False
        if self._message is not None and self._source is not None:
            return self._read(self._message, self._source)
        source = replies.buffer
        if self._taken < len(source.items):
            self._listen_to(source.items[self._taken])
            return True
        if not source.closed:
            request_upstream(cast("ReplayBuffer[object]", source), self._taken, 1)
            return False
        if source.error is None:
            self._variables.run(self._conclude)
        else:
            self._fail(source)
        return False

    def _listen_to(self, message: MessagePromise[Message]) -> None:
        if self._said:
            self._buffer.put(Restart())
        self._taken += 1
        self.position = 0
        self._first = None
        self._message = message
        self._source = source = message.buffer
        self._parts = cast("list[Part]", source.parts if isinstance(source, PartBuffer) else source.items)
        if not source.closed:
            source.attach(self, unbounded=False)

    def _read(self, message: MessagePromise[Message], source: ReplayBuffer[str]) -> bool:
        parts = self._parts
        put = self._put_call if self._calls else self._buffer.put
        while self.position < len(parts):
            part = parts[self.position]
            self.position += 1
            put(part)
        if not source.closed:
            if len(source.items) >= source.requested:
                request_upstream(source, len(source.items), self._buffer.credit())
            return False
        self._message = self._source = None
        self._parts = []
        source.detach(self, unbounded=False)
        if source.error is not None:
            self._fail(source)
            return False
        self._said.append(resolved(message))
        return True

    def _put_call(self, part: Part) -> None:
        """Write a part of an answer whose text is the arguments of its first call."""
        if not isinstance(part, ToolCallDelta):
            self._buffer.put(part)
            return
        self._first = part.index if self._first is None else self._first  # there should be no other one
        if part.index == self._first and part.arguments:
            self._buffer.put(part.arguments)

    def _conclude(self) -> None:
        """Check the answer: end with it, or call the model again."""
        replies, self._replies = self._replies, None
        if replies is None or self._end is None:
            return
        answer = self._said[-1] if self._said else Message("")
        try:
            complaint = self._judge(answer, self._attempt, self._metadata)
        except Exception as error:  # noqa: BLE001 - it is the error of the answer
            self._end.failed(error)
            return
        if complaint is None:
            self._end.finished()
            return
        reason, told = complaint
        self._buffer.put(Restart(reason))
        before = self._received if isinstance(self._received, list) else [self._received]
        self._received = [*before, self._said, told]
        self._attempt += 1
        self._ask()

    def _fail(self, source: "ReplayBuffer[str] | ReplayBuffer[MessagePromise[Message]]") -> None:
        error = source.error
        if self._end is not None and error is not None:
            source.mark_error_handled()
            self._end.failed(error, source.chain)

    @override
    def leave(self) -> object:
        message, self._message = self._message, None
        source, self._source = self._source, None
        replies, self._replies = self._replies, None
        received, self._received = self._received, ""
        self._end = None  # it may refer to this object: no reference cycle must remain
        if source is not None:
            source.detach(self, unbounded=False)
        if replies is not None:
            replies.buffer.detach(self, unbounded=False)
        return replies, message, received

    @override
    def pass_demand_on(self, buffer: object, *, waiting: bool) -> None:
        """Pass the demand for the answer on to the message that is being read.

        Args:
            buffer: the answer.
            waiting: True if a reader of the answer waits for the next piece.
        """
        source = self._source
        if source is not None:
            request_upstream(source, len(source.items), self._buffer.credit(), waiting=waiting)
        elif self._replies is not None:
            request_upstream(self._replies.buffer, self._taken, 1, waiting=waiting)
