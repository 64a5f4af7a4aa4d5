"""A help desk: a tool that knows the user, a guard, a second model for a broken answer, a short history."""

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
async def refund(account: Account, ctx: ToolContext, cents: int) -> str:
    """Pay money back to the customer."""
    ctx.progress("The bank is called. ")
    account.cents += cents
    return f"{cents} cents were paid back"


def no_promise(text: str) -> str | None:
    """Refuse to promise anything."""
    return "it promises something" if "promise" in text.lower() else None


async def main(first: ModelAgent, second: ModelAgent, writer: ModelAgent) -> None:
    """Answer the questions of one customer."""
    account = Account()
    model = fallback(first, second).guard(during=no_promise, replacement="I cannot say that.")
    short = compact(model_limit=120, keep=2, by=writer)
    desk = short | model.with_tools(refund.bind(account))
    said = [UserMessage("My lamp is broken. " * 40), AssistantMessage("Is it red?"), UserMessage("It is.")]
    said.append(AssistantMessage("I am sorry."))
    for question in ("I want my money back!", "Will the next one be better?"):
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


if __name__ == "__main__":
    # Scripted models, so that each case can be seen: the first one breaks in the middle of its answer.
    call = ToolCall("1", "refund", '{"cents": 250}')
    one = scripted_model(["Let me", ConnectionError("the line was cut")], "You have it.", "Yes, I promise.")
    two = scripted_model(AssistantMessage(parts=["One moment. ", call]))
    summarizer = scripted_model(then="A lamp is broken.")
    MiniAgents().run(main(one.bind(), two.bind(), summarizer.bind()))
