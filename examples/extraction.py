"""A text becomes data while it is written: the summary word by word, each task when it is complete.

What does not fit the types is sent back to the model, with the reason; see `repairs`.
"""

from datetime import date

from pydantic import BaseModel, Field

from miniagents import MiniAgents, SystemMessage, UserMessage
from miniagents.ext.default_model import default_model
from miniagents.testing import scripted_model
from miniagents.types import ModelAgent

NOTES = """\
Ada will have the samples of the new paint by 3 March 2026. Nobody liked the logo: Ben draws another
one by the 10th. The lease ends in summer, and we were all glad about the new coffee machine.
"""


class Task(BaseModel):
    """What somebody has promised."""

    who: str
    what: str
    due: date


class Minutes(BaseModel):
    """The minutes of a meeting."""

    summary: str = Field(description="one sentence")
    tasks: list[Task]


async def main(model: ModelAgent) -> None:
    """Turn notes into minutes."""
    instructions = SystemMessage("Turn the notes into minutes.")
    minutes = model.as_type(Minutes, repairs=2).inquire([instructions, UserMessage(NOTES)])

    async for token in minutes.field(lambda answer: answer.summary):
        print(token, end="", flush=True)
    print()
    async for task in minutes.elements(lambda answer: answer.tasks):
        print(f"- {task.who}: {task.what}, by {task.due:%d %B}")

    first = min((await minutes.parsed).tasks, key=lambda task: task.due)
    print(f"First of all, {first.who} will {first.what}.")


if __name__ == "__main__":
    written = [
        '{"summary": "Paint is coming, ',
        'and the logo is drawn again.", "tasks": [{"who": "Ben", ',
        '"what": "draw another logo", "due": "2026-03-10"}, {"who": "Ada", "what": "show ',
        'samples of paint", "due": "2026-03-03"}]}',
    ]
    MiniAgents().run(main(default_model(otherwise=scripted_model(written))))
