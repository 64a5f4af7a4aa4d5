"""``map_tokens``: applies a function to the tokens of messages while they stream."""

from collections.abc import Callable, Iterator, Sequence
from contextvars import copy_context
from typing import ClassVar, Final, TypeVar, cast

from reactivex import Observable
from typing_extensions import override

from miniagents.messages import Message, MessagePromise, MessageSequencePromise
from miniagents.messages._message import MessageSink
from miniagents.messages._sequence import Lifted
from miniagents.messages._tokens import TokenTransformer, write_with
from miniagents.streams._buffer import ReplayBuffer

M = TypeVar("M")

MAX_FUSED = 256  # nested iterators are a recursion in C


class _Mapped(TokenTransformer[MessagePromise[Message]]):
    """Writes a new message for each, with its tokens mapped."""

    __slots__ = ("_current", "_functions", "_variables")

    in_step: ClassVar[bool] = True

    def __init__(
        self, target: ReplayBuffer[MessagePromise[Message]], functions: tuple[Callable[[str], str], ...]
    ) -> None:
        super().__init__(target)
        self._functions = functions
        self._variables = copy_context()  # of the subscriber; the writer of the messages has others
        self._current: MessageSink[Message] | None = None

    @override
    def writing(self) -> ReplayBuffer[str] | None:
        return None if self._current is None else self._current.buffer

    @override
    def start_message(self, promise: MessagePromise[Message], /) -> None:
        buffer: ReplayBuffer[str] = ReplayBuffer(self.target.context)
        buffer.produce_together_with(self.target)
        self._current = MessageSink(buffer, promise.message_class, {})
        self.target.append(
            MessagePromise.of_tokens(buffer, promise.message_class, promise.preliminary_metadata)
        )

    @override
    def tokens(self, tokens: list[str], /) -> None:
        current = self._current
        if current is None:
            return
        # Nested `map` objects: each token goes through all functions before the next one does. The loop is in
        # C and takes 0.05 µs for a token and function; a loop in Python would take five times that.
        through: Iterator[str] = iter(tokens)
        for function in self._functions:
            through = map(function, through)
        mapped: list[str] = []
        try:
            self._variables.run(mapped.extend, through)
            if not _TEXT.issuperset(map(type, mapped)):
                _check(mapped)
        except Exception as error:  # noqa: BLE001 - it is the error of this message
            self._current = None
            current.buffer.extend(mapped)  # the tokens before it
            current.fail(error)
        else:
            current.buffer.extend(mapped)

    @override
    def end_message(self, message: Message, /) -> None:
        current, self._current = self._current, None
        if current is not None:
            # The text of the result of a tool is not streamed: it stays what it is.
            changed = {"text": "".join(current.buffer.items)} if current.buffer.items else None
            try:
                whole = message.model_copy(update=changed)
            except Exception as error:  # noqa: BLE001 - its class does not take the new text
                current.fail(error)
            else:
                current.buffer.finish(whole)

    @override
    def fail_message(self, error: Exception, chain: tuple[str, ...], /) -> bool:
        current, self._current = self._current, None
        if current is not None:
            current.fail(error, chain)
        return True

    @override
    def fail(self, error: Exception, chain: tuple[str, ...] = ()) -> None:
        if self._current is not None:  # the feed was stopped inside a message
            self._current.fail(error)
        super().fail(error, chain)


_TEXT: Final = frozenset({str})


def _check(mapped: list[str]) -> None:
    """Remove everything from the first value on that is no text.

    Raises:
        TypeError: there is such a value.
    """
    given = cast("Sequence[object]", mapped)
    at = next((at for at, each in enumerate(given) if not isinstance(each, str)), None)
    if at is not None:
        kind = type(given[at]).__name__
        del mapped[at:]
        raise TypeError(f"The function of map_tokens returned a value of type {kind}; it must return a str.")


class _MappedTokens(Lifted[MessagePromise[Message]]):
    """``source`` with functions on its tokens; several ``map_tokens`` in a row become one.

    Args:
        source: the messages to map.
        functions: applied to each token, in order.
    """

    def __init__(self, source: Observable[object], functions: tuple[Callable[[str], str], ...]) -> None:
        def transform(received: MessageSequencePromise[Message]) -> MessageSequencePromise[Message]:
            buffer: ReplayBuffer[MessagePromise[Message]] = ReplayBuffer(received.buffer.context)
            return MessageSequencePromise.over(write_with(received, _Mapped(buffer, functions)))

        super().__init__(source, transform)
        self.functions = functions

    def then(self, function: Callable[[str], str]) -> "_MappedTokens":
        """Return the same with one more function, as one operator if possible."""
        if len(self.functions) < MAX_FUSED:
            return _MappedTokens(self.source, (*self.functions, function))
        return _MappedTokens(self, (function,))


def map_tokens(
    function: Callable[[str], str],
) -> Callable[[Observable[MessagePromise[M]]], Observable[MessagePromise[M]]]:
    """``Observable[MessagePromise[M]] -> Observable[MessagePromise[M]]``: apply ``function`` to every token.

    Tokens are mapped as they come. A text may be cut into tokens anywhere, so use functions whose result does
    not depend on the cuts (upper case, one character for another). A message keeps its data; its text becomes
    the mapped tokens.

    Args:
        function: from token to token. If it raises, that message fails, and the next messages still arrive.

    Returns:
        A cold operator.

    Example:
        >>> import reactivex as rx
        >>> from miniagents import MiniAgents
        >>> from miniagents.operators import as_messages, map_tokens, resolve
        >>> MiniAgents().run(rx.of("hello").pipe(as_messages(), map_tokens(str.upper), resolve()))[0].text
        'HELLO'
    """

    def operator(source: Observable[MessagePromise[M]]) -> Observable[MessagePromise[M]]:
        before: object = source
        if isinstance(before, _MappedTokens):
            return cast("Observable[MessagePromise[M]]", before.then(function))
        return cast("Observable[MessagePromise[M]]", _MappedTokens(source, (function,)))

    return operator
