"""What may be given wherever messages are taken."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import cast

import pytest
import reactivex as rx
from hypothesis import given, strategies as st
from pydantic import BaseModel

from miniagents.messages import (
    AssistantMessage,
    Message,
    MessagePromise,
    Messages,
    MessageSequencePromise,
    UserMessage,
)
from miniagents.streams import PromisingContext, StreamedPromise
from miniagents.values import NestingError
from tests.support.sources import Source, turns


class Answer(BaseModel):
    """A model that is no message."""

    text: str = "of a model"
    score: int = 1


NOTHING: dict[str, object] = {}
NO_KEYS = NOTHING.keys()
NO_PIECES: tuple[object, ...] = ()


async def texts(value: object) -> list[str]:
    """The texts of the messages that `value` becomes."""
    return [str(message) for message in await MessageSequencePromise(value)]  # type: ignore[arg-type]


async def test_everything_that_can_become_messages() -> None:
    """Texts, mappings, models, messages, promises, streams and collections of these become messages."""

    async def stream() -> AsyncGenerator[object]:
        yield "of a stream"
        yield ["nested in a stream", {"text": "mapping"}]

    async with PromisingContext():
        things: list[object] = [
            "text",
            {"text": "of a mapping", "data": 1},
            Answer(),
            UserMessage("of a user"),
            Message("promised").as_promise,
            MessageSequencePromise(["first", "second"]),
            StreamedPromise[object, object](prefill_pieces=["of a promise", "of any kind"]),
            rx.of("observed", rx.of("twice")),
            stream(),
            (
                "tuple",
                frozenset(["set"]),
                (text for text in ["generator"]),
                NO_KEYS,
                Messages([Message("it")]),
            ),
        ]
        assert [
            "text",
            "of a mapping",
            "of a model",
            "of a user",
            "promised",
            "first",
            "second",
            "of a promise",
            "of any kind",
            "observed",
            "twice",
            "of a stream",
            "nested in a stream",
            "mapping",
            "tuple",
            "set",
            "generator",
            "it",
        ] == await texts(things)


async def test_none_and_nothing() -> None:
    """`None` is no messages, and so is an empty collection; an empty text is a message."""
    async with PromisingContext():
        assert [] == await texts(None)
        assert [] == await texts((NO_PIECES, NO_KEYS))
        assert [""] == await texts("")


async def test_data_is_kept() -> None:
    """A mapping becomes `Message(**it)`, a model its fields; a message stays the object it was."""
    async with PromisingContext():
        message = AssistantMessage("mine", model="m")
        mapping, model, same = await MessageSequencePromise([{"text": "a", "tags": ["x"]}, Answer(), message])
        assert ("a", ("x",)) == (mapping.text, mapping.tags)  # type: ignore[attr-defined]
        assert ("of a model", 1) == (model.text, model.score)  # type: ignore[attr-defined]
        assert same is message


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (5, "a value of type int cannot become a message"),
        (["ok", 5], r"a value of type int at \[1\] of what was given cannot become a message"),
        (["ok", ["ok", (None,)]], r"None at \[1\]\[1\]\[0\] of what was given"),
        ([b"bytes"], r"a value of type bytes at \[0\]"),
        ([bytearray(), "ok"], r"a value of type bytearray at \[0\]"),
        ([Message], r"type \w+ at \[0\]"),
        ([KeyboardInterrupt()], r"a value of type KeyboardInterrupt at \[0\]"),
        ({5: "x"}, "they must be str, not 5"),
        ([{"text": 5}], "its 'text' must be str or None; it is int"),
    ],
)
async def test_anything_else(value: object, sentence: str) -> None:
    """Anything else is a `TypeError` that names the type and where it stands."""
    async with PromisingContext():
        with pytest.raises(TypeError, match=sentence):
            MessageSequencePromise(value)  # type: ignore[arg-type]


async def test_a_task_is_no_collection() -> None:
    """A task or future, which Python can iterate over, is refused as any other value is."""
    async with PromisingContext():
        task = asyncio.create_task(asyncio.sleep(0))
        with pytest.raises(TypeError, match=r"a value of type \w*Task at \[0\] of what was given"):
            MessageSequencePromise([task])
        await task


async def test_all_or_nothing() -> None:
    """If one thing in it is wrong, nothing of it is taken: no stream is started, no message came to be."""
    told: list[object] = []

    async def handler(promise: object, result: object) -> None:
        told.append(result)

    source = Source(["streamed"])
    subscribed: list[object] = []

    def subscribe(_: object) -> rx.Observable[str]:
        subscribed.append(1)
        return rx.of("observed")

    observable = rx.defer(subscribe)
    async with PromisingContext(on_promise_resolved=handler):
        with pytest.raises(TypeError, match=r"type int at \[3\]"):
            MessageSequencePromise(["text", source, observable, 5])  # type: ignore[list-item]
        await turns(3)
    assert (0, [], []) == (source.runs, subscribed, told)


async def test_taken_as_it_is_now() -> None:
    """What is given is taken as it is at the call: changing a list or a mapping later changes nothing."""
    async with PromisingContext():
        mapping: dict[str, object] = {"text": "then", "tags": ["x"]}
        items: list[object] = ["one", mapping]
        promise = MessageSequencePromise(items)  # type: ignore[arg-type]
        items.append("two")
        mapping["text"] = "now"
        cast("list[str]", mapping["tags"]).append("y")
        one, then = await promise
        assert ("one", "then", ("x",)) == (one.text, then.text, then.tags)  # type: ignore[attr-defined]


@pytest.mark.parametrize(("depth", "fits"), [(64, True), (65, False)])
async def test_depth_of_collections(depth: int, *, fits: bool) -> None:
    """Collections may be nested 64 deep; deeper ones, and those in a circle, are refused by a typed error."""
    value: object = "deep"
    for _ in range(depth):
        value = [value]
    circle: list[object] = []
    circle.append(circle)
    async with PromisingContext():
        if fits:
            assert ["deep"] == await texts(value)
        else:
            with pytest.raises(NestingError, match="more than 64 collections deep"):
                await texts(value)
        with pytest.raises(NestingError):
            await texts(circle)


async def test_many_at_once() -> None:
    """A wide collection is no problem."""
    async with PromisingContext():
        assert 20_000 == len(await MessageSequencePromise(str(number) for number in range(20_000)))


_FORMS: list[Callable[[list[object]], object]] = [
    lambda items: items,
    tuple,
    iter,
    Source[object],
    lambda items: rx.of(*items),
    cast("Callable[[list[object]], object]", MessageSequencePromise[Message]),
    lambda items: StreamedPromise[object, object](prefill_pieces=items),
]

_TREES = st.recursive(
    st.text(max_size=3),
    lambda children: st.tuples(st.integers(0, len(_FORMS) - 1), st.lists(children, max_size=4)),
    max_leaves=12,
)


def _built(tree: object) -> object:
    if isinstance(tree, tuple):
        form, children = cast("tuple[int, list[object]]", tree)
        return _FORMS[form]([_built(child) for child in children])
    return tree


def _leaves(tree: object) -> list[str]:
    if isinstance(tree, tuple):
        _, children = cast("tuple[int, list[object]]", tree)
        return [leaf for child in children for leaf in _leaves(child)]
    return [str(tree)]


@given(tree=_TREES)
async def test_flat_in_order(tree: object) -> None:
    """However texts are nested in collections, streams and promises, they come out flat, in order."""
    async with PromisingContext():
        promise = MessageSequencePromise(_built(tree))  # type: ignore[arg-type]
        assert _leaves(tree) == [str(message) for message in await promise]
        assert all([isinstance(item, MessagePromise) async for item in promise])
