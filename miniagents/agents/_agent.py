"""``MiniAgent`` and ``InteractionContext``: an agent, and the context of each of its runs.

``_runnable_agent`` runs an agent, ``_configuration`` configures it. This module has the operations that
compose agents to new agents: each is a documented method here, and ``_algebra`` has what the composed agents
run.

The two classes are in one module because each refers to the other: the context has the agent that runs
(``ctx.this_agent``), and an agent's handlers and wrappers get a context.
"""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, ClassVar, Generic, Literal, Never, Self, TypeAlias, cast, overload

from reactivex import Observable
from typing_extensions import TypeVar, override

from miniagents.messages import (
    ErrorMessage,
    Message,
    MessagePromise,
    MessageSequencePromise,
    MessageType,
    MessageTypeOf,
)

from . import _algebra
from ._algebra._around import Around
from ._algebra._chains import Beside, Both, Stage, Stages
from ._algebra._operands import Composition, Operand
from ._configuration import NO_KEYWORDS
from ._message_run import sequence_of
from ._pipeline import Operator, Pipeline, PlainOperator
from ._run import Run
from ._runnable_agent import ContextClass, In, MiniAgent as RunnableAgent, Out, P

# The variance is the opposite one: code reads the messages from a context and writes the replies into it.
In_co = TypeVar("In_co", bound=Message, default=Message, covariant=True)
Out_contra = TypeVar("Out_contra", bound=Message, default=Message, contravariant=True)
In1 = TypeVar("In1", bound=Message)
Out1 = TypeVar("Out1", bound=Message)
Out2 = TypeVar("Out2", bound=Message)
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
Parts = TypeVar("Parts", Stages, Both)

Caught: TypeAlias = MessageType | Stage[In1, Message]
"""What a handler of :meth:`MiniAgent.catching` returns to replace an error: replies, or an agent."""


class InteractionContext(Generic[In_co, Out_contra]):
    """The first parameter of an agent function: it has the messages that were sent, and methods to reply.

    The types of ``InteractionContext[Question, Answer]`` also hold at run time: a message of another class
    becomes a ``Question`` with the same text and data, or fails with an error that names the fields that do
    not fit. Replies become an ``Answer`` in the same way. Without brackets any message is allowed on both
    sides.

    Attributes:
        this_agent: the agent that runs.
        message_promises: the messages that it was sent; they may still be arriving.

    Args:
        this_agent: the agent that runs.
        message_promises: the messages that it was sent; a text becomes a sequence of one message.
        run: takes the replies.

    Example:
        >>> from miniagents import InteractionContext, Message, MiniAgents, miniagent
        >>> class Sum(Message):
        ...     numbers: tuple[int, ...]
        >>> class Total(Message):
        ...     total: int
        >>> @miniagent
        ... async def add(ctx: InteractionContext[Sum, Total]) -> None:
        ...     async for promise in ctx.messages:
        ...         ctx.reply(Total(total=sum((await promise).numbers)))
        >>> async def main() -> int:
        ...     return (await add.inquire(Sum(numbers=(1, 2, 3))))[0].total
        >>> MiniAgents().run(main())
        6
    """

    __slots__ = ("_run", "message_promises", "this_agent")

    def __init__(
        self,
        this_agent: "MiniAgent[In_co, Out_contra, ...]",
        message_promises: "MessageSequencePromise[In_co] | str",
        run: Run,
    ) -> None:
        # Strictly, variance would require any message here, as a context of narrower classes may be seen as
        # one of wider ones. Messages that pass because of this are still validated at run time.
        self.this_agent: MiniAgent[In_co, Out_contra, ...] = this_agent
        self.message_promises: MessageSequencePromise[In_co] = (
            sequence_of(run.context, message_promises)  # type: ignore[assignment]  # a cast is a call
            if isinstance(message_promises, str)
            else message_promises
        )
        self._run = run

    @property
    def messages(self) -> MessageSequencePromise[In_co]:
        """The same object as ``message_promises``."""
        return self.message_promises

    @overload
    def reply(self: "InteractionContext[Message, Message]", messages: MessageType) -> None: ...
    @overload
    def reply(self, messages: MessageTypeOf[Out_contra]) -> None: ...
    def reply(self, messages: object) -> None:
        """Reply, as often as you like; returns at once.

        Lists and mappings are read at once. Streams (promises, async iterables, Observables) are passed on as
        they come, and later replies arrive after them.

        Args:
            messages: any ``MessageType``. If the agent replies a narrower class, type checkers allow only
                messages of that class, promises and collections of them, and exceptions.

        Raises:
            TypeError: an item cannot become a message; the text names its type and its position.
            MiniAgentsError: the replies are closed.
        """
        self._run.add(messages)

    def finish_early(self) -> None:
        """Close the replies; the function can go on without them."""
        self._run.finish()

    def wait_for(self, awaitable: Awaitable[object]) -> None:
        """Keep the replies open until ``awaitable`` is done; if it fails, the run fails too.

        Args:
            awaitable: anything that can be awaited; a coroutine becomes a task of this run.
        """
        self._run.keep_open_for(awaitable)


