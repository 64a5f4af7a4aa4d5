"""A chat that one can correct while it writes: a steer, a question for later, and an interruption."""

import asyncio

from miniagents import AssistantMessage, MiniAgents, ToolCall, tool
from miniagents.testing import scripted_model
from miniagents.types import InputMessage, InteractiveCall


@tool
async def weather(city: str) -> str:
    """Say how the weather is."""
    await asyncio.sleep(0.3)
    return f"{city}: 31 °C"


look = AssistantMessage(parts=["Let me look.", ToolCall("1", "weather", '{"city": "Paris"}')])
sentence = "Texas is a large state, and its history is long."
essay = [f"{word} " for word in sentence.split() * 9]
model = scripted_model(
    look, "It is hot in Texas, too.", essay, "In one word: large.", "Good bye!", delay=0.02
)


async def show(call: InteractiveCall) -> None:
    """Show what is said, by whom: the replies are the whole conversation after the question."""
    async for promise in call.reply_sequence(finish_call=False):
        reply = await promise
        who = f"you ({reply.when})" if isinstance(reply, InputMessage) else reply.role
        cut = " ..." if getattr(reply, "finish_reason", None) == "interrupted" else ""
        print(f"{who:>15}: {str(reply)[:20].strip()}{cut}")


async def main() -> None:
    """Say something at the wrong moments."""
    call = model.with_tools(weather).interactive().initiate_inquiry()
    showing = asyncio.create_task(show(call))
    call.send_message("How is the weather in Paris?")
    await asyncio.sleep(0.2)
    await call.steer("I meant Paris, Texas.")  # its tool runs: the next request has it
    await call.queue("Tell me all about Texas.")  # after this answer
    await asyncio.sleep(0.5)
    call.queue("Thank you.")
    await call.interrupt("Shorter!")  # it writes: the answer ends here
    call.finish()
    await showing


if __name__ == "__main__":
    MiniAgents().run(main())
