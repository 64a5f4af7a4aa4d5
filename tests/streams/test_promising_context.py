"""Where promises live."""

import asyncio
import threading
from collections.abc import Generator
from contextvars import ContextVar
from typing import assert_type

import pytest
import reactivex as rx
from reactivex import Observable, operators as ops

from miniagents.messages import Message
from miniagents.streams import Promise, PromisingContext, StreamedPromise
from miniagents.streams._context import CURRENT_CONTEXT, Context
from miniagents.values import NoActiveContextError
from tests.support.sources import Source, turns

_NAME: ContextVar[str] = ContextVar("_NAME", default="nobody")


async def answer() -> int:
    """What is run."""
    await turns()
    return 42


# -- running -------------------------------------------------------------------------------------------


def test_running_a_coroutine() -> None:
    """`run` runs a coroutine in the context and returns what it returns, once all has ended."""
    source = Source(["a"], hold_at=0)
    context = PromisingContext()

    async def main() -> str:
        assert context is Context.current()
        Message.promise(source)
        source.go.set()
        return "main"

    result = context.run(main())
    assert_type(result, str)
    assert ("main", 1) == (result, source.closed)
    assert CURRENT_CONTEXT.get() is None
    assert 42 == context.run(answer())  # and again


def test_running_an_awaitable() -> None:
    """Anything that can be awaited can be run."""

    class Later:
        def __await__(self) -> Generator[object, None, int]:
            return answer().__await__()

    assert 42 == PromisingContext().run(Later())


def test_running_an_observable() -> None:
    """An Observable is subscribed to, and its items are returned as a list, typed with its items."""
    observable: Observable[int] = rx.of(1, 2, 3)
    result = PromisingContext().run(observable.pipe(ops.map(lambda number: number * 10)))
    assert_type(result, list[int])
    assert [10, 20, 30] == result
    empty: Observable[int] = rx.empty()
    assert [] == PromisingContext().run(empty)


def test_running_a_face() -> None:
    """An Observable may make promises when it is subscribed to: that is within the context."""
    made = rx.defer(lambda _: Message.promise(Source(["a", "b"])).tokens)
    assert ["a", "b"] == PromisingContext().run(made)


@pytest.mark.parametrize(
    ("main", "sentence"),
    [
        (answer, "and answer is of type function; call it: run(answer())."),
        ("answer", "and main is of type str."),
    ],
)
def test_what_cannot_be_run(main: object, sentence: str) -> None:
    """What is no coroutine is refused before anything begins; of an async function `run` says to call it."""
    context = PromisingContext()
    with pytest.raises(TypeError) as caught:
        context.run(main)  # type: ignore[call-overload]
    assert str(caught.value).endswith(sentence)
    assert context.run(answer()) == 42


@pytest.mark.parametrize("error", [ValueError("broken"), KeyboardInterrupt(), SystemExit(3)], ids=repr)
def test_errors_leave_it(error: BaseException) -> None:
    """What the coroutine raises leaves `run`, of whatever kind, after all runs were cancelled."""
    source = Source(["a", "b"], hold_at=1)

    async def main() -> None:
        Message.promise(source)
        await turns()
        raise error

    with pytest.raises(type(error)) as caught:
        PromisingContext().run(main())
    assert caught.value is error
    assert 1 == source.closed


def test_an_error_of_an_observable() -> None:
    """The error of an Observable leaves `run`."""
    error = ValueError("broken")
    observable: Observable[int] = rx.concat(rx.of(1), rx.throw(error))
    with pytest.raises(ValueError, match="broken") as caught:
        PromisingContext().run(observable)
    assert caught.value is error


def test_an_interrupt_within_a_run() -> None:
    """Ctrl-C that hits another task than the one that waits leaves `run`, too."""
    source = Source(["a", "b"], hold_at=1)

    async def interrupted() -> None:
        await turns()
        raise KeyboardInterrupt

    async def main() -> None:
        Message.promise(source)
        await Promise(interrupted)

    with pytest.raises(KeyboardInterrupt):
        PromisingContext().run(main())
    assert 1 == source.closed


def test_one_that_is_active_cannot_be_run() -> None:
    """A context cannot be run within itself; it says so."""
    context = PromisingContext()

    async def main() -> None:
        with pytest.raises(RuntimeError, match="already active"):
            context.run(rx.of(1))

    context.run(main())


