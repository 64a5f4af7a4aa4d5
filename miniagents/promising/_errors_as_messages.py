"""Errors of a sequence become messages in their place, and the sequence completes normally."""

from miniagents.streams import Log

from ._context import PromisingContext
from ._message import Message, MessagePromise, MessageSink
from ._message_type import FlatStream
from ._roles import ErrorMessage
from ._walk import TokenWalk


class _Replacer:
    """Copies messages as they stream; what had come of a failing one stays a message of its own.

    A message is passed on with its first token, not before: one that fails without a token leaves nothing but the
    error message.
    """

    __slots__ = ("_alias", "_current", "_promise", "_target")

    def __init__(self, target: Log[MessagePromise[Message]], alias: str | None) -> None:
        self._target = target
        self._alias = alias
        self._current: Log[str] | None = None
        self._promise: MessagePromise[Message] | None = None

    def start_message(self, promise: MessagePromise[Message], /) -> None:
        self._promise = promise

    def token(self, token: str, /) -> None:
        if self._current is None and self._promise is not None:
            self._current = Log(self._target.scope)
            copy = MessagePromise.of_tokens(
                self._current, self._promise.message_class, self._promise.preliminary_metadata
            )
            self._target.append(copy)
        if self._current is not None:
            self._current.append(token)

    def end_message(self, message: Message, /) -> None:
        current, self._current = self._current, None
        if current is None:
            self._target.append(MessagePromise(message))
        else:
            current.result = (message,)
            current.finish()

    def fail_message(self, error: Exception, chain: tuple[str, ...], /) -> bool:
        current, self._current = self._current, None
        if current is not None:
            MessageSink(current, Message, {}).finish()
        alias = chain[0] if chain else self._alias
        self._target.append(MessagePromise(error_message(error, alias)))
        return True

    def finish(self) -> None:
        self._target.finish()

    def fail(self, error: Exception) -> None:
        alias = self._target.chain[0] if self._target.chain else self._alias
        self._target.append(MessagePromise(error_message(error, alias)))
        self._target.finish()


def error_message(error: Exception, agent_alias: str | None) -> ErrorMessage:
    """What is put in the place of ``error``."""
    kind, text = type(error).__name__, str(error)
    return ErrorMessage(
        f"{kind}: {text}" if text else kind, error_type=kind, error_text=text, agent_alias=agent_alias
    )


def replace_errors(source: FlatStream[Message, object], alias: str | None) -> Log[MessagePromise[Message]]:
    """The log of ``source`` with an ``ErrorMessage`` wherever it has an error; ``alias`` is used if none is known."""
    target: Log[MessagePromise[Message]] = Log(PromisingContext.current())
    TokenWalk(source, target, _Replacer(target, alias)).start()
    return target