class MiniAgent(RunnableAgent[In, Out, P], Generic[In, Out, P]):
    """An agent: :func:`miniagent` makes it from an async function. It never changes; methods return copies.

    ``MiniAgent[Question, Answer]`` takes messages of the class ``Question``, replies ``Answer`` and takes no
    keywords; without brackets it takes and replies any message. A third parameter has the keywords that
    ``inquire`` and ``fork`` take.

    Attributes:
        alias: its name in errors and records, and for models.
        description: what it does; models get this text.

    Args:
        function: called by a run, with the context and the keywords.
        keywords: the keywords that it takes.
        alias: its name.
        description: what it does.
        defaults: values of keywords that the caller does not give.
        errors_as_messages: whether its errors become messages; None: as the context is set.
        classes: the classes of the messages that it takes and replies; None if it takes and replies any
            message.

    Example:
        >>> import reactivex as rx
        >>> from miniagents import MiniAgents, miniagent
        >>> @miniagent
        ... async def shout(ctx, mark: str = "!"):
        ...     ctx.reply(str(await ctx.messages).upper() + mark)
        >>> MiniAgents().run(rx.of("hello").pipe(shout.fork(mark="?"), shout))
        [<MessagePromise done, 1 pieces>]
    """

    __slots__ = ()

    _context_class: ClassVar[ContextClass] = cast("ContextClass", InteractionContext)

    @property
    def components(self) -> "tuple[MiniAgent[Message, Message, ...], ...]":
        """The agents that this one is composed of, in their order; empty if it is not composed.

        For ``a | b``, ``a & b``, a race, a hedge and a route these are the parts; for ``a.timeout(...)``,
        ``a.retry()`` and ``a.around(f)`` it is ``a``; for a model with tools or with an answer type it is the
        model.

        Example:
            >>> from miniagents import identity
            >>> from miniagents.testing import scripted_model
            >>> model = scripted_model("Hi", alias="MODEL")
            >>> model.components, (identity | model.timeout(total=60)).components
            ((), (<MiniAgent identity>, <MiniAgent MODEL.timeout(total=60)>))
        """
        if self._wrapped is not None:
            inner, wrapper = self._wrapped
            if isinstance(wrapper, Around) and wrapper.runs_elsewhere:
                return inner.components
            return (cast("MiniAgent[Message, Message, ...]", inner),)
        parts: object = getattr(self._function, "components", ())
        return cast("tuple[MiniAgent[Message, Message, ...], ...]", parts)

    # -- composition: what each of these runs is in `_algebra` -----------------------------------------------

    if TYPE_CHECKING:
        # It distinguishes an agent from other operators; see `PlainOperator`.
        @override
        def __sizeof__(self, _: Never, /) -> int: ...  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]

        # The type of both together. They take what the second one takes, which is narrower.
        def __beside__(
            self: Stage[In1, Out2], first: Stage[In1, Out1], /
        ) -> "MiniAgent[In1, Out1 | Out2]": ...

    @overload
    def __or__(self: Stage[In1, Out1], other: "Identity") -> "MiniAgent[In1, Out1]": ...
    @overload
    def __or__(self: Stage[In1, Out1], other: Stage[Out1, Out2]) -> "MiniAgent[In1, Out2]": ...
    @overload
    def __or__(self: Operator[A, B], other: PlainOperator[B, C]) -> Pipeline[A, C]: ...
    @overload  # for an agent that lacks a keyword: an error that names both
    def __or__(self, other: Never) -> Never: ...
    def __or__(self, other: object) -> object:
        if isinstance(other, MiniAgent):
            return self._followed_by(cast("MiniAgent[Message, Message]", other))
        if not callable(other):
            return NotImplemented
        return self.then(cast("Callable[[Observable[MessagePromise[Out]]], Observable[object]]", other))

    def _followed_by(self, other: "MiniAgent[Message, Message]") -> "MiniAgent[In, Message]":
        self._check_complete()
        other._check_complete()  # noqa: SLF001 - same class
        return cast("MiniAgent[In, Message]", composed(Stages((*self._stages(), *other._stages()))))  # noqa: SLF001

    def _parts_as(self, kind: type[Parts]) -> Parts | None:
        """Return its composition if that is of this kind and nothing is around it; else None."""
        plain = self._errors_as_messages is None and self._wrapped is None
        return self._function if plain and isinstance(self._function, kind) else None

    def _stages(self) -> tuple[Stage[Message, Message], ...]:
        """Return the agents of a chain, so that a chain of chains is one chain; any other agent alone."""
        chain = self._parts_as(Stages)
        return (cast("Stage[Message, Message]", self),) if chain is None else chain.agents

    @overload
    def __and__(self: Stage[In1, Out1], other: Stage[In1, Out2]) -> "MiniAgent[In1, Out1 | Out2]": ...
    @overload  # of a second one that takes a narrower class
    def __and__(self: A, other: Beside[A, C]) -> C: ...
    def __and__(self, other: object) -> object:
        parts = (*as_operand("&", self)._operands_of_and(), *as_operand("&", other)._operands_of_and())
        return composed(Both(parts))

    def _operands_of_and(self) -> "tuple[Operand, ...]":
        """Return the parts of ``a & b``, so that ``a & b & c`` has three parts; any other agent alone."""
        both = self._parts_as(Both)
        return (self.as_operand(),) if both is None else both.agents

    def as_operand(self, *, strict: bool = False) -> "MiniAgent":
        """Return this agent as a part of another one, for authors of operators on agents.

        Args:
            strict: whether its errors stay errors, which the composition can handle, even where errors become
                messages.

        Raises:
            TypeError: a required keyword is missing, and cannot be given later.
        """
        self._check_complete()
        as_it_is = not strict or self._errors_as_messages is not None
        return cast("MiniAgent", self if as_it_is else self._variant(errors_as_messages=False))

    @overload
    def hedge(
        self: Stage[In1, Out1], other: Stage[In1, Out2], *, after: float
    ) -> "MiniAgent[In1, Out1 | Out2]": ...
    @overload  # of a second one that takes a narrower class
    def hedge(self: A, other: Beside[A, C], *, after: float) -> C: ...
    def hedge(self, other: object, *, after: float) -> object:
        """Return an agent that also inquires ``other`` if this one is slow; the first to begin replies.

        It inquires ``other`` if the reply of this agent has not begun ``after`` seconds after its input was
        complete, or if this agent has failed before that. A reply begins with its first content: a token, a
        thought or a tool call. The first of the two whose reply begins wins, and its reply streams; the other
        one is cancelled, and a :class:`RaceReport` has its cost. If both fail before their replies begin, the
        error is that of this agent.

        Args:
            other: an agent that takes the same messages.
            after: seconds; 0 inquires both at once.

        Raises:
            TypeError: the value is not an agent, or a required keyword is missing.
            ValueError: ``after`` is negative.

        Example:
            >>> import asyncio
            >>> from miniagents import MiniAgents, miniagent
            >>> @miniagent
            ... async def stuck_agent(ctx):
            ...     await asyncio.Event().wait()
            >>> @miniagent
            ... async def backup_agent(ctx):
            ...     ctx.reply("here I am")
            >>> async def main():
            ...     print(await stuck_agent.hedge(backup_agent, after=0.01).inquire())
            >>> MiniAgents().run(main())
            here I am
        """
        composition = _algebra.Hedge(
            as_operand("hedge", self, strict=True), as_operand("hedge", other, strict=True), after
        )
        return composed(composition)

    def catching(
        self: Stage[In1, Out1],
        handler: Callable[[Exception, InteractionContext[In1, Out1]], "Caught[In1] | Awaitable[Caught[In1]]"],
    ) -> "MiniAgent[In1, Message]":
        """Return this agent with a function that handles its errors.

        Replies before the error are kept, also the text of a message that failed in the middle. The result of
        the handler replaces the error: replies, or another agent, which is sent the same messages as this
        one. If the handler raises, readers get its error. Messages are passed on one after the other, each
        from its first token.

        Args:
            handler: a function or an async function of the error and the context of the run.

        Raises:
            TypeError: ``handler`` cannot be called, or a required keyword is missing.

        Example:
            >>> from miniagents import MiniAgents
            >>> from miniagents.testing import scripted_model
            >>> def excuse(error, ctx):
            ...     return f"Sorry: {error}"
            >>> polite = scripted_model(ValueError("no idea")).catching(excuse)
            >>> async def main():
            ...     print(await polite.inquire("Why?"))
            >>> MiniAgents().run(main())
            Sorry: no idea
        """
        composition = _algebra.Catching(
            as_operand("catching", self, strict=True), cast("_algebra.Handler", handler)
        )
        return cast("MiniAgent[In1, Message]", composed(composition))

    # -- a wrapper of the user's own; `timeout` and `retry` are in `_wrapping` -------------------------------

    def around(
        self,
        wrapper: Callable[["InteractionContext[In, Out]", Self], Awaitable[None]]
        | Callable[[InteractionContext, "MiniAgent[Message, Message, ...]"], Awaitable[None]],
    ) -> Self:
        """Return this agent with a function that handles each call: for a cache, a budget, a log.

        The function replies in place of the agent. It can inquire the agent once, several times, or not at
        all, with the messages that were sent or with others. ``ctx.reply(call.inquire(ctx.messages))`` passes
        the replies on as they stream, without a copy. A function that must wait for the end of the call can
        await the replies that it passed on; this reads them at full speed, also without a copy.

        Several functions are nested: in ``agent.around(f).around(g)``, ``g`` is the outermost. For a function
        around every run of a context, see :class:`MiniAgents`.

        Args:
            wrapper: an async function, called with the context of the call, and with this agent, bound to the
                keywords of the call (they are its ``defaults``; its errors stay errors). It may be written
                for any agent; its replies are validated if this agent is typed.

        Returns:
            An agent of the same class, with the same alias, keywords and types.

        Raises:
            TypeError: ``wrapper`` cannot be called.

        Example:
            >>> from miniagents import MiniAgents
            >>> from miniagents.testing import scripted_model
            >>> async def cautious(ctx, call):
            ...     ctx.reply(call.inquire(["Be careful.", ctx.messages]))
            >>> async def timed(ctx, call):
            ...     replies = call.inquire(ctx.messages)
            ...     ctx.reply(replies)
            ...     print("begun")
            ...     await replies
            ...     print("complete")
            >>> model = scripted_model(lambda messages: " ".join(map(str, messages)))
            >>> async def main():
            ...     print(await model.around(cautious).around(timed).inquire("Cross the street."))
            >>> MiniAgents().run(main())
            begun
            complete
            Be careful. Cross the street.
        """
        return self._wrapped_in(Around(wrapper))

    # -- variants ------------------------------------------------------------------------------------------

    def bind(self, *args: P.args, **kwargs: P.kwargs) -> "MiniAgent[In, Out]":
        """Return the same agent with all its keywords given; for type checkers it takes no keywords any more.

        Args:
            *args: values of the agent's own parameters; each one without a default must be given.
            **kwargs: the same by name.

        Raises:
            TypeError: the agent does not take a keyword, or a required one is missing; the text names them.
        """
        bound = self.fork(*args, **kwargs)
        bound._check_complete()  # noqa: SLF001 - same class
        return cast("MiniAgent[In, Out]", bound)

    @overload
    def errors_as_messages(
        self, *, enabled: Literal[True] = True
    ) -> "MiniAgent[In, Out | ErrorMessage, P]": ...
    @overload
    def errors_as_messages(self, *, enabled: Literal[False]) -> "MiniAgent[In, Out, P]": ...
    @overload
    def errors_as_messages(self, *, enabled: bool) -> "MiniAgent[In, Out | ErrorMessage, P]": ...
    def errors_as_messages(self, *, enabled: bool = True) -> "MiniAgent[In, Out | ErrorMessage, P]":
        """Return the same agent, whose errors become an ``ErrorMessage`` in their place.

        Args:
            enabled: if False, errors are raised, even if the context turns errors into messages.
        """
        return self._variant(errors_as_messages=enabled)


