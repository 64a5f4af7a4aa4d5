"""A provider of your own: an async function with a client, and a generator of tokens.

`ParrotClient` stands for the SDK of some provider. What it streams becomes the tokens of one message; what is
known about the answer becomes its data.
"""

import asyncio
from collections.abc import AsyncGenerator, MutableMapping
from contextlib import aclosing
from dataclasses import dataclass

from miniagents import AssistantMessage, InteractionContext, Message, MiniAgents, miniagent


@dataclass(frozen=True)
class ParrotEvent:
    """A piece of an answer, or the reason why it ended."""

    text: str = ""
    finish_reason: str = ""


class ParrotClient:
    """Repeats the last words of a conversation."""

    def __init__(self) -> None:
        self.open_connections = 0

    async def stream(self, model: str, lines: list[str]) -> AsyncGenerator[ParrotEvent]:
        """Answer in pieces."""
        self.open_connections += 1
        try:
            for word in lines[-1].split()[-2:]:
                await asyncio.sleep(0)  # the network
                yield ParrotEvent(text=f"{word} ")
            yield ParrotEvent(text=f"*{model} flaps*", finish_reason="stop")
        finally:
            self.open_connections -= 1


@miniagent
async def parrot_agent(
    ctx: InteractionContext[Message, AssistantMessage], client: ParrotClient, model: str = "grey-parrot"
) -> None:
    """Asks a parrot."""
    lines = [f"{message.role}: {message}" for message in await ctx.messages]

    async def tokens(metadata_so_far: MutableMapping[str, object]) -> AsyncGenerator[str]:
        # Closed on every way out: when the answer ends, fails, is cancelled, or nobody can read it any more.
        async with aclosing(client.stream(model, lines)) as events:
            async for event in events:
                if event.finish_reason:
                    metadata_so_far["finish_reason"] = event.finish_reason
                yield event.text

    ctx.reply(AssistantMessage.promise(tokens, model=model))


async def main() -> None:
    """Ask it once to the end, and leave it once in the middle."""
    client = ParrotClient()

    async for answer in parrot_agent.inquire("Who is a pretty bird?", client=client):
        async for token in answer:
            print(token, end="", flush=True)
        print(f"\n{(await answer).model_dump_json()}")

    async with parrot_agent.inquire("Tell me a story.", client=client, model="macaw") as answers:
        async for answer in answers:
            async for token in answer:
                print(f"\n{token}- enough!")
                break  # leaving the block stops the parrot
    print(f"open connections: {client.open_connections}")


if __name__ == "__main__":
    MiniAgents().run(main())
