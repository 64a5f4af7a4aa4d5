"""What is not inferred, written down: a better checker or stub turns it red.

mypy only, if nothing else is said. The lambdas themselves are checked; a method or a named function gives the
precise type. Behind the pipelines: what checkers do not see of agents and messages, each with the form that
works.
"""

# pyright: reportUnnecessaryTypeIgnoreComment=false
import asyncio
from collections.abc import Mapping
from typing import Any, assert_type, cast

import reactivex as rx
from pydantic import BaseModel, Field
from reactivex import Observable, operators as ops
from typing_extensions import ParamSpec, TypeIs

from miniagents import (
    AWAIT,
    InteractionContext,
    Message,
    MessagePromise,
    MiniAgent,
    ModelAgent,
    TypedAgent,
    achain_loop,
    fallback,
    miniagent,
)
from miniagents.agents import Stage
from miniagents.operators import chunk, resolve, share_bounded, until
from miniagents.testing import scripted_model
from miniagents.types import ChainItem
from tests.typing.agent_kinds import answering_agent, any_agent, keyed_agent, tuned_agent
from tests.typing.message_classes import Answer, Question
from tests.typing.rx_items import Item, Reply
from tests.typing.rx_public import Event, name, score, twice

P = ParamSpec("P")


class Sight(BaseModel):
    name: str


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


def behind_our_own_operators(ints: Observable[int], stop: asyncio.Event) -> None:
    """The same: they take items of any type."""
    assert_type(ints.pipe(chunk(2), ops.map(lambda some: some[0] + 1)), Observable[Any])  # pyright: ignore[reportAssertTypeFailure]
    assert_type(ints.pipe(share_bounded(), ops.map(lambda n: n + 1)), Observable[Any])  # pyright: ignore[reportAssertTypeFailure]
    assert_type(ints.pipe(until(stop), ops.map(lambda n: n + 1)), Observable[Any])  # pyright: ignore[reportAssertTypeFailure]
    windows = ints.pipe(ops.window_with_time(1.0), ops.flat_map(lambda window: window.pipe(ops.to_list())))
    assert_type(windows, Observable[Any])  # pyright: ignore[reportAssertTypeFailure]
    assert_type(ints.pipe(chunk(2)).map(lambda some: some[0] + 1), Observable[int])


def an_item_with_a_value_to_begin_with(words: Observable[str]) -> None:
    """Mypy refuses the pipe; the methods work."""
    words.pipe(ops.publish_value(None), ops.ref_count())  # type: ignore[arg-type]
    assert_type(words.publish_value(None).ref_count(), Observable[str | None])


def is_a_reply(item: Item) -> TypeIs[Reply]:
    """Tell a reply from any other item, to type checkers too."""
    return isinstance(item, Reply)


def a_filter_that_narrows(items: Observable[Item]) -> None:
    """Both: with forms for this, a checker would not know or not name what a lambda takes any more."""
    assert_type(items.pipe(ops.filter(is_a_reply)), Observable[Item])
    assert_type(items.filter(is_a_reply), Observable[Item])
    assert_type(cast("Observable[Reply]", items.filter(is_a_reply)), Observable[Reply])


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


def public_shapes(ints: Observable[int], words: Observable[str], events: Observable[Event]) -> None:
    """Common shapes of the three kinds above; `rx_public` has each in a form that works."""
    batches = words.pipe(
        ops.buffer_with_time_or_count(0.5, 10),
        ops.filter(lambda batch: len(batch) > 0),
        ops.map(lambda batch: [word.upper() for word in batch]),
    )
    assert_type(batches, Observable[list[Any]])  # pyright: ignore[reportAssertTypeFailure]
    kept = ints.pipe(
        ops.filter(lambda n: n >= 0), ops.buffer_with_time(1), ops.filter(lambda batch: len(batch) > 0)
    )
    assert_type(kept, Observable[list[Any]])  # pyright: ignore[reportAssertTypeFailure]
    sums = ints.pipe(ops.buffer_with_count(3), ops.map(lambda window: sum(window)))  # noqa: PLW0108
    assert_type(sums, Observable[Any])  # pyright: ignore[reportAssertTypeFailure]
    ints.pipe(ops.buffer_with_count(3), ops.map(sum))  # type: ignore[misc]
    means = ints.pipe(
        ops.buffer_with_count(4), ops.map(lambda w: sum(w) / len(w)), ops.filter(lambda mean: mean > 0)
    )
    assert_type(means, Observable[Any])  # pyright: ignore[reportAssertTypeFailure]
    last = words.pipe(  # type: ignore[var-annotated]
        ops.buffer_with_time(0.1),
        ops.map(lambda batch: batch[-2:]),
        ops.flat_map(lambda batch: rx.from_iterable(batch)),  # noqa: PLW0108
    )
    assert_type(last, Observable[str])  # type: ignore[assert-type]
    windows = ints.pipe(ops.window_with_count(2), ops.map(lambda w: w.pipe(ops.count())), ops.merge_all())
    assert_type(windows, Observable[Any])  # pyright: ignore[reportAssertTypeFailure]
    by_name = events.pipe(
        ops.group_by(name),
        ops.flat_map(lambda g: g.pipe(ops.to_list(), ops.map(lambda es: (g.key, es)))),
    )
    assert_type(by_name, Observable[tuple[str, list[Any]]])  # pyright: ignore[reportAssertTypeFailure]
    squares = ints.pipe(ops.filter(lambda n: n % 2 == 0), ops.map(lambda n: n * n), ops.sum())
    assert_type(squares, Observable[Any])  # pyright: ignore[reportAssertTypeFailure]