class Identity(MiniAgent[Message, Message]):
    """The class of :data:`identity`: in a chain it does not change the types."""

    __slots__ = ()

    @overload  # type: ignore[override]  # it is never incomplete, so it has no form for that
    def __or__(self, other: "Identity") -> "Identity": ...
    @overload
    def __or__(self, other: Stage[In1, Out2]) -> MiniAgent[In1, Out2]: ...
    @overload
    def __or__(self: Operator[A, B], other: PlainOperator[B, C]) -> Pipeline[A, C]: ...
    @override
    def __or__(self, other: object) -> object:  # pyright: ignore[reportIncompatibleMethodOverride] - the same
        return super().__or__(cast("Identity", other))


def composed(composition: Composition) -> MiniAgent:
    """Return an agent that runs ``composition`` and has its alias."""
    return MiniAgent(
        composition,
        NO_KEYWORDS,
        alias=composition.alias,
        description=composition.description,
        defaults={},
    )


def as_operand(operation: str, agent: object, *, strict: bool = False) -> MiniAgent:
    """Return ``agent`` if it can be a part of another one; see :meth:`MiniAgent.as_operand`.

    Args:
        operation: the name of the composition, for the error.
        agent: anything.
        strict: whether its errors stay errors.

    Raises:
        TypeError: the value is not an agent, or a required keyword is missing.
    """
    if not isinstance(agent, MiniAgent):
        msg = (
            f"{operation} is made of agents, and this is a value of type {type(agent).__name__}; "
            "make an agent of an async function with @miniagent."
        )
        raise TypeError(msg)
    return cast("MiniAgent[Message, Message, ...]", agent).as_operand(strict=strict)
