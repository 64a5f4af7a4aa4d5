"""Agents that workers run: in a module, as those of users."""

import asyncio
import os
import threading
import time
from collections import Counter
from collections.abc import AsyncGenerator, MutableMapping
from enum import Enum
from pathlib import Path
from typing import Final

from typing_extensions import override

from miniagents import (
    AssistantMessage,
    Finish,
    InteractionContext,
    Message,
    Part,
    Reasoning,
    Usage,
    miniagent,
    model_agent,
)
from miniagents.tools import ToolSpec

__all__ = [
    "Number",
    "OddError",
    "SilentError",
    "Square",
    "counter",
    "echo",
    "judge",
    "local",
    "noted",
    "pair",
    "parrot",
    "poet",
    "scribe",
    "square",
    "started",
    "stopped",
    "strict",
]

started: Final[Counter[str]] = Counter()
"""What began, in this process."""
stopped: Final[Counter[str]] = Counter()
"""What was stopped, in this process."""


class Number(Message):
    """What `square` takes."""

    number: int


class Square(Message):
    """What it replies."""

    square: int
    pid: int = 0


class OddError(Exception):
    """An error whose constructor wants more than it keeps."""

    def __init__(self, number: int, *, why: str) -> None:
        super().__init__(f"{number} is odd: {why}")
        self.number = number


class UnsendableError(Exception):
    """An error that cannot be pickled."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.lock = threading.Lock()


class SilentError(Exception):
    """An error that cannot make its text."""

    @override
    def __str__(self) -> str:
        raise AttributeError("response")


@miniagent
async def square(ctx: InteractionContext[Number, Square], add: int = 0, delay: float = 0.0) -> None:
    """Square numbers."""
    for message in await ctx.messages:
        started[str(message.number)] += 1
        await asyncio.sleep(delay)
        ctx.reply(Square(square=message.number**2 + add, pid=os.getpid()))


@miniagent
async def noted(ctx: InteractionContext[Number, Square], folder: str, delay: float = 0.0) -> None:
    """Square a number, and note in a file that this was done."""
    (message,) = await ctx.messages
    with (Path(folder) / f"{os.getpid()}.txt").open("a", encoding="ascii") as file:
        file.write(f"{message.number}\n")
    await asyncio.sleep(delay)
    ctx.reply(Square(square=message.number**2, pid=os.getpid()))


@miniagent
async def local(ctx: InteractionContext, streams: bool = False) -> None:
    """Reply a message, and others that cannot be pickled."""

    class Local(Message):
        number: int = 1

    class Colour(Enum):
        RED = 1

    async def tokens(metadata: MutableMapping[str, object]) -> AsyncGenerator[str]:
        yield "blue"
        metadata["colour"] = Colour.RED

    ctx.reply("first")
    ctx.reply(Message.promise(tokens) if streams else Local())
    ctx.reply("last")
    await asyncio.sleep(3600 * (not streams))


@miniagent
async def strict(ctx: InteractionContext) -> None:
    """Refuse what it is sent."""
    text = str(await ctx.messages)
    if text == "silent":
        raise SilentError
    if text == "unsendable":
        raise UnsendableError("a secret place")
    raise OddError(int(text), why="it is")


@miniagent
async def poet(ctx: InteractionContext, words: int = 3, delay: float = 0.0) -> None:
    """Say words, one after the other, and what they cost."""
    name = str(await ctx.messages)

    async def parts(metadata: MutableMapping[str, object]) -> AsyncGenerator[Part]:
        started[name] += 1
        try:
            await asyncio.sleep(delay)
            yield Reasoning("hm")
            for number in range(words):
                if delay:
                    await asyncio.sleep(delay)
                yield f"{number} "
            metadata["rhymes"] = ("so", "so")
            yield Usage(7, words)
            yield Finish("stop")
        except BaseException:
            stopped[name] += 1
            raise

    ctx.reply(AssistantMessage.promise_of_parts(parts, model="m-1"))


@miniagent
async def scribe(ctx: InteractionContext, words: int = 3, delay: float = 0.0) -> None:
    """Say the number of the process, and then words; note in a file when that was stopped."""
    file = str(await ctx.messages)

    async def tokens(_: MutableMapping[str, object]) -> AsyncGenerator[Part]:
        try:
            yield f"{os.getpid()} "
            for number in range(words):
                await asyncio.sleep(delay)
                yield f"{number} "
        except BaseException:
            Path(file).write_text(str(time.time()), encoding="ascii")  # noqa: ASYNC240 - it is short
            raise

    ctx.reply(AssistantMessage.promise_of_parts(tokens))


@miniagent
async def echo(ctx: InteractionContext) -> None:
    """Say what a row says."""
    (row,) = await ctx.messages
    ctx.reply(f"It says {dict(row)['text']}.")


@miniagent
async def counter(ctx: InteractionContext) -> None:
    """Count, a message for each number."""
    last = int(str(await ctx.messages))

    async def numbers() -> AsyncGenerator[str]:
        for number in range(last):
            started["counter"] += 1
            yield str(number)

    ctx.reply(numbers())


@miniagent
async def pair(ctx: InteractionContext, delay: float = 0.0) -> None:
    """Reply a word, and later another one."""
    ctx.reply("one")
    await asyncio.sleep(delay)
    ctx.reply("two")


@model_agent
async def parrot(
    ctx: InteractionContext[Message, AssistantMessage], *, tools: tuple[ToolSpec, ...] = (), times: int = 1
) -> None:
    """A model that says what it was told."""
    ctx.reply(AssistantMessage(f"{await ctx.messages} {times}", usage=Usage(1, 2)))


@miniagent
async def judge(ctx: InteractionContext, delay: float = 0.0) -> None:
    """Ask a model twice, and reply in words of its own."""
    said = str(await parrot.inquire(ctx.messages))
    await asyncio.sleep(delay)
    await parrot.inquire(said)
    ctx.reply(f"Good: {said}")
