"""More rows than fit into memory, each asked for on its own: three at a time, and a bad one harms no other.

The file is read as fast as the model answers, and nothing is kept. Replies come in the order of the rows;
with `ordered=False` they come as they are complete.
"""

import csv
from collections.abc import Iterator
from pathlib import Path

from miniagents import InteractionContext, Message, Messages, MiniAgent, MiniAgents, SystemMessage, miniagent
from miniagents.ext.default_model import default_model
from miniagents.operators import map_agent
from miniagents.testing import scripted_model

REVIEWS = Path(__file__).with_name("reviews.csv")


class Mood(Message):
    """What the model thinks of a review."""

    mood: str


@miniagent
async def mood_agent(ctx: InteractionContext[Message, Mood], model: MiniAgent) -> None:
    """Judge one review."""
    review = str(await ctx.messages)
    if len(review.split()) < 2:  # noqa: PLR2004 - one word is no review
        msg = f"there is nothing to judge in {review!r}"
        raise ValueError(msg)
    question = SystemMessage("Is this review positive or negative? Reply with one word.")
    mood = str(await model.inquire([question, review]))
    ctx.reply(Mood(mood=mood.strip(" .").lower()))


def rows(path: Path) -> Iterator[dict[str, str]]:
    """Read the file row by row."""
    with path.open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


async def main(model: MiniAgent, path: Path = REVIEWS) -> None:
    """Judge every row of the file."""
    judged = map_agent(mood_agent.bind(model=model), concurrency=3)(rows(path))
    async for replies in judged:
        row = replies.item
        try:
            (mood,) = await replies
            print(f"{replies.index + 1:3} {row['product']:8}{mood.mood}")
        except ValueError as error:
            print(f"{replies.index + 1:3} {row['product']:8}skipped: {error}")


def by_a_rule(messages: Messages) -> str:
    """Judge by three words, when there is no model."""
    return "positive" if any(word in str(messages[-1]) for word in ("love", "great", "Great")) else "negative"


if __name__ == "__main__":
    MiniAgents().run(main(default_model(otherwise=scripted_model(then=by_a_rule))))
