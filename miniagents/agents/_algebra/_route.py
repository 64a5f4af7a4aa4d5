"""``route()``: sends each message to the agent for its class."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Never, cast

from typing_extensions import TypeVar

from miniagents.messages import Message, MessagePromise
from miniagents.messages._tokens import resolved
from miniagents.streams._readers import settled, until_closed
from miniagents.values import MessageValidationError

from .._agent import MiniAgent, as_operand, composed
from .._keywords import NO_KEYWORDS
from ._chains import Stage
from ._operands import Operand, ReplyContext

In = TypeVar("In", bound=Message, contravariant=True)  # noqa: PLC0105 - as in _agent
Out = TypeVar("Out", bound=Message, covariant=True)  # noqa: PLC0105
M = TypeVar("M", bound=Message)
O = TypeVar("O", bound=Message)  # noqa: E741


@dataclass(frozen=True, slots=True)
class Routing:
    """The agent function of a route.

    Attributes:
        cases: pairs of a class of messages and its agent, in the order in which they are tried.
        rest: the agent for all other messages; None if other messages are errors.
    """

    cases: tuple[tuple[type[Message], Operand], ...] = ()
    rest: Operand | None = None

    @property
    def alias(self) -> str:
        """The cases."""
        cases = [f".case({kind.__name__}, {agent.alias})" for kind, agent in self.cases]
        return "".join(["route()", *cases, f".otherwise({self.rest.alias})" if self.rest is not None else ""])

    @property
    def description(self) -> str:
        """The agent of each case."""
        sentences = [f"{kind.__name__} goes to {agent.alias}" for kind, agent in self.cases]
        if self.rest is not None:
            sentences.append(f"anything else to {self.rest.alias}")
        return f"{', '.join(sentences)}." if sentences else "Nothing goes anywhere yet."

    @property
    def components(self) -> tuple[Operand, ...]:
        """The parts."""
        return (*(agent for _, agent in self.cases), *(() if self.rest is None else (self.rest,)))

    async def __call__(self, ctx: ReplyContext) -> None:
        """Inquire an agent for each message as it begins; the replies come in the order of the messages."""
        async for promise in ctx.messages:
            kind = await self._kind_of(promise)
            agent = next((agent for case, agent in self.cases if issubclass(kind, case)), self.rest)
            if promise.buffer.closed and promise.buffer.error is not None:
                ctx.reply(promise)  # the message failed, so there is nothing to send
            elif agent is not None:
                ctx.reply(agent.inquire(promise))
            else:
                ctx.reply(self._unrouted(kind))

    async def _kind_of(self, promise: MessagePromise[Message]) -> type[Message]:
        """Return the class of a message; at once, if no case is for a class that it could still become."""
        kind = promise.message_class
        known = any(issubclass(kind, case) for case, _ in self.cases)
        if not known and any(issubclass(case, kind) for case, _ in self.cases):
            await until_closed(promise.buffer)
            await settled(promise.buffer)  # if they were stopped together, this run does not go on
        closed = promise.buffer.closed and promise.buffer.error is None
        return type(resolved(promise)) if closed else kind

    def _unrouted(self, kind: type[Message]) -> MessageValidationError:
        known = ", ".join(case.__name__ for case, _ in self.cases) or "none"
        return MessageValidationError(
            f"A {kind.__name__} came to a route with no case for it; its cases: {known}. "
            "Add a case, or an agent for all other messages with otherwise(agent).",
            self.alias,
        )


class Route(MiniAgent[In, Out]):
    """An agent that sends each message on by its class; :func:`route` makes it, and it never changes.

    Args:
        routing: its cases.

    Example:
        >>> from miniagents import Message, route
        >>> from miniagents.testing import scripted_model
        >>> class Bug(Message): ...
        >>> route().case(Bug, scripted_model(alias="TRIAGE")).otherwise(scripted_model(alias="CLERK"))
        <MiniAgent route().case(Bug, TRIAGE).otherwise(CLERK)>
    """

    __slots__ = ("_routing",)

    def __init__(self, routing: Routing) -> None:
        super().__init__(
            routing, NO_KEYWORDS, alias=routing.alias, description=routing.description, defaults={}
        )
        self._routing = routing

    # No agent is a function that never returns. With it in the type, mypy infers `M` from the class alone,
    # and so reports an agent that does not fit.
    def case(
        self, message_class: type[M], agent: Stage[M, O] | Callable[[M], Never]
    ) -> "Route[In | M, Out | O]":
        """Return the same route with one more case: messages of a class and its subclasses go to ``agent``.

        Cases are tried in the order in which they were given.

        Args:
            message_class: `Message` or a subclass of it.
            agent: an agent that takes messages of that class; give its required keywords before, with
                ``bind``.

        Raises:
            TypeError: ``message_class`` is not a class of messages, ``agent`` is not an agent, or it lacks a
                required keyword.
            ValueError: no message can come to this case, because an earlier case takes them all.
        """
        cases = self._routing.cases
        _check_class(message_class)
        taker = next((earlier for earlier, _ in cases if issubclass(message_class, earlier)), None)
        if taker is not None:
            raise ValueError(
                f"route().case({message_class.__name__}, ...): no message can come to it, "
                f"since case({taker.__name__}, ...) before it takes them all; put the narrower class first."
            )
        part = as_operand("case", agent)
        return Route(Routing((*cases, (message_class, part)), self._routing.rest))

    def otherwise(self, agent: Stage[Message, O]) -> MiniAgent[Message, Out | O]:
        """Return a complete agent, which sends all messages without a case to ``agent``.

        Args:
            agent: an agent that takes any message; give its required keywords before, with ``bind``.

        Raises:
            TypeError: ``agent`` is not an agent, or lacks a required keyword.
        """
        part = as_operand("otherwise", agent)
        return cast("MiniAgent[Message, Out | O]", composed(Routing(self._routing.cases, part)))


def _check_class(given: object) -> None:
    if not (isinstance(given, type) and issubclass(given, Message)):
        raise TypeError(f"route().case({given!r}, ...): a case is for a class of messages.")


def route() -> Route[Never, Never]:
    """Return a route without cases; add agents for messages with ``case`` and ``otherwise``.

    Each message is an inquiry of its own and streams into it; the replies come in the order of the messages.
    If a message has no case, an :class:`MessageValidationError` is raised in place of its reply; if its agent
    fails, the agent's error. The replies to later messages still arrive.

    Example:
        >>> from miniagents import Message, MiniAgents, miniagent, route
        >>> class Question(Message): ...
        >>> @miniagent
        ... async def answering_agent(ctx):
        ...     ctx.reply("42")
        >>> @miniagent
        ... async def other_agent(ctx):
        ...     ctx.reply("I see.")
        >>> reception = route().case(Question, answering_agent).otherwise(other_agent)
        >>> async def main():
        ...     print(await reception.inquire(["Hello!", Question("What is it?")]))
        >>> MiniAgents().run(main())
        I see.
        <BLANKLINE>
        42
    """
    return Route(Routing())
