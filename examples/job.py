"""A job: each row of a table through a model, for so much money at most, and if it stops, it goes on.

The journal keeps each answer. Here the money is spent after two rows. The same job with more money goes on
where it stopped, and asks only what is not in the journal; it does the same after Ctrl-C or `kill -9`.
It needs `pip install 'miniagents[prices]'`. `python examples/job.py FOLDER` keeps the files of the job there.
"""

import csv
import json
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

from pydantic import BaseModel

from miniagents import AssistantMessage, Messages, MiniAgents, Usage
from miniagents.errors import BudgetExceededError
from miniagents.ext.default_model import default_model
from miniagents.ext.jobs import Limits, map_rows
from miniagents.testing import scripted_model
from miniagents.types import ModelAgent

REVIEWS = Path(__file__).with_name("reviews.csv")


class Mood(BaseModel):
    """What a customer thinks."""

    mood: str
    because: str


def question(row: dict[str, str]) -> str:
    """What the model is asked about a row; a row that is refused here costs nothing."""
    if len(row["text"].split()) < 2:  # noqa: PLR2004 - one word is no review
        msg = f"there is nothing to judge in {row['text']!r}"
        raise ValueError(msg)
    return f"Is this review of a {row['product'].lower()} positive or negative, and why?\n\n{row['text']}"


def rows(path: Path) -> Iterator[dict[str, str]]:
    """Read the file row by row."""
    with path.open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


async def judge(model: ModelAgent, folder: Path, budget: Decimal) -> None:
    """Do as much of the job as the money is enough for, those of its runs before included."""
    job = map_rows(
        model.as_type(Mood),
        rows(REVIEWS),
        message=question,
        journal=folder / "moods.journal",
        errors=folder / "moods.errors.jsonl",
        limits=Limits(rpm=500),
        concurrency=2,
        budget=budget,
    )
    try:
        async for row in job:
            mood = row.value.parsed if row.error is None else None
            said = f"{mood.mood}: {mood.because}" if mood else f"failed: {row.error}"
            print(f"{row.index + 1} {row.input['product']:7}{'(journal) ' if row.cached else ''}{said}")
    except BudgetExceededError as error:
        print(error)
    done = job.progress
    print(
        f"{done.done} answered, {done.failed} failed, {done.requests} asked now; {done.cost} dollars in all\n"
    )


async def main(model: ModelAgent, folder: Path) -> None:
    """Run the job twice, and show which rows failed."""
    for budget in (Decimal("0.005"), Decimal("0.05")):
        await judge(model, folder, budget)
    for line in (folder / "moods.errors.jsonl").read_text(encoding="utf-8").splitlines():
        print("To be looked at:", json.loads(line)["error"]["text"])


def by_a_rule(messages: Messages) -> AssistantMessage:
    """Judge by three words, and take 400 tokens for it, when there is no model."""
    word = next((word for word in ("love", "great", "Great") if word in str(messages[-1])), "")
    mood = (
        Mood(mood="positive", because=f"it says {word}")
        if word
        else Mood(mood="negative", because="no praise")
    )
    return AssistantMessage(mood.model_dump_json(), model="gpt-4o", usage=Usage(300, 100))


if __name__ == "__main__":
    chosen = default_model(otherwise=scripted_model(then=by_a_rule))
    with TemporaryDirectory() as temporary:
        MiniAgents().run(main(chosen, Path(sys.argv[1] if sys.argv[1:] else temporary)))
