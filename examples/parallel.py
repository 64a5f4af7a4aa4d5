"""Three translations at once: an agent runs as soon as it is inquired, and the replies keep their order.

Nothing is awaited between the inquiries, so all three requests are on their way before an answer comes.
"""

from miniagents import InteractionContext, MiniAgent, MiniAgents, SystemMessage, UserMessage, miniagent
from miniagents.ext.default_model import default_model
from miniagents.testing import scripted_model

LANGUAGES = ("French", "German", "Spanish")


@miniagent
async def translator_agent(ctx: InteractionContext, model: MiniAgent, language: str) -> None:
    """Translates what it is told."""
    text = str(await ctx.messages)
    print(f"[{language} is asked for]")
    ctx.reply(model.inquire([SystemMessage(f"Translate into {language}."), UserMessage(text)]))


@miniagent
async def polyglot_agent(ctx: InteractionContext, model: MiniAgent) -> None:
    """Has everything translated into every language."""
    for language in LANGUAGES:
        ctx.reply(translator_agent.inquire(ctx.messages, model=model, language=language))


async def main(model: MiniAgent) -> None:
    """Show the translations in the order of the languages, whichever is ready first."""
    async for translation in polyglot_agent.inquire("Good morning, world!", model=model):
        async for token in translation:
            print(token, end="", flush=True)
        print()


if __name__ == "__main__":
    interpreter = scripted_model("Bonjour, le monde !", "Guten Morgen, Welt!", "¡Buenos días, mundo!")
    MiniAgents().run(main(default_model(otherwise=interpreter)))
