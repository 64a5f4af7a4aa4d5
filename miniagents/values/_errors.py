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
    """A promise was made, or an agent inquired, while no `MiniAgents` context was active.

    Example:
        >>> from miniagents import miniagent
        >>> @miniagent
        ... async def echo(ctx):
        ...     ctx.reply(ctx.messages)
        >>> echo.inquire("Hello")
        Traceback (most recent call last):
            ...
        miniagents...NoActiveContextError: no MiniAgents context is active; use `async with MiniAgents():`
    """

    @override
    def __str__(self) -> str:
        return super().__str__() or "no MiniAgents context is active; use `async with MiniAgents():`"


class UnresolvedPromiseError(MiniAgentsError, RuntimeError):
    """The value of a promise was asked for without `await` before it was there.

    Example:
        >>> from miniagents import MiniAgents
        >>> from miniagents.testing import scripted_model
        >>> async def main():
        ...     answer = scripted_model("Hello").inquire("Hi")
        ...     print(f"The answer: {answer}")
        >>> MiniAgents().run(main())
        Traceback (most recent call last):
            ...
        miniagents...UnresolvedPromiseError: the promise is not resolved yet; await it first
    """

    @override
    def __str__(self) -> str:
        return super().__str__() or "the promise is not resolved yet; await it first"


class InquiryCancelledError(MiniAgentsError):
    """The inquiry behind a promise was cancelled; what had arrived before stays readable.

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

    @override
    def __str__(self) -> str:
        return super().__str__() or "the inquiry was cancelled before it was complete"


class DeadlockError(MiniAgentsError, RuntimeError):
    """A run awaits something that, through any chain, awaits that run; the text is the chain `A → B → A`.

    It is raised in the run that closed the chain, at the moment it closes; nothing hangs.

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
    """A promise or context was used from another event loop, thread or (forked) process than its own.

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

    @override
    def __str__(self) -> str:
        return super().__str__() or (
            "this belongs to another event loop or thread or process; use it where its MiniAgents context "
            "was entered"
        )


class StreamOverflowError(MiniAgentsError, RuntimeError):
    """A source that cannot be paused pushed more than may wait to be read; see `Overflow`.

    Example:
        >>> import reactivex as rx
        >>> from miniagents import MiniAgents
        >>> from miniagents.core import Overflow, to_async_iter
        >>> async def main():
        ...     return [number async for number in to_async_iter(rx.of(1, 2, 3), overflow=Overflow.fail(2))]
        >>> MiniAgents().run(main())
        Traceback (most recent call last):
            ...
        miniagents...StreamOverflowError: 2 unread items are kept, and the source pushed one more. ...
    """


class NotReplayedError(MiniAgentsError, RuntimeError):
    """All of a stream with ``replay=False`` was asked for after its readers had passed the beginning.

    Example:
        >>> from miniagents import MiniAgents
        >>> from miniagents.core import StreamedPromise
        >>> async def numbers():
        ...     yield 1
        ...     yield 2
        >>> async def main():
        ...     stream = StreamedPromise(numbers, replay=False)
        ...     print([number async for number in stream])
        ...     await stream
        >>> MiniAgents().run(main())
        Traceback (most recent call last):
            ...
        miniagents...NotReplayedError: 2 pieces of a stream with replay=False are gone: ...
    """


class NestingError(MiniAgentsError, TypeError):
    """Values, messages or replies are nested deeper than the cap of 64 levels.

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
    """A message is not, and cannot become, of the class that a typed agent takes or replies.

    The text names the agent, the fields and their values, these shortened and never a secret.

    Args:
        text: what is wrong.
        agent_alias: whose types they are.

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

    def __init__(self, text: str, agent_alias: str) -> None:
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


class TemplateError(MiniAgentsError, ValueError):
    """A `text_template` uses more than plain field names, or names a field that the value does not have.

    Example:
        >>> from miniagents import Message
        >>> str(Message(text_template="Hello, {name}!", nmae="Ada"))
        Traceback (most recent call last):
            ...
        miniagents...TemplateError: ...names the field 'name', which is not there; known fields: ...
    """


class HashKeyError(MiniAgentsError, ValueError):
    """A value has no hash key because a number in it is NaN or infinite; the text names the field's path.

    Example:
        >>> from miniagents import Message
        >>> Message(score=float("nan")).hash_key
        Traceback (most recent call last):
            ...
        miniagents...HashKeyError: Message.score is NaN or infinite, so there is no hash key; use None or ...
    """


class StopLoop(MiniAgentsError):  # noqa: N818 - a signal, not a failure; documented name
    """An agent raises it to end the loop (`achain_loop`, `adialog_loop`) it is part of.

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

    @override
    def __str__(self) -> str:
        return super().__str__() or "an agent asked its loop to stop"
