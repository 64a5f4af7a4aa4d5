"""A third provider in one file: what it is sent, what its events mean, its errors. All else is there."""

from functools import partial
from typing import Self

import httpx2
from pydantic import TypeAdapter

from miniagents import AssistantMessage, Finish, InteractionContext, LLMError, Message, MiniAgents, miniagent
from miniagents.ext import llm

ACME = llm.Provider("acme", "https://api.acme.example", ("acme.example",))
SAID = TypeAdapter(dict[str, str])


class AcmeError(Exception):
    """Acme refused."""

    def __init__(self, response: httpx2.Response) -> None:
        super().__init__(response.text)
        self.response, self.status_code, self.body = response, response.status_code, response.text


class Call:
    """A response whose body was not read yet; SDKs have such a thing."""

    def __init__(self, client: httpx2.AsyncClient, body: dict[str, object]) -> None:
        self.client, self.request = client, client.build_request("POST", "/talk", json=body)

    async def __aenter__(self) -> Self:
        self.http_response = await self.client.send(self.request, stream=True)
        if self.http_response.is_error:
            await self.http_response.aread()
            raise AcmeError(self.http_response)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http_response.aclose()


def decode(event: llm.ServerEvent) -> list[str | Finish]:
    """Turn an event into parts."""
    if error := event.error:
        raise error
    said = llm.parsed(SAID, event.data)
    return [said.get("text", ""), *([Finish(said["stop"])] if "stop" in said else [])]


ERRORS = llm.SDKErrors(AcmeError, httpx2.TimeoutException, httpx2.TransportError, AcmeError, httpx2.HTTPError)
WIRE = llm.Wire("acme", ERRORS, lambda: decode, decode, "x-request-id", terminal="stop")


@miniagent
async def acme_agent(
    ctx: InteractionContext[Message, AssistantMessage], client: httpx2.AsyncClient, model: str | None = None
) -> None:
    """Answers with a model of Acme."""
    turns = [[turn.role, turn.text] for turn in llm.Conversation.of(await ctx.messages).turns]
    name = ACME.model(model)
    ask = partial(Call, client, {"model": name, "turns": turns})
    llm.reply_with(ctx, llm.ModelCall(WIRE, ask, name, client.base_url.host))


async def main(transport: httpx2.AsyncBaseTransport) -> None:
    """Ask twice; the first time Acme is busy at first, the second time its answer breaks off."""
    async with httpx2.AsyncClient(base_url=ACME.base_url, transport=transport) as client:
        try:
            for question in ("How are you?", "Tell me a story."):
                print(*await acme_agent.inquire(question, client=client, model="acme-1"))
        except LLMError as error:
            print(f"{type(error).__name__} after {error.partial_text!r}: {error}")


if __name__ == "__main__":
    WELL, STORY = b'data: {"text": "Well, thanks.", "stop": "end"}\n\n', b'data: {"text": "Once"}\n\n'
    BUSY = httpx2.Response(503, headers={"retry-after-ms": "1"})
    ANSWERS = iter([BUSY, httpx2.Response(200, content=WELL), httpx2.Response(200, content=STORY)])
    MiniAgents().run(main(httpx2.MockTransport(lambda _: next(ANSWERS))))
