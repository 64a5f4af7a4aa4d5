"""Agents of a class: its fields say how each of them works; a fork is a copy with other fields, checked."""

from pydantic import Field
from typing_extensions import override

from miniagents import BaseAgent, InteractionContext, Message, MiniAgents


class Review(Message):
    """What a customer wrote."""

    stars: int = Field(ge=1, le=5)


class Reply(Message):
    """What the shop answers."""

    urgent: bool = False


class Clerk(BaseAgent[Review, Reply]):
    """{AGENT_ALIAS} answers customers."""

    name: str
    content_from: int = Field(default=4, ge=1, le=5)
    phrases: tuple[str, ...] = ("Thank you!", "We are sorry.")

    @override
    async def run(self, ctx: InteractionContext[Review, Reply]) -> None:
        """Answer each review as soon as it is complete."""
        async for promise in ctx.messages:
            review = await promise
            content = review.stars >= self.content_from
            ctx.reply(Reply(f"{self.phrases[not content]} {self.name}", urgent=not content))


async def main() -> None:
    """Ask a clerk, a stricter one, and both at once."""
    ann = Clerk(name="Ann")
    bob = ann.fork(name="Bob", content_from=5)
    reviews = [Review("Lovely.", stars=5), Review("Good.", stars=4)]
    for reply in await (ann & bob).inquire(reviews):
        print(f"{reply}{' (urgent)' if reply.urgent else ''}")

    print(await ann.inquire(reviews[1], phrases=["Merci !", "Pardon."]))

    for wrong in ({"content_from": 6}, {"nmae": "Cid"}):
        try:
            ann.fork(**wrong)
        except (ValueError, TypeError) as error:
            print(f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    MiniAgents().run(main())
