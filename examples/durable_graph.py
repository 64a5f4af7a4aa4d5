"""A graph of agents that is killed in the middle, and goes on: no finished call of a model is made again.

A plan, a chain of two agents for each section, all chains at once, and an editor for all of them. This
program starts itself as a process that dies before the last step, and then runs the same again. Try it with
a real model: `python examples/durable_graph.py FOLDER`, kill it at any time, and start it again.
"""

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from pydantic import BaseModel

from miniagents import InteractionContext, Messages, MiniAgents, SystemMessage, miniagent, prompt
from miniagents.ext.default_model import default_model
from miniagents.ext.journal import Journal, durable
from miniagents.testing import scripted_model
from miniagents.types import ModelAgent

PLAN = SystemMessage("Plan an article about this: two to four titles of sections, a word or two each.")
WRITE = SystemMessage("Write a section of an article in two sentences. You are given its title.")
SHORTEN = SystemMessage("Say this in one sentence.")
EDIT = SystemMessage("Make one article of these sections, with a headline.")


class Plan(BaseModel):
    """What stands in the article."""

    sections: list[str]


@miniagent(alias="EDITOR")
async def editor_agent(ctx: InteractionContext, model: ModelAgent, dies: bool) -> None:
    """Makes one text of all sections, unless its process dies."""
    sections = await ctx.messages
    if dies:
        os._exit(137)  # as after `kill -9`: nothing is cleaned up
    ctx.reply(model.inquire([EDIT, *sections]))


@miniagent(alias="ARTICLE")
async def article_agent(ctx: InteractionContext, model: ModelAgent, dies: bool) -> None:
    """Plans, has all sections written at once, and has them edited."""
    section_agent = prompt(WRITE, "{title}") | model | prompt(SHORTEN, "{text}") | model
    plan = model.as_type(Plan).inquire([PLAN, ctx.messages])
    sections = [section_agent.inquire(title) async for title in plan.elements(lambda answer: answer.sections)]
    for section in sections:
        print(f"- {await section}", flush=True)
    ctx.reply(editor_agent.inquire(sections, model=model, dies=dies))


async def main(model: ModelAgent, folder: Path, dies: bool) -> None:
    """Write the article, or go on with it: the id says which one it is."""
    with Journal(folder / "articles.journal") as journal:
        async with durable(journal, run_id="article-17") as run:
            article = await article_agent.inquire("Bees in towns", model=model, dies=dies)
        print(f"{article}\n({run.made} calls made, {run.played} played from the journal)")


def by_a_rule(messages: Messages) -> str:
    """Write something for each step, when there is no model."""
    task, *_, last = messages
    if task == PLAN:
        return Plan(sections=["Food", "Nests", "Light"]).model_dump_json()
    if task == WRITE:
        return f"{last} is what bees need. They need it near."
    if task == SHORTEN:
        return str(last).partition(".")[0] + "."
    return " ".join(["Bees in towns:", *map(str, messages[1:])])


def demonstrate() -> None:
    """Run this program twice on one journal, as two processes, the first of which dies."""
    with TemporaryDirectory() as folder:
        for words in (["dies"], []):
            print("A process begins.", flush=True)
            done = subprocess.run([sys.executable, __file__, folder, *words], check=False)  # noqa: S603
            print(f"It has ended with exit code {done.returncode}.\n", flush=True)


if __name__ == "__main__":
    if sys.argv[1:]:
        chosen = default_model(otherwise=scripted_model(then=by_a_rule))
        MiniAgents().run(main(chosen, Path(sys.argv[1]), "dies" in sys.argv[2:]))
    else:
        demonstrate()
