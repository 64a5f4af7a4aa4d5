"""A stream against a list: whatever is done in whatever order, every reader sees what the list has.

The list is the model: what was said so far, and how it ended. Subscribers, readers by `async for`, by `await`
and with a timeout come and go at any time; the stream is fed, ended, failed, cancelled, let go. Time is
virtual, and which of several tasks goes first is drawn, too.
"""

import asyncio
from collections.abc import AsyncIterable, Coroutine
from dataclasses import dataclass, field
from typing import TypeVar, cast

import pytest
from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from typing_extensions import override

from miniagents import InquiryCancelledError, Message, MessageSequencePromise, MiniAgents
from miniagents.streams import Promise, StreamedPromise
from tests.contract.fed import Fed
from tests.contract.rx_contract import Heard
from tests.support.shuffled import loops
from tests.support.sources import turns

T = TypeVar("T")

End = Exception | bool
KINDS = ("pieces", "tokens", "messages")
PATIENCE = 10.0  # seconds of virtual time, until a reader gives up


@dataclass
class Reading:
    """A reader by `async for` or by `await`, in a task of its own."""

    task: asyncio.Task[None]
    got: list[object]
    whole: bool
    left: bool = False


@dataclass
class Model:
    """What was said, and how it ended: False as long as it has not."""

    items: list[object] = field(default_factory=list[object])
    end: End = False


