"""Crosses modules: agents whose messages are of declared classes, at run time too."""

import logging
import traceback
from collections.abc import AsyncGenerator
from typing import cast

import pytest
import reactivex as rx

from miniagents import (
    AgentCallNode,
    ErrorMessage,
    InteractionContext,
    Message,
    MessagePromise,
    MessageType,
    MiniAgent,
    MiniAgents,
    miniagent,
)
from miniagents.operators import resolve
from miniagents.values import MessageValidationError
from tests.support.sources import Source


class Question(Message):
    """What is asked."""

    topic: str


class Number(Message):
    """A question of another kind."""

    number: int


class Answer(Message):
    """What is answered."""

    grade: int = 0


@miniagent
async def qa_agent(ctx: InteractionContext[Question, Answer]) -> None:
    """Answer each question."""
    async for promise in ctx.messages:
        question = await promise
        ctx.reply(Answer(f"{question}: {question.topic}", grade=1))


@miniagent
async def seen_agent(ctx: InteractionContext[Question | Number, Message]) -> None:
    """Say of which class the messages are."""
    async for promise in ctx.messages:
        ctx.reply(type(await promise).__name__)


@miniagent
async def loose_agent(ctx: InteractionContext[Message, Answer]) -> None:
    """Reply whatever is sent."""
    wide: InteractionContext = ctx  # type: ignore[assignment]  # what untyped code does
    wide.reply(ctx.messages)


def untyped(agent: object) -> MiniAgent:
    """An agent as untyped code sees it."""
    return cast("MiniAgent", agent)


async def test_a_message_of_the_class() -> None:
    """It arrives as the same object."""
    seen: list[Message] = []

    @miniagent
    async def agent(ctx: InteractionContext[Question, Message]) -> None:
        seen.extend(await ctx.messages)

    question = Question("q", topic="t")
    async with MiniAgents():
        await agent.inquire(question)
    assert seen[0] is question


async def test_another_class() -> None:
    """What is no question becomes one: text and fields are taken."""
    async with MiniAgents():
        replies = await untyped(qa_agent).inquire([Message("q", topic="x"), {"text": "r", "topic": "y"}])
    assert [str(reply) for reply in replies] == ["q: x", "r: y"]


async def test_what_does_not_fit() -> None:
    """The error names the agent, the field and the value, and it is a `ValueError`."""
    async with MiniAgents():
        with pytest.raises(ValueError, match="QA_AGENT") as caught:
            await untyped(qa_agent).inquire(Message("q", topic=5))
    assert isinstance(caught.value, MessageValidationError)
    assert str(caught.value) == (
        "Agent QA_AGENT takes Question, and this Message cannot become one: "
        "topic: Input should be a valid string (got 5)"
    )
    assert caught.value.__notes__ == ["agents: QA_AGENT"]


async def test_the_others_arrive() -> None:
    """A message that does not fit fails where it stands; those around it arrive."""
    seen: list[str] = []

    @miniagent
    async def agent(ctx: InteractionContext[Question, Message]) -> None:
        async for promise in ctx.messages:
            try:
                seen.append((await promise).topic)
            except MessageValidationError:
                seen.append("-")

    async with MiniAgents():
        await untyped(agent).inquire([{"topic": "a"}, "b", {"topic": "c"}])
    assert seen == ["a", "-", "c"]


async def test_unions() -> None:
    """Of a union the message's own class wins, else that with most of its data as fields, else the first."""
    async with MiniAgents():
        sent: list[MessageType] = [
            Number(number=1),
            {"number": 2},
            {"topic": "x", "number": 3},
            Question(topic="y"),
        ]
        classes = [str(reply) for reply in await untyped(seen_agent).inquire(sent)]
        assert classes == ["Number", "Number", "Question", "Question"]
        with pytest.raises(MessageValidationError, match=r"takes Question or Number.*as Question.*as Number"):
            await untyped(seen_agent).inquire("x")


async def test_replies() -> None:
    """Replies are validated too; what fits as it is passes as the same object, and errors pass."""
    answer = Answer("a", grade=3)
    async with MiniAgents():
        replies = [each async for each in loose_agent.inquire([answer, "b", {"grade": "x"}, KeyError("c")])]
        assert await replies[0] is answer
        assert await replies[1] == Answer("b")
        with pytest.raises(MessageValidationError, match=r"Agent LOOSE_AGENT replies Answer, .*grade"):
            await replies[2]
        with pytest.raises(KeyError, match="c"):
            await replies[3]


async def test_replies_that_are_streams() -> None:
    """Replies that are sequences, iterables and Observables are validated one by one."""

    async def items() -> AsyncGenerator[str]:
        yield "b"

    async with MiniAgents():
        sent: list[MessageType] = [qa_agent.inquire(Question(topic="a")), items(), rx.of("c")]
        replies = await loose_agent.inquire(sent)
    assert [type(reply) for reply in replies] == [Answer, Answer, Answer]
    assert [reply.grade for reply in replies] == [1, 0, 0]


