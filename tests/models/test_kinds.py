"""Tests of agents seen as agents of another class."""

from miniagents import MiniAgent, MiniAgents, miniagent
from miniagents.agents import InteractionContext
from miniagents.models._kinds import as_kind


class Loud(MiniAgent):
    """Has a method of its own."""

    __slots__ = ()

    def shout(self) -> str:
        """Shout."""
        return f"{self.alias}!"


@miniagent(alias="ECHO")
async def echo(ctx: InteractionContext, mark: str = ".") -> None:
    """Says it again."""
    ctx.reply(f"{await ctx.messages}{mark}")


async def test_the_same_agent() -> None:
    """It runs as before, with its alias, description and defaults, and can do more."""
    loud = as_kind(Loud, echo.fork(mark="?"))
    assert (loud.shout(), loud.alias, loud.description, dict(loud.defaults)) == (
        "ECHO!",
        "ECHO",
        "Says it again.",
        {"mark": "?"},
    )
    async with MiniAgents():
        assert str(await loud.inquire("hi")) == "hi?"
