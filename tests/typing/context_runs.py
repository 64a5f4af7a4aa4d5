"""Contexts and loops: what `run` returns, what handlers are given, what goes into a chain or a dialog."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from typing import assert_type

import reactivex as rx
from reactivex import Observable

from miniagents import (
    AWAIT,
    CLEAR,
    Message,
    MessagePromise,
    Messages,
    MiniAgent,
    MiniAgents,
    Promise,
    PromisingContext,
    StopLoop,
    achain_loop,
    adialog_loop,
    partial_text,
)
from miniagents.operators import resolve
from miniagents.types import ChainItem
from miniagents.values import AwaitType, ClearType
from tests.typing.agent_kinds import (
    answering_agent,
    any_agent,
    asking_agent,
    grading_agent,
    hard_agent,
    keyed_agent,
    tuned_agent,
)
from tests.typing.message_classes import Answer, Question


async def number() -> int:
    return 1


async def numbers() -> AsyncGenerator[int]:
    yield 1


async def stores(promise: MessagePromise[Message], message: Message) -> None:
    print(promise, message)  # noqa: T201


async def sees(promise: Promise[object], result: object) -> None:
    print(promise, result)  # noqa: T201


async def sees_numbers(promise: Promise[int], result: int) -> None:
    print(promise, result)  # noqa: T201


def sees_at_once(promise: Promise[object], result: object) -> None:
    print(promise, result)  # noqa: T201


def run_returns_what_it_ran(words: Observable[str], inquiry: Awaitable[Messages[Answer]]) -> None:
    """Of a coroutine its result, of an Observable the list of its items."""
    assert_type(MiniAgents().run(number()), int)
    assert_type(MiniAgents().run(inquiry), Messages[Answer])
    assert_type(MiniAgents().run(words), list[str])
    assert_type(MiniAgents().run(rx.of(1, 2)), list[int])
    assert_type(MiniAgents().run(words.pipe(asking_agent, answering_agent, resolve())), list[Answer])
    assert_type(PromisingContext().run(number()), int)
    assert_type(PromisingContext(prefetch=1, shutdown_timeout=0.5).run(words), list[str])
    MiniAgents().run(number)  # type: ignore[call-overload]
    MiniAgents().run(numbers())  # type: ignore[call-overload]
    MiniAgents().run([1])  # type: ignore[call-overload]
    MiniAgents().run()  # type: ignore[call-overload]


async def a_context_is_entered() -> None:
    async with MiniAgents(errors_as_messages=True) as context:
        assert_type(context, MiniAgents)
    async with PromisingContext() as plain:
        assert_type(plain, PromisingContext)
    assert_type(MiniAgents.current(), MiniAgents)
    MiniAgents(prefetch="all")  # type: ignore[arg-type]
    MiniAgents(errors_as_messages="yes")  # type: ignore[arg-type]
    MiniAgents(on_persist=stores)  # type: ignore[call-arg]
    with MiniAgents():  # type: ignore[attr-defined]
        pass


async def a_context_of_an_app() -> None:
    async with MiniAgents(app_wide=True, drain_timeout=None) as context:
        assert_type(context, MiniAgents)
    app = MiniAgents(app_wide=True, drain_timeout=0.5)
    assert_type(await app.start(), MiniAgents)
    assert_type(await app.start(replace=True), MiniAgents)
    await app.stop()
    MiniAgents(drain_timeout="never")  # type: ignore[arg-type]
    MiniAgents(app_wide="yes")  # type: ignore[arg-type]


def a_thread_gets_what_comes_of_a_call(question: Question) -> None:
    """Of an inquiry the replies, of an async function its result, of any other one what it returns."""
    assert_type(MiniAgents.from_thread(any_agent.inquire, "a"), Messages[Message])
    assert_type(MiniAgents.from_thread(answering_agent.inquire, question), Messages[Answer])
    assert_type(MiniAgents.from_thread(number), int)
    assert_type(MiniAgents.from_thread(len, "text"), int)
    assert_type(MiniAgents.iterate_from_thread(lambda: any_agent.inquire("a").tokens), Iterator[str])
    assert_type(
        MiniAgents.iterate_from_thread(answering_agent.inquire, question), Iterator[MessagePromise[Answer]]
    )
    MiniAgents.iterate_from_thread(number)  # type: ignore[arg-type]
    MiniAgents.from_thread(number, 1)  # type: ignore[call-overload]
    MiniAgents.from_thread(1)  # type: ignore[call-overload]
    MiniAgents.from_thread(answering_agent.inquire, "a")  # type: ignore[call-overload]


def handlers_are_async_and_take_what_comes() -> None:
    context = MiniAgents(on_persist_message=stores, on_promise_resolved=sees)
    MiniAgents(on_persist_message=sees)
    MiniAgents(on_persist_message=sees_at_once)  # type: ignore[arg-type]
    MiniAgents(on_promise_resolved=stores)  # type: ignore[arg-type]
    MiniAgents(on_promise_resolved=sees_numbers)  # type: ignore[arg-type]
    context.on_promise_resolved(sees_at_once)  # type: ignore[type-var]
    context.on_persist_message(number)  # type: ignore[type-var]

    @context.on_persist_message
    async def kept(promise: MessagePromise[Message], message: Message) -> None:
        await stores(promise, message)

    @context.on_promise_resolved
    async def seen(promise: Promise[object], result: object) -> None:
        await sees(promise, result)

    _kept: Callable[[MessagePromise[Message], Message], Awaitable[None]] = kept  # it stays what it is
    _seen: Callable[[Promise[object], object], Awaitable[None]] = seen


async def a_chain_takes_agents_and_inquiries() -> None:
    _await: AwaitType = AWAIT
    _clear: ClearType = CLEAR
    assert_type(await achain_loop([any_agent, AWAIT]), Messages[Message])
    assert_type(await achain_loop([any_agent, None, tuned_agent, CLEAR, AWAIT], max_turns=1), Messages)
    await achain_loop([any_agent.inquire("a"), tuned_agent.inquire(model="m")])
    await achain_loop([any_agent.initiate_inquiry(), AWAIT], initial=["a", {"text": "b"}])
    await achain_loop([asking_agent, AWAIT])
    await achain_loop(any_agent for _ in range(2))
    await achain_loop([any_agent, "text"])  # type: ignore[list-item]
    await achain_loop([any_agent, AWAIT], initial=1)  # type: ignore[arg-type]
    await achain_loop([any_agent, AWAIT], max_turns="many")  # type: ignore[arg-type]
    await achain_loop([answering_agent, AWAIT, grading_agent, CLEAR, None, keyed_agent, hard_agent.inquire()])
    await achain_loop([answering_agent.initiate_inquiry(), AWAIT])
    chain: list[ChainItem] = [answering_agent, AWAIT]
    chain.append(grading_agent)
    await achain_loop(chain)
    chain.append("text")  # type: ignore[arg-type]
    await achain_loop(any_agent)  # type: ignore[arg-type]
    await achain_loop([any_agent, AWAIT], "a")  # type: ignore[call-arg]


async def a_dialog_takes_two_or_three() -> None:
    assert_type(await adialog_loop(any_agent, tuned_agent), Messages[Message])
    await adialog_loop(user_agent=any_agent, assistant_agent=asking_agent, history_agent=any_agent)
    await adialog_loop(any_agent, keyed_agent.fork("k"))
    await adialog_loop(any_agent)  # type: ignore[call-arg]
    await adialog_loop(asking_agent, hard_agent)
    await adialog_loop(asking_agent, hard_agent, any_agent)
    await adialog_loop(grading_agent, answering_agent)  # type: ignore[misc]
    await adialog_loop(answering_agent, answering_agent)  # type: ignore[misc]
    await adialog_loop(any_agent, any_agent.inquire("a"))  # type: ignore[arg-type]
    await adialog_loop(any_agent, any_agent, "history.md")  # type: ignore[arg-type]
    await adialog_loop(any_agent, any_agent, histories=None)  # type: ignore[call-arg]


async def an_agent_as_a_parameter(agent: MiniAgent, question: Question) -> None:
    """A bare `MiniAgent` is what most functions ask for."""

    async def ask(asked: MiniAgent[Question, Message]) -> Messages:
        return await asked.inquire(question)

    assert_type(await ask(agent), Messages[Message])
    await ask(answering_agent)
    await ask(tuned_agent.bind())
    await ask(keyed_agent)  # type: ignore[arg-type]
    await ask(ask)  # type: ignore[arg-type]


def errors_say_what_they_have(error: Exception) -> None:
    assert_type(partial_text(error), str)
    raise StopLoop from error
