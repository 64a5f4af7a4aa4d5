"""The algebra: what is made of agents takes what all of them take, and replies what one of them may."""

from typing import assert_type

import reactivex as rx
from reactivex import Observable, operators as ops

from miniagents import (
    AgentTimeoutError,
    InteractionContext,
    Message,
    MessagePromise,
    Messages,
    MessageSequencePromise,
    MiniAgent,
    RetryPolicy,
    fallback,
    identity,
    race,
    route,
)
from miniagents.agents import Route
from miniagents.operators import resolve
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


def both(question: Question) -> None:
    """It takes what both take: the narrower class, whichever of them takes that."""
    assert_type(any_agent & tuned_agent, MiniAgent)
    assert_type(answering_agent & answering_agent, MiniAgent[Question, Answer])
    assert_type(answering_agent & asking_agent, MiniAgent[Question, Answer | HardQuestion])
    assert_type(asking_agent & answering_agent, MiniAgent[Question, HardQuestion | Answer])
    assert_type(any_agent & hard_agent & answering_agent, MiniAgent[HardQuestion, Message | Answer])
    assert_type(hard_agent & answering_agent, MiniAgent[HardQuestion, Answer])
    assert_type(asking_agent | (hard_agent & answering_agent), MiniAgent[Message, Answer])
    assert_type(answering_agent & hard_agent, MiniAgent[HardQuestion, Answer])
    assert_type(
        (answering_agent & asking_agent).inquire(question), MessageSequencePromise[Answer | HardQuestion]
    )
    (answering_agent & asking_agent).inquire("a")  # type: ignore[arg-type]
    (answering_agent & any_agent).fork(model="m")  # type: ignore[call-arg]
    answering_agent & grading_agent  # type: ignore[operator]
    answering_agent & 5  # type: ignore[operator]
    any_agent & keyed_agent  # type: ignore[operator]
    keyed_agent & any_agent  # type: ignore[operator]


def is_good(replies: Messages[Answer]) -> bool:
    return replies[0].score > 0


async def is_slowly_good(replies: Messages[Answer | HardQuestion]) -> bool:
    return bool(replies)


def the_first_good_one() -> None:
    """The judge is given what they all may reply."""
    assert_type(race(answering_agent), MiniAgent[Question, Answer])
    assert_type(race(answering_agent, hard_agent, win=is_good), MiniAgent[HardQuestion, Answer])
    assert_type(
        race(answering_agent, asking_agent, win=is_slowly_good), MiniAgent[Question, Answer | HardQuestion]
    )
    assert_type(
        race(answering_agent, asking_agent, tuned_agent), MiniAgent[Question, Answer | HardQuestion | Message]
    )
    assert_type(race(*[answering_agent, answering_agent]), MiniAgent[Question, Answer])
    assert_type(race(any_agent, keyed_agent.bind("k")), MiniAgent)
    race(answering_agent, win=lambda replies: replies[0].score > 1)
    race(answering_agent, win=lambda replies: replies[0].topic == "")  # type: ignore[attr-defined]
    race(answering_agent, asking_agent, win=is_good)  # type: ignore[arg-type]
    race(answering_agent, grading_agent).inquire(Answer("42"))  # type: ignore[arg-type]
    race(any_agent, keyed_agent)  # type: ignore[arg-type]
    race(any_agent, "text")  # type: ignore[call-overload]
    race()  # type: ignore[call-overload]


def a_second_one_for_the_slow() -> None:
    assert_type(answering_agent.hedge(answering_agent, after=1), MiniAgent[Question, Answer])
    assert_type(asking_agent.hedge(answering_agent, after=0.5), MiniAgent[Question, HardQuestion | Answer])
    assert_type(hard_agent.hedge(answering_agent, after=1), MiniAgent[HardQuestion, Answer])
    assert_type(tuned_agent.hedge(any_agent, after=1), MiniAgent)
    assert_type(answering_agent.hedge(hard_agent, after=1), MiniAgent[HardQuestion, Answer])
    answering_agent.hedge(grading_agent, after=1)  # type: ignore[arg-type]
    answering_agent.hedge(answering_agent)  # type: ignore[call-overload]
    answering_agent.hedge(answering_agent, after="1 s")  # type: ignore[call-overload]
    any_agent.hedge(keyed_agent, after=1)  # type: ignore[arg-type]
    keyed_agent.hedge(any_agent, after=1)  # type: ignore[arg-type]


def by_class() -> None:
    """A route takes what it has cases for, and with `otherwise` anything."""
    assert_type(route().case(Question, answering_agent), Route[Question, Answer])
    reception = route().case(HardQuestion, hard_agent).case(Answer, grading_agent)
    assert_type(reception, Route[HardQuestion | Answer, Answer | Message])
    assert_type(reception.otherwise(tuned_agent), MiniAgent[Message, Answer | Message])
    assert_type(
        route().case(Question, answering_agent).otherwise(asking_agent),
        MiniAgent[Message, Answer | HardQuestion],
    )
    assert_type(route().case(HardQuestion, answering_agent), Route[HardQuestion, Answer])
    reception.inquire([Answer("42"), HardQuestion("?", topic="a", points=1)])
    reception.inquire(Question(topic="a"))  # type: ignore[arg-type]
    route().case(Answer, answering_agent)  # type: ignore[arg-type]
    route().case(Question, hard_agent)  # type: ignore[arg-type]
    route().case(Message, keyed_agent)  # type: ignore[arg-type]
    route().case(int, any_agent)  # type: ignore[type-var]
    route().otherwise(answering_agent)  # type: ignore[arg-type]


