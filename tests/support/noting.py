"""An agent that notes what it is asked.

Example:
    >>> from miniagents import MiniAgents
    >>> asked: list[str] = []
    >>> async def main():
    ...     return str(await noting(asked).inquire("Hi"))
    >>> MiniAgents().run(main()), asked
    ('HI', ['Hi'])
"""

from collections.abc import Callable

from miniagents import InteractionContext, MessageType, MiniAgent, miniagent

__all__ = ["noting"]


def noting(asked: list[str], answer: Callable[[str], MessageType] = str.upper) -> MiniAgent:
    """Make the agent.

    Args:
        asked: gets the text of each question.
        answer: makes the answer of that text; by default the text in capitals.
    """

    @miniagent(alias="NOTING")
    async def agent(ctx: InteractionContext) -> None:
        text = str(await ctx.messages)
        asked.append(text)
        ctx.reply(answer(text))

    return agent
