"""A writer and a critic, round and round, until the critic is content.

`achain_loop` hands the replies of each agent to the next one. `AWAIT` makes it wait for them, `StopLoop` ends
it. (Once through and no rounds: `writer_agent | critic_agent` is an agent of both.)
"""

from miniagents import (
    AWAIT,
    InteractionContext,
    MiniAgent,
    MiniAgents,
    StopLoop,
    SystemMessage,
    achain_loop,
    miniagent,
)
from miniagents.ext.default_model import default_model
from miniagents.testing import scripted_model

WRITER = SystemMessage("Write a slogan, or improve the one you are given. Reply with nothing but the slogan.")
CRITIC = SystemMessage("You are given a slogan. Reply with GOOD, or with one sentence of criticism.")


@miniagent
async def writer_agent(ctx: InteractionContext, model: MiniAgent) -> None:
    """Writes."""
    slogan = (await model.inquire([WRITER, ctx.messages]))[0]
    print(f"writer: {slogan}")
    ctx.reply([ctx.messages, slogan])


@miniagent
async def critic_agent(ctx: InteractionContext, model: MiniAgent) -> None:
    """Criticizes the last slogan."""
    *_, slogan = await ctx.messages
    critique = (await model.inquire([CRITIC, str(slogan)]))[0]
    print(f"critic: {critique}")
    if str(critique).startswith("GOOD"):
        raise StopLoop
    ctx.reply([ctx.messages, f"Improve it. {critique}"])


async def main(model: MiniAgent) -> None:
    """Go round at most five times."""
    conversation = await achain_loop(
        [writer_agent.bind(model=model), AWAIT, critic_agent.bind(model=model), AWAIT],
        initial="A slogan for a bakery, please.",
        max_turns=5,
    )
    print(f"\nThe slogan: {conversation[-1]}")


if __name__ == "__main__":
    two_people = scripted_model(
        "We bake bread.",
        "True, but nobody will remember it.",
        "Rise with us.",
        "GOOD",
    )
    MiniAgents().run(main(default_model(otherwise=two_people)))
