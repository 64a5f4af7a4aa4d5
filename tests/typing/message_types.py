"""`MessageType`: everything that may be given where messages are taken, and what may not."""

from collections.abc import AsyncIterable, AsyncIterator, Generator

import reactivex as rx
from pydantic import BaseModel
from reactivex import Observable

from miniagents import Message, MessagePromise, Messages, MessageSequencePromise, MessageType, miniagent
from miniagents.agents import InteractionContext
from tests.typing.message_classes import Answer, Question


class Weather(BaseModel):
    """A pydantic model that is no message."""

    degrees: float


@miniagent
async def any_agent(ctx: InteractionContext) -> None:
    ctx.reply(ctx.messages)


def texts() -> Generator[str]:
    yield "a"


async def streamed() -> AsyncIterator[str | Question]:
    yield "a"


def everything_that_becomes_messages(
    question: Question,
    one: MessagePromise[Answer],
    many: MessageSequencePromise[Answer],
    resolved: Messages[Question],
    promises: Observable[MessagePromise[Question]],
) -> None:
    any_agent.inquire()
    any_agent.inquire(None)
    any_agent.inquire("text")
    any_agent.inquire({"text": "text", "mood": "good"})
    any_agent.inquire(question)
    any_agent.inquire(Weather(degrees=21.5))
    any_agent.inquire(one)
    any_agent.inquire(many)
    any_agent.inquire(resolved)
    any_agent.inquire(ValueError("it went wrong"))
    any_agent.inquire(["text", question, one, many, None])
    any_agent.inquire(("text", [question, [one, {"text": "deep"}]]))
    any_agent.inquire({"a", "b"})
    any_agent.inquire(texts())
    any_agent.inquire(streamed())
    any_agent.inquire(promises)
    any_agent.inquire(rx.of("a", "b"))
    any_agent.inquire(text for text in "abc")
    any_agent.inquire(any_agent.inquire("text"))


def what_never_becomes_messages(numbers: Observable[int], bits: AsyncIterable[bytes]) -> None:
    any_agent.inquire(1)  # type: ignore[call-overload]
    any_agent.inquire(1.5)  # type: ignore[call-overload]
    any_agent.inquire([1, 2])  # type: ignore[list-item]
    any_agent.inquire(["text", object()])  # type: ignore[list-item]
    any_agent.inquire(numbers)  # type: ignore[arg-type]
    any_agent.inquire(bits)  # type: ignore[arg-type]
    any_agent.inquire({1: "text"})  # type: ignore[dict-item]
    any_agent.inquire(len)  # type: ignore[call-overload]
    any_agent.inquire(Question)  # type: ignore[call-overload]
    any_agent.inquire(any_agent)  # type: ignore[call-overload]
    any_agent.inquire(MessageSequencePromise.aresolve_messages)  # type: ignore[call-overload]


def a_function_of_ones_own_takes_the_same(question: Question) -> None:
    def tell(messages: MessageType) -> None:
        any_agent.inquire(messages)

    tell("text")
    tell([question, "text"])
    tell(texts())
    tell(7)  # type: ignore[arg-type]


def told_apart(messages: MessageType) -> None:
    """A text is an iterable of texts too, so it is asked for first; then each branch knows what it has."""
    if isinstance(messages, str):
        messages.upper()
    elif isinstance(messages, Message):
        messages.text.upper()  # type: ignore[union-attr]
    elif isinstance(messages, Exception):
        messages.with_traceback(None)