async def test_run_within_a_running_loop() -> None:
    """Inside a running event loop `run` works on a thread and a loop of its own, in these contextvars."""
    loop, here = asyncio.get_running_loop(), threading.current_thread()

    async def main() -> str:
        assert asyncio.get_running_loop() is not loop
        assert threading.current_thread() is not here
        name = _NAME.get()
        _NAME.set("inside")
        return str(await Message.promise(Source([name])))

    async def outside() -> str:
        _NAME.set("outside")
        result = PromisingContext().run(main())
        assert "outside" == _NAME.get()
        return result

    async with PromisingContext() as context:
        assert "outside" == await Promise(outside)
        assert [1, 2] == PromisingContext().run(rx.of(1, 2))
        assert context is Context.current()


# -- as a block ----------------------------------------------------------------------------------------


async def test_nested_blocks() -> None:
    """Promises belong to the innermost context; after it the outer one is active again."""
    async with PromisingContext() as outer:
        before = Promise(answer)
        async with PromisingContext() as inner:
            within = Promise(answer)
        after = Promise(answer)
        assert [outer, inner, outer] == [promise.buffer.context for promise in (before, within, after)]
        assert [42, 42, 42] == [await promise for promise in (before, within, after)]
    with pytest.raises(NoActiveContextError):
        Promise(answer)


# -- handlers ------------------------------------------------------------------------------------------


async def test_handlers_in_order() -> None:
    """Handlers, given or added as decorators, are told of every promise and its value, in that order."""
    told: list[tuple[str, object]] = []

    async def first(promise: Promise[object], result: object) -> None:
        told.append(("first", result))

    context = PromisingContext(on_promise_resolved=first)

    @context.on_promise_resolved
    async def second(promise: Promise[object], result: object) -> None:
        told.append(("second", result))

    async with context:
        await Promise(answer)
        StreamedPromise[int, tuple[int, ...]](prefill_pieces=[1, 2])
    assert [("first", 42), ("second", 42), ("first", (1, 2)), ("second", (1, 2))] == told
    assert "second" == second.__name__  # a decorator leaves the function what it was


def telling(name: str, told: list[tuple[str, object]]) -> PromisingContext:
    """Return a context with a handler that says what it is told."""
    context = PromisingContext()

    @context.on_promise_resolved
    async def tell(promise: Promise[object], result: object) -> None:
        await turns(2)
        told.append((name, result))

    return context


async def test_handlers_of_each_context() -> None:
    """What resolves in an inner context is told to the handlers of the outer one first, then to its own."""
    told: list[tuple[str, object]] = []
    async with telling("outer", told):
        async with telling("inner", told), PromisingContext():
            Promise(prefill_result=1)
        Promise(prefill_result=2)
    assert [("outer", 1), ("inner", 1), ("outer", 2)] == told


async def test_handlers_one_at_a_time() -> None:
    """A handler is called for one promise at a time, of whichever of several inner contexts."""
    busy: list[int] = []
    most = 0

    async def handle(promise: Promise[object], result: object) -> None:
        nonlocal most
        busy.append(1)
        most = max(most, len(busy))
        await turns(3)
        busy.pop()

    async def inner() -> None:
        async with PromisingContext():
            Promise(prefill_result=1)
            Promise(prefill_result=2)

    async with PromisingContext(on_promise_resolved=handle):
        Promise(prefill_result=0)
        await asyncio.gather(inner(), inner(), inner())
    assert most == 1


async def test_a_handler_that_comes_later() -> None:
    """A handler that is added to a context is told of what comes in those within it from then on."""
    told: list[object] = []
    async with PromisingContext() as outer, PromisingContext(), PromisingContext():
        Promise(prefill_result=1)

        @outer.on_promise_resolved
        async def tell(promise: Promise[object], result: object) -> None:
            told.append(result)

        Promise(prefill_result=2)
    assert told == [2]


async def test_a_context_within_a_handler() -> None:
    """What a handler does in a context of its own is told to handlers of that, and not to itself again."""
    told: list[tuple[str, object]] = []
    context = PromisingContext()

    @context.on_promise_resolved
    async def tell(promise: Promise[object], result: object) -> None:
        told.append(("outer", result))

        async def work() -> None:
            async with telling("inner", told) as inner:
                assert inner.parent is context
                assert await Promise(prefill_result=2) == 2

        await asyncio.create_task(work())

    async with context:
        Promise(prefill_result=1)
    assert [("outer", 1), ("inner", 2)] == told


async def test_its_keywords() -> None:
    """`prefetch` is how far a source may run ahead; without it that is 1,024 pieces."""
    async with PromisingContext(prefetch=3):
        source = Source(range(10))
        promise = StreamedPromise[int, tuple[int, ...]](source)
        await turns(5)
        assert 3 == source.produced
        assert tuple(range(10)) == await promise
    assert (1024, 10.0) == (PromisingContext().prefetch, PromisingContext().shutdown_timeout)
    with pytest.raises(ValueError, match="prefetch is 0"):
        PromisingContext(prefetch=0)
