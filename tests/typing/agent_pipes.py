"""Agents as operators: in `pipe`, called with a stream, with `|` and `then`."""

from collections.abc import Callable
from typing import TypeAlias, assert_type

import reactivex as rx
from reactivex import Observable, operators as ops

from miniagents import Message, MessagePromise, MessageSequencePromise, MiniAgent
from miniagents.agents import Pipeline
from miniagents.messages._sequence import MessageItemOf
from miniagents.operators import flatten, join, map_messages, map_tokens, resolve, tokens
from tests.typing.agent_kinds import (
    answering_agent,
    any_agent,
    asking_agent,
    grading_agent,
    hard_agent,
    keyed_agent,
    tuned_agent,
)
from tests.typing.message_classes import Answer, HardQuestion, Question

Taken: TypeAlias = MessageItemOf[Question]


def score(answer: Answer) -> float:
    return answer.score


def an_agent_is_an_operator(
    questions: Observable[Question], promises: Observable[MessagePromise[Question]], words: Observable[str]
) -> None:
    assert_type(answering_agent(questions), Observable[MessagePromise[Answer]])
    assert_type(answering_agent(promises), Observable[MessagePromise[Answer]])
    answering_agent(words)  # type: ignore[arg-type]
    assert_type(questions.pipe(answering_agent), Observable[MessagePromise[Answer]])
    assert_type(promises.pipe(answering_agent, resolve()), Observable[Answer])
    assert_type(questions.pipe(answering_agent, resolve(), ops.map(score)), Observable[float])
    assert_type(questions.pipe(answering_agent, tokens()), Observable[str])
    assert_type(rx.of("a").pipe(asking_agent, answering_agent, resolve()), Observable[Answer])
    assert_type(
        asking_agent(words).map(lambda promise: promise.message_class), Observable[type[HardQuestion]]
    )


def keywords_are_bound_before_a_pipe(words: Observable[str]) -> None:
    """With defaults it pipes as it is; a keyword that must be given must be bound."""
    assert_type(words.pipe(tuned_agent), Observable[MessagePromise[Message]])
    assert_type(tuned_agent(words, model="m"), Observable[MessagePromise[Message]])
    assert_type(words.pipe(keyed_agent.bind("k")), Observable[MessagePromise[Message]])
    assert_type(keyed_agent(words, "k", tries=2), Observable[MessagePromise[Message]])
    words.pipe(keyed_agent)  # type: ignore[arg-type]
    words.pipe(keyed_agent.fork("k"))  # type: ignore[arg-type]
    keyed_agent(words)  # type: ignore[call-overload]
    tuned_agent(words, models="m")  # type: ignore[call-overload]
    tuned_agent(words, temperature="hot")  # type: ignore[call-overload]


def what_does_not_fit_is_refused(
    messages: Observable[Message], answers: Observable[Answer], numbers: Observable[int]
) -> None:
    answering_agent(messages)  # type: ignore[arg-type]
    answering_agent(answers)  # type: ignore[arg-type]
    answering_agent([Question(topic="a")])  # type: ignore[arg-type]
    any_agent("text")  # type: ignore[call-overload]
    numbers.pipe(any_agent)  # type: ignore[arg-type]
    messages.pipe(answering_agent)  # type: ignore[arg-type]
    answers.pipe(asking_agent, hard_agent, hard_agent)  # type: ignore[misc]
    any_agent(messages).pipe(resolve(), ops.map(score))  # type: ignore[misc]


def agents_one_after_the_other(words: Observable[str], question: Question) -> None:
    """`|` of two agents is an agent: from what the first takes to what the second replies."""
    assert_type(answering_agent | grading_agent, MiniAgent[Question, Message])
    assert_type(asking_agent | answering_agent, MiniAgent[Message, Answer])
    assert_type(asking_agent | hard_agent, MiniAgent[Message, Answer])
    assert_type(any_agent | tuned_agent | keyed_agent.bind("k"), MiniAgent)
    assert_type(asking_agent | answering_agent | grading_agent, MiniAgent[Message, Message])
    assert_type((asking_agent | answering_agent).inquire("a"), MessageSequencePromise[Answer])
    assert_type(words.pipe(asking_agent | answering_agent), Observable[MessagePromise[Answer]])
    assert_type((answering_agent | grading_agent).inquire(question), MessageSequencePromise[Message])
    (asking_agent | answering_agent).fork(model="m")  # type: ignore[call-arg]


def an_agent_and_then_an_operator(questions: Observable[Question]) -> None:
    """`|` of an agent and an operator is an operator, and so is `then`; a lambda learns what it gets."""
    assert_type(answering_agent | resolve(), Pipeline[Taken, Answer])
    assert_type(answering_agent.then(resolve()), Pipeline[Taken, Answer])
    assert_type((answering_agent | resolve())(questions), Observable[Answer])
    assert_type((answering_agent | resolve() | ops.map(score))(questions), Observable[float])
    assert_type(answering_agent.then(tokens()).then(ops.map(len))(questions), Observable[int])
    assert_type(answering_agent.then(lambda replies: replies.pipe(resolve()))(questions), Observable[Answer])
    assert_type((asking_agent | answering_agent | tokens())(questions), Observable[str])
    assert_type(questions.pipe(answering_agent | resolve(), ops.map(score)), Observable[float])
    _operator: Callable[[Observable[Question]], Observable[Message]] = answering_agent | resolve()


