"""The smallest program: an agent that greets, and the same one with another greeting."""

from miniagents import InteractionContext, MiniAgents, miniagent


@miniagent
async def hello_agent(ctx: InteractionContext, greeting: str = "Hello") -> None:
    """Greets whoever it is told."""
    ctx.reply(f"{greeting}, {await ctx.messages}!")


async def main() -> None:
    """Inquire the agent, and a fork of it."""
    print(await hello_agent.inquire("world"))
    print(await hello_agent.fork(greeting="Bonjour").inquire("le monde"))


if __name__ == "__main__":
    MiniAgents().run(main())
