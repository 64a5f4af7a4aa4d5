"""What happens when something fails: what came before stays, the error is the very one that was raised."""

from miniagents import ErrorMessage, InteractionContext, MiniAgent, MiniAgents, miniagent, partial_text
from miniagents.testing import scripted_model


@miniagent
async def reporter_agent(ctx: InteractionContext, model: MiniAgent) -> None:
    """Replies a headline, a report of the model, and a greeting."""
    ctx.reply("Storm over the coast")
    ctx.reply(model.inquire(ctx.messages))
    ctx.reply("Good night.")


@miniagent
async def editor_agent(ctx: InteractionContext, model: MiniAgent) -> None:
    """Needs the whole report before it can go on."""
    report = await reporter_agent.inquire(ctx.messages, model=model)
    ctx.reply(f"APPROVED: {report}")


async def main(model: MiniAgent) -> None:
    """Look at one failing model in three ways."""
    print("1. As an exception, after everything that came before it:")
    try:
        async for reply in reporter_agent.inquire("Weather, please.", model=model):
            async for token in reply:
                print(f"   {token!r}")
    except ConnectionError as error:
        print(f"   {type(error).__name__}: {error} (after {partial_text(error)!r})")

    print("2. The same exception through two agents, with a note that says which:")
    try:
        await editor_agent.inquire("Weather, please.", model=model)
    except ConnectionError as error:
        print(f"   {type(error).__name__}: {error} ({', '.join(error.__notes__)})")

    print("3. As a message in its place; the ones after it arrive, too:")
    for message in await reporter_agent.errors_as_messages().inquire("Weather, please.", model=model):
        print(f"   {'!' if isinstance(message, ErrorMessage) else '-'} {message}")


if __name__ == "__main__":
    # This one always fails: it is what the example is about.
    failing_model = scripted_model(then=["The wind", " blows from", ConnectionError("the line was cut")])
    MiniAgents().run(main(failing_model.bind()))
