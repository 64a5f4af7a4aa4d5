"""``a | b`` (one after the other), ``a & b`` (side by side), and ``identity``, which changes nothing."""

from dataclasses import dataclass
from typing import Never, Protocol

from typing_extensions import TypeVar

from miniagents.messages import Message, MessageSequencePromise

from ._operands import Operand, ReplyContext, named, relay

In_contra = TypeVar("In_contra", bound=Message, contravariant=True)
Out_co = TypeVar("Out_co", bound=Message, covariant=True)
First_contra = TypeVar("First_contra", contravariant=True)
Whole_co = TypeVar("Whole_co", covariant=True)


class Stage(Protocol[In_contra, Out_co]):
    """The type of an agent in a chain: it needs nothing but messages.

    Example:
        >>> from miniagents import Message, identity
        >>> from miniagents.agents import Stage
        >>> stage: Stage[Message, Message] = identity
        >>> stage.alias
        'identity'
    """

    @property
    def alias(self) -> str:
        """Its name."""
        ...

    def inquire(self, messages: MessageSequencePromise[In_contra], /) -> MessageSequencePromise[Out_co]:
        """Inquire the agent and return its replies.

        Args:
            messages: the messages to send.
        """
        ...


class Beside(Protocol[First_contra, Whole_co]):
    """The type of an agent that can take the same messages as another one; for type checkers only.

    It has the classes that the two agents take and reply, and needs nothing but messages.
    """

    def __beside__(self, first: First_contra, /) -> Whole_co:
        """The type of the two agents together."""
        ...

    def inquire(self, messages: MessageSequencePromise[Never], /) -> MessageSequencePromise[Message]:
        """Inquire the agent and return its replies.

        Args:
            messages: the messages to send.
        """
        ...


@dataclass(frozen=True, slots=True)
class Stages:
    """The agent function of ``a | b``: it passes messages through several agents.

    Attributes:
        components: the agents, in the order of the chain.
    """

    components: tuple[Operand, ...]

    @property
    def alias(self) -> str:
        """The parts with ``|`` between them."""
        return " | ".join(agent.alias for agent in self.components)

    @property
    def description(self) -> str:
        """The agents that get the messages, in order."""
        return f"{', then '.join(agent.alias for agent in self.components)}."

    async def __call__(self, ctx: ReplyContext) -> None:
        """Inquire every agent now, each with the replies of the one before; tokens stream through."""
        messages = ctx.messages
        for agent in self.components:
            messages = agent.inquire(messages)
            messages.buffer.expect_reader()  # the next stage is its reader, so it ends with that stage
        await relay(ctx, messages)  # the chain ends as the last stage ends, also with its error


@dataclass(frozen=True, slots=True)
class Both:
    """The agent function of ``a & b & c``.

    If a part fails, a message that fails comes at the end of its replies; the replies of later parts still
    arrive.

    Attributes:
        components: the agents, in the order of their replies.
    """

    components: tuple[Operand, ...]

    @property
    def alias(self) -> str:
        """The parts with ``&`` between them."""
        return " & ".join(map(named, self.components))

    @property
    def description(self) -> str:
        """The agents that get the same messages."""
        aliases = ", then of ".join(agent.alias for agent in self.components)
        return f"The replies of {aliases}, all to the same messages."

    async def __call__(self, ctx: ReplyContext) -> None:
        """Inquire every agent now."""
        ctx.reply([agent.inquire(ctx.messages) for agent in self.components])


@dataclass(frozen=True, slots=True)
class PassThrough:
    """The agent function of ``identity``."""

    alias: str = "identity"
    description: str = "Replies what it is sent."
    components: tuple[Operand, ...] = ()

    async def __call__(self, ctx: ReplyContext) -> None:
        """Pass each message on, as it streams."""
        await relay(ctx, ctx.messages)
