"""The errors of the library, all subclasses of `MiniAgentsError`; the text of each is a sentence.

Every error that miniagents itself raises is a `MiniAgentsError`. An error that an agent or a token generator
raised is never wrapped: the reader gets the same object, and `partial_text` returns the text that had arrived
before it. First come the errors of promises, streams and values, then those of agents, then those of language
models.
"""

from decimal import Decimal
from typing import ClassVar, cast

from typing_extensions import override

from ._redact import redact_keys


class MiniAgentsError(Exception):
    """The base class of every error that miniagents itself raises; each can be pickled and copied.

    Example:
        >>> try:
        ...     raise NoActiveContextError
        ... except MiniAgentsError as error:
        ...     print(error)
        no MiniAgents context is active; use `async with MiniAgents():` around this call, ...
    """

    _unless_given: ClassVar[str] = ""  # the text of an error that is raised without one

    @override
    def __str__(self) -> str:
        return super().__str__() or self._unless_given

    @override
    def __reduce__(self) -> tuple[object, ...]:
        return reduced_error(self)


def reduced_error(error: Exception) -> tuple[object, ...]:
    """Return the pickle of an error without a call of its constructor, which may need other arguments.

    Args:
        error: any exception; its ``args`` and its attributes are pickled.

    Returns:
        What ``__reduce__`` returns.

    Example:
        >>> import pickle
        >>> class QuotaError(MiniAgentsError):
        ...     def __init__(self, user, *, left):
        ...         super().__init__(f"{user} has {left} left")
        ...         self.left = left
        >>> make, args, attributes = reduced_error(QuotaError("Ada", left=3))
        >>> make(*args), attributes
        (QuotaError('Ada has 3 left'), {'left': 3})
    """
    # The `args` of an `OSError` lack the name of the file; Python's own pickle has it.
    plain = OSError.__reduce__(error) if isinstance(error, OSError) else BaseException.__reduce__(error)
    return _error_of, (type(error), cast("tuple[object, ...]", plain)[1]), error.__dict__ or None


def _error_of(kind: type[Exception], args: tuple[object, ...]) -> Exception:
    error = kind.__new__(kind, *args)
    if isinstance(error, OSError):  # one with a constructor of its own has left `args` to that
        OSError.__init__(error, *args)
    return error


class NoActiveContextError(MiniAgentsError, RuntimeError):
    """A promise was made, or an agent was inquired, while no `MiniAgents` context was active.

    Example:
        >>> from miniagents import miniagent
        >>> @miniagent
        ... async def echo(ctx):
        ...     ctx.reply(ctx.messages)
        >>> echo.inquire("Hello")
        Traceback (most recent call last):
            ...
        miniagents...NoActiveContextError: no MiniAgents context is active; use `async with MiniAgents():` ...
    """

    _unless_given = (
        "no MiniAgents context is active; use `async with MiniAgents():` around this call, make it in an "
        "`async def main():` that `MiniAgents().run(main())` runs, or use `MiniAgents(app_wide=True)` for a "
        "whole app (in other threads: `MiniAgents.from_thread(...)`)"
    )


class UnresolvedPromiseError(MiniAgentsError, RuntimeError):
    """The value of a promise cannot be read: it is not resolved yet, or its first pieces are gone.

    A promise is resolved when it was awaited. With ``replay=False``, the whole of a stream cannot be read
    once pieces of it were read.

    Example:
        >>> from miniagents import MiniAgents
        >>> from miniagents.testing import scripted_model
        >>> async def main():
        ...     answer = scripted_model("Hello").inquire("Hi")
        ...     print(f"The answer: {answer}")
        >>> MiniAgents().run(main())
        Traceback (most recent call last):
            ...
        miniagents...UnresolvedPromiseError: the promise is not resolved yet; await it first: ...
    """

    _unless_given = "the promise is not resolved yet; await it first: `{await message}`"


class InquiryCancelledError(MiniAgentsError):
    """The inquiry of a promise was cancelled; readers can still read what had arrived before.

    Args:
        *args: the text, as of every exception.
        abandoned: whether the library stopped it because its replies could have no reader any more.

    Attributes:
        abandoned: whether the library stopped it because its replies could have no reader any more.

    Example:
        >>> from miniagents import MiniAgents
        >>> from miniagents.testing import scripted_model
        >>> async def main():
        ...     answer = scripted_model("Hello").inquire("Hi")
        ...     answer.cancel()
        ...     await answer
        >>> MiniAgents().run(main())
        Traceback (most recent call last):
            ...
        miniagents...InquiryCancelledError: SCRIPTED_MODEL was cancelled before it had ended.
    """

    _unless_given = "the inquiry was cancelled before it was complete"

    def __init__(self, *args: object, abandoned: bool = False) -> None:
        super().__init__(*args)
        self.abandoned: bool = abandoned