def what_cannot_come_after_is_refused(questions: Observable[Question]) -> None:
    answering_agent | answering_agent  # type: ignore[operator]
    any_agent | answering_agent  # type: ignore[operator]
    answering_agent | hard_agent  # type: ignore[operator]
    answering_agent | 5  # type: ignore[operator]
    answering_agent | str.upper  # type: ignore[operator]
    answering_agent | ops.map(score)  # type: ignore[operator]
    answering_agent.then(5)  # type: ignore[arg-type]
    answering_agent.then(hard_agent)  # type: ignore[arg-type]
    (answering_agent | resolve()) | hard_agent  # type: ignore[operator]
    (answering_agent | tokens())(questions).map(score)  # type: ignore[arg-type]
    5 | answering_agent  # type: ignore[operator]


def our_operators_keep_the_class(
    answers: Observable[MessagePromise[Answer]], hard: Observable[MessagePromise[HardQuestion]]
) -> None:
    def easier(question: Question) -> Answer:
        return Answer(question.topic)

    assert_type(answers.pipe(map_tokens(str.upper)), Observable[MessagePromise[Answer]])
    assert_type(answers.pipe(map_tokens(str.upper), resolve()), Observable[Answer])
    assert_type(hard.pipe(map_messages(easier)), Observable[MessagePromise[Answer]])
    assert_type(hard.pipe(map_messages(easier), resolve(), ops.map(score)), Observable[float])
    assert_type(answers.pipe(join(" ", lang="en")), Observable[MessagePromise[Message]])
    answers.pipe(map_messages(easier))  # type: ignore[arg-type]
    answers.pipe(map_tokens(easier))  # type: ignore[arg-type]
    answers.pipe(map_messages(score))  # type: ignore[type-var]
    answers.pipe(join(delimiter=1))  # type: ignore[arg-type]


def the_class_stays_behind_several_operators(
    questions: Observable[Question],
    lists: Observable[list[Answer]],
    promises: Observable[list[MessagePromise[Answer]]],
) -> None:
    """What keeps items keeps their class, also between an agent and `resolve` and behind it."""
    assert_type(questions.pipe(answering_agent, resolve(), ops.take(1)), Observable[Answer])
    assert_type(questions.pipe(answering_agent, resolve(), ops.share()), Observable[Answer])
    assert_type(questions.pipe(answering_agent, resolve(), ops.first()), Observable[Answer])
    assert_type(questions.pipe(answering_agent, resolve(), ops.last()), Observable[Answer])
    assert_type(questions.pipe(answering_agent, resolve(), ops.retry(2)), Observable[Answer])
    assert_type(questions.pipe(answering_agent, resolve(), ops.to_list()), Observable[list[Answer]])
    assert_type(questions.pipe(answering_agent, resolve(), ops.pairwise()), Observable[tuple[Answer, Answer]])
    assert_type(questions.pipe(answering_agent, ops.share(), resolve(), ops.take(1)), Observable[Answer])
    assert_type(
        questions.pipe(answering_agent, map_tokens(str.upper), resolve(), ops.to_list()),
        Observable[list[Answer]],
    )
    assert_type(
        questions.pipe(answering_agent, map_tokens(str.upper), ops.take(1), resolve(), ops.first()),
        Observable[Answer],
    )
    assert_type(lists.pipe(flatten(), resolve(), ops.take(1)), Observable[Answer])
    assert_type(promises.pipe(flatten(), ops.take(1), resolve(), ops.share()), Observable[Answer])


def only_messages_are_taken(
    numbers: Observable[int], rows: Observable[list[int]], words: Observable[list[str]]
) -> None:
    numbers.pipe(resolve())  # type: ignore[arg-type]
    numbers.pipe(map_tokens(str.upper))  # type: ignore[arg-type]
    rows.pipe(flatten())  # type: ignore[arg-type]
    words.pipe(flatten())  # type: ignore[arg-type]


def operators_are_functions_of_streams(
    hard: Observable[MessagePromise[HardQuestion]], answering: MiniAgent[Question, Answer, ...]
) -> None:
    """More special input is always taken, also by a variable of the agent's type."""
    assert_type(answering(hard), Observable[MessagePromise[Answer]])
    assert_type(hard.pipe(answering, resolve()), Observable[Answer])
    _op: Callable[[Observable[MessagePromise[HardQuestion]]], Observable[MessagePromise[Message]]] = answering
    _no: Callable[[Observable[Message]], Observable[MessagePromise[Answer]]] = answering  # type: ignore[assignment]