def a_sum_of_truths(flags: Observable[bool]) -> None:
    """Both: a sum has the type of its items; a method knows that a sum of `bool` is an `int`."""
    assert_type(flags.pipe(ops.sum()), Observable[bool])
    assert_type(flags.sum(), Observable[int])


def a_literal_to_begin_with() -> None:
    """Pyright, with our stubs or without: it takes the `0` for the type of all states."""
    rx.generate(0, lambda n: n < 3, lambda n: n + 1)  # pyright: ignore[reportArgumentType]
    assert_type(rx.generate(0, lambda n: n < 3, twice), Observable[int])


def keep(newest: Mapping[str, Item], item: Item) -> Mapping[str, Item]:
    """Keep the newest item of each text."""
    return {**newest, item.text: item}


def an_empty_dict_to_begin_with(items: Observable[Item]) -> None:
    """Mypy takes it for the type of all states."""
    items.pipe(ops.scan(keep, {}))  # type: ignore[arg-type]
    none: Mapping[str, Item] = {}
    assert_type(items.pipe(ops.scan(keep, none)), Observable[Mapping[str, Item]])


def a_union_in_the_middle(items: Observable[Item]) -> None:
    """Mypy does not solve `T | None` if another generic operator follows, and refuses it; not so a method."""
    items.pipe(ops.first_or_default(), ops.take(1))  # type: ignore[arg-type]
    assert_type(items.first_or_default().pipe(ops.take(1)), Observable[Item | None])


def another_type_behind_a_generic_operator(
    promises: Observable[MessagePromise[Message]], ints: Observable[int]
) -> None:
    """The same for an operator that adds items of another type."""
    promises.pipe(resolve(), ops.merge(ints))  # type: ignore[misc]
    assert_type(promises.pipe(resolve()).merge(ints), Observable[Message | int])


async def fetched(word: str) -> int:
    return len(word)


def fetching(word: str) -> asyncio.Future[int]:
    return asyncio.ensure_future(fetched(word))


def an_async_function(words: Observable[str]) -> None:
    """Both: `ops.map` emits the coroutines, and awaits none; the method of that name refuses it."""
    assert_type(words.pipe(ops.map(fetched)).pipe(ops.count()), Observable[int])
    words.map(fetched).count()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
    assert_type(words.pipe(ops.map(fetching), ops.merge_all()), Observable[int])


def groups_behind_an_agent(questions: Observable[Question], words: Observable[str]) -> None:
    """Two generic operators before a lambda; and one behind it."""
    counts = questions.pipe(
        answering_agent, resolve(), ops.group_by(score), ops.flat_map(lambda g: g.pipe(ops.count()))
    )
    assert_type(counts, Observable[Any])  # pyright: ignore[reportAssertTypeFailure]
    groups = questions.pipe(answering_agent, resolve()).pipe(
        ops.group_by(score), ops.flat_map(lambda g: g.pipe(ops.count()))
    )
    assert_type(groups, Observable[int])
    listed = words.pipe(ops.map(len), ops.map(lambda n: n + 1), ops.to_list())
    assert_type(listed, Observable[list[Any]])  # pyright: ignore[reportAssertTypeFailure]
    assert_type(words.pipe(ops.map(len), ops.map(lambda n: n + 1)).to_list(), Observable[list[int]])


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
    keyed_agent.fork(tries=2)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    keyed: MiniAgent[Message, Message, ...] = keyed_agent
    assert_type(keyed.fork(tries=2), MiniAgent[Message, Message, ...])
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


def two_models_with_any_keywords(model: ModelAgent[...]) -> None:
    """To mypy they fit two overloads, because their keywords are `Any`. With `bind` they have none."""
    assert_type(fallback(model, model), Any)  # pyright: ignore[reportAssertTypeFailure]
    assert_type(model.catching(model), Any)  # pyright: ignore[reportAssertTypeFailure]
    assert_type(fallback(model.bind(), model.bind()), ModelAgent)
    assert_type(model.catching(model.bind()), ModelAgent[...])
    typed = model.as_type(Sight)
    assert_type(typed.hedge(typed, after=1), Any)  # pyright: ignore[reportAssertTypeFailure]
    assert_type(typed.hedge(typed.bind(), after=1), TypedAgent[Sight])


def excuse(error: Exception, ctx: object) -> Answer:
    return Answer(score=0)


def a_handler_that_is_a_lambda() -> None:
    """If it returns a message, it fits two overloads of `catching`. A function has the type."""
    whole = answering_agent.catching(lambda error, ctx: Answer(score=0))
    assert_type(whole, MiniAgent[Any, Any, Any])  # pyright: ignore[reportAssertTypeFailure]
    assert_type(answering_agent.catching(excuse), MiniAgent[Question, Answer])


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
    assert_type(rx.cold("--a--|", lookup={"a": 1}), Observable[Any])
