"""Agents at work: `inquire`, `fork`, `bind`, `described`, `initiate_inquiry`, and what each still takes."""

from typing import assert_type

from miniagents import (
    AgentCall,
    AssistantMessage,
    ErrorMessage,
    Message,
    MessagePromise,
    Messages,
    MessageSequencePromise,
    MiniAgent,
)
from miniagents.ext.chat_history import compact
from miniagents.messages import Summary
from miniagents.types import Delivery, InputMessage, InteractiveAgent, InteractiveCall, ModelAgent
from miniagents.values import FrozenMapping
from tests.typing.agent_kinds import answering_agent, any_agent, asking_agent, keyed_agent, tuned_agent
from tests.typing.message_classes import Answer, HardQuestion, Question


async def an_inquiry_gives_what_the_agent_replies(question: Question) -> None:
    assert_type(any_agent.inquire(), MessageSequencePromise[Message])
    assert_type(answering_agent.inquire(question), MessageSequencePromise[Answer])
    assert_type(await answering_agent.inquire(question), Messages[Answer])
    assert_type((await answering_agent.inquire(question))[0].score, float)
    assert_type([each async for each in answering_agent.inquire(question)], list[MessagePromise[Answer]])
    assert_type((await asking_agent.inquire("a"))[0].points, int)
    async with any_agent.inquire("a") as replies:
        assert_type(replies, MessageSequencePromise[Message])
    (await answering_agent.inquire(question))[0].topic  # type: ignore[attr-defined]  # noqa: B018
    any_agent.inquire("a").text  # type: ignore[attr-defined]  # noqa: B018
    any_agent.inquire(messages="a")  # type: ignore[call-overload]


def a_fork_stays_open() -> None:
    """Every keyword may still be given: to another fork, to an inquiry."""
    forked = tuned_agent.fork(model="large")
    assert_type(forked.inquire("a", "small", temperature=0.5), MessageSequencePromise[Message])
    assert_type(forked.fork(temperature=0.1).fork(model="x").inquire("a"), MessageSequencePromise[Message])
    assert_type(any_agent.fork(), MiniAgent)
    assert_type(answering_agent.fork(), MiniAgent[Question, Answer])
    keyed_agent.fork("k").inquire("a", key="other")
    tuned_agent.fork(models="large")  # type: ignore[call-arg]
    tuned_agent.fork(model=1)  # type: ignore[arg-type]
    forked.fork(nope=1)  # type: ignore[call-arg]
    forked.inquire("a", nope=1)  # type: ignore[call-overload]
    forked.inquire("a", temperature="hot")  # type: ignore[call-overload]
    keyed_agent.fork(tries=2)  # type: ignore[call-arg]
    any_agent.fork(model="large")  # type: ignore[call-arg]


def a_bound_agent_is_closed() -> None:
    bound = keyed_agent.bind("k", tries=2)
    assert_type(bound, MiniAgent[Message, Message])
    assert_type(bound.inquire("a"), MessageSequencePromise[Message])
    assert_type(answering_agent.bind(), MiniAgent[Question, Answer])
    bound.inquire("a", key="other")  # type: ignore[call-overload]
    bound.fork(tries=3)  # type: ignore[call-arg]
    keyed_agent.bind()  # type: ignore[call-arg]
    keyed_agent.bind(1)  # type: ignore[arg-type]


def a_description_keeps_the_types() -> None:
    described = tuned_agent.described(alias="T", description="Tuned.")
    assert_type(described.inquire("a", model="m"), MessageSequencePromise[Message])
    assert_type(answering_agent.described(alias="A"), MiniAgent[Question, Answer])
    assert_type(answering_agent.errors_as_messages(), MiniAgent[Question, Answer | ErrorMessage])
    assert_type(keyed_agent.errors_as_messages(enabled=False).bind("k"), MiniAgent)
    assert_type(tuned_agent.defaults, FrozenMapping[str, object])
    described.inquire("a", models="m")  # type: ignore[call-overload]
    tuned_agent.described("T")  # type: ignore[call-arg]
    tuned_agent.described(alias=1)  # type: ignore[arg-type]
    tuned_agent.alias = "T"  # type: ignore[misc]
    tuned_agent.description = "Tuned."  # type: ignore[misc]
    tuned_agent.errors_as_messages(enabled="no")  # type: ignore[call-overload]


