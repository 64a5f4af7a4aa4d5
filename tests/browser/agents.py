"""What `miniagents serve` serves in the tests: an agent that does what it is told.

* ``count 100``: counts, twenty numbers a second;
* ``wait 40``: counts, and waits behind 3 until there is a file ``go`` in its folder;
* ``tokens 10000``: that many tokens of Markdown, some thousand a second;
* ``shop``, ``Do you ...``: a clerk with tools thinks, calls four of them, one of which fails, and answers;
* ``explain``, ``What ...``: thinks, and answers with all that Markdown has, at the speed of a model;
* ``both``: two agents answer;
* ``data``: sends data to the page, some of them anew, and answers;
* ``pay``, ``pay 7``: calls a tool that needs approval, which asks for more;
* ``fail``: fails in the middle;
* anything else is said back, four characters at a time.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, MutableMapping
from datetime import date
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from miniagents import (
    AssistantMessage,
    InteractionContext,
    Messages,
    MiniAgent,
    Part,
    Reasoning,
    ToolCall,
    ToolCallDelta,
    ToolMessage,
    Usage,
    miniagent,
    tool,
)
from miniagents.ext.web import PageData
from miniagents.testing import scripted_model
from miniagents.tools import approval, ask
from tests.gallery.runs import Speaker

__all__ = ["guide", "listener"]

EXPLAINED = """\
A **stream** is a list that takes its time. You can read it while it is being written:

```python
async for token in model.inquire("What is a stream?").tokens:
    print(token, end="")
```

| who reads | what comes | when |
|---|---|--:|
| `await reply` | the whole message | at the end |
| `async for` | each token | at once |

1. The reader *asks* for what is next.
2. The writer writes, and both wait for each other:
   - a slow reader slows the writer,
   - a reader that leaves stops it.

> Nothing is lost: whoever comes later reads it from the beginning.

More stands in [the README](https://example.org/readme).
"""

THOUGHT = (
    "The user asks what a stream is. An example says more than a definition, so I show one, and a table. "
)


@tool
async def stock(product: str) -> dict[str, int]:
    """Say how many pieces of a product are there."""
    await asyncio.sleep(0.05)
    return {"pieces": {"lamp": 3}[product]}


@tool
async def price(product: str) -> float:
    """Say what a product costs."""
    await asyncio.sleep(0.1)
    return 19.9 if product == "lamp" else 249.0


def clerk() -> MiniAgent:
    """A model of a shop, with its tools."""
    asked = [(name, product) for name in ("stock", "price") for product in ("lamp", "desk")]
    calls: list[Part] = [Reasoning("Two products, so I look up both.")]
    calls += [
        ToolCallDelta(at, f"call-{at}", name, f'{{"product": "{product}"}}')
        for at, (name, product) in enumerate(asked)
    ]
    answer: list[Part] = ["There are **three lamps** at 19.90 each. ", "The desk is 249.00; how many "]
    answer += ["are left cannot be said now."]
    return Speaker("CLERK", 0.05, 0.01, calls, answer).agent.with_tools(stock, price)


class Reason(BaseModel):
    """Why something is paid."""

    text: Annotated[str, Field(description="For the books.")]
    kind: Literal["damaged", "late", "lost"]
    when: date
    weight: float | None = None
    tell: bool = True
    tags: list[str] = []


@tool
async def refund(order: int, cents: int, note: str = "") -> str:
    """Give money back to a customer."""
    reason = await ask("Why is it refunded?", Reason)
    return f"{cents} cents for order {order} {note}: {reason.model_dump_json()}"


def support(order: str) -> MiniAgent:
    """A model whose tool needs approval."""
    call = ToolCall("call-1", "refund", f'{{"order": {order}, "cents": 10000, "note": "Sorry!"}}')
    answer = AssistantMessage(parts=["I would like to give it back.", call])

    def reply(seen: Messages) -> AssistantMessage | str:
        """From the conversation alone: after a restart of the server the first answer is not requested again."""
        return f"Result: {seen[-1]}" if isinstance(seen[-1], ToolMessage) else answer

    model = scripted_model(then=reply, alias="SUPPORT")
    return model.with_tools(refund, approve=approval()).bind()


@miniagent(alias="GUIDE")
async def guide(ctx: InteractionContext) -> None:
    """Does what the last message says."""
    said = str((await ctx.messages)[-1])
    word, _, number = said.partition(" ")
    match word:
        case "shop" | "Do" | "pay" | "Please":
            order = number if number.isdecimal() else "4711"
            ctx.reply((clerk() if word in {"shop", "Do"} else support(order)).inquire(said))
        case "explain" | "What":
            pieces: list[Part] = [Reasoning(each) for each in _pieces(THOUGHT, 12)]
            pieces += _pieces(EXPLAINED, 6)
            ctx.reply(Speaker("WRITER", 0.1, 0.01, pieces).agent.inquire(said))
        case "count" | "wait":
            ctx.reply(AssistantMessage.promise_of_parts(partial(_counting, int(number), word == "wait")))
        case "tokens":
            ctx.reply(AssistantMessage.promise_of_parts(_streamed(_tokens(int(number)), 0.003, burst=20)))
        case "both":
            for name, text in (("POET_AGENT", "Roses are red."), ("CRITIC", "Are they?")):
                parts = _streamed(_pieces(text, 4), 0.005)
                ctx.reply(AssistantMessage.promise_of_parts(parts, agent_alias=name))
        case "data":
            for done in (0.2, 1.0):
                ctx.reply(PageData(name="progress", data=done, transient=True))
                ctx.reply(PageData(name="weather", data={"city": "<b>Oslo</b>", "done": done}, id="w1"))
            ctx.reply("It is fresh in Oslo.")
        case "fail":
            ctx.reply(AssistantMessage.promise_of_parts(_streamed(["Half of ", ValueError("a secret")], 0.0)))
        case _:
            ctx.reply(AssistantMessage.promise_of_parts(_streamed(_pieces(said, 4), 0.005)))


listener = guide.interactive().described(alias="GUIDE")
"""The same agent, to which one can say something while it works."""


def _pieces(text: str, size: int) -> list[str]:
    return [text[at : at + size] for at in range(0, len(text), size)]


def _numbers(count: int) -> Iterable[Part]:
    return [*(f"{number} " for number in range(1, count + 1)), Usage(7, count)]


async def _counting(count: int, waits: bool, _: MutableMapping[str, object]) -> AsyncGenerator[Part]:
    for at, part in enumerate(_numbers(count)):
        while waits and at == 3 and not Path("go").exists():  # noqa: ASYNC110, ASYNC240 - another process makes it
            await asyncio.sleep(0.02)
        yield part
        await asyncio.sleep(0 if waits else 0.05)


def _tokens(count: int) -> Iterable[Part]:
    """Paragraphs, items and code, of that many tokens, each with its number."""
    begins = ("\n\n", "\n- ", "\n- **", "** ", "\n\n```\n", "\n```\n\n", "")
    for number in range(count):
        yield f"{begins[number // 20 % 7] if number % 20 == 0 else ' '}t{number}"


def _streamed(
    parts: Iterable[Part | Exception], every: float, burst: int = 1
) -> Callable[[MutableMapping[str, object]], AsyncGenerator[Part]]:
    async def stream(_: MutableMapping[str, object]) -> AsyncGenerator[Part]:
        for number, part in enumerate(parts):
            if isinstance(part, Exception):
                raise part
            yield part
            await asyncio.sleep(0 if number % burst else every)

    return stream
