"""What models may cost: so much money in all, so many calls in a minute and at once, and who has spent what.

It needs `pip install 'miniagents[prices]'`, a list of what tokens cost that is used offline.
"""

from decimal import Decimal

from miniagents import AssistantMessage, InteractionContext, MiniAgents, Usage, miniagent
from miniagents.errors import BudgetExceededError
from miniagents.ext.limits import budget, limit, rate_limit
from miniagents.ext.usage import RunUsage
from miniagents.operators import map_agent
from miniagents.testing import scripted_model, virtual_time
from miniagents.types import ModelAgent

PLACES = ["Oslo", "Lima", "Rome", "Cairo", "Osaka", "Quito"]


@miniagent(alias="GUIDE")
async def guide_agent(ctx: InteractionContext, model: ModelAgent) -> None:
    """Describe a place, and then say it shorter."""
    text = await model.inquire(["Describe this place.", ctx.messages])
    ctx.reply(editor_agent.inquire(text, model=model))


@miniagent(alias="EDITOR")
async def editor_agent(ctx: InteractionContext, model: ModelAgent) -> None:
    """Say it shorter."""
    ctx.reply(model.inquire(["Say this in one sentence.", ctx.messages]))


async def main(model: ModelAgent, usage: RunUsage) -> None:
    """Describe places, as many as the money is enough for."""
    # Each limit goes around an agent. All calls that go through the same object share the limit.
    polite = model.around(limit(concurrency=4)).around(rate_limit(requests_per_minute=60))
    # What a call may cost is set aside before it is made, so calls at the same time cannot pass the budget.
    careful = polite.around(budget(dollars="0.04"))

    rows = map_agent(guide_agent.bind(model=careful), concurrency=4)(PLACES)
    async for replies in rows:
        try:
            said = str(await replies)
        except BudgetExceededError as error:
            said = f"({error})"
        print(f"{replies.item:6}{usage.of(replies).total.output_tokens or 0:5} tokens  {said}")

    for agent, used in sorted(usage.by_agent.items()):
        print(f"{agent:6}{used.input_tokens:6} tokens in, {used.output_tokens:5} out")
    print(f"{usage.requests} requests, {usage.dollars or Decimal():.4f} dollars")


if __name__ == "__main__":
    answer = AssistantMessage("It is worth a visit.", model="gpt-4o", usage=Usage(800, 200))
    counted = RunUsage()
    with virtual_time():  # so that nobody waits for the limit
        MiniAgents(observers=[counted]).run(main(scripted_model(then=answer), counted))
