"""The part of ``MiniAgent`` that runs an agent: ``inquire`` (hot), and the agent as an operator (cold).

An agent is an operator from a stream of messages to a stream of messages. Called with an Observable it is
cold: each subscription is one run, which the subscriber owns. ``inquire`` is hot: it starts one run, which
the context owns, and its replies are replayed.
"""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import ClassVar, Generic, Protocol, cast, overload

from reactivex import Observable
from typing_extensions import ParamSpec, TypeVar

from miniagents.messages import (
    Message,
    MessageItemOf,
    MessagePromise,
    MessageSequencePromise,
    MessageType,
    MessageTypeOf,
)
from miniagents.messages._concurrent_map import ConcurrencyLimits
from miniagents.messages._flattener import Flattener
from miniagents.messages._sequence import Lifted, open_sequence
from miniagents.messages._validation import Validation, validated
from miniagents.operators import AgentMap
from miniagents.streams import Overflow
from miniagents.streams._context import Context, current_context
from miniagents.streams._deadlocks import current_producer
from miniagents.streams._observers import RunKind

from ._algebra._around import AnyFunction, Around
from ._algebra._chains import Stage
from ._algebra._operands import Operand, ReplyContext, Watching
from ._call import AgentCall
from ._message_run import WritesMessage, sequence_of
from ._miniagents import MiniAgents
from ._pipeline import Operator, Pipeline
from ._run import Run, start_run
from ._taskless_run import Call, MakeWork, Start, TasklessRun, Work
from ._wrapping import MiniAgent as WrappedAgent

# Users see these two names in signatures and hints, so the names do not show the variance.
In = TypeVar("In", bound=Message, default=Message, contravariant=True)  # noqa: PLC0105
Out = TypeVar("Out", bound=Message, default=Message, covariant=True)  # noqa: PLC0105
P = ParamSpec("P", default=[])
In1 = TypeVar("In1", bound=Message)
Out1 = TypeVar("Out1", bound=Message)
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")


class ContextClass(Protocol):
    """The class of the context of a run."""

    def __call__(
        self, this_agent: object, message_promises: MessageSequencePromise[Message] | str, run: Run, /
    ) -> ReplyContext:
        """Make the context that an agent function gets."""
        ...


# Other modules import it as `RunnableAgent`; `_configuration` explains its name.
class MiniAgent(WrappedAgent[P], Generic[In, Out, P]):
    """The part of an agent that runs it."""

    __slots__ = ()

    # Set by the public class of agents, since its contexts refer to it (`ctx.this_agent`).
    _context_class: ClassVar[ContextClass]

    @property
    def run_kind(self) -> RunKind:
        """The kind of its runs, for observers: ``"agent"``, or ``"model"`` if it calls a model itself."""
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
        start, given = self._asked(args, kwargs)
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
        start, given = self._asked(args, kwargs)
        flattener, received = open_sequence()
        if current_producer() is None:
            # The end of a run does not finish this call; the end of the context does, if nothing did before.
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
        if not isinstance(cast("object", source), Observable):
            msg = (
                f"Agent {self.alias} was called with a value of type {type(source).__name__}. A call of an "
                "agent takes an Observable, as an operator does. Use `inquire` to send it messages."
            )
            raise TypeError(msg)
        start, given = self._asked(args, kwargs)
        return Lifted(source, lambda received: start(current_context(), received, given))

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

    # -- running -------------------------------------------------------------------------------------------

    def _asked(
        self, args: tuple[object, ...], kwargs: Mapping[str, object]
    ) -> "tuple[Start[Out], Mapping[str, object]]":
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
        agent: _Intercepted | MiniAgent[In, Out, P] = self
        classes = self._classes
        around = context.around_runs if isinstance(context, MiniAgents) else ()
        if around and isinstance(context, MiniAgents) and self.run_kind != "model":
            around = context.around_agents
        make: MakeWork | None = None
        if self._around_done < len(around):
            agent = _Intercepted(cast("MiniAgent[Message, Message, ...]", self), around[self._around_done])
        elif self._wrapped is not None and not isinstance(self._wrapped[1], Around):
            classes = None  # the replies are those of the wrapped agent, so they have its classes
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
        """Return the ``AgentMap`` for :func:`map_agent`.

        Args:
            limits: how many items run at once, in which order results come, and what an item that fails does.
            overflow: how many unread items of an Observable are kept, and what happens to one more.
        """
        return AgentMap(self, limits, overflow)

    def _writer(self) -> WritesMessage | None:
        """Return its function if that replies one message and writes it without a task; else None."""
        return None

    def begin(
        self, received: MessageSequencePromise[Message] | str, given: Mapping[str, object], run: Run
    ) -> Awaitable[None]:
        """Call the agent function; a run calls this.

        Args:
            received: the messages that it was sent.
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


def _watch(  # noqa: PLR0917 - the run gives the last three
    wrapper: Watching,
    agent: MiniAgent[Message, Message, ...],
    given: Mapping[str, object],
    run: TasklessRun,
    received: MessageSequencePromise[Message] | str,
    pending: Flattener | None,
) -> Work:
    """Return the work of one run of an agent that only watches another one."""
    start = agent._start  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - of this module
    return wrapper.watch(run, Call(agent.alias, start, run.context, received, given, pending=pending))


class _Intercepted:
    """An agent with a function of the context around one of its runs."""

    __slots__ = ("_agent", "_wrapper")

    def __init__(self, agent: MiniAgent[Message, Message, ...], wrapper: AnyFunction) -> None:
        self._agent = agent
        self._wrapper = wrapper

    @property
    def run_kind(self) -> RunKind:
        """The kind of the function's run: ``"agent"``; the agent that it calls has a run of its own."""
        return "agent"

    def begin(
        self, received: MessageSequencePromise[Message] | str, given: Mapping[str, object], run: Run
    ) -> Awaitable[None]:
        """Call the function with the agent, marked so that this function is not around it again."""
        call = self._agent._bound_to(given)._copied()  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - of this module
        call._around_done += 1  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - the same
        context = self._agent._context_class(self._agent, received, run)  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - the same
        return self._wrapper(context, call)