class StreamMachine(RuleBasedStateMachine):
    """One promise, its source, and everybody who reads it."""

    context: MiniAgents

    def __init__(self) -> None:
        super().__init__()
        self.fed = Fed()
        self.model = Model()
        self.subscribers: list[tuple[Heard, bool]] = []  # with whether it was disposed of
        self.readers: list[Reading] = []
        self.promise: Promise[object] | None = None
        self.said = 0

    def run(self, step: Coroutine[object, object, T]) -> T:
        """Run a step, and what it causes."""

        async def settled() -> T:
            result = await step
            await turns(12)
            return result

        return self.runner.run(settled())

    @initialize(kind=st.sampled_from(KINDS), prefetch=st.sampled_from([1, 2, 1024]), seed=st.integers(0, 999))
    def begin(self, kind: str, prefetch: int, seed: int) -> None:
        """Make the promise in a context."""
        self.runner = asyncio.Runner(loop_factory=loops(str(seed), virtual=True))

        async def enter() -> Promise[object]:
            self.context = await MiniAgents(prefetch=prefetch).__aenter__()
            if kind == "pieces":
                return cast("Promise[object]", StreamedPromise[str, object](self.fed.iterate))
            if kind == "tokens":
                return cast("Promise[object]", Message.promise(self.fed.iterate))
            return cast("Promise[object]", MessageSequencePromise(self.fed))

        self.kind = kind
        self.promise = self.run(enter())

    # -- the source ------------------------------------------------------------------------------------------

    @precondition(lambda self: not self.model.end)
    @rule(count=st.integers(1, 5))
    def emit(self, count: int) -> None:
        """Say some more."""
        self.run(self._emit(count))

    async def _emit(self, count: int) -> None:
        self.say(count)

    def say(self, count: int) -> None:
        """Say some more, also from within a subscriber."""
        if self.model.end is not False:
            return
        texts = [str(self.said + index) for index in range(count)]
        self.said += count
        self.model.items += texts
        self.fed.emit(*texts)

    @precondition(lambda self: not self.model.end)
    @rule()
    def complete(self) -> None:
        """End normally."""
        self.model.end = True

        async def step() -> None:
            self.fed.complete()

        self.run(step())

    @precondition(lambda self: not self.model.end)
    @rule()
    def fail(self) -> None:
        """End with an error."""
        error = ValueError("broken")
        if self.kind == "messages":  # a source that fails is a message that fails, where it stands
            self.model.items.append(error)
            self.model.end = True
        else:
            self.model.end = error

        async def step() -> None:
            self.fed.fail(error)

        self.run(step())

    @precondition(lambda self: not self.model.end and self.promise is not None)
    @rule()
    def cancel(self) -> None:
        """Cancel: what had arrived stays."""

        async def step() -> None:
            assert self.promise is not None
            arrived = len(self.promise.buffer.items)
            self.promise.cancel()
            self.promise.cancel()
            self.model.items = self.model.items[:arrived]
            self.model.end = InquiryCancelledError()

        self.run(step())

    @precondition(lambda self: self.promise is not None)
    @rule()
    def let_go(self) -> None:
        """Only its readers hold the promise any more."""

        async def step() -> None:
            self.promise = None

        self.run(step())

    # -- readers ---------------------------------------------------------------------------------------------

    @precondition(lambda self: self.promise is not None)
    @rule(act=st.sampled_from(["listen", "say", "subscribe", "leave"]), at=st.integers(1, 4))
    def subscribe(self, act: str, at: int) -> None:
        """Subscribe, early or late; at some item do something from within."""

        def on_item(heard: Heard) -> None:
            if len(heard.items) != at:
                return
            if act == "say":
                self.say(2)
            elif act == "subscribe" and self.promise is not None:
                self._subscribe(Heard())
            elif act == "leave" and heard.subscription is not None:
                heard.subscription.dispose()
                self.subscribers = [(one, left or one is heard) for one, left in self.subscribers]

        async def step() -> None:
            self._subscribe(Heard(on_item))

        self.run(step())

    def _subscribe(self, heard: Heard) -> None:
        self.subscribers.append((heard, False))
        assert self.promise is not None
        pieces = cast("StreamedPromise[object, object]", self.promise).pieces
        heard.subscription = pieces.subscribe(heard)

    @precondition(lambda self: self.subscribers)
    @rule(data=st.data())
    def dispose(self, data: st.DataObject) -> None:
        """Unsubscribe, once or again."""
        index = data.draw(st.integers(0, len(self.subscribers) - 1))
        heard, _ = self.subscribers[index]

        async def step() -> None:
            assert heard.subscription is not None
            heard.subscription.dispose()
            self.subscribers[index] = (heard, True)

        self.run(step())

    @precondition(lambda self: self.promise is not None)
    @rule(whole=st.booleans())
    def read(self, *, whole: bool) -> None:
        """Begin to read, item by item or as a whole."""
        self.run(self._read(whole=whole))

    async def _read(self, *, whole: bool) -> None:
        promise = self.promise
        assert promise is not None
        got: list[object] = []

        async def items() -> None:
            async for item in cast("AsyncIterable[object]", promise):
                got.append(item)  # noqa: PERF401 - what came before an error stays

        async def value() -> None:
            got.append(await promise)

        self.readers.append(Reading(asyncio.create_task(value() if whole else items()), got, whole))

    @precondition(lambda self: any(not reading.left for reading in self.readers))
    @rule(data=st.data())
    def stop_reading(self, data: st.DataObject) -> None:
        """Cancel a reader."""
        reading = data.draw(st.sampled_from([one for one in self.readers if not one.left]))
        reading.left = True

        async def step() -> None:
            reading.task.cancel()

        self.run(step())

    @precondition(lambda self: self.promise is not None)
    @rule(whole=st.booleans())
    def read_with_timeout(self, *, whole: bool) -> None:
        """Read with a timeout: who gives up harms no other reader, and sees what was there."""
        promise = self.promise
        assert promise is not None
        expected = list(self.model.items)

        async def step() -> list[object]:
            got: list[object] = []
            try:
                async with asyncio.timeout(PATIENCE):
                    if whole:
                        await promise
                    else:
                        async for item in cast("AsyncIterable[object]", promise):
                            got.append(item)  # noqa: PERF401
            except (TimeoutError, ValueError, InquiryCancelledError) as error:
                gave_up.append(isinstance(error, TimeoutError))
            return got

        gave_up: list[bool] = []
        got = self.run(step())
        assert gave_up == [True] if self.model.end is False else gave_up != [True]
        if not whole:
            assert list(map(told, got)) == expected

    @rule(count=st.integers(1, 3))
    def break_off(self, count: int) -> None:
        """Read some and leave by `break`."""
        if self.promise is None or len(self.model.items) < count:
            return
        promise = self.promise

        async def step() -> None:
            got: list[object] = []
            async for item in cast("AsyncIterable[object]", promise):
                got.append(item)
                if len(got) == count:
                    break
            assert list(map(told, got)) == self.model.items[:count]

        self.run(step())

    # -- what holds ------------------------------------------------------------------------------------------

    @invariant()
    def everybody_sees_the_list(self) -> None:
        """Each one who is still there has seen all, in order, and the end if there was one."""
        for heard, left in self.subscribers:
            assert heard.wrong == []
            items = list(map(told, heard.items))
            if left:
                assert items == self.model.items[: len(items)]
            else:
                assert items == self.model.items
                assert same_end(heard.terminal, self.model.end)
        for reading in self.readers:
            if not reading.left:
                self._check(reading)

    def _check(self, reading: Reading) -> None:
        if not reading.whole:
            assert list(map(told, reading.got)) == self.model.items
        assert reading.task.done() == (self.model.end is not False)
        if reading.task.done():
            error = reading.task.exception()
            failed = [item for item in self.model.items if isinstance(item, Exception)]
            if reading.whole and failed:
                assert error is failed[0]
            else:
                assert same_end(error or True, self.model.end)

    @override
    def teardown(self) -> None:
        """All ends: no task is left, and the source was left."""
        if not hasattr(self, "runner"):
            return  # it has not begun

        async def leave() -> set[asyncio.Task[object]]:
            self.promise = None
            self.subscribers.clear()
            for reading in self.readers:
                reading.task.cancel()
            await asyncio.gather(*(reading.task for reading in self.readers), return_exceptions=True)
            self.fed.complete()
            await self.context.__aexit__(None, None, None)
            await turns(5)
            return asyncio.all_tasks() - {cast("asyncio.Task[object]", asyncio.current_task())}

        try:
            assert self.runner.run(leave()) == set()
            assert self.fed.opened == self.fed.left
        finally:
            self.runner.close()


def told(item: object) -> object:
    """What an item says; the error of a message that failed."""
    if isinstance(item, Promise):
        try:
            return str(cast("Promise[object]", item))
        except ValueError as error:
            return error
    return item


def same_end(one: End | BaseException, other: End) -> bool:
    """Whether two ends are one: the very error, or both were cancelled."""
    return one is other or all(isinstance(end, InquiryCancelledError) for end in (one, other))


EXAMPLES = {"nightly": 10_000, "ci": 500}.get(settings.get_current_profile_name(), 15)
TestStreamMachine = StreamMachine.TestCase
TestStreamMachine.settings = settings(max_examples=EXAMPLES, stateful_step_count=20)
pytestmark = [pytest.mark.loop(timeout=120), pytest.mark.logs("No reader ever saw this error")]