async def a_call_that_is_still_open(question: Question) -> None:
    call = answering_agent.initiate_inquiry()
    assert_type(call, AgentCall[Question, Answer])
    assert_type(call.send_message(question), AgentCall[Question, Answer])
    assert_type(call.reply_sequence(), MessageSequencePromise[Answer])
    assert_type((await call.reply_sequence(finish_call=False))[0], Answer)
    assert_type(keyed_agent.initiate_inquiry("k", tries=1), AgentCall)
    any_agent.initiate_inquiry().send_message("a").send_message(["b", question]).finish()
    keyed_agent.initiate_inquiry()  # type: ignore[call-arg]
    any_agent.initiate_inquiry("a")  # type: ignore[call-arg]
    any_agent.initiate_inquiry().send_message(1)  # type: ignore[call-overload]
    call.reply_sequence(False)  # type: ignore[call-arg]  # noqa: FBT003


async def an_agent_that_can_be_spoken_to_while_it_works(question: Question) -> None:
    agent = answering_agent.interactive(unmarked="queue", idle=600)
    assert_type(agent, InteractiveAgent[Question, Answer | InputMessage, []])
    assert_type(agent.timeout(total=3600).retry(), InteractiveAgent[Question, Answer | InputMessage, []])
    assert_type(await agent.inquire(question), Messages[Answer | InputMessage])
    call = agent.initiate_inquiry()
    assert_type(call, InteractiveCall[Question, Answer | InputMessage])
    assert_type(call.send_message(question), InteractiveCall[Question, Answer | InputMessage])
    spoken = keyed_agent.interactive().initiate_inquiry("k", tries=1).send_message("a")
    assert_type(await spoken.send_message([question]).steer("b"), Delivery)
    assert_type(await call.steer("I meant Paris, Texas.", id="7"), Delivery)
    assert_type((await call.rollback(question)).position, int | None)
    assert_type(call.reply_sequence(), MessageSequencePromise[Answer | InputMessage])
    keyed_agent.interactive().initiate_inquiry("k", tries=1).queue("a")
    keyed_agent.interactive().bind("k", tries=1).initiate_inquiry().queue("a")
    keyed_agent.interactive().bind()  # type: ignore[call-arg]
    keyed_agent.interactive().initiate_inquiry()  # type: ignore[call-arg]
    agent.interactive(unmarked="later")  # type: ignore[arg-type]
    call.interrupt(1)  # type: ignore[arg-type]
    call.steer(Answer(score=1))  # type: ignore[arg-type]
    call.send_message("a")  # type: ignore[arg-type]


def agents_and_promises_are_what_their_type_says(hard: HardQuestion) -> None:
    """Variance: an agent may take more and reply less than was asked for, never the other way round."""
    _general_in: MiniAgent[HardQuestion, Answer] = answering_agent
    _general_out: MiniAgent[Question, Message] = answering_agent
    _both: MiniAgent[HardQuestion, Message] = answering_agent
    _anything: MiniAgent[Question, Question] = asking_agent
    _any_keywords: MiniAgent[Message, Message, ...] = keyed_agent
    _replies: MessageSequencePromise[Message] = answering_agent.inquire(hard)
    _plain: MiniAgent = answering_agent  # type: ignore[assignment]
    _special: MiniAgent[Message, Answer] = answering_agent  # type: ignore[assignment]
    _other: MiniAgent[Answer, Answer] = answering_agent  # type: ignore[assignment]
    _more: MiniAgent[Question, Question] = answering_agent  # type: ignore[assignment]
    _hard: MiniAgent[Message, HardQuestion] = any_agent  # type: ignore[assignment]
    _no_keywords: MiniAgent = keyed_agent  # type: ignore[assignment]
    _keywords: MiniAgent[Message, Message, [str]] = any_agent  # type: ignore[assignment]


def a_call_is_as_its_agent(call: AgentCall[Question, Answer]) -> None:
    _general_out: AgentCall[Question, Message] = call
    _special_in: AgentCall[HardQuestion, Answer] = call
    _general_in: AgentCall[Message, Answer] = call  # type: ignore[assignment]
    _special_out: AgentCall[Question, Question] = call  # type: ignore[assignment]


def agents_are_never_changed() -> None:
    any_agent.description.upper()
    any_agent.nope = 1  # type: ignore[attr-defined]
    any_agent()  # type: ignore[call-overload]


def neither_are_their_keywords() -> None:
    any_agent.defaults["model"] = "m"  # type: ignore[index, assignment]


def a_long_conversation(model: ModelAgent) -> None:
    """What makes a conversation shorter is an agent, and any agent may write the summary."""
    short = compact(model_limit=1000, keep=2, by=model)
    assert_type(short, MiniAgent)
    assert_type(short | model, MiniAgent[Message, AssistantMessage])
    assert_type(Summary("They met.", replaces=["k"]).replaces, tuple[str, ...])
    compact(model_limit=1000)  # type: ignore[call-arg]
    compact(model_limit=1000, by=keyed_agent)  # type: ignore[arg-type]
