"""Corpus: what agents of declared classes take and reply, and what they are as operators.

Each comment is a mistake that both checkers must see.
"""

import asyncio
from collections.abc import AsyncIterable, Iterable, Mapping
from typing import Never, assert_type

from pydantic import BaseModel
from reactivex import Observable, operators as ops

from miniagents import (
    AgentCall,
    ErrorMessage,
    InteractionContext,
    Message,
    MessagePromise,
    Messages,
    MessageSequencePromise,
    MessageType,
    MessageValidationError,
    MiniAgent,
    UserMessage,
    miniagent,
)
from miniagents.agents import Pipeline
from miniagents.messages import MessageTypeOf
from miniagents.messages._sequence import MessageItemOf
from miniagents.operators import resolve, tokens


class Question(Message):
    topic: str


class Deep(Question):
    depth: int


class Answer(Message):
    grade: int


class Row(BaseModel):
    topic: str


def grade_of(answer: Answer) -> int:
    return answer.grade


@miniagent
async def plain(ctx: InteractionContext) -> None:
    assert_type(ctx, InteractionContext[Message, Message])
    assert_type(ctx.messages, MessageSequencePromise[Message])
    assert_type(ctx.message_promises, MessageSequencePromise[Message])


@miniagent
async def qa(ctx: InteractionContext[Question, Answer], mark: str = "!", depth: int = 1) -> None:
    assert_type(ctx.messages, MessageSequencePromise[Question])
    assert_type(await ctx.messages, Messages[Question])
    assert_type([await promise async for promise in ctx.messages], list[Question])
    assert_type((await ctx.messages)[0].topic, str)
    assert_type(ctx.this_agent, MiniAgent[Question, Answer, ...])


@miniagent(alias="STRICT")
async def strict(ctx: InteractionContext[Question, Answer], mark: str) -> None:
    ctx.reply(Answer(mark, grade=1))


@miniagent
async def either(ctx: InteractionContext[Question | UserMessage, Answer]) -> None:
    assert_type(await ctx.messages, Messages[Question | UserMessage])


@miniagent
async def mute(ctx: InteractionContext[Question, Never]) -> None:
    ctx.reply(ValueError("an error is no message"))
    ctx.reply(Answer(grade=1))  # type: ignore[arg-type]


@miniagent
async def opened(ctx: InteractionContext, **keywords: object) -> None:
    ctx.reply(str(keywords))


@miniagent(alias="OPEN")
async def opened_too(ctx: InteractionContext, **keywords: object) -> None:
    ctx.reply(str(keywords))


@miniagent
async def opened_partly(
    ctx: InteractionContext[Question, Answer], /, mark: str, *, depth: int, **keywords: object
) -> None:
    ctx.reply(Answer(mark, grade=depth))


@miniagent(alias="EXACT")
async def opened_exactly(
    ctx: InteractionContext[Question, Answer], /, mark: str = "!", **keywords: int
) -> None:
    ctx.reply(Answer(mark, grade=len(keywords)))


@miniagent
async def half(ctx: InteractionContext[Question]) -> None:
    assert_type(ctx, InteractionContext[Question, Message])
    ctx.reply("any message")


assert_type(plain, MiniAgent[Message, Message])
assert_type(plain.bind(), MiniAgent)
assert_type(qa.bind(), MiniAgent[Question, Answer])
assert_type(qa.fork(mark="?").bind(), MiniAgent[Question, Answer])
assert_type(qa.described(alias="QA").bind(), MiniAgent[Question, Answer])
assert_type(qa.errors_as_messages().bind(), MiniAgent[Question, Answer | ErrorMessage])
assert_type(qa.errors_as_messages(enabled=False).bind(), MiniAgent[Question, Answer])
assert_type(strict.bind(mark="?"), MiniAgent[Question, Answer])
assert_type(half, MiniAgent[Question, Message])


def wrong_functions() -> None:
    def not_async(ctx: InteractionContext) -> None: ...

    async def no_context(number: int) -> None: ...

    async def nothing() -> None: ...

    miniagent(not_async)  # type: ignore[arg-type]
    miniagent(no_context)  # type: ignore[arg-type]
    miniagent(nothing)  # type: ignore[arg-type]
    miniagent(alias=5)  # type: ignore[call-overload]
    miniagent(alias="X")(not_async)  # type: ignore[arg-type]


def wrong_classes() -> None:
    async def words(ctx: InteractionContext[str, Message]) -> None: ...  # type: ignore[type-var]

    async def numbers(ctx: InteractionContext[Message, int]) -> None: ...  # type: ignore[type-var]


def replies(
    ctx: InteractionContext[Question, Answer],
    answers: Iterable[Answer],
    coming: AsyncIterable[MessagePromise[Answer]],
    observed: Observable[Answer],
) -> None:
    answer = Answer("x", grade=1)
    ctx.reply(answer)
    ctx.reply(answer.as_promise)
    ctx.reply([answer, answer.as_promise, ValueError("x")])
    ctx.reply(answers)
    ctx.reply(coming)
    ctx.reply(observed)
    ctx.reply(qa.inquire())
    ctx.reply([qa.inquire(), qa.inquire()])
    ctx.reply(each for each in answers)
    ctx.reply(KeyError("x"))
    ctx.reply(None)