class BudgetExceededError(MiniAgentsError):
    """A budget of tokens or of money is used up.

    Args:
        message: the sentence.
        tokens: the tokens that were spent.
        dollars: the dollars that were spent; None if the budget is one of tokens.

    Attributes:
        tokens: the tokens that were spent.
        dollars: the dollars that were spent; None if the budget is one of tokens.

    Example:
        >>> BudgetExceededError("the budget of 10 tokens is spent", tokens=11).tokens
        11
    """

    def __init__(self, message: str, *, tokens: int, dollars: Decimal | None = None) -> None:
        super().__init__(message)
        self.tokens: int = tokens
        self.dollars: Decimal | None = dollars


class DeadlockError(MiniAgentsError, RuntimeError):
    """A run awaits something that awaits that run, directly or not; the text is the chain `A → B → A`.

    It is raised within a second, in one run of the chain, if each of these runs waits in its own task. If the
    chain goes through a task that a run made (``asyncio.gather``, a task group), the library logs it instead.

    Example:
        >>> from miniagents import MiniAgents, miniagent
        >>> @miniagent
        ... async def snake(ctx):
        ...     await tail
        >>> async def main():
        ...     global tail
        ...     tail = snake.inquire()
        ...     await tail
        >>> MiniAgents().run(main())
        Traceback (most recent call last):
            ...
        miniagents...DeadlockError: SNAKE → SNAKE
        agents: SNAKE
    """


class WrongLoopError(MiniAgentsError, RuntimeError):
    """A promise or context was used in an event loop, thread or (forked) process other than its own.

    Example:
        >>> import asyncio
        >>> from miniagents import MiniAgents
        >>> from miniagents.testing import scripted_model
        >>> async def main():
        ...     await asyncio.to_thread(scripted_model("Hello").inquire, "Hi")
        >>> MiniAgents().run(main())
        Traceback (most recent call last):
            ...
        miniagents...WrongLoopError: this belongs to another event loop or thread or process; ...
    """

    _unless_given = (
        "this belongs to another event loop or thread or process; use it where its MiniAgents context "
        "was entered (from another thread: `MiniAgents.from_thread(...)`)"
    )


class StreamOverflowError(MiniAgentsError, RuntimeError):
    """A source that cannot be paused pushed more items than may be unread at once; see `Overflow`.

    Example:
        >>> import reactivex as rx
        >>> from miniagents import MiniAgents
        >>> from miniagents.streams import Overflow, to_async_iter
        >>> async def main():
        ...     return [number async for number in to_async_iter(rx.of(1, 2, 3), overflow=Overflow.fail(2))]
        >>> MiniAgents().run(main())
        Traceback (most recent call last):
            ...
        miniagents...StreamOverflowError: 2 unread items are kept, and the source pushed one more. ...
    """


class GuardError(MiniAgentsError):
    """A check of ``agent.guard(...)`` stopped an answer; its text is the reason.

    Example:
        >>> str(GuardError("it names a customer"))
        'it names a customer'
    """


class WithdrawnError(MiniAgentsError):
    """The text that a reader of tokens got was withdrawn: the message has another one.

    Tokens cannot be withdrawn. Await the message, read its ``parts`` (a ``Restart`` is where it begins
    again), or give the operator that withdraws ``hold=True``.

    Example:
        >>> from miniagents import MiniAgents, fallback
        >>> from miniagents.testing import scripted_model
        >>> broken, whole = scripted_model(["I am", ConnectionError()]), scripted_model("I am here.")
        >>> async def main():
        ...     async for message in fallback(broken, whole).inquire("Hello?"):
        ...         try:
        ...             async for token in message:
        ...                 print(token)
        ...         except WithdrawnError:
        ...             print("no,", await message)
        >>> MiniAgents().run(main())
        I am
        no, I am here.
    """


class NestingError(MiniAgentsError, TypeError):
    """Values, messages or replies are nested more than 64 levels deep.

    Example:
        >>> from miniagents import Message
        >>> matryoshka = []
        >>> for _ in range(100):
        ...     matryoshka = [matryoshka]
        >>> Message(data=matryoshka)
        Traceback (most recent call last):
            ...
        miniagents...NestingError: ...nested more than 64 levels deep...
    """


