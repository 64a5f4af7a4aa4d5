"""Agents in a row and side by side: ``a | b``, ``a & b``, and the agent that changes nothing."""

from typing import Never, Protocol

from typing_extensions import TypeVar

from miniagents.core import Message, MessageSequencePromise
from miniagents.values import lazy_dataclass

from ._operands import Operand, ReplyContext, named, relay

In_contra = TypeVar("In_contra", bound=Message, contravariant=True)
Out_co = TypeVar("Out_co", bound=Message, covariant=True)
First_contra = TypeVar("First_contra", contravariant=True)
Whole_co = TypeVar("Whole_co", covariant=True)


class Stage(Protocol[In_contra, Out_co]):
    """An agent that needs nothing but messages: what stands in a chain.

    Example:
        >>> from miniagents import Message, identity
        >>> from miniagents.agents import Stage
        >>> stage: Stage[Message, Message] = identity
        >>> stage.alias
        'identity'
    """

    @property
    def alias(self) -> str:
        """How it is called."""
        ...

    def inquire(self, messages: MessageSequencePromise[In_contra], /) -> MessageSequencePromise[Out_co]:
        """Its replies.

        Args:
            messages: what it is sent.
        """
        ...


class Beside(Protocol[First_contra, Whole_co]):
    """An agent that can be asked the same as another one; for type checkers alone.

    It tells what the two of them take and reply, and needs nothing but messages.
    """

    def __beside__(self, first: First_contra, /) -> Whole_co:
        """What the two are together."""
        ...

    def inquire(self, messages: MessageSequencePromise[Never], /) -> MessageSequencePromise[Message]:
        """Its replies.

        Args:
            messages: what it is sent.
        """
        ...


@lazy_dataclass(frozen=True, slots=True)
class Stages:
    """An agent function that passes its messages through several agents.

    Attributes:
        agents: in the order of the pipe.
    """

    agents: tuple[Stage[Message, Message], ...]

    @property
    def alias(self) -> str:
        """The parts with ``|`` between them."""
        return " | ".join(agent.alias for agent in self.agents)

    @property
    def description(self) -> str:
        """Who gets the messages, one after the other."""
        return f"{', then '.join(agent.alias for agent in self.agents)}."

    @property
    def components(self) -> tuple[Stage[Message, Message], ...]:
        """The parts."""
        return self.agents

    async def __call__(self, ctx: ReplyContext) -> None:
        """Inquire every agent now; tokens stream through all of them."""
        messages = ctx.messages
        for agent in self.agents:
            messages = agent.inquire(messages)
            messages.buffer.expect_reader()  # the next stage is its reader: when that ends, so does this
        await relay(ctx, messages)  # the end of the last stage is the end of the chain, its error too


@lazy_dataclass(frozen=True, slots=True)
class Both:
    """What ``a & b & c`` runs.

    A part that fails is a failing message where its replies end; the replies of the parts after it arrive.

    Attributes:
        agents: in the order of their replies.
    """

    agents: tuple[Operand, ...]

    @property
    def alias(self) -> str:
        """The parts with ``&`` between them."""
        return " & ".join(map(named, self.agents))

    @property
    def description(self) -> str:
        """Who is asked the same."""
        aliases = ", then of ".join(agent.alias for agent in self.agents)
        return f"The replies of {aliases}, all to the same messages."

    @property
    def components(self) -> tuple[Operand, ...]:
        """The parts."""
        return self.agents

    async def __call__(self, ctx: ReplyContext) -> None:
        """Inquire every agent now."""
        ctx.reply([agent.inquire(ctx.messages) for agent in self.agents])


@lazy_dataclass(frozen=True, slots=True)
class PassThrough:
    """What ``identity`` runs."""

    alias: str = "identity"
    description: str = "Replies what it is sent."
    components: tuple[Operand, ...] = ()

    async def __call__(self, ctx: ReplyContext) -> None:
        """Pass each message on, as it streams."""
        await relay(ctx, ctx.messages)