def wrong_replies(ctx: InteractionContext[Question, Answer], mapping: Mapping[str, object], row: Row) -> None:
    ctx.reply("text")  # type: ignore[arg-type]
    ctx.reply(["text"])  # type: ignore[list-item]
    ctx.reply(mapping)  # type: ignore[arg-type]
    ctx.reply({"grade": 1})  # type: ignore[dict-item]
    ctx.reply(row)  # type: ignore[arg-type]
    ctx.reply([row])  # type: ignore[list-item]
    ctx.reply(Message("x"))  # type: ignore[arg-type]
    ctx.reply(Question(topic="x"))  # type: ignore[arg-type]
    ctx.reply([Message("x")])  # type: ignore[list-item]
    ctx.reply(Message("x").as_promise)  # type: ignore[arg-type]
    ctx.reply(plain.inquire())  # type: ignore[arg-type]
    ctx.reply(ctx.messages)  # type: ignore[arg-type]
    ctx.reply(5)  # type: ignore[arg-type]
    ctx.reply(b"x")  # type: ignore[arg-type]


def plain_replies(
    ctx: InteractionContext, mapping: Mapping[str, object], row: Row, any_of: MessageType
) -> None:
    ctx.reply("text")
    ctx.reply(["text", Message("x"), [row, [mapping]]])
    ctx.reply({"grade": 1})
    ctx.reply(mapping)
    ctx.reply(row)
    ctx.reply(any_of)
    ctx.reply(qa.inquire())
    ctx.reply(ctx.messages)
    ctx.reply(5)  # type: ignore[call-overload]
    ctx.reply([5])  # type: ignore[list-item]
    ctx.reply(object())  # type: ignore[call-overload]


def generic_replies(
    ctx: InteractionContext[Message, Answer], many: MessageTypeOf[Answer], one: MessageItemOf[Answer]
) -> None:
    ctx.reply(many)
    ctx.reply(one)


async def inquiries(words: Observable[str], questions: Observable[Question]) -> None:
    question = Question("x", topic="x")
    assert_type(qa.inquire(question), MessageSequencePromise[Answer])
    assert_type(qa.inquire(questions), MessageSequencePromise[Answer])
    assert_type(qa.inquire([question], mark="?", depth=2), MessageSequencePromise[Answer])
    assert_type(qa.inquire(Deep(topic="x", depth=1)), MessageSequencePromise[Answer])
    assert_type(qa.inquire(question, "?", 2), MessageSequencePromise[Answer])
    assert_type(await qa.inquire(question), Messages[Answer])
    assert_type((await qa.inquire(question))[0].grade, int)
    assert_type((await qa.inquire(question))[1:], Messages[Answer])
    assert_type(
        await asyncio.gather(qa.inquire(question), plain.inquire("x")),
        tuple[Messages[Answer], Messages[Message]],
    )
    assert_type(await (await anext(aiter(qa.inquire(question)))), Answer)
    plain.inquire({"text": "x"})
    plain.inquire(words)
    plain.inquire(qa.inquire())
    half.inquire(question)
    either.inquire([question, UserMessage("x")])
    opened.inquire("x", anything=1, at_all="y")
    opened_too.inquire("x", anything=1, at_all="y")
    strict.inquire(question, mark="?")
    strict.inquire(question)  # type: ignore[call-arg]
    strict.fork()  # type: ignore[call-arg]
    qa.inquire("x")  # type: ignore[arg-type]
    qa.inquire(words)  # type: ignore[arg-type]
    qa.inquire({"topic": "x"})  # type: ignore[dict-item]
    qa.inquire(Message("x"))  # type: ignore[arg-type]
    qa.inquire(plain.inquire("x"))  # type: ignore[arg-type]
    either.inquire(Answer(grade=1))  # type: ignore[arg-type]
    qa.inquire(question, mark=5)  # type: ignore[arg-type]
    qa.inquire(question, nark="?")  # type: ignore[call-arg]
    qa.fork(nark="?")  # type: ignore[call-arg]
    qa.fork(depth="deep")  # type: ignore[arg-type]
    qa.bind().inquire(question, mark="?")  # type: ignore[call-arg]
    plain.inquire("x", mark="?")  # type: ignore[call-overload]
    plain.inquire(5)  # type: ignore[call-overload]