def excuse(error: Exception, ctx: InteractionContext[Question, Answer]) -> str:
    return f"Sorry: {error}"


async def another(error: Exception, ctx: InteractionContext[Question, Answer]) -> MiniAgent[Question, Answer]:
    ctx.reply(Answer("42"))
    return answering_agent


async def harder(error: Exception, ctx: InteractionContext[Question, Answer]) -> HardQuestion:
    return HardQuestion(str(error), topic="", points=1)


def count(error: Exception, ctx: InteractionContext[Question, Answer]) -> int:
    return 0


def answered(error: Exception, ctx: InteractionContext[Answer, Answer]) -> None:
    ctx.finish_early()


def judged(text: str) -> str | None:
    return None


async def slowly_judged(text: str) -> str | None:
    return text


def what_goes_wrong() -> None:
    """A handler returns messages or an agent for the same ones, or is async and does."""
    assert_type(answering_agent.catching(excuse), MiniAgent[Question, Message])
    assert_type(answering_agent.catching(another), MiniAgent[Question, Message])
    assert_type(answering_agent.catching(harder), MiniAgent[Question, Answer | HardQuestion])
    assert_type(answering_agent.catching(lambda error, _: str(error)), MiniAgent[Question, Message])
    assert_type(answering_agent.retry(RetryPolicy()), MiniAgent[Question, Answer])
    assert_type(answering_agent.timeout(first_token=1, stall=2.0, total=None), MiniAgent[Question, Answer])
    assert_type(tuned_agent.timeout(total=1).retry(RetryPolicy(attempts=2)).bind(), MiniAgent)
    assert_type(AgentTimeoutError.__mro__[0], type)
    assert_type(answering_agent.catching(answering_agent), MiniAgent[Question, Answer])
    assert_type(
        asking_agent.catching(answering_agent, restart=True), MiniAgent[Question, HardQuestion | Answer]
    )
    assert_type(any_agent.catching(any_agent, on=(KeyError,), after="continue", hold=True), MiniAgent)
    assert_type(fallback(asking_agent, answering_agent), MiniAgent[Question, HardQuestion | Answer])
    assert_type(fallback(any_agent, any_agent, any_agent, hold=True), MiniAgent)
    assert_type(fallback(any_agent, any_agent, any_agent, any_agent, any_agent), MiniAgent)
    assert_type(answering_agent.guard(during=judged, hold=3), MiniAgent[Question, Answer])
    assert_type(any_agent.guard(before=any_agent, after=slowly_judged, replacement="No."), MiniAgent)
    answering_agent.guard(during=count)  # type: ignore[arg-type]
    answering_agent.guard(judged)  # type: ignore[call-arg]
    fallback(answering_agent)  # type: ignore[call-overload]
    fallback(any_agent, any_agent, on=KeyError)  # type: ignore[arg-type]
    answering_agent.catching(answering_agent, after="go on")  # type: ignore[call-overload]
    answering_agent.catching(grading_agent)  # type: ignore[arg-type]
    answering_agent.catching(count)  # type: ignore[arg-type]
    answering_agent.catching(answered)  # type: ignore[arg-type]
    answering_agent.catching(lambda error: f"{error}")  # type: ignore[arg-type, misc]
    answering_agent.retry(3)  # type: ignore[arg-type]
    answering_agent.timeout(1.0)  # type: ignore[call-arg]
    answering_agent.timeout(totals=1.0)  # type: ignore[call-arg]
    assert_type(keyed_agent.retry(RetryPolicy()).bind("k"), MiniAgent)


def nothing_changes() -> None:
    _agent: MiniAgent = identity
    assert_type(identity.inquire("a"), MessageSequencePromise[Message])
    assert_type(identity | asking_agent, MiniAgent[Message, HardQuestion])
    assert_type(asking_agent | identity, MiniAgent[Message, HardQuestion])
    assert_type(identity | answering_agent, MiniAgent[Question, Answer])
    assert_type(answering_agent | identity, MiniAgent[Question, Answer])
    assert_type(identity | answering_agent | identity | grading_agent, MiniAgent[Question, Message])
    assert_type((identity | identity | answering_agent).inquire(None), MessageSequencePromise[Answer])
    assert_type((identity | resolve())(rx.of("a")), Observable[Message])
    assert_type(identity.then(resolve())(rx.of("a")), Observable[Message])
    assert_type(identity & answering_agent, MiniAgent[Question, Message | Answer])
    (identity | answering_agent).inquire("a")  # type: ignore[arg-type]
    identity | keyed_agent  # type: ignore[operator]
    identity | 5  # type: ignore[operator]


def nothing_changes_of_streams(
    texts: Observable[str],
    answers: Observable[Answer],
    promises: Observable[MessagePromise[Answer]],
    numbers: Observable[int],
) -> None:
    """As an operator, it keeps the class of the messages; a text becomes a message."""
    assert_type(promises.pipe(identity, resolve()), Observable[Answer])
    assert_type(answers.pipe(identity, resolve()), Observable[Answer])
    assert_type(texts.pipe(asking_agent, answering_agent, identity, resolve()), Observable[Answer])
    assert_type(promises.pipe(identity, resolve(), ops.take(1)), Observable[Answer])
    assert_type(texts.pipe(identity, resolve()), Observable[Message])
    assert_type(identity(promises), Observable[MessagePromise[Answer]])
    numbers.pipe(identity)  # type: ignore[arg-type]
