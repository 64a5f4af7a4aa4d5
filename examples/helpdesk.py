"""A help desk: a critic, a guard, a tool that knows the user, a second model, a short history.

The desk is one expression: every part of it is an agent, and each operator makes an agent of agents.
"""

from miniagents import AssistantMessage, MiniAgents, ToolCall, UserMessage, fallback, tool
from miniagents.ext.chat_history import compact
from miniagents.parts import AgentPart, Restart, ToolCallDelta, ToolResult
from miniagents.testing import scripted_model
from miniagents.tools import ToolContext
from miniagents.types import ModelAgent


class Account:
    """Of one customer; a model can neither see nor choose it."""

    cents = 1000


@tool
async def refund(account: Account, /, ctx: ToolContext, cents: int) -> str:
    """Pay money back to the customer."""
    ctx.progress("The bank is called. ")
    account.cents += cents
    return f"{cents} cents were paid back"


def no_promise(text: str) -> str | None:
    """Refuse to promise anything."""
    return "it promises something" if "promise" in text.lower() else None


async def main(
    first: ModelAgent, second: ModelAgent, expert: ModelAgent, critic: ModelAgent, writer: ModelAgent
) -> None:
    """Answer the questions of one customer."""
    account = Account()
    engineer = expert.guard(after=critic, replacement="I do not know.").described(
        alias="ENGINEER", description="Knows all about our lamps."
    )
    short = compact(model_limit=120, keep=2, by=writer)
    desk = short | fallback(first, second).guard(
        during=no_promise, replacement="I cannot say that."
    ).with_tools(refund.bind(account), engineer)
    said = [UserMessage("My lamp is broken. " * 40), AssistantMessage("Is it red?"), UserMessage("It is.")]
    said.append(AssistantMessage("I am sorry."))
    for question in ("I want my money back!", "How long do lamps live?", "Will the next one be better?"):
        said.append(UserMessage(question))
        replies = desk.inquire(said)
        print(f"> {question} ({len(await short.inquire(said))} of {len(said)} messages are sent)")
        async for part in replies.parts:
            match part:
                case str() | AgentPart(part=str()):
                    print(part if isinstance(part, str) else f"({part.part})", end="")
                case Restart():
                    print(f"\n[begins again: {part.reason}]")
                case ToolCallDelta():
                    print(f"[{part.name} {part.arguments}]")
                case ToolResult():
                    print(f"[{part.text}]")
                case _:
                    pass
        print()
        said.append(AssistantMessage(str(await replies.final)))
    print(f"The customer has {account.cents} cents.")


def call(name: str, arguments: str) -> AssistantMessage:
    """An answer that calls a tool."""
    return AssistantMessage(parts=["One moment. ", ToolCall("1", name, arguments)])


if __name__ == "__main__":
    # Scripted models, so that each case can be seen: the first one breaks in the middle of its answer.
    ask = call("ENGINEER", '{"text": "How long do lamps live?"}')
    one = scripted_model(
        ["Let me", ConnectionError("the line was cut")], "You have it.", ask, "Ten years.", "Yes, I promise."
    )
    two = scripted_model(call("refund", '{"cents": 250}'))
    engineer = scripted_model("They live for ten years.")
    judge = scripted_model("OK")
    summarizer = scripted_model(then="A lamp is broken.")
    MiniAgents().run(main(one.bind(), two.bind(), engineer.bind(), judge.bind(), summarizer.bind()))
