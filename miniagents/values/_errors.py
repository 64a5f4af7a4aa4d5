"""The errors of the library: one family, each a sentence.

Everything that miniagents raises by itself is a `MiniAgentsError`. An error that an agent or a token
generator raised is never wrapped: the reader gets that very object, and `partial_text` tells what had
arrived before it.
"""

from typing_extensions import override


class MiniAgentsError(Exception):
    """The base of every error that miniagents raises by itself.

    Example:
        >>> try:
        ...     raise NoActiveContextError
        ... except MiniAgentsError as error:
        ...     print(error)
        no MiniAgents context is active; use `async with MiniAgents():`
    """


class NoActiveContextError(MiniAgentsError, RuntimeError):
    """A promise was made, or an agent inquired, while no `MiniAgents` context was active."""

    @override
    def __str__(self) -> str:
        return super().__str__() or "no MiniAgents context is active; use `async with MiniAgents():`"


class UnresolvedPromiseError(MiniAgentsError, RuntimeError):
    """The value of a promise was asked for without `await` before it was there."""

    @override
    def __str__(self) -> str:
        return super().__str__() or "the promise is not resolved yet; await it first"


class InquiryCancelledError(MiniAgentsError):
    """The inquiry behind a promise was cancelled; what had arrived before stays readable."""

    @override
    def __str__(self) -> str:
        return super().__str__() or "the inquiry was cancelled before it was complete"


class DeadlockError(MiniAgentsError, RuntimeError):
    """A run awaits something that, through any chain, awaits that run; the text is the chain `A → B → A`."""


class WrongLoopError(MiniAgentsError, RuntimeError):
    """A promise or context was used from another event loop or thread than the one it belongs to."""

    @override
    def __str__(self) -> str:
        return super().__str__() or (
            "this belongs to another event loop or thread; use it where its MiniAgents context was entered"
        )


class NestingError(MiniAgentsError, TypeError):
    """Values, messages or replies are nested deeper than the cap of 64 levels."""


class FreezeError(MiniAgentsError, TypeError):
    """A value cannot be kept as data of a message; the text names the field's path and the allowed types."""


class TemplateError(MiniAgentsError, ValueError):
    """A `text_template` uses more than plain field names, or names a field that the value does not have."""


class HashKeyError(MiniAgentsError, ValueError):
    """A value has no hash key because a number in it is NaN or infinite; the text names the field's path."""


class StopLoop(MiniAgentsError):  # noqa: N818 - a signal, not a failure; documented name
    """An agent raises it to end the loop (`achain_loop`, `adialog_loop`) it is part of."""

    @override
    def __str__(self) -> str:
        return super().__str__() or "an agent asked its loop to stop"
