"""``MiniAgent``: how an agent is run, hot when it is inquired, and cold as an operator on streams.

An agent is an operator: from a stream of messages to a stream of messages. Called with an Observable it is
cold, each subscription one run that the subscriber owns. Inquired it is hot: one run, owned by the context,
replayed.
"""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import ClassVar, Generic, Protocol, cast, overload

from reactivex import Observable
from typing_extensions import ParamSpec, TypeVar

from miniagents.core import (
    ConcurrencyLimits,
    Context,
    Flattener,
    Lifted,
    Message,
    MessageItemOf,
    MessagePromise,
    MessageSequencePromise,
    MessageType,
    MessageTypeOf,
    Overflow,
    RunKind,
    Validation,
    current_context,
    current_producer,
    open_sequence,
    validated,
)
from miniagents.operators import AgentMap

from ._algebra._around import AnyFunction, Around
from ._algebra._chains import Stage
from ._algebra._operands import Operand, ReplyContext, Watching
from ._call import AgentCall
from ._message_run import WritesMessage, sequence_of
from ._pipeline import Operator, Pipeline
from ._run import Run, start_run
from ._run_context import RunContext
from ._taskless_run import Call, MakeWork, Start, TasklessRun, Work
from ._wrapping import MiniAgent as WrappedAgent

# Users see these two names in signatures and hints; the variance is written out beside them.
In = TypeVar("In", bound=Message, default=Message, contravariant=True)  # noqa: PLC0105
Out = TypeVar("Out", bound=Message, default=Message, covariant=True)  # noqa: PLC0105
P = ParamSpec("P", default=[])
In1 = TypeVar("In1", bound=Message)
Out1 = TypeVar("Out1", bound=Message)
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")


class ContextClass(Protocol):
    """What makes the context of a run."""

    def __call__(
        self, this_agent: object, message_promises: MessageSequencePromise[Message] | str, run: Run, /
    ) -> ReplyContext:
        """What an agent function is given."""
        ...


