"""Replaces errors of a sequence by messages, so that the sequence completes normally."""

from typing import ClassVar, cast

from typing_extensions import override

from miniagents.streams._buffer import ReplayBuffer
from miniagents.streams._context import Context
from miniagents.values import Part, said_by, text_of_error

from ._message import Message, MessagePromise, MessageSink, failed_message, message_so_far
from ._message_type import FlatStream
from ._parts import PartBuffer, is_content
from ._roles import ErrorMessage
from ._tokens import TokenTransformer, write_with


class _Replacer(TokenTransformer[MessagePromise[Message]]):
    """Copies messages as they stream; what came of a message that fails becomes a message of its own.

    A message is passed on with its first content, not before: a message that fails without any is replaced by
    the error message alone.
    """

    __slots__ = ("_alias", "_before", "_but", "_current", "_promise")

    all_parts: ClassVar[bool] = True
    replaces: ClassVar[bool] = True
    part_of_run: ClassVar[bool] = True
    in_step: ClassVar[bool] = True

    def __init__(
        self,
        target: ReplayBuffer[MessagePromise[Message]],
        alias: str | None,
        but: tuple[type[Exception], ...],
    ) -> None:
        super().__init__(target)
        self._alias = alias
        self._but = but
        self._current: ReplayBuffer[str] | None = None
        self._promise: MessagePromise[Message] | None = None
        self._before: list[Part] = []  # what came of a message before its first content

    @override
    def writing(self) -> ReplayBuffer[str] | None:
        return self._current

    @override
    def start_message(self, promise: MessagePromise[Message], /) -> None:
        self._promise, self._before = promise, []

    @override
    def token(self, token: str, /) -> None:
        if self._current is None and self._promise is not None:
            self._before.append(token)
            if is_content(token):
                self._begin(self._promise)
        elif isinstance(self._current, PartBuffer):
            self._current.put(token)
        elif self._current is not None:
            self._current.append(token)

    def _begin(self, promise: MessagePromise[Message]) -> None:
        """Begin the copy of a message, with what has come of it."""
        context = self.target.context
        parts = isinstance(promise.buffer, PartBuffer)
        current = self._current = PartBuffer(context) if parts else ReplayBuffer(context)
        current.produce_together_with(self.target)
        self.target.append(
            MessagePromise.of_tokens(current, promise.message_class, promise.preliminary_metadata)
        )
        for part in self._before:
            self.token(cast("str", part))

    @override
    def end_message(self, message: Message, /) -> None:
        current, self._current = self._current, None
        if current is None:
            self.target.append(MessagePromise.of_message(self.target.context, message))
        else:
            current.finish(message)

    @override
    def fail_message(self, error: Exception, chain: tuple[str, ...], /) -> bool:
        current, self._current = self._current, None
        if current is not None:
            current.finish(self._what_came(current))
        if isinstance(error, self._but):
            self.target.append(failed_message(self.target.context, error, chain))
        else:
            alias = chain[0] if chain else self._alias
            self._append_error(error, alias)
        return True

    def _what_came(self, current: ReplayBuffer[str]) -> Message:
        """Return the beginning of a message; of its own class unless that requires data that did not come."""
        if self._promise is None:
            return message_so_far(current, Message, {})
        return message_so_far(current, self._promise.message_class, self._promise.preliminary_metadata)

    @override
    def fail(self, error: Exception, chain: tuple[str, ...] = ()) -> None:
        if self._current is not None:  # the feed was stopped within a message
            MessageSink(self._current, Message, {}).fail(error)
        if isinstance(error, self._but):
            self.target.fail(error, chain)
            return
        alias = chain[0] if chain else self._alias
        self._append_error(error, alias)
        self.target.finish()

    def _append_error(self, error: Exception, alias: str | None) -> None:
        # Not the active context: a run may be abandoned where none is active, or another one.
        self.target.append(MessagePromise.of_message(self.target.context, error_message(error, alias)))
        self.target.context.unhandled.forget(error)


def error_message(error: Exception, agent_alias: str | None) -> ErrorMessage:
    """Return the message that replaces an error.

    Args:
        error: the error.
        agent_alias: the agent that raised it; None if no agent did.

    Example:
        >>> message = error_message(ValueError("no such city"), "WEATHER_AGENT")
        >>> print(message, "|", message.error_type, message.agent_alias)
        ValueError: no such city | ValueError WEATHER_AGENT
    """
    kind, text = type(error).__name__, said_by(error)
    return ErrorMessage(text_of_error(error, text), error_type=kind, error_text=text, agent_alias=agent_alias)


def replace_errors(
    source: FlatStream[Message, object], alias: str | None, *, but: tuple[type[Exception], ...] = ()
) -> ReplayBuffer[MessagePromise[Message]]:
    """Return a copy of ``source`` with an ``ErrorMessage`` in place of each error.

    Args:
        source: the messages.
        alias: the agent to name if the error went through none.
        but: classes of errors that are still raised.

    Returns:
        A buffer that ends normally, unless one of ``but`` ends it.

    Raises:
        NoActiveContextError: no context is active.

    Example:
        >>> from miniagents import MessageSequencePromise, MiniAgents
        >>> async def main():
        ...     source = MessageSequencePromise(["one", ValueError("two"), "three"])
        ...     print(await MessageSequencePromise.over(replace_errors(source, None)))
        >>> MiniAgents().run(main())
        one
        <BLANKLINE>
        ValueError: two
        <BLANKLINE>
        three
    """
    return write_with(source, _Replacer(ReplayBuffer(Context.current()), alias, but))
