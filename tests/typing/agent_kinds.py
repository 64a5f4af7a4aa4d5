"""What the facts about agents speak of: agents of several types and keywords."""

from miniagents import InteractionContext, Message, miniagent
from tests.typing.message_classes import Answer, HardQuestion, Question


@miniagent
async def any_agent(ctx: InteractionContext) -> None:
    """From anything to anything."""
    ctx.reply(ctx.messages)


@miniagent
async def tuned_agent(ctx: InteractionContext, model: str = "m", *, temperature: float = 1.0) -> None:
    """Its keywords have defaults."""
    ctx.reply(f"{model} {temperature}")


@miniagent
async def keyed_agent(ctx: InteractionContext, key: str, tries: int = 1) -> None:
    """One of its keywords must be given."""
    ctx.reply(f"{key} {tries}")


@miniagent
async def answering_agent(ctx: InteractionContext[Question, Answer]) -> None:
    """From questions to answers."""
    ctx.reply(Answer("42"))


@miniagent
async def grading_agent(ctx: InteractionContext[Answer, Message], strict: bool = False) -> None:
    """From answers to anything."""
    ctx.reply(Message(f"{strict}"))


@miniagent
async def asking_agent(ctx: InteractionContext[Message, HardQuestion]) -> None:
    """From anything to hard questions."""
    ctx.reply(HardQuestion("Why?", topic="physics", points=3))


@miniagent
async def hard_agent(ctx: InteractionContext[HardQuestion, Answer]) -> None:
    """Takes hard questions only."""
    ctx.reply(Answer("42"))