class MessageValidationError(MiniAgentsError, ValueError):
    """A message or a field does not fit: the text names what, and shows values shortened, and never a secret.

    * A message does not have a class that an agent takes or replies, and cannot be converted to it; or a
      `route()` has no case for its class.
    * A field of a class agent was given a value that does not fit.
    * A `text_template` uses more than plain field names, or names a field that does not exist.
    * A value has no hash key, because a number in it is NaN or infinite.

    Args:
        text: the sentence.
        agent_alias: the alias of the agent whose types they are; empty if it is not about an agent.

    Example:
        >>> from miniagents import InteractionContext, Message, MiniAgents, miniagent
        >>> class Year(Message):
        ...     year: int
        >>> @miniagent
        ... async def next_year(ctx: InteractionContext[Year, Year]) -> None:
        ...     ctx.reply([Year(year=message.year + 1) for message in await ctx.messages])
        >>> async def main():
        ...     print((await next_year.inquire({"year": "1999"}))[0].year)
        ...     await next_year.inquire({"year": "late"})
        >>> MiniAgents().run(main())
        Traceback (most recent call last):
            ...
        miniagents...MessageValidationError: Agent NEXT_YEAR takes Year, and this Message cannot ...
        agents: NEXT_YEAR
    """

    def __init__(self, text: str, agent_alias: str = "") -> None:
        super().__init__(text, agent_alias)
        self.agent_alias: str = agent_alias

    @override
    def __str__(self) -> str:
        return str(self.args[0])


class FreezeError(MiniAgentsError, TypeError):
    """A value cannot be kept as data of a message; the text names the field's path and the allowed types.

    Example:
        >>> from miniagents import Message
        >>> Message(steps=[{"action": print}])
        Traceback (most recent call last):
            ...
        miniagents...FreezeError: Message.steps[0].action is of type ..., which cannot be frozen; ...
    """


class StopLoop(MiniAgentsError):  # noqa: N818 - a signal, not a failure; documented name
    """An agent raises it to end the loop (`achain_loop`, `adialog_loop`) that it is part of.

    Example:
        >>> from miniagents import AWAIT, MiniAgents, achain_loop, miniagent
        >>> @miniagent
        ... async def counter(ctx):
        ...     text = str(await ctx.messages)
        ...     if len(text) == 3:
        ...         raise StopLoop
        ...     ctx.reply(text + "|")
        >>> print(MiniAgents().run(achain_loop([counter, AWAIT])))
        |||
    """

    _unless_given = "an agent asked its loop to stop"


# A long name, because the attribute is set on exceptions of other libraries.
_ATTRIBUTE = "_miniagents_partial_text"


def partial_text(exc: BaseException) -> str:
    """Return the text that had arrived before the exception was raised.

    Args:
        exc: An exception that a reader of a promise got.

    Returns:
        The `partial_text` of an `LLMError`, else what `set_partial_text` stored first, else ``""``.

    Example:
        >>> error = ValueError("broken")
        >>> set_partial_text(error, "Hel")
        >>> partial_text(error)
        'Hel'
    """
    if isinstance(exc, LLMError) and exc.partial_text:
        return exc.partial_text
    stored: object = exc.__dict__.get(_ATTRIBUTE)
    return stored if isinstance(stored, str) else ""


def set_partial_text(exc: BaseException, text: str) -> None:
    """Store the text that had arrived before the exception; the first stored text stays.

    Args:
        exc: Any exception; an `LLMError` that has its own `partial_text` keeps it.
        text: All the text that had arrived.

    Example:
        >>> error = ValueError("broken")
        >>> set_partial_text(error, "Hel")
        >>> set_partial_text(error, "Hello")
        >>> partial_text(error)
        'Hel'
    """
    # Through `__dict__`: an exception that refuses new attributes (a frozen dataclass) has one too.
    exc.__dict__.setdefault(_ATTRIBUTE, text)


def notes_of(exc: BaseException) -> list[str]:
    """Return the notes of an exception, to which others can be added, also if it refuses new attributes.

    Args:
        exc: Any exception.

    Example:
        >>> error = ValueError("broken")
        >>> notes_of(error).append("in the second attempt")
        >>> error.__notes__
        ['in the second attempt']
    """
    notes: list[str] = exc.__dict__.setdefault("__notes__", [])
    return notes


class AgentTimeoutError(MiniAgentsError, TimeoutError):
    """An agent was stopped because a limit of ``agent.timeout(...)`` expired.

    Args:
        message: the sentence.
        agent: the alias of the agent that was too slow.
        limit: which limit: ``"first_token"``, ``"stall"`` or ``"total"``.
        seconds: that limit.
        elapsed: seconds from the inquiry to the error.
        tokens: how many tokens of all its messages had arrived.
        partial_text: the text that had arrived of the message that it was writing.

    Example:
        >>> error = AgentTimeoutError("too slow", agent="A", limit="stall", seconds=5.0, partial_text="Hel")
        >>> error.agent, error.limit, error.seconds, error.partial_text
        ('A', 'stall', 5.0, 'Hel')
    """

    _unless_given = "an agent took too long"

    def __init__(
        self,
        message: str = "",
        *,
        agent: str = "",
        limit: str = "",
        seconds: float = 0.0,
        elapsed: float = 0.0,
        tokens: int = 0,
        partial_text: str = "",
    ) -> None:
        super().__init__(message)
        self.agent: str = agent
        self.limit: str = limit
        self.seconds: float = seconds
        self.elapsed: float = elapsed
        self.tokens: int = tokens
        set_partial_text(self, partial_text)

    @property
    def partial_text(self) -> str:
        """The text that had arrived of the message that the agent was writing."""
        return partial_text(self)