async def test_tokens_stream() -> None:
    """The tokens of a message that is going to be validated arrive as they come, through several agents."""
    source = Source(["a", "b"], hold_at=1)
    async with MiniAgents():
        chain = loose_agent | loose_agent
        replies = aiter(chain.inquire(Message.promise(source, grade="4")))
        promise: MessagePromise[Answer] = await anext(replies)
        tokens = aiter(promise)
        assert await anext(tokens) == "a"
        assert not promise.done
        source.go.set()
        assert await promise == Answer("ab", grade=4)


async def test_as_an_operator() -> None:
    """The classes hold in a pipe."""
    async with MiniAgents():
        found = await rx.of(Message("q", topic="x")).pipe(untyped(qa_agent), resolve())
    assert found == Answer("q: x", grade=1)


@pytest.mark.logs("No reader ever saw this error")
async def test_in_a_chain_that_does_not_fit() -> None:
    """A reply that the next agent cannot take fails where it enters that one, with agent, field and value."""
    sentence = (
        "Agent QA_AGENT takes Question, and this Answer cannot become one: "
        "topic: Input should be a valid string (got 5)"
    )

    @miniagent
    async def grading_agent(ctx: InteractionContext[Message, Answer]) -> None:
        ctx.reply(Answer.model_validate({"topic": 5}))

    async with MiniAgents():
        chains = [
            grading_agent | untyped(qa_agent),
            grading_agent | (untyped(qa_agent) | loose_agent),
            grading_agent & grading_agent | untyped(qa_agent),
        ]
        for chain in chains:
            with pytest.raises(MessageValidationError) as caught:
                await rx.of("x").pipe(chain, resolve())
            assert str(caught.value) == sentence
            assert caught.value.agent_alias == "QA_AGENT"
        with pytest.raises(MessageValidationError) as caught:
            await rx.of("x").pipe(grading_agent, untyped(qa_agent), resolve())
        assert str(caught.value) == sentence


async def test_calls_are_validated() -> None:
    """What is sent to an open call is validated, too."""
    async with MiniAgents():
        call = untyped(qa_agent).initiate_inquiry().send_message({"text": "q", "topic": "x"})
        assert str(await call.reply_sequence()) == "q: x"


async def test_variants_keep_their_classes() -> None:
    """Forked, bound, renamed: the agent stays typed, and errors name it as it is called then."""
    for agent in (qa_agent.fork(), qa_agent.bind(), qa_agent.described(alias="Bob")):
        async with MiniAgents():
            with pytest.raises(MessageValidationError, match=f"Agent {agent.alias} takes Question"):
                await untyped(agent).inquire("x")


async def test_errors_as_messages() -> None:
    """A message that does not fit becomes an `ErrorMessage`, and one from further in passes as it is."""
    async with MiniAgents(errors_as_messages=True):
        replies = await untyped(qa_agent).inquire("x")
        assert [type(reply) for reply in replies] == [ErrorMessage]
        assert "topic: Field required" in str(replies)
        passed = await loose_agent.inquire(untyped(qa_agent).inquire("x"))
        assert passed == replies


async def test_a_secret() -> None:
    """A value of a secret field is nowhere in the error, in its traceback, or in what it came from."""

    class Login(Message):
        access_token: int

    @miniagent
    async def login_agent(ctx: InteractionContext[Login, Message]) -> None:
        await ctx.messages

    secret = "hunter" + "2"  # not as one word in this file, which a traceback shows
    async with MiniAgents():
        with pytest.raises(MessageValidationError, match="access_token: not valid") as caught:
            await untyped(login_agent).inquire({"access_token": secret})
    assert "hunter2" not in "".join(traceback.format_exception(caught.value))
    assert caught.value.__context__ is None


async def test_records_show_what_was_sent() -> None:
    """The record of a call has the messages as they were sent, not as they were validated."""
    kept: list[Message] = []

    async def keep(promise: MessagePromise[Message], message: Message, /) -> None:
        kept.append(message)

    async with MiniAgents(on_persist_message=keep):
        await untyped(qa_agent).inquire({"text": "q", "topic": "x"})
    (call,) = [each for each in kept if isinstance(each, AgentCallNode)]
    assert [type(message) for message in call.messages] == [Message]
    assert [type(each) for each in kept if isinstance(each, Question | Answer)] == [Question, Answer]


async def test_nobody_reads_the_error(caplog: pytest.LogCaptureFixture) -> None:
    """A reply that does not fit and is not read is logged once."""
    with caplog.at_level(logging.ERROR, "miniagents"):
        async with MiniAgents():
            loose_agent.inquire({"grade": "x"})
    assert ["LOOSE_AGENT replies Answer" in record.message for record in caplog.records] == [True]


async def test_a_plain_agent_is_not_validated() -> None:
    """Where any message will do, the sequence that is sent is the sequence that is received."""
    seen: list[object] = []

    @miniagent
    async def agent(ctx: InteractionContext) -> None:
        seen.append(ctx.messages)

    async with MiniAgents():
        sent = qa_agent.inquire(Question(topic="x"))
        await agent.inquire(sent)
        assert seen[0] is sent
