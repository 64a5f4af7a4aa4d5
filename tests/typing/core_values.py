"""Below the agents: streams in and out, frozen values, histories, models that say what they are told."""

from collections.abc import AsyncGenerator, AsyncIterator, Hashable
from typing import assert_type

import reactivex as rx
from reactivex import Observable

from miniagents import AssistantMessage, Message, Messages, MessageSequencePromise, MiniAgent
from miniagents.ext.chat_history import ChatHistory, InMemoryChatHistory
from miniagents.ext.chat_history_md import ChatHistoryMD
from miniagents.ext.console_user_agent import console_user_agent, create_console_user_agent
from miniagents.ext.history_agents import in_memory_history_agent, markdown_history_agent
from miniagents.messages import MessagePromise, MessageType
from miniagents.models import ModelAgent
from miniagents.operators import as_messages, errors_as_messages, flatten, from_async, split, to_async_iter
from miniagents.testing import Cassette, Marbles, ScriptedModel, StepReader, cassette, scripted_model
from miniagents.testing._scripted_model import ModelRequest
from miniagents.values import FrozenMapping, freeze
from tests.typing.message_classes import Answer, Question


async def numbers() -> AsyncGenerator[int]:
    yield 1


async def async_iterables_and_observables(stream: AsyncIterator[Question]) -> None:
    assert_type(from_async(numbers()), Observable[int])
    assert_type(from_async(stream).map(lambda question: question.topic), Observable[str])
    assert_type(to_async_iter(rx.of(1, 2)), AsyncGenerator[int])
    assert_type([each async for each in to_async_iter(from_async(stream))], list[Question])
    from_async([1, 2])  # type: ignore[arg-type]
    from_async(numbers)  # type: ignore[arg-type]
    to_async_iter(numbers())  # type: ignore[arg-type]


def operators_of_any_messages(
    given: Observable[MessageType],
    several: Observable[MessageSequencePromise[Answer]],
    promises: Observable[MessagePromise[Answer]],
) -> None:
    assert_type(given.pipe(as_messages()), Observable[MessagePromise[Message]])
    assert_type(rx.of("a", "b").pipe(as_messages()), Observable[MessagePromise[Message]])
    assert_type(several.pipe(flatten()), Observable[MessagePromise[Answer]])
    assert_type(promises.pipe(errors_as_messages()), Observable[MessagePromise[Message]])
    assert_type(promises.pipe(split("\n", code_block_delimiter=None)), Observable[MessagePromise[Message]])
    rx.of(1, 2).pipe(as_messages())  # type: ignore[arg-type]
    promises.pipe(split(1))  # type: ignore[arg-type]
    promises.pipe(as_messages)  # type: ignore[arg-type]


def frozen_mappings(mapping: FrozenMapping[str, int]) -> None:
    """A mapping that can be read and not written."""
    assert_type(mapping["a"], int)
    assert_type({**mapping, "b": 2}, dict[str, int])
    assert_type(freeze({"a": [1]}), object)
    _key: Hashable = mapping
    mapping[1]  # type: ignore[index]
    mapping.update({"a": 2})  # type: ignore[arg-type]


def nothing_goes_into_it(mapping: FrozenMapping[str, int]) -> None:
    del mapping["a"]  # type: ignore[arg-type]


def nothing_is_popped(mapping: FrozenMapping[str, int]) -> None:
    mapping.pop("a")  # type: ignore[arg-type]


def nothing_becomes_a_default(mapping: FrozenMapping[str, int]) -> None:
    mapping.setdefault("a", 1)  # type: ignore[arg-type]


async def histories_keep_messages() -> None:
    history = InMemoryChatHistory([Question(topic="a")])
    assert_type(await history.load(), Messages[Message])
    assert_type(history.agent, MiniAgent[Message, Message])
    await history.append(["text", Answer()])
    await ChatHistoryMD("CHAT.md", message_classes=[Question]).append("text")
    assert_type(
        markdown_history_agent.fork(history_md_file="a.md").inquire("a"), MessageSequencePromise[Message]
    )
    assert_type(in_memory_history_agent.inquire("a", history=history), MessageSequencePromise[Message])
    assert_type(console_user_agent.fork(chat_history=history).inquire("a"), MessageSequencePromise[Message])
    create_console_user_agent(chat_history=history, alias="ME")
    console_user_agent.fork(chat_history="CHAT.md")  # type: ignore[arg-type]
    markdown_history_agent.fork(file="a.md")  # type: ignore[call-arg]
    in_memory_history_agent.fork(history=[])  # type: ignore[arg-type]
    InMemoryChatHistory("text")  # type: ignore[arg-type]
    ChatHistoryMD(1)  # type: ignore[arg-type]
    ChatHistory()  # type: ignore[abstract]


def scripted_models_for_tests() -> None:
    model = scripted_model("one", ["t", "wo", ValueError("cut")], Answered("three", stars=5), then="last")
    assert_type(model.inquire("a"), MessageSequencePromise[AssistantMessage])
    script = ScriptedModel(lambda messages: f"You said: {messages[-1]}")
    assert_type(script.requests, tuple[ModelRequest, ...])
    scripted_model(1)  # type: ignore[arg-type]
    scripted_model([1])  # type: ignore[list-item]
    scripted_model("a", now="b")  # type: ignore[call-arg]
    assert_type(scripted_model("a", delay=1), ModelAgent[...])
    scripted_model("a", delay="1 s")  # type: ignore[arg-type]
    scripted_model(Question(topic="a"))  # type: ignore[arg-type]


class Answered(AssistantMessage):
    """Data of its own comes with an answer."""

    stars: int


async def a_reader_of_replies_gives_tokens(model: ModelAgent[...]) -> None:
    assert_type(await StepReader(model.inquire("Hi")).next(), str)
    assert_type(await StepReader(rx.of(1)).next(), int)
    assert_type(await StepReader(numbers()).rest(), list[int])


def a_cassette_leaves_an_agent_what_it_is(agent: MiniAgent[Question, Answer], model: ModelAgent[...]) -> None:
    assert_type(cassette(model, "calls.jsonl"), ModelAgent[...])
    assert_type(Cassette("calls.jsonl")(agent), MiniAgent[Question, Answer])
    cassette(model, "calls.jsonl", mode="play")  # type: ignore[arg-type]


def marbles_make_models() -> None:
    assert_type(Marbles().model("5s a|"), ModelAgent[...])
    Marbles().model("a|", {"a": 7})  # type: ignore[dict-item]