class LLMError(MiniAgentsError):
    """A language model did not answer as it should.

    The error holds plain data only, so it can be pickled, copied and logged; an exception of the SDK can only
    be its `__cause__`. Its text never contains an API key: everything that looks like one is replaced by
    ``[redacted]``.

    Args:
        message: The sentence: what was wrong, where, what to do.
        provider: The provider's name, for example ``"openai"``.
        model: The name of the model.
        status: The HTTP status, if there was a response.
        request_id: The provider's id of the request.
        attempts: How many times the request was sent.
        partial_text: The text that had arrived before the error.
        retry_after: How many seconds the provider asked the client to wait; None if it did not.

    Example:
        >>> error = LLMError("the stream ended early", provider="openai", partial_text="Hel")
        >>> (str(error), error.partial_text, error.attempts)
        ('the stream ended early', 'Hel', 1)
    """

    _unless_given = "the language model did not answer as it should"

    def __init__(
        self,
        message: str = "",
        *,
        provider: str | None = None,
        model: str | None = None,
        status: int | None = None,
        request_id: str | None = None,
        attempts: int = 1,
        partial_text: str = "",
        retry_after: float | None = None,
    ) -> None:
        # Only the redacted sentence is kept, also in `args`, since pickles and tracebacks show `args`.
        super().__init__(redact_keys(message))
        self.provider: str | None = provider
        self.model: str | None = model
        self.status: int | None = status
        self.request_id: str | None = request_id
        self.attempts: int = attempts
        self.partial_text: str = partial_text
        self.retry_after: float | None = retry_after


class LLMStatusError(LLMError):
    """The provider answered with an error: an HTTP status, or an error event in the stream.

    Example:
        >>> from miniagents import MiniAgents
        >>> from miniagents.testing import scripted_model
        >>> model = scripted_model(LLMStatusError("too many requests", status=429, attempts=3))
        >>> async def main():
        ...     try:
        ...         await model.inquire("Hi")
        ...     except LLMStatusError as error:
        ...         print(error.status, "after", error.attempts, "attempts")
        >>> MiniAgents().run(main())
        429 after 3 attempts
    """


class LLMTimeoutError(LLMError, TimeoutError):
    """The first token, the next part or the end of an answer did not come within its time limit.

    Example:
        >>> error = LLMTimeoutError("no progress for 30 s after 3 characters", partial_text="Hel")
        >>> isinstance(error, TimeoutError), error.partial_text
        (True, 'Hel')
    """


class LLMConnectionError(LLMError, ConnectionError):
    """The connection could not be made, or broke in the middle of the answer.

    Example:
        >>> error = LLMConnectionError("api.openai.com cannot be reached", provider="openai")
        >>> isinstance(error, ConnectionError), error.provider
        (True, 'openai')
    """


class LLMTruncatedError(LLMError):
    """The stream ended without its terminal marker: a part of the answer is missing.

    Example:
        >>> from miniagents import MiniAgents, partial_text
        >>> from miniagents.testing import scripted_model
        >>> model = scripted_model(["The wind", " blo", LLMTruncatedError("the stream ended early")])
        >>> async def main():
        ...     try:
        ...         await model.inquire("The weather, please.")
        ...     except LLMTruncatedError as error:
        ...         print(error, "after", repr(partial_text(error)))
        >>> MiniAgents().run(main())
        the stream ended early after 'The wind blo'
    """


class LLMProtocolError(LLMError):
    """The provider sent something that is not its own protocol.

    Example:
        >>> str(LLMProtocolError("a chunk of llama-7b has no choices; is it a server of Chat Completions?"))
        'a chunk of llama-7b has no choices; is it a server of Chat Completions?'
    """


class LLMRefusalError(LLMError):
    """The model refused to answer, or a content filter stopped it; raised only if the caller chose so.

    Example:
        >>> LLMRefusalError("refused", model="m-1", partial_text="I cannot").partial_text
        'I cannot'
    """


class LLMConfigError(LLMError):
    """An API key or the name of a model is missing, or a keyword is wrong; raised before any network call.

    Attributes:
        of_messages: whether a message cannot be sent, or there is none; then other messages may be answered.

    Example:
        >>> from miniagents.ext.llm import Provider
        >>> Provider("acme", "https://api.acme.example", ("acme.example",)).model(None)
        Traceback (most recent call last):
            ...
        miniagents...LLMConfigError: no model is chosen for acme_agent; give model=..., or set ACME_MODEL ...
    """

    of_messages: bool = False
