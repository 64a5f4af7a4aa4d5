"""``MiniAgent`` and ``InteractionContext``: an agent, and the context of each of its runs.

An agent is an operator from a stream of messages to a stream of messages. Called with an Observable it is
cold: each subscription is one run, which the subscriber owns. ``inquire`` is hot: it starts one run, which
the context owns, and its replies are replayed.

Operations that compose agents are documented methods here; ``_algebra`` has what the composed agents run. An
operation that keeps the keywords and the class of its agent (``timeout``, ``retry``, ``around``) is a wrapper
in a copy of the agent, so a typed agent is still typed, and an agent of a class keeps its fields.

The two classes are in one module because each refers to the other: the context has the agent that runs
(``ctx.this_agent``), and an agent's handlers and wrappers get a context.
"""

import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import (
    TYPE_CHECKING,
    ClassVar,
    Generic,
    Literal,
    Never,
    NoReturn,
    Self,
    TypeAlias,
    TypedDict,
    cast,
    overload,
)

from reactivex import Observable
from typing_extensions import ParamSpec, TypeVar, Unpack, override

from miniagents.messages import (
    ErrorMessage,
    InputMessage,
    Message,
    MessagePromise,
    MessageSequencePromise,
    MessageType,
    MessageTypeOf,
)
from miniagents.messages._flattener import Flattener
from miniagents.messages._sequence import Lifted, MessageItemOf, open_sequence
from miniagents.messages._validation import Validation, validated
from miniagents.operators._map_agent import AgentMap
from miniagents.streams import Overflow
from miniagents.streams._concurrent_map import ConcurrencyLimits
from miniagents.streams._context import Context, current_context
from miniagents.streams._lifetime import current_producer
from miniagents.streams._observers import RunKind
from miniagents.values import FrozenMapping

from ._algebra._around import AnyFunction, Around, handled
from ._algebra._catching import Catching, Handler, TakingOver
from ._algebra._chains import Beside, Both, Stage, Stages
from ._algebra._guard import Check, Guarding
from ._algebra._hedge import Hedge
from ._algebra._interactive import Interactive, When
from ._algebra._operands import Composition, Errors, Operand, Wrapper
from ._algebra._retry import Retrying, RetryPolicy
from ._algebra._timeout import TimeLimits
from ._annotations import MessageClasses
from ._call import AgentCall, InteractiveCall
from ._keywords import NO_KEYWORDS, Keywords
from ._miniagents import MiniAgents
from ._pipeline import Operator, Pipeline, PlainOperator
from ._run import Run, sequence_of, start_run

# The variance is the opposite one: code reads the messages from a context and writes the replies into it.
In_co = TypeVar("In_co", bound=Message, default=Message, covariant=True)
Out_contra = TypeVar("Out_contra", bound=Message, default=Message, contravariant=True)
# Users see these two names in signatures and hints, so the names do not show the variance.
In = TypeVar("In", bound=Message, default=Message, contravariant=True)  # noqa: PLC0105
Out = TypeVar("Out", bound=Message, default=Message, covariant=True)  # noqa: PLC0105
P = ParamSpec("P", default=[])
In1 = TypeVar("In1", bound=Message)
Out1 = TypeVar("Out1", bound=Message)
Out2 = TypeVar("Out2", bound=Message)
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")

Caught: TypeAlias = MessageType | Stage[In1, Message]
"""What a handler of :meth:`MiniAgent.catching` returns to replace an error: replies, or an agent."""


class CatchOptions(TypedDict, total=False):
    """The keywords of :meth:`MiniAgent.catching`, which says more about each.

    Attributes:
        on: which errors are caught.
        restart: whether an answer that has begun may be withdrawn.
        after: ``"continue"``: the other model goes on after the text that has come.
        hold: whether nothing is shown that may be withdrawn.

    Example:
        >>> options: CatchOptions = {"on": (ValueError,), "hold": True}
    """

    on: Errors
    restart: bool
    after: Literal["continue"] | None
    hold: bool


