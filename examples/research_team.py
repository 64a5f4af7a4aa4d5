"""A team that writes a report: a planner, researchers with tools, a writer, and a critic who sends it back.

A researcher begins as soon as the planner has written its question, and all of them work at once. The critic
is a model; that each source exists is checked by code, since a model can make one up.
"""

import re

from pydantic import BaseModel

from miniagents import (
    AssistantMessage,
    InteractionContext,
    Message,
    Messages,
    MiniAgents,
    SystemMessage,
    ToolCall,
    UserMessage,
    miniagent,
    tool,
)
from miniagents.ext.default_model import default_model
from miniagents.parts import ToolCallDelta, ToolResult
from miniagents.testing import scripted_model
from miniagents.types import ModelAgent

# The library; in its place there can be a search engine, a database, or the tools of an MCP server.
LIBRARY = {
    "mowing-2021": "Verges that were mown twice a year instead of eight times had three times as many bees.",
    "trees-2019": "One old lime tree feeds as many bees in June as 3,000 square metres of meadow.",
    "lamps-2023": "Lamps harm moths, which are 30 percent fewer where the light is on. Bees fly by day.",
    "nests-2020": "Seven of ten kinds of wild bees nest in bare ground. Few of them use wooden bee hotels.",
}
ROUNDS = 4

PLANNER = SystemMessage("You plan research. Reply with two or three short questions, each with one subject.")
RESEARCHER = SystemMessage("Answer from the library: search, then read. Behind each fact name its [source].")
WRITER = SystemMessage("Write a report of three sentences from the notes. Keep the [source] of each fact.")
CRITIC = SystemMessage("Does this report answer the question, with figures? If not, wish for one thing.")


class Plan(BaseModel):
    """What is to be found out."""

    questions: list[str]


class Review(BaseModel):
    """What the critic thinks."""

    accepted: bool
    wish: str = ""


@tool
async def search(word: str) -> list[str]:
    """Find the sources in which a word stands."""
    return [source for source, text in LIBRARY.items() if word.lower() in text.lower()]


@tool
async def read(source: str) -> str:
    """Read a source."""
    return LIBRARY[source]


async def research(question: str, model: ModelAgent) -> UserMessage:
    """Plan, ask all researchers at once, and return their notes."""
    researcher = model.with_tools(search, read, max_turns=8)
    plan = model.as_type(Plan).inquire([PLANNER, UserMessage(question)])
    asked = [
        (each, researcher.inquire([RESEARCHER, UserMessage(each)]))
        async for each in plan.elements(lambda answer: answer.questions)
    ]
    notes = ""
    for each, found in asked:
        print(f"RESEARCHER: {each}")
        async for part in found.parts:
            match part:
                case ToolCallDelta(name=str(name)):
                    print(f"  -> {name}")
                case ToolResult(content=content):
                    print(f"  <- {content}")
                case _:  # the text of the answer, usage
                    pass
        notes += f"- {await found.final}\n"
    return UserMessage(f"Notes:\n{notes}")


async def criticize(question: str, report: str, model: ModelAgent) -> Review:
    """Ask the critic, if each source that the report names exists."""
    cited = re.findall(r"\[([^\]]+)\]", report)
    if not cited:
        return Review(accepted=False, wish="Name your sources.")
    if unknown := sorted(set(cited) - LIBRARY.keys()):
        return Review(accepted=False, wish=f"There is no source {', '.join(unknown)}.")
    asked = UserMessage(f"Question: {question}\n\nReport: {report}")
    return await model.as_type(Review).inquire([CRITIC, asked]).parsed


@miniagent(alias="TEAM")
async def team_agent(ctx: InteractionContext, model: ModelAgent) -> None:
    """Replies a report that the critic has accepted, or the last one."""
    question = str(await ctx.messages)
    said: list[Message] = [WRITER, UserMessage(question), await research(question, model)]
    for rounds_left in reversed(range(ROUNDS)):
        (report,) = await model.inquire(said)
        print(f"WRITER: {report}")
        review = await criticize(question, str(report), model)
        print(f"CRITIC: {'accepted' if review.accepted else review.wish}")
        if review.accepted or not rounds_left:
            ctx.reply(report)
            return
        said += [report, UserMessage(f"{review.wish} Write the report anew.")]


async def main(model: ModelAgent) -> None:
    """Ask the team one question."""
    report = await team_agent.inquire("How can a town have more bees?", model=model)
    print(f"\n{report}")


def by_a_rule(messages: Messages) -> AssistantMessage | str:
    """Play all four roles, each known by its instructions, when there is no model."""
    task, *_, last = messages
    if task == PLANNER:
        return Plan(questions=["What do bees eat?", "Where do bees nest?"]).model_dump_json()
    if task == RESEARCHER:
        word, source = ("mown", "mowing-2021") if "eat" in str(messages[1]) else ("nest", "nests-2020")
        if last.role == "user":
            return AssistantMessage(parts=[ToolCall("1", "search", f'{{"word": "{word}"}}')])
        if len(messages) == 4:  # noqa: PLR2004 - task, question, call, result
            return AssistantMessage(parts=[ToolCall("2", "read", f'{{"source": "{source}"}}')])
        return f"{last} [{source}]"
    if task == CRITIC:
        found = "three times" in str(last)
        return Review(accepted=found, wish="" if found else "Say how many more.").model_dump_json()
    drafts = [
        "Mow less [bees-1999].",
        "Mow less [mowing-2021], and leave ground bare [nests-2020].",
        "Mow twice a year, for three times as many bees [mowing-2021]. Leave ground bare [nests-2020].",
    ]
    return drafts[sum(message.role == "assistant" for message in messages)]


if __name__ == "__main__":
    MiniAgents().run(main(default_model(otherwise=scripted_model(then=by_a_rule))))
