"""``a & b``: both are given the same messages and run at once; the replies of the first come first."""

from dataclasses import dataclass

from ._operands import Conversation, Operand, named


@dataclass(frozen=True, slots=True)
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

    async def __call__(self, ctx: Conversation) -> None:
        """Inquire every agent now."""
        ctx.reply([agent.inquire(ctx.messages) for agent in self.agents])