# Other modules import it as `RunnableAgent`; why it has this name stands in `_configuration`.
class MiniAgent(WrappedAgent[P], Generic[In, Out, P]):
    """An agent as far as it is run."""

    __slots__ = ()

    # Given by the class of agents that users see, which its contexts name (`ctx.this_agent`).
    _context_class: ClassVar[ContextClass]

    @property
    def run_kind(self) -> RunKind:
        """What observers are told that its runs are: ``"agent"``, or ``"model"`` where it asks one itself."""
        return "agent"

    # -- hot -----------------------------------------------------------------------------------------------

    @overload
    def inquire(
        self, messages: MessageTypeOf[In] = None, /, *args: P.args, **kwargs: P.kwargs
    ) -> MessageSequencePromise[Out]: ...
    @overload
    def inquire(
        self: "MiniAgent[Message, Out, P]",
        messages: MessageType = None,
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> MessageSequencePromise[Out]: ...
    def inquire(
        self, messages: object = None, /, *args: P.args, **kwargs: P.kwargs
    ) -> MessageSequencePromise[Out]:
        """Run the agent on ``messages`` now; returns at once.

        Args:
            messages: anything that is messages, None for none; for type checkers, if the agent takes a
                narrower class, only messages of that class, promises and collections of them, and exceptions.
            *args: values of the agent's own parameters.
            **kwargs: the same by name; they take precedence over those of ``fork``, and these over defaults.

        Returns:
            The replies: awaitable, async iterable, and usable as the messages of another inquiry.

        Raises:
            NoActiveContextError: no context is active.
            TypeError: a keyword is unknown or missing, or something given cannot become a message.
        """
        start, given = self._asked(args, kwargs)
        context = current_context()
        if messages is None:
            pending, received = open_sequence()
            return start(context, received, given, pending)
        if isinstance(messages, MessageSequencePromise):
            return start(context, cast("MessageSequencePromise[Message]", messages), given)
        if isinstance(messages, str):  # what is given most, and never refused
            return start(context, messages, given)
        received = MessageSequencePromise(cast("MessageType", messages))
        received.buffer.expect_reader()  # the run: when that ends, so does this
        return start(context, received, given)

    def initiate_inquiry(self, *args: P.args, **kwargs: P.kwargs) -> AgentCall[In, Out]:
        """Run the agent now and send it messages later; see :class:`AgentCall`.

        Args:
            *args: values of the agent's own parameters.
            **kwargs: the same by name.

        Raises:
            NoActiveContextError: no context is active.
            TypeError: a keyword is unknown or missing.
        """
        start, given = self._asked(args, kwargs)
        flattener, received = open_sequence()
        if current_producer() is None:
            # No end of a run drops this call: at the latest the end of the context finishes it.
            flattener.context.finish_at_end(flattener)
        return AgentCall(self.alias, flattener, start(flattener.context, received, given))

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
        self, source: Observable[object], /, *args: P.args, **kwargs: P.kwargs
    ) -> Observable[MessagePromise[Out]]:
        """The replies to the messages of ``source``: an operator, so ``source.pipe(agent)`` works.

        * When does it start? When someone subscribes, in their contextvars and their context.
        * How often? One run per subscription.
        * What is kept? The messages of a run, as long as it goes on.
        * What does leaving do? Disposing stops the run and unsubscribes from ``source``; a reply that
          somebody holds goes on streaming for them.
        * When does an error come? After the replies that came before it.

        Raises:
            TypeError: it is no Observable, or a keyword is unknown or missing.
        """
        if not isinstance(cast("object", source), Observable):
            msg = (
                f"Agent {self.alias} was called with a value of type {type(source).__name__}. Called, an "
                "agent is an operator: it takes an Observable. Messages are sent to it with `inquire`."
            )
            raise TypeError(msg)
        start, given = self._asked(args, kwargs)
        return Lifted(source, lambda received: start(current_context(), received, given))

    def then(self: Operator[A, B], operator: Callable[[Observable[B]], Observable[C]]) -> Pipeline[A, C]:
        """This agent and then an operator: what ``source.pipe(agent, operator)`` does, as one operator.

        Args:
            operator: from an Observable of promises of messages to an Observable.

        Raises:
            TypeError: the agent has a keyword without a value (give it to ``fork`` or ``bind`` before), or
                ``operator`` cannot be called with an Observable.
        """
        cast("MiniAgent", self)._check_complete()  # noqa: SLF001 - it is one
        return Pipeline(self).then(operator)

    # -- running -------------------------------------------------------------------------------------------

    def _asked(
        self, args: tuple[object, ...], kwargs: Mapping[str, object]
    ) -> "tuple[Start[Out], Mapping[str, object]]":
        """What starts a run when it is called like this, and the keywords of that run."""
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
        agent: _Intercepted | MiniAgent[In, Out, P] = self
        classes = self._classes
        around = context.around_runs if isinstance(context, RunContext) else ()
        if around and isinstance(context, RunContext) and self.run_kind != "model":
            around = context.around_agents
        make: MakeWork | None = None
        if self._around_done < len(around):
            agent = _Intercepted(cast("MiniAgent[Message, Message, ...]", self), around[self._around_done])
        elif self._wrapped is not None and not isinstance(self._wrapped[1], Around):
            classes = None  # it is the wrapped agent's replies that come out, and they are of its classes
            inner, wrapper = cast("tuple[MiniAgent[Message, Message, ...], Watching]", self._wrapped)
            make = partial(_watch, wrapper, inner._bound_to(given), given)  # noqa: SLF001 - same class
        return start_run(  # type: ignore[return-value]  # of its class; a cast is a call
            context,
            self.alias,
            received,
            pending,
            given,
            agent=agent,
            errors_as_messages=self._errors_as_messages,
            classes=None if classes is None else classes.replies,
            writer=self._writer() if agent is self and self._wrapped is None else None,
            make=make,
        )

    def __map_agent__(
        self: Stage[In1, Out1], limits: ConcurrencyLimits, overflow: Overflow | None, /
    ) -> AgentMap[In1, Out1]:
        """What :func:`map_agent` makes of it.

        Args:
            limits: how many items at once, in which order, and what a failing item does.
            overflow: how many items of an Observable may wait, and what becomes of one too many.
        """
        return AgentMap(self, limits, overflow)

    def _writer(self) -> WritesMessage | None:
        """Its function, if it replies one message that it writes itself; a class of agents may say so."""
        return None

    def begin(
        self, received: MessageSequencePromise[Message] | str, given: Mapping[str, object], run: Run
    ) -> Awaitable[None]:
        """Call the agent function; for the run that does so.

        Args:
            received: what it was sent.
            given: the keywords of this run.
            run: takes the replies.
        """
        if self._wrapped is not None and isinstance(self._wrapped[1], Around):
            inner, wrapper = self._wrapped[0], self._wrapped[1]
            call = inner._bound_to(given)  # noqa: SLF001 - same class
            return wrapper(self._context_class(self, received, run), cast("Operand", call))
        classes = self._classes
        if classes is not None and classes.takes is not None:
            if isinstance(received, str):
                received = sequence_of(run.context, received)
            received = validated(received, Validation(classes.takes, self.alias, "takes"))
        return self._function(self._context_class(self, received, run), **given)


def _watch(  # noqa: PLR0917 - the last three are given by the run
    wrapper: Watching,
    agent: MiniAgent[Message, Message, ...],
    given: Mapping[str, object],
    run: TasklessRun,
    received: MessageSequencePromise[Message] | str,
    pending: Flattener | None,
) -> Work:
    """The work of one run of an agent that only watches another one."""
    start = agent._start  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - of this module
    return wrapper.watch(run, Call(agent.alias, start, run.context, received, given, pending=pending))


class _Intercepted:
    """An agent, one run of which goes through a function of the context first."""

    __slots__ = ("_agent", "_wrapper")

    def __init__(self, agent: MiniAgent[Message, Message, ...], wrapper: AnyFunction) -> None:
        self._agent = agent
        self._wrapper = wrapper

    @property
    def run_kind(self) -> RunKind:
        """The run of the function is that of an agent; what it calls has a run of its own."""
        return "agent"

    def begin(
        self, received: MessageSequencePromise[Message] | str, given: Mapping[str, object], run: Run
    ) -> Awaitable[None]:
        """Call the function with the agent, which is not handed to it a second time."""
        call = self._agent._bound_to(given)._copied()  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - of this module
        call._around_done += 1  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - the same
        context = self._agent._context_class(self._agent, received, run)  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - the same
        return self._wrapper(context, call)