def open_keywords(question: Question, questions: Observable[Question]) -> None:
    """Where the context is positional, both checkers know which keywords are open and which are not."""
    assert_type(opened.inquire("x", a=1, b="c").as_single_promise(), MessagePromise[Message])
    assert_type(opened_too.fork(a=1).inquire("x", b=2), MessageSequencePromise[Message])
    assert_type(opened_partly.inquire(question, "?", depth=1, a=1), MessageSequencePromise[Answer])
    assert_type(opened_partly.fork("?", depth=1).bind("?", depth=1), MiniAgent[Question, Answer])
    assert_type(opened_exactly.inquire(question, mark="?", a=1), MessageSequencePromise[Answer])
    assert_type(questions.pipe(opened_exactly, plain), Observable[MessagePromise[Message]])
    assert_type(opened_exactly | plain, MiniAgent[Question, Message])
    opened_partly.inquire("x", "?", depth=1)  # type: ignore[arg-type]
    opened_exactly.inquire(question, mark=1)  # type: ignore[arg-type]
    opened_exactly.inquire(question, a="x")  # type: ignore[arg-type]
    opened_exactly.fork(a="x")  # type: ignore[arg-type]
    opened_exactly | qa  # type: ignore[operator]
    questions.pipe(opened_partly, qa)  # type: ignore[arg-type]


def calls(question: Question) -> None:
    call = qa.initiate_inquiry(mark="?")
    assert_type(call, AgentCall[Question, Answer])
    assert_type(call.send_message(question), AgentCall[Question, Answer])
    assert_type(call.send_message(question).reply_sequence(), MessageSequencePromise[Answer])
    plain.initiate_inquiry().send_message("x").send_message({"text": "y"}).finish()
    call.send_message("x")  # type: ignore[arg-type]
    call.send_message(Message("x"))  # type: ignore[arg-type]
    qa.initiate_inquiry(nark="?")  # type: ignore[call-arg]
    strict.initiate_inquiry()  # type: ignore[call-arg]


def operators(words: Observable[str], questions: Observable[Question]) -> None:
    assert_type(words.pipe(plain), Observable[MessagePromise[Message]])
    assert_type(questions.pipe(plain), Observable[MessagePromise[Message]])
    assert_type(questions.pipe(qa), Observable[MessagePromise[Answer]])
    assert_type(questions.pipe(qa, resolve()), Observable[Answer])
    assert_type(questions.pipe(qa.fork(mark="?"), plain, tokens()), Observable[str])
    assert_type(questions.pipe(ops.map(lambda q: q.topic), plain), Observable[MessagePromise[Message]])
    assert_type(questions.pipe(strict.bind(mark="?")), Observable[MessagePromise[Answer]])
    assert_type(questions.pipe(qa, resolve()).map(lambda a: a.grade), Observable[int])
    words.pipe(qa)  # type: ignore[arg-type]
    questions.pipe(strict)  # type: ignore[arg-type]
    questions.pipe(qa, qa)  # type: ignore[arg-type]


def composed(words: Observable[str], questions: Observable[Question]) -> None:
    assert_type(qa | plain, MiniAgent[Question, Message])
    assert_type(qa | plain | plain, MiniAgent[Question, Message])
    assert_type(qa.fork() | plain, MiniAgent[Question, Message])
    assert_type(strict.bind(mark="?") | plain, MiniAgent[Question, Message])
    assert_type((plain | ops.take(1))(words), Observable[MessagePromise[Message]])
    assert_type((qa | resolve())(questions), Observable[Answer])
    assert_type((qa | resolve() | ops.map(grade_of))(questions), Observable[int])
    assert_type(plain.then(lambda o: o.pipe(tokens()))(words), Observable[str])
    assert_type(qa.then(lambda o: o.pipe(resolve()).map(lambda a: a.grade))(questions), Observable[int])
    typed: Pipeline[Question, Answer] = qa | resolve()
    assert_type(typed(questions), Observable[Answer])
    plain | qa  # type: ignore[operator]
    qa | strict  # type: ignore[operator]
    strict | plain  # type: ignore[operator]
    strict.then(resolve())  # type: ignore[misc]
    qa | 5  # type: ignore[operator]
    qa | len  # type: ignore[operator]
    (qa | resolve())(words)  # type: ignore[arg-type]


def variance(
    ctx: InteractionContext[Deep, Message],
    narrow: InteractionContext[Question, Answer],
    messages: Messages[Answer],
    promise: MessagePromise[Answer],
    sequence: MessageSequencePromise[Answer],
) -> None:
    agent: MiniAgent[Deep, Message] = qa.bind()
    takes_more: MiniAgent[Question, Message] = plain
    context: InteractionContext[Question, Answer] = ctx
    wide: tuple[Messages, MessagePromise, MessageSequencePromise] = (messages, promise, sequence)
    print(agent, takes_more, context, wide)  # noqa: T201
    any_in: MiniAgent[Message, Answer] = qa.bind()  # type: ignore[assignment]
    other_out: MiniAgent[Question, Deep] = qa.bind()  # type: ignore[assignment]
    reads_deep: InteractionContext[Deep, Answer] = narrow  # type: ignore[assignment]
    writes_all: InteractionContext[Question, Message] = narrow  # type: ignore[assignment]
    narrower: MessageSequencePromise[Answer] = plain.inquire("x")  # type: ignore[assignment]
    print(any_in, other_out, reads_deep, writes_all, narrower)  # noqa: T201


async def what_does_not_fit(questions: list[dict[str, str]]) -> None:
    """What no checker has seen is validated when it comes; the error knows whose classes they are."""
    try:
        await plain.inquire(questions)
    except MessageValidationError as error:
        assert_type(error.agent_alias, str)
