"""What is not inferred, written down: a better checker or stub turns it red.

mypy only, if nothing else is said. The lambdas themselves are checked; a method or a named function gives the
precise type. Behind the pipelines: what checkers do not see of agents and messages, each with the form that
works.
"""

# pyright: reportUnnecessaryTypeIgnoreComment=false
from typing import Any, assert_type

import reactivex as rx
from pydantic import Field
from reactivex import Observable, operators as ops
from typing_extensions import ParamSpec

from miniagents import AWAIT, InteractionContext, Message, MiniAgent, ModelAgent, achain_loop, miniagent
from miniagents.agents import Stage
from miniagents.operators import resolve
from miniagents.testing import scripted_model
from miniagents.types import ChainItem
from tests.typing.agent_kinds import answering_agent, any_agent, keyed_agent, tuned_agent
from tests.typing.message_classes import Answer, Question
from tests.typing.rx_items import Item

P = ParamSpec("P")


def after_an_operator_without_arguments(items: Observable[Item], words: Observable[str]) -> None:
    """The first operator is still generic when mypy infers what the lambda returns."""
    assert_type(words.pipe(ops.pairwise(), ops.map(lambda p: p[0] + p[1])), Observable[Any])  # pyright: ignore[reportAssertTypeFailure]
    assert_type(words.pipe(ops.timestamp(), ops.map(lambda t: t.value)), Observable[Any])  # pyright: ignore[reportAssertTypeFailure]
    assert_type(words.pipe(ops.zip(words), ops.map(lambda p: p[0] + p[1])), Observable[Any])  # pyright: ignore[reportAssertTypeFailure]


def behind_an_agent(questions: Observable[Question]) -> None:
    """The same: `resolve` is still generic. What comes behind a second `pipe`, or a method, is exact."""
    replies = questions.pipe(answering_agent, resolve(), ops.map(lambda answer: answer.score))
    assert_type(replies, Observable[Any])  # pyright: ignore[reportAssertTypeFailure]
    assert_type(
        questions.pipe(answering_agent, resolve()).map(lambda answer: answer.score), Observable[float]
    )
    assert_type(
        questions.pipe(answering_agent, resolve()).pipe(ops.map(lambda answer: answer.score)),
        Observable[float],
    )
    questions.pipe(answering_agent, resolve(), ops.map(lambda answer: answer.nope))  # type: ignore[attr-defined]


def in_the_third_place(words: Observable[str]) -> None:
    """Behind two that change the items; a method is exact, and what stands behind `take(1)` and the like."""
    named = words.pipe(ops.filter(str.isupper), ops.map(len), ops.map(lambda n: n + 1))
    assert_type(named, Observable[Any])  # pyright: ignore[reportAssertTypeFailure]
    three = words.pipe(ops.map(lambda w: w.split()), ops.map(lambda ws: ws[0]), ops.map(lambda w: w.upper()))
    assert_type(three, Observable[Any])  # pyright: ignore[reportAssertTypeFailure]
    assert_type(words.pipe(ops.filter(str.isupper), ops.map(len)).map(lambda n: n + 1), Observable[int])


def an_overloaded_function_in_the_third_place(words: Observable[str]) -> None:
    """Mypy does not choose among the forms of `sum` there, with our stubs or without. A method works."""
    words.pipe(ops.map(len), ops.to_list(), ops.map(sum))  # type: ignore[misc]
    assert_type(words.pipe(ops.map(len), ops.to_list()).map(sum), Observable[int])


def a_union_in_the_middle(items: Observable[Item], ints: Observable[int]) -> None:
    """Mypy does not solve `T | int` when another generic operator follows: it is refused; methods are not."""
    items.pipe(ops.merge(ints), ops.take(1))  # type: ignore[arg-type]
    items.pipe(ops.first_or_default(), ops.take(1))  # type: ignore[arg-type]
    assert_type(items.merge(ints).pipe(ops.take(1)), Observable[Item | int])
    assert_type(items.first_or_default().pipe(ops.take(1)), Observable[Item | None])