class InteractionContext(Generic[In_co, Out_contra]):
    """The first parameter of an agent function: it has the messages that were sent, and methods to reply.

    The types of ``InteractionContext[Question, Answer]`` also hold at run time: a message of another class
    becomes a ``Question`` with the same text and data, or fails with an error that names the fields that do
    not fit. Replies become an ``Answer`` in the same way. Without brackets any message is allowed.

    Attributes:
        this_agent: the agent that runs.
        message_promises: the messages that it was sent; they may still be arriving.

    Args:
        this_agent: the agent that runs.
        message_promises: the messages that it was sent; a text becomes one message.
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


class MiniAgent(Generic[In, Out, P]):
    """An agent: :func:`miniagent` makes it from an async function. It never changes; methods return copies.

    ``MiniAgent[Question, Answer]`` takes messages of the class ``Question``, replies ``Answer`` and takes no
    keywords; without brackets it takes and replies any message. A third parameter has its keywords.

    Attributes:
        alias: its name in errors and records, and for models.
        description: what it does; models get this text.

    Args:
        function: called by a run, with context and keywords.
        keywords, defaults: those that it takes, and the values that callers need not give.
        alias, description: see above.
        errors_as_messages: whether its errors become messages; None: as set.
        classes: of the messages that it takes and replies; None for any.

    Example:
        >>> import reactivex as rx
        >>> from miniagents import MiniAgents, miniagent
        >>> @miniagent
        ... async def shout(ctx, mark: str = "!"):
        ...     ctx.reply(str(await ctx.messages).upper() + mark)
        >>> MiniAgents().run(rx.of("hello").pipe(shout.fork(mark="?"), shout))
        [<MessagePromise done, 1 pieces>]
    """

    __slots__ = (
        *("_around_done", "_classes", "_defaults", "_errors_as_messages", "_function", "_keywords"),
        *("_wrapped", "_alias", "_description"),
    )
    # All slots that a copy of an agent of this class must have; read once for each class.
    _copied_slots: ClassVar[tuple[str, ...]] = __slots__

    def __init__(
        self,
        function: Callable[..., Awaitable[None]],
        keywords: Keywords,
        *,
        alias: str,
        description: str,
        defaults: Mapping[str, object],
        errors_as_messages: bool | None = None,
        classes: MessageClasses | None = None,
    ) -> None:
        self._function = function
        self._classes = classes
        self._keywords = keywords
        self._defaults = FrozenMapping(defaults)
        self._errors_as_messages = errors_as_messages
        self._alias = alias
        self._description = description
        # The same agent without its outermost wrapper, and that wrapper.
        self._wrapped: tuple[Self, Wrapper] | None = None
        # How many of the functions that the context puts around every run are around this agent already.
        self._around_done = 0

    @override
    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        own: str | tuple[str, ...] = vars(cls).get("__slots__", ())
        added = (own,) if isinstance(own, str) else tuple(own)
        cls._copied_slots = tuple(dict.fromkeys((*cls._copied_slots, *added)))

    # Read-only: an agent is shared, and `described` makes one with another name.
    @property
    def alias(self) -> str:
        """Its name in errors and records, and for models; see :meth:`described`."""
        return self._alias

    @property
    def description(self) -> str:
        """What it does, for models; see :meth:`described`."""
        return self._description

    if not TYPE_CHECKING:  # they refuse it anyway; this says what to write

        @alias.setter
        def alias(self, alias: str) -> NoReturn:
            raise AttributeError(_shared(self, f"alias={alias!r}"))

        @description.setter
        def description(self, description: str) -> NoReturn:
            raise AttributeError(_shared(self, f"description={description!r}"))

    @override
    def __repr__(self) -> str:
        return f"<MiniAgent {self.alias}>"

    @property
    def defaults(self) -> FrozenMapping[str, object]:
        """The values of keywords that the caller does not give."""
        return FrozenMapping({**self._keywords.defaults, **self._defaults})

    @property
    def run_kind(self) -> RunKind:
        """The kind of its runs, for observers: ``"agent"``, or ``"model"`` if it calls a model itself."""
        return "agent"

    @property
    def _asks_model(self) -> bool:
        """Whether what a context puts around the calls of models is around its runs."""
        if self._wrapped is not None and isinstance(self._wrapped[1], Around) and self._wrapped[1].stands_in:
            return self._wrapped[0]._asks_model  # noqa: SLF001 - same class
        return self.run_kind == "model"

    @property
    def takes(self) -> tuple[type[Message], ...] | None:
        """The classes of the messages that it takes; None if it takes any message."""
        return None if self._classes is None else self._classes.takes

    @property
    def continues(self) -> bool:
        """Whether it goes on after a text that another model has begun, if that ends the messages."""
        return False

    def takes_keyword(self, name: str) -> bool:
        """Return whether ``fork`` and ``inquire`` take a keyword.

        Args:
            name: the name of the keyword.
        """
        return self._keywords.open or name in self._keywords.names

    @property
    def required_keywords(self) -> frozenset[str]:
        """The keywords that ``inquire`` needs: they have no default, and ``fork`` has not set them."""
        return self._keywords.required - self._defaults.keys()

    @property
    def keyword_types(self) -> Mapping[str, object]:
        """The annotations of its keywords, for code that makes values of text; without those not known."""
        return self._keywords.types

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

    # -- hot -----------------------------------------------------------------------------------------------

    @overload
    def inquire(
        self, messages: MessageTypeOf[In] = None, /, *args: P.args, **kwargs: P.kwargs
    ) -> MessageSequencePromise[Out]: ...
    @overload
    def inquire(
        self: "MiniAgent[Message, Out, P]", messages: MessageType = None, /, *args: P.args, **kwargs: P.kwargs
    ) -> MessageSequencePromise[Out]: ...
    def inquire(
        self, messages: object = None, /, *args: P.args, **kwargs: P.kwargs
    ) -> MessageSequencePromise[Out]:
        """Start a run of the agent with ``messages``; return its replies at once, while they are written.

        Args:
            messages: any ``MessageType``; None for no messages. If the agent takes a narrower class, type
                checkers allow only messages of that class, promises and collections of them, and exceptions.
            *args: values of the agent's own parameters.
            **kwargs: the same by name; they take precedence over the values of ``fork``, and these over
                defaults.

        Returns:
            The replies: awaitable, async iterable, and usable as the messages of another inquiry.

        Raises:
            NoActiveContextError: no context is active.
            TypeError: a keyword is unknown or missing, or an item cannot become a message.
        """
        try:
            start, given = self._called(args, kwargs)
        except AttributeError:
            if isinstance(cast("object", self), MiniAgent):
                raise
            raise TypeError(
                "inquire was called on a class of agents, not on an agent: make one of it first, such as "
                "Poet().inquire(...) instead of Poet.inquire(...)."
            ) from None
        context = current_context()
        if messages is None:
            pending, received = open_sequence()
            return start(context, received, given, pending)
        if isinstance(messages, MessageSequencePromise):
            return start(context, cast("MessageSequencePromise[Message]", messages), given)
        if isinstance(messages, str):  # the most frequent case, which is always valid
            return start(context, messages, given)
        received = MessageSequencePromise(cast("MessageType", messages))
        received.buffer.expect_reader()  # its reader is the run, so it ends with the run
        return start(context, received, given)

    def initiate_inquiry(self, *args: P.args, **kwargs: P.kwargs) -> AgentCall[In, Out]:
        """Start a run of the agent now, and send it messages later; see :class:`AgentCall`.

        Args:
            *args: values of the agent's own parameters.
            **kwargs: the same by name.

        Raises:
            NoActiveContextError: no context is active.
            TypeError: a keyword is unknown or missing.
        """
        return self._initiate(AgentCall, args, kwargs)

    def _initiate(
        self,
        kind: "Callable[[str, Flattener, MessageSequencePromise[Out]], D]",
        args: tuple[object, ...],
        kwargs: Mapping[str, object],
    ) -> D:
        start, given = self._called(args, kwargs)
        flattener, received = open_sequence()
        if current_producer() is None:
            # The end of a run does not finish this call; the end of the context does, if nothing did before.
            flattener.context.finish_at_end(flattener)
        return kind(self.alias, flattener, start(flattener.context, received, given))

    # -- cold ----------------------------------------------------------------------------------------------

    @overload
    def __call__(
        self: "MiniAgent[Message, Out, P]",
        source: Observable[MessageType],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Observable[MessagePromise[Out]]: ...
    @overload
    def __call__(
        self, source: Observable[MessageItemOf[In]], /, *args: P.args, **kwargs: P.kwargs
    ) -> Observable[MessagePromise[Out]]: ...
    def __call__(
        self, source: object = None, /, *args: P.args, **kwargs: P.kwargs
    ) -> Observable[MessagePromise[Out]]:
        """Return an Observable of the replies to the messages of ``source``; so ``source.pipe(agent)`` works.

        * When does it start? At each subscription, in the subscriber's contextvars and context.
        * How often? One run per subscription.
        * What is kept? The messages of a run, until it ends.
        * What does ``break`` do? Disposing stops the run and unsubscribes from ``source``; a reply that your
          program still holds goes on streaming.
        * When does an error come? After the replies that came before it.

        Raises:
            TypeError: ``source`` is not an Observable, or a keyword is unknown or missing.
        """
        if not isinstance(source, Observable):
            kind = "nothing" if source is None else f"a value of type {type(source).__name__}"
            raise TypeError(
                f"Agent {self.alias} was called with {kind}. A call of an agent takes an Observable, as an "
                "operator does. Use `inquire` to send it messages, and `fork` to give it keywords."
            )
        start, given = self._called(args, kwargs)
        items = cast("Observable[object]", source)
        return Lifted(items, lambda received: start(current_context(), received, given))

    def then(self: Operator[A, B], operator: Callable[[Observable[B]], Observable[C]]) -> Pipeline[A, C]:
        """Return this agent followed by an operator, as one operator: ``source.pipe(agent, operator)``.

        Args:
            operator: from an Observable of promises of messages to an Observable.

        Raises:
            TypeError: the agent has a keyword without a value (give it to ``fork`` or ``bind`` before), or
                ``operator`` cannot be called with an Observable.
        """
        cast("MiniAgent", self)._check_complete()  # noqa: SLF001 - it is one
        return Pipeline(self).then(operator)

    # -- composition: `_algebra` has what the composed agents run ------------------------------------------

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
            second = cast("MiniAgent[Message, Message]", other)
            return composed(Stages((*self._parts(Stages), *second._parts(Stages))))
        if not callable(other):
            return NotImplemented
        return self.then(cast("Callable[[Observable[MessagePromise[Out]]], Observable[object]]", other))

    def _parts(self, kind: type[Stages] | type[Both]) -> "tuple[Operand, ...]":
        """Return its parts if it is a composition of this kind, and nothing is around it; else it alone."""
        plain = self._errors_as_messages is None and self._wrapped is None
        if plain and isinstance(self._function, kind):
            return self._function.components
        return (self.as_operand(),)

    @overload
    def __and__(self: Stage[In1, Out1], other: Stage[In1, Out2]) -> "MiniAgent[In1, Out1 | Out2]": ...
    @overload  # of a second one that takes a narrower class
    def __and__(self: A, other: Beside[A, C]) -> C: ...
    def __and__(self, other: object) -> object:
        parts = (*as_operand("&", self)._parts(Both), *as_operand("&", other)._parts(Both))
        return composed(Both(parts))

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
        complete, or if this agent has failed before that. A reply begins with a token, a thought or a call
        of a tool. It then streams; the other agent is cancelled, and a :class:`RaceReport` has its cost. If
        both fail before that, the error is that of this agent.

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
        composition = Hedge(
            as_operand("hedge", self, strict=True), as_operand("hedge", other, strict=True), after
        )
        return composed(composition)

    @overload
    def catching(
        self: Stage[In1, Out1], handler: Stage[In1, Out2], **options: Unpack[CatchOptions]
    ) -> "MiniAgent[In1, Out1 | Out2]": ...
    @overload  # of an agent that takes a narrower class
    def catching(self: A, handler: Beside[A, C], **options: Unpack[CatchOptions]) -> C: ...
    @overload
    def catching(
        self: Stage[In1, Out1],
        handler: Callable[[Exception, InteractionContext[In1, Out1]], "Out2 | Awaitable[Out2]"],
        **options: Unpack[CatchOptions],
    ) -> "MiniAgent[In1, Out1 | Out2]": ...
    @overload
    def catching(
        self: Stage[In1, Out1],
        handler: Callable[[Exception, InteractionContext[In1, Out1]], "Caught[In1] | Awaitable[Caught[In1]]"],
        **options: Unpack[CatchOptions],
    ) -> "MiniAgent[In1, Message]": ...
    def catching(
        self,
        handler: object,
        *,
        on: Errors = (Exception,),
        restart: bool = False,
        after: Literal["continue"] | None = None,
        hold: bool = False,
    ) -> object:
        """Return this agent with another agent, or a function, that takes over when it fails.

        Replies before the error stay, and those of ``handler`` follow.

        Args:
            handler: an agent, or a function of the error and the context.
            on: the errors: a tuple of classes, or a function of the error.
            restart: whether the message that failed is withdrawn.
            after: ``"continue"``: goes on after the text that came.
            hold: whether messages are shown only when complete.

        Raises:
            TypeError: an argument does not fit.

        Example:
            >>> from miniagents.testing import scripted_model
            >>> scripted_model("Yes.").catching(lambda error, ctx: f"Sorry: {error}").alias
            'SCRIPTED_MODEL.catching(<lambda>)'
        """
        if isinstance(handler, MiniAgent):
            handler = as_operand("catching", cast("MiniAgent", handler), strict=True)
        agent, go_on = as_operand("catching", self, strict=True), after == "continue"
        return composed(Catching(agent, cast("Handler", handler), on, restart or go_on, go_on, hold))

    def _backed_by(self, other: "MiniAgent", names: Sequence[str], options: CatchOptions) -> Self:
        """Return this agent with another one that takes over, which gets some keywords of each call."""
        made = MiniAgent.catching(cast("MiniAgent", self), other, **options)
        strict = other.as_operand(strict=True)

        def bound(call: Operand) -> Operand:
            given = cast("MiniAgent", call).defaults
            wanted = {each: given[each] for each in names if each in given and strict.takes_keyword(each)}
            return cast("Operand", strict._variant(defaults={**strict._defaults, **wanted}))  # noqa: SLF001 - same class

        return self._wrapped_in(TakingOver(cast("Catching", made._function), bound))  # noqa: SLF001 - the same

    # -- wrappers: the same agent, with something around each of its runs -----------------------------------

    def timeout(
        self, *, first_token: float | None = None, stall: float | None = None, total: float | None = None
    ) -> Self:
        """Return this agent with time limits: it is stopped when one expires; in seconds, None for no limit.

        Pieces that had come are kept; the message that was being written, and the replies, end with an
        :class:`AgentTimeoutError`. The time in which the agent is paused for slow readers does not count.

        Args:
            first_token: from the end of its input to the first piece of its reply, which may be a thought.
            stall: between two tokens or ends of messages; without ``first_token`` also before the first one.
            total: from the inquiry to the end of the last message.

        Raises:
            ValueError: a limit is negative.
            TypeError: a limit is not a number.

        Example:
            >>> import asyncio
            >>> from miniagents import AgentTimeoutError, MiniAgents, miniagent
            >>> @miniagent
            ... async def stuck_agent(ctx):
            ...     await asyncio.Event().wait()
            >>> async def main():
            ...     try:
            ...         await stuck_agent.timeout(first_token=0.01, total=60).inquire()
            ...     except AgentTimeoutError as error:
            ...         print(error.agent, error.limit, error.tokens)
            >>> MiniAgents().run(main())
            STUCK_AGENT first_token 0
        """
        return self._wrapped_in(TimeLimits(first_token, stall, total))

    def retry(self, policy: RetryPolicy | None = None) -> Self:
        """Return this agent with retries: it is inquired again after an error if its reply had not begun.

        A reply begins with its first content: a token, a thought or a tool call. From then on it streams, and
        readers would see it begin again; so from then on they get an error.

        Args:
            policy: how often to retry, after which errors, and with which pauses; by default
                ``RetryPolicy()``.

        Raises:
            TypeError: ``policy`` is not a ``RetryPolicy``.

        Example:
            >>> from miniagents import MiniAgents, RetryPolicy
            >>> from miniagents.testing import scripted_model
            >>> shaky = scripted_model(ConnectionError("gone"), "Hello!").retry(RetryPolicy(delay=0.01))
            >>> async def main():
            ...     print(await shaky.inquire("Hi"))
            >>> MiniAgents().run(main())
            Hello!
        """
        return self._wrapped_in(Retrying(RetryPolicy() if policy is None else policy))

    def guard(
        self,
        *,
        during: Check | None = None,
        before: Check | None = None,
        after: Check | None = None,
        hold: int = 40,
        replacement: str | None = None,
    ) -> Self:
        """Return this agent with checks that see what it says before any reader does.

        A check gets a text, and returns None, or the reason why it must not be said. Then the agent is
        stopped, and its message ends with an error, or has the replacement. A check may be async or an agent.

        Args:
            during: gets the text of a message so far, with each piece.
            before: gets the text that was sent.
            after: gets the text of a complete message.
            hold: how many characters wait until more has come.
            replacement: takes the place of the answer; None for a ``GuardError``.

        Raises:
            TypeError: no check, no function, or a replacement for a typed answer.
            ValueError: ``hold`` is negative.

        Example:
            >>> from miniagents import MiniAgents
            >>> from miniagents.testing import scripted_model
            >>> def check(text):
            ...     return "a name" if "Ada" in text else None
            >>> careful = scripted_model("It is Ada.").guard(during=check, replacement="A secret.")
            >>> async def main():
            ...     print(await careful.inquire("Who is it?"))
            >>> MiniAgents().run(main())
            A secret.
        """
        return self._guarded(Guarding(during, before, after, hold, replacement))

    def _guarded(self, guard: Wrapper) -> Self:
        return self._wrapped_in(guard)

    def around(
        self,
        wrapper: Callable[["InteractionContext[In, Out]", Self], Awaitable[None]]
        | Callable[[InteractionContext, "MiniAgent[Message, Message, ...]"], Awaitable[None]],
    ) -> Self:
        """Return this agent with a function that handles each call: for a cache, a budget, a log.

        The function replies in place of the agent, and may inquire it, with these messages or others.
        ``ctx.reply(call.inquire(ctx.messages))`` passes replies on as they stream, without a copy. In
        ``agent.around(f).around(g)``, ``g`` is outermost. Class, alias, keywords and types stay.

        Args:
            wrapper: an async function of the context, and of this agent, bound to the keywords of the call
                (its ``defaults``).

        Raises:
            TypeError: ``wrapper`` cannot be called.

        Example:
            >>> from miniagents import MiniAgents
            >>> from miniagents.testing import scripted_model
            >>> async def logged(ctx, call):
            ...     replies = call.inquire(["Be careful.", ctx.messages])
            ...     ctx.reply(replies)
            ...     print("begun")
            ...     await replies
            ...     print("complete")
            >>> model = scripted_model(lambda messages: " ".join(map(str, messages)))
            >>> async def main():
            ...     print(await model.around(logged).inquire("Cross the street."))
            >>> MiniAgents().run(main())
            begun
            complete
            Be careful. Cross the street.
        """
        return self._wrapped_in(Around(wrapper))

    def interactive(
        self: "MiniAgent[In1, Out1, P]", *, unmarked: When = "steer", idle: float | None = None
    ) -> "InteractiveAgent[In1, Out1 | InputMessage, P]":
        """Return an agent whose input may stay open: what is sent while it works is taken while it works.

        This agent is called once for each answer, with the whole conversation; its tool loops take what
        steers before their next request. What is said is among the replies, at the place where it was taken.
        On input that is complete when the run begins, it does what this agent does.

        Args:
            unmarked: ``"steer"``, ``"queue"``, ``"interrupt"`` or ``"rollback"``, for a plain message.
            idle: seconds after which the run ends if nothing has come and nothing runs; None: never.

        Returns:
            An agent; its ``initiate_inquiry`` returns an :class:`InteractiveCall`.

        Raises:
            ValueError: there is no such ``unmarked``, or ``idle`` is negative.

        Example:
            >>> from miniagents import MiniAgents
            >>> from miniagents.testing import scripted_model
            >>> async def main():
            ...     call = scripted_model("Oslo.", "Cold.").interactive(unmarked="queue").initiate_inquiry()
            ...     call.send_message("A city in Norway?")
            ...     await call.queue("How is it there?")
            ...     print(*await call.reply_sequence())
            >>> MiniAgents().run(main())
            Oslo. How is it there? Cold.
        """
        function = Interactive(cast("Operand", self), unmarked, idle)
        interactive: object = self._over(InteractiveAgent, function, function.alias)
        made = cast("InteractiveAgent[In1, Out1 | InputMessage, P]", interactive)
        made._errors_as_messages = None  # noqa: SLF001 - same class
        return made

    def _wrapped_in(self, wrapper: Wrapper) -> Self:
        """Return a copy of this agent with ``wrapper`` around its runs."""
        inner = self._variant(errors_as_messages=False)
        if isinstance(wrapper, Around) and wrapper.stands_in:
            inner._around_done = sys.maxsize  # noqa: SLF001 - same class
        part = cast("Operand", self)
        outer = self._variant(alias=wrapper.alias_around(part), description=wrapper.description_around(part))
        outer._wrapped = (inner, wrapper)  # noqa: SLF001 - same class
        return outer

    def _bound_to(self, given: Mapping[str, object]) -> Self:
        """Return this agent for one call of a wrapper: with the keywords of the call; errors stay errors."""
        if given is self._defaults and self._errors_as_messages is False:
            return self  # most often nothing has to change
        bound = self._copied()
        bound._defaults = FrozenMapping(given)  # noqa: SLF001 - same class, here and below
        bound._errors_as_messages = False  # noqa: SLF001
        return bound

    # -- variants ------------------------------------------------------------------------------------------

    def described(self, *, alias: str | None = None, description: str | None = None) -> Self:
        """Return the same agent with another alias or another description.

        Args:
            alias: its new name; None: unchanged.
            description: its new description; None: unchanged.
        """
        return self._variant(alias=alias, description=description)

    def fork(self, *args: P.args, **kwargs: P.kwargs) -> Self:
        """Return the same agent with other defaults; every keyword can still be given later.

        For type checkers a required keyword is still required after ``fork``; use :meth:`bind` to give the
        last ones.

        Args:
            *args: values of the agent's own parameters.
            **kwargs: the same by name. Data is frozen; other values (a client) are kept as they are.

        Raises:
            TypeError: the agent does not take a keyword; the text names the keywords that it takes.
        """
        taken = self._keywords.taken(self.alias, args, kwargs)
        return self._variant(defaults={**self._defaults, **taken})

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

    def _check_complete(self) -> None:
        """Check, when an agent is composed, that no keyword is missing, since none can be given later."""
        self._keywords.check_complete(self.alias, self._defaults)

    def _variant(
        self,
        *,
        defaults: Mapping[str, object] | None = None,
        alias: str | None = None,
        description: str | None = None,
        errors_as_messages: bool | None = None,
    ) -> Self:
        """Return a copy with some changes; None means unchanged."""
        variant = self._copied()
        if defaults is not None:
            variant._defaults = FrozenMapping(defaults)  # noqa: SLF001 - same class, here and below
        if alias is not None:
            variant._alias = alias  # noqa: SLF001
        if description is not None:
            variant._description = description  # noqa: SLF001
        if errors_as_messages is not None:
            variant._errors_as_messages = errors_as_messages  # noqa: SLF001
        return variant

    def _copied(self) -> Self:
        copied = object.__new__(type(self))
        own = getattr(self, "__dict__", None)
        if own is not None:
            vars(copied).update(own)
        for name in self._copied_slots:
            setattr(copied, name, getattr(self, name))
        return copied

    def _as_kind(self, kind: type[D]) -> D:
        """Return this agent as one of ``kind``; the caller sets the attributes that only this class has."""
        same = kind.__new__(kind)
        for name in MiniAgent._copied_slots:
            setattr(same, name, getattr(self, name))
        return same

    def _over(self, kind: type[D], function: Callable[..., Awaitable[None]], alias: str) -> D:
        """Return an agent of a class with another function, which takes the same keywords.

        The function around this agent (`_wrapped`) stays around its runs, which ``function`` starts. It is
        not added to the new agent again.
        """
        made = self._as_kind(kind)
        changed = {"_function": function, "_classes": None, "_wrapped": None, "_alias": alias}
        for name, value in changed.items():
            setattr(made, name, value)
        return made

    # -- running -------------------------------------------------------------------------------------------

    def _called(
        self, args: tuple[object, ...], kwargs: Mapping[str, object]
    ) -> "tuple[Callable[..., MessageSequencePromise[Out]], Mapping[str, object]]":
        """Return what starts a run for this call, and the keywords of that run."""
        if not args and not kwargs and not self._keywords.required:
            return self._start, self._defaults
        keywords = self._keywords
        named = keywords.named(self.alias, args, kwargs)
        if keywords.required:
            keywords.check_complete(self.alias, {**self._defaults, **named})
        return self._start, {**self._defaults, **keywords.frozen(named)} if named else self._defaults

    def _start(
        self,
        context: Context,
        received: MessageSequencePromise[Message] | str,
        given: Mapping[str, object],
        pending: Flattener | None = None,
    ) -> MessageSequencePromise[Out]:
        classes = self._classes
        around = context.around_runs if isinstance(context, MiniAgents) else ()
        if around and isinstance(context, MiniAgents) and not self._asks_model:
            around = context.around_agents
        function = around[self._around_done] if self._around_done < len(around) else None
        if function is None and self._wrapped is not None and not isinstance(self._wrapped[1], Around):
            classes = None  # the replies are those of the wrapped agent, so they have its classes
        return start_run(  # type: ignore[return-value]  # of its class; a cast is a call
            context,
            self.alias,
            received,
            pending,
            given,
            agent=cast("MiniAgent[Message, Message, ...]", self),
            around=function,
            errors_as_messages=self._errors_as_messages,
            classes=None if classes is None else classes.replies,
        )

    def __map_agent__(
        self: Stage[In1, Out1], limits: ConcurrencyLimits, overflow: Overflow | None, /
    ) -> AgentMap[In1, Out1]:
        """Return the ``AgentMap`` for :func:`map_agent`.

        Args:
            limits: how many items run at once, in which order results come, and what an item that fails does.
            overflow: how many unread items of an Observable are kept, and what happens to one more.
        """
        return AgentMap(self, limits, overflow)

    def begin(
        self,
        received: MessageSequencePromise[Message] | str,
        given: Mapping[str, object],
        run: Run,
        around: AnyFunction | None,
    ) -> Awaitable[None]:
        """Call the agent function, or the wrapper around it; a run calls this.

        Args:
            received: the messages that it was sent.
            given: the keywords of this run.
            run: takes the replies.
            around: a function of the context, which is called in place of this agent; None if there is none.
        """
        classes = self._classes
        own = around is None and self._wrapped is None  # else the agent that is called validates them
        if own and classes is not None and classes.takes is not None:
            if isinstance(received, str):
                received = sequence_of(run.context, received)
            received = validated(received, Validation(classes.takes, self.alias, "takes"))
        ctx = InteractionContext(cast("MiniAgent[Message, Message, ...]", self), received, run)
        if around is not None:
            call = self._bound_to(given)._copied()  # noqa: SLF001 - same class, here and below
            call._around_done += 1  # noqa: SLF001 - so that this function is not around it again
            return handled(around, ctx, cast("Operand", call))
        if self._wrapped is not None:
            inner, wrapper = self._wrapped
            return wrapper(ctx, cast("Operand", inner._bound_to(given)))  # noqa: SLF001
        return self._function(ctx, **given)


def _shared(agent: MiniAgent[Never, Message, ...], change: str) -> str:
    return (
        f"Agent {agent.alias} cannot be changed, since others may use it. Use agent.described({change}): it "
        "returns another agent."
    )


class InteractiveAgent(MiniAgent[In, Out, P], Generic[In, Out, P]):
    """An agent that takes messages while it works; :meth:`MiniAgent.interactive` makes it.

    Example:
        >>> from miniagents.testing import scripted_model
        >>> scripted_model("Hi", alias="MODEL").interactive()
        <MiniAgent MODEL.interactive()>
    """

    __slots__ = ()

    @override
    def initiate_inquiry(self, *args: P.args, **kwargs: P.kwargs) -> InteractiveCall[In, Out]:
        """Start a run of the agent now, and send it messages while it works; see :class:`InteractiveCall`.

        Args:
            *args: values of the agent's own parameters.
            **kwargs: the same by name.

        Raises:
            NoActiveContextError: no context is active.
            TypeError: a keyword is unknown or missing.
        """
        return self._initiate(InteractiveCall, args, kwargs)

    @override
    def timeout(
        self, *, first_token: float | None = None, stall: float | None = None, total: float | None = None
    ) -> Self:
        """Return this agent with a limit for the whole dialog.

        Args:
            first_token: not for a dialog: put it inside, ``agent.timeout(first_token=...).interactive()``.
            stall: the same.
            total: from the inquiry to the end of the last message, in seconds.

        Raises:
            TypeError: ``first_token`` or ``stall`` is given; they would begin when the input ends.
        """
        if first_token is not None or stall is not None:
            raise TypeError(
                f"{self.alias}.timeout(first_token=..., stall=...) would begin only when its input has "
                "ended. Limit each answer: agent.timeout(...).interactive()."
            )
        return super().timeout(total=total)

    @override
    def bind(self, *args: P.args, **kwargs: P.kwargs) -> "InteractiveAgent[In, Out, []]":
        return cast("InteractiveAgent[In, Out, []]", super().bind(*args, **kwargs))


class Identity(MiniAgent[Message, Message]):
    """An agent that replies with the messages that it gets: :data:`identity` is the only one.

    In a chain, and as an operator, it does not change the types.
    """

    __slots__ = ()

    # In another order than those of an agent: texts have no class that could be kept, so they are last.
    @overload  # type: ignore[override]
    def __call__(self, source: Observable[MessagePromise[A]], /) -> Observable[MessagePromise[A]]: ...  # type: ignore[overload-overlap]
    @overload
    def __call__(self, source: Observable[MessageItemOf[In1]], /) -> Observable[MessagePromise[In1]]: ...
    @overload
    def __call__(self, source: Observable[MessageType], /) -> Observable[MessagePromise[Message]]: ...
    @override
    def __call__(self, source: Observable[object], /) -> Observable[MessagePromise[object]]:  # pyright: ignore[reportIncompatibleMethodOverride]
        return super().__call__(cast("Observable[MessageType]", source))

    @override
    def then(  # type: ignore[override]  # it takes anything, like every agent without types
        self, operator: Callable[[Observable[MessagePromise[Message]]], Observable[C]]
    ) -> Pipeline[MessageType, C]:
        return cast("Pipeline[MessageType, C]", super().then(operator))

    @overload  # type: ignore[override]  # it is never incomplete, so it has no form for that
    def __or__(self, other: "Identity") -> "Identity": ...  # pyright: ignore[reportOverlappingOverload] - an agent, not an operator
    @overload
    def __or__(self, other: Stage[In1, Out2]) -> MiniAgent[In1, Out2]: ...
    @overload
    def __or__(self, other: PlainOperator[MessagePromise[Message], C]) -> Pipeline[MessageType, C]: ...
    @override
    def __or__(self, other: object) -> object:  # pyright: ignore[reportIncompatibleMethodOverride] - the same
        return super().__or__(cast("Identity", other))


def composed(composition: Composition) -> MiniAgent:
    """Return an agent that runs ``composition`` and has its alias."""
    return MiniAgent(
        composition, NO_KEYWORDS, alias=composition.alias, description=composition.description, defaults={}
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
    return checked_agent(operation, agent).as_operand(strict=strict)


def checked_agent(operation: str, agent: object) -> MiniAgent[Message, Message, ...]:
    """Return ``agent``, which is to be a part of another one.

    Args:
        operation: the name of the composition, for the error.
        agent: anything.

    Raises:
        TypeError: the value is not an agent.
    """
    if isinstance(agent, MiniAgent):
        return cast("MiniAgent[Message, Message, ...]", agent)
    several = isinstance(agent, list | tuple)
    hint = "give its items: *agents" if several else "make an agent of an async function with @miniagent"
    raise TypeError(
        f"{operation} is made of agents, and this is a value of type {type(agent).__name__}; {hint}."
    )
