"""Rows of a file through agents and reactivex operators: what the customers of a shop liked.

An agent is an operator: it stands in a pipe like `ops.filter`. Nothing runs until the pipe is iterated; then
all reviews are with the model at once, and the results come in the order of the rows.
"""

import csv
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import reactivex as rx
from reactivex import operators as ops

from miniagents import InteractionContext, Message, Messages, MiniAgent, MiniAgents, SystemMessage, miniagent
from miniagents.ext.default_model import default_model
from miniagents.operators import resolve, to_async_iter
from miniagents.testing import scripted_model

REVIEWS = Path(__file__).with_name("reviews.csv")


class Review(Message):
    """A row of the file."""

    product: str
    stars: int


class Judged(Message):
    """A review, and what the model thinks of it."""

    review: Review
    mood: str


@miniagent
async def mood_agent(ctx: InteractionContext[Review, Judged], model: MiniAgent) -> None:
    """Judges one review."""
    for review in await ctx.messages:
        question = SystemMessage("Is this review positive or negative? Reply with one word.")
        mood = str(await model.inquire([question, str(review)]))
        ctx.reply(Judged(review=review, mood=mood.strip(" .").lower()))


@miniagent
async def judge_agent(ctx: InteractionContext[Review, Judged], model: MiniAgent) -> None:
    """Judges reviews, each in an inquiry of its own, all at once."""
    async for promise in ctx.messages:
        ctx.reply(mood_agent.inquire(promise, model=model))


def rows(path: Path) -> Iterator[Review]:
    """Read the file row by row."""
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            yield Review(row["text"], product=row["product"], stars=int(row["stars"]))


def says_something(review: Review) -> bool:
    """Tell whether there is anything to judge."""
    return len(str(review).split()) > 1


async def main(model: MiniAgent, path: Path = REVIEWS) -> None:
    """Run the pipe, show each row as it is ready, then count."""
    judged = rx.from_iterable(rows(path)).pipe(
        ops.filter(says_something),
        judge_agent.bind(model=model),
        resolve(),
    )
    moods: Counter[tuple[str, str]] = Counter()
    async for each in to_async_iter(judged):
        print(f"{each.review.product:8}{'*' * each.review.stars:6}{each.mood:10}{each.review}")
        moods[each.review.product, each.mood] += 1
    print()
    for (product, mood), count in sorted(moods.items()):
        print(f"{product:8}{mood:10}{count}")


def by_a_rule(messages: Messages) -> str:
    """Judge by three words, when there is no model."""
    return "positive" if any(word in str(messages[-1]) for word in ("love", "great", "Great")) else "negative"


if __name__ == "__main__":
    MiniAgents().run(main(default_model(otherwise=scripted_model(then=by_a_rule))))