def a_bare_lambda_first(items: Observable[Item]) -> None:
    """A lambda as the first of several operators is refused; alone, or as a function, it is not."""
    items.pipe(lambda source: source.pipe(ops.take(1)), ops.count())  # type: ignore[return-value]
    assert_type(items.pipe(lambda source: source.pipe(ops.take(1), ops.count())), Observable[int])


def pyright_only(items: Observable[Item]) -> None:
    """A handler that does not use its source says nothing of it."""
    items.pipe(ops.catch(lambda error, _: rx.of(str(error))))  # pyright: ignore[reportUnknownArgumentType]
    assert_type(items.catch(lambda error, _: rx.of(str(error))), Observable[Item | str])


class Remark(Message):
    """Its text must be given, but `Remark("x")` is refused: fields are given by keyword."""

    text: str  # pyright: ignore[reportGeneralTypeIssues]  # it has a default in `Message`


class Comment(Message):
    """The documented form says that the text may be given by position."""

    text: str = Field(kw_only=False)


def a_text_that_must_be_given() -> None:
    """Both checkers: what a dataclass transform makes of a field cannot depend on its name."""
    Remark("x")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    Remark(text="x")
    Comment("x")


def an_agent_with_optional_keywords() -> None:
    """pyright: a `ParamSpec` is invariant to it. `bind` closes the keywords; `...` leaves them open."""
    _plain: MiniAgent = tuned_agent  # pyright: ignore[reportAssignmentType]
    _model: ModelAgent = scripted_model("x")
    _bound: MiniAgent = tuned_agent.bind()
    _open: MiniAgent[Message, Message, ...] = tuned_agent
    _stage: Stage[Message, Message] = tuned_agent


def a_required_keyword_after_fork(words: Observable[str]) -> None:
    """Both checkers: after `fork` it may still be given, and so it is required. `bind` closes it."""
    keyed_agent.fork(key="k").inquire("a")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    keyed_agent.fork(key="k") | any_agent  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
    assert_type(keyed_agent.bind(key="k") | any_agent, MiniAgent)
    assert_type(words.pipe(keyed_agent.bind(key="k"), resolve()), Observable[Message])


def a_lambda_behind_a_bar(questions: Observable[Question]) -> None:
    """pyright: what stands right of `|` is not inferred from what stands left of it. `then` is."""
    _line = answering_agent | resolve() | ops.map(lambda answer: answer.score)  # pyright: ignore[reportUnknownMemberType, reportUnknownLambdaType, reportAttributeAccessIssue, reportUnknownVariableType]
    pipeline = answering_agent.then(resolve()).then(ops.map(lambda answer: answer.score))
    assert_type(pipeline(questions), Observable[float])


async def a_list_of_agents_and_sentinels() -> None:
    """It is `list[object]` to mypy; with its type it is what a chain takes."""
    found = [any_agent, AWAIT]
    await achain_loop(found)  # type: ignore[arg-type]
    chain: list[ChainItem] = [any_agent, AWAIT]
    await achain_loop(chain)


def a_wrapper_of_any_keywords(agent: MiniAgent[Question, Answer, P]) -> MiniAgent[Question, Answer, P]:
    """It has the right type, and is refused when it runs: an agent has its keywords by name. See `around`."""

    @miniagent
    async def kept(ctx: InteractionContext[Question, Answer], /, *args: P.args, **kwargs: P.kwargs) -> None:
        ctx.reply(agent.inquire(ctx.messages, *args, **kwargs))

    return kept


def not_typable() -> None:
    """An attribute by its name, and marbles: nothing says what they are."""
    assert_type(rx.of(1).pipe(ops.pluck_attr("real")), Observable[Any])
    assert_type(rx.cold("--1--|"), Observable[Any])
