"""A job on Ray: the agent runs in worker processes, here or on many machines; its journal stays here.

It needs `pip install 'miniagents[ray]'`. Without an address it starts a Ray of its own while it runs.
`python examples/ray_job.py HOST:PORT` (or `auto`) uses a cluster.
"""

import csv
import os
import sys
from collections import Counter
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory

from miniagents import InteractionContext, Message, Messages, MiniAgent, MiniAgents, SystemMessage, miniagent
from miniagents.ext.default_model import default_model
from miniagents.ext.jobs import map_rows
from miniagents.ext.ray import remote
from miniagents.testing import scripted_model

REVIEWS = Path(__file__).with_name("reviews.csv")


class Mood(Message):
    """What the model thinks of a review, and in which process it was asked."""

    mood: str
    process: int


@miniagent(alias="JUDGE")
async def judge_agent(ctx: InteractionContext[Message, Mood], model: MiniAgent) -> None:
    """Judge one review; work that needs a processor can stand here, too."""
    question = SystemMessage("Is this review positive or negative? Reply with one word.")
    mood = str(await model.inquire([question, ctx.messages]))
    ctx.reply(Mood(mood=mood.strip(" .").lower(), process=os.getpid()))


async def main(model: MiniAgent, journal: Path) -> None:
    """Judge every row in two workers; then once more, from the journal."""
    judge = remote(judge_agent.bind(model=model), replicas=2)
    for attempt in ("first", "second"):
        with REVIEWS.open(encoding="utf-8", newline="") as file:
            job = map_rows(judge, csv.DictReader(file), message=lambda row: row["text"], journal=journal)
            judged: list[Mood] = []
            async for row in job:
                if row.error is None:
                    judged.append(row.value)
                else:
                    print(f"row {row.index + 1} has failed: {row.error}")
        here = sum(mood.process == os.getpid() for mood in judged)
        print(f"{attempt}: {dict(Counter(mood.mood for mood in judged))}")
        print(f"  {job.progress.cached} from the journal; {here} were judged in this process")


def by_a_rule(messages: Messages) -> str:
    """Judge by three words, when there is no model."""
    return "positive" if any(word in str(messages[-1]) for word in ("love", "great", "Great")) else "negative"


if __name__ == "__main__":
    chosen = default_model(otherwise=scripted_model(then=by_a_rule))
    ray = import_module("ray")  # `import ray`, if your type checker has it
    ray.init(address=sys.argv[1] if sys.argv[1:] else "local", log_to_driver=False)
    try:
        with TemporaryDirectory() as folder:
            MiniAgents().run(main(chosen, Path(folder) / "moods.journal"))
    finally:
        ray.shutdown()
