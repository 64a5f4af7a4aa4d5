"""What every stream of ours must do, as an abstract test class: in the manner of the Reactive Streams TCK.

The numbers are those of the rules of the Reactive Streams specification 1.0.4, as far as they speak of
streams without demand: 1 is what a publisher must do, 2 a subscriber, 3 a subscription. A stream type
inherits all of them by saying how it is made of a source, and what becomes of its items if they do not stay.
"""

import gc
import os
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import ClassVar, cast

import pytest
from reactivex import Observable
from reactivex.abc import DisposableBase, ObserverBase
from typing_extensions import override

from miniagents import MiniAgents
from miniagents.streams import Promise
from tests.contract.fed import Fed
from tests.support.amounts import amount
from tests.support.sources import turns

__all__ = ["Heard", "StreamContract"]

NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"
SETTLED = 60
"""Turns of the loop after which every stream of a few items has said what it has to say."""


class Heard(ObserverBase[object]):
    """A subscriber that keeps what it is told and notes what it must never be told.

    Args:
        act: called with the subscriber after each item, from within `on_next`.
    """

    def __init__(self, act: "Callable[[Heard], None] | None" = None) -> None:
        self.items: list[object] = []
        self.terminal: Exception | bool = False
        self.wrong: list[str] = []
        self.subscription: DisposableBase | None = None
        self._act = act
        self._inside = False

    @override
    def on_next(self, value: object) -> None:
        if self._inside:
            self.wrong.append("on_next within on_next")
        if self.terminal is not False:
            self.wrong.append("an item after the terminal")
        self._inside = True
        try:
            self.items.append(value)
            if self._act is not None:
                self._act(self)
        finally:
            self._inside = False

    @override
    def on_error(self, error: Exception) -> None:
        self._end(error)

    @override
    def on_completed(self) -> None:
        self._end(True)  # noqa: FBT003 - the kind of the terminal

    def _end(self, terminal: Exception | bool) -> None:
        if self._inside:
            self.wrong.append("a terminal within on_next")
        if self.terminal is not False:
            self.wrong.append("a second terminal")
        self.terminal = terminal

    async def told(self) -> list[object]:
        """The texts of the items, or the errors of messages that failed, and how it ended."""
        assert self.wrong == []
        told = [await _text(item) for item in self.items]
        return told if self.terminal is False else [*told, self.terminal]


async def _text(item: object) -> object:
    if isinstance(item, Promise):
        try:
            return str(await cast("Promise[object]", item))
        except Exception as error:  # noqa: BLE001 - the item has failed
            return error
    return str(item)


@contextmanager
def without_collections() -> Generator[None]:
    """What is let go goes by its last reference, not by a collection of cycles."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


class StreamContract(ABC):
    """The rules. A subclass is named `Test...`.

    Attributes:
        covers: the public operators of which this is the contract.
        hot: there is one production, replayed to each subscriber; else each subscription has its own.
        one_production: there is one all the same, and each subscription reads it from the beginning.
        burst: how many items may come at once.
    """

    covers: ClassVar[tuple[str, ...]] = ()
    hot: ClassVar[bool] = False
    one_production: ClassVar[bool] = False
    burst: ClassVar[int] = 2_000

    @property
    def shared(self) -> bool:
        """Whether the source is run once, however many subscribe."""
        return self.hot or self.one_production

    @abstractmethod
    def stream(self, source: Fed) -> Observable[object]:
        """The stream over a source; called inside a context."""

    def completed(self, *texts: str) -> list[object]:
        """What is told of a source that emitted these and completed."""
        return [*texts, True]

    def failed(self, error: Exception, *texts: str) -> list[object]:
        """What is told of a source that emitted these and failed."""
        return [*texts, error]

    def subscribed(self, stream: Observable[object], act: Callable[[Heard], None] | None = None) -> Heard:
        """A subscriber of the stream."""
        heard = Heard(act)
        heard.subscription = stream.subscribe(heard)
        return heard

    # -- 1: what the stream must do ------------------------------------------------------------------------

    async def test_required_spec1_03_must_signal_serially(self) -> None:
        """An item that is caused by an item comes after it, not within it, and in order."""
        fed = Fed()
        said: list[str] = []

        def say_more(_: Heard) -> None:
            if not said:
                said.append("more")
                fed.emit("b", "c")
                fed.complete()

        async with MiniAgents():
            heard = self.subscribed(self.stream(fed), say_more)
            fed.emit("a")
            await turns(SETTLED)
            say_more(heard)  # if it says nothing before it has all
            await turns(SETTLED)
            assert await heard.told() == self.completed("a", "b", "c")

    async def test_required_spec1_04_must_signal_the_very_error(self) -> None:
        """An error comes after everything that came before it, the very object that was raised."""
        fed, error = Fed(), ValueError("broken")
        async with MiniAgents():
            heard = self.subscribed(self.stream(fed))
            fed.emit("a", "b")
            fed.fail(error)
            await turns(SETTLED)
            assert await heard.told() == self.failed(error, "a", "b")  # exceptions are equal if they are one

    async def test_required_spec1_05_must_complete(self) -> None:
        """A source that ends ends the stream, also one without items."""
        for texts in (["a"], ["a", "b", "c"]):
            fed = Fed()
            async with MiniAgents():
                heard = self.subscribed(self.stream(fed))
                fed.emit(*texts)
                fed.complete()
                await turns(SETTLED)
                assert await heard.told() == self.completed(*texts)
                assert fed.opened == fed.left == 1

    async def test_required_spec1_05_must_complete_without_items(self) -> None:
        """A source that ends at once ends the stream."""
        fed = Fed()
        fed.complete()
        async with MiniAgents():
            heard = self.subscribed(self.stream(fed))
            await turns(SETTLED)
            assert heard.terminal is True
            assert await heard.told() == self.completed()

    @pytest.mark.parametrize("failing", [True, False])
    async def test_required_spec1_07_must_not_emit_after_terminal(self, *, failing: bool) -> None:
        """After the terminal a subscriber is told nothing, whatever the source still says."""
        fed, error = Fed(), ValueError("broken")
        async with MiniAgents():
            heard = self.subscribed(self.stream(fed))
            fed.emit("a")
            if failing:
                fed.fail(error)
            else:
                fed.complete()
            fed.emit("late")
            fed.complete()
            fed.fail(ValueError("late"))
            await turns(SETTLED)
            assert await heard.told() == (self.failed(error, "a") if failing else self.completed("a"))

    async def test_required_spec1_08_must_stop_after_dispose(self) -> None:
        """After dispose a subscriber is told nothing; when no subscriber is left, the source is left, too."""
        fed = Fed()
        async with MiniAgents():
            stream = self.stream(fed)
            heard = self.subscribed(stream)
            fed.emit("a")
            await turns(SETTLED)
            before = list(heard.items)
            assert heard.subscription is not None
            heard.subscription.dispose()
            del stream
            fed.emit("b")
            fed.complete()
            await turns(SETTLED)
            assert (heard.items, heard.terminal, heard.wrong) == (before, False, [])
            assert fed.opened == fed.left == 1

    async def test_required_spec1_09_must_accept_a_subscriber_within_on_next(self) -> None:
        """Who subscribes from within an item hears everything, and so does the one who was there."""
        fed, second = Fed(), Heard()

        def subscribe(heard: Heard) -> None:
            if len(heard.items) == 1:
                second.subscription = stream.subscribe(second)

        async with MiniAgents():
            stream = self.stream(fed)
            heard = self.subscribed(stream, subscribe)
            fed.emit("a")
            await turns(SETTLED)
            fed.emit("b")
            fed.complete()
            await turns(SETTLED)
            assert await heard.told() == await second.told() == self.completed("a", "b")
            assert fed.opened == fed.left == (1 if self.shared else 2)

    async def test_required_spec1_11_must_serve_many(self) -> None:
        """Everybody who subscribes is told the same."""
        fed = Fed()
        async with MiniAgents():
            stream = self.stream(fed)
            everybody = [self.subscribed(stream) for _ in range(3)]
            fed.emit("a")
            await turns(3)
            fed.emit("b")
            fed.complete()
            await turns(SETTLED)
            for heard in everybody:
                assert await heard.told() == self.completed("a", "b")
            assert fed.opened == fed.left == (1 if self.shared else 3)

    async def test_required_spec1_11_must_serve_the_same_subscriber_twice(self) -> None:
        """ObservableProducer twice, a subscriber is told everything twice."""
        fed = Fed()
        calls: list[object] = []
        async with MiniAgents():
            stream = self.stream(fed)
            both = [stream.subscribe(calls.append) for _ in range(2)]
            fed.emit("a")
            fed.complete()
            await turns(SETTLED)
            assert len(calls) == 2 * len(self.completed("a")[:-1])
            for one in both:
                one.dispose()

    @pytest.mark.parametrize("failing", [True, False])
    async def test_required_spec1_11_must_serve_who_comes_late(self, *, failing: bool) -> None:
        """Who comes after the end hears everything from the first item: replayed, or of a run of its own."""
        fed, error = Fed(), ValueError("broken")
        async with MiniAgents():
            stream = self.stream(fed)
            first = self.subscribed(stream)
            fed.emit("a", "b")
            if failing:
                fed.fail(error)
            else:
                fed.complete()
            await turns(SETTLED)
            late = self.subscribed(stream)
            await turns(SETTLED)
            expected = self.failed(error, "a", "b") if failing else self.completed("a", "b")
            assert await first.told() == expected
            assert await late.told() == expected
            assert fed.opened == (1 if self.shared else 2)

    # -- 2: what a subscriber may do -------------------------------------------------------------------------

    @pytest.mark.logs("A subscriber raised")
    async def test_required_spec2_13_a_raising_subscriber_must_harm_only_itself(self) -> None:
        """A subscriber that raises is told nothing more; everybody else is told everything."""
        fed = Fed()

        def fail(_: Heard) -> None:
            raise RuntimeError("a subscriber of this test raised")

        async with MiniAgents():
            stream = self.stream(fed)
            before = self.subscribed(stream)
            raising = self.subscribed(stream, fail)
            after = self.subscribed(stream)
            fed.emit("a")
            await turns(SETTLED)
            fed.emit("b")
            fed.complete()
            await turns(SETTLED)
            assert await before.told() == await after.told() == self.completed("a", "b")
            assert (len(raising.items), raising.wrong) == (1, [])
            assert raising.terminal is False
            assert fed.opened == fed.left

    @pytest.mark.logs("A subscriber raised")
    @pytest.mark.parametrize("failing", [True, False])
    async def test_required_spec2_13_raising_at_the_end_must_harm_nobody(self, *, failing: bool) -> None:
        """A subscriber that raises when it is told the end harms no other one, and nothing is left of it."""
        fed, error = Fed(), ValueError("broken")

        def fail(*_: object) -> None:
            raise RuntimeError("a subscriber of this test raised at the end")

        async with MiniAgents():
            stream = self.stream(fed)
            raising = stream.subscribe(on_error=fail, on_completed=fail)
            other = self.subscribed(stream)
            fed.emit("a")
            await turns(SETTLED)
            if failing:
                fed.fail(error)
            else:
                fed.complete()
            await turns(SETTLED)
            assert await other.told() == (self.failed(error, "a") if failing else self.completed("a"))
            raising.dispose()
            assert fed.opened == fed.left

    # -- 3: what a subscription must do ----------------------------------------------------------------------

    @pytest.mark.logs("Executing")  # a burst is one long step
    async def test_required_spec3_03_must_bound_synchronous_recursion(self) -> None:
        """A long synchronous burst overflows no stack, and everything comes in order."""
        fed, count = Fed(), 1_000_000 if NIGHTLY else amount(self.burst // 4, self.burst)
        fed.emit(*map(str, range(count)))
        fed.complete()
        async with MiniAgents():
            heard = self.subscribed(self.stream(fed))
            while heard.terminal is False:
                await turns(100)
            assert await heard.told() == self.completed(*map(str, range(count)))

    async def test_required_spec3_05_must_accept_dispose_within_on_next(self) -> None:
        """Who disposes from within an item hears nothing more, although more was said at once."""
        fed = Fed()

        def leave(heard: Heard) -> None:
            assert heard.subscription is not None
            heard.subscription.dispose()

        async with MiniAgents():
            stream = self.stream(fed)
            heard = self.subscribed(stream, leave)
            fed.emit("a", "b")
            fed.complete()
            await turns(SETTLED)
            assert (len(heard.items), heard.terminal, heard.wrong) == (1, False, [])
            other = self.subscribed(stream)
            await turns(SETTLED)
            assert await other.told() == self.completed("a", "b")

    async def test_required_spec3_07_dispose_must_be_idempotent(self) -> None:
        """Disposing again, and disposing after the end, does nothing."""
        fed = Fed()
        async with MiniAgents():
            stream = self.stream(fed)
            left, stayed = self.subscribed(stream), self.subscribed(stream)
            for _ in range(3):
                assert left.subscription is not None
                left.subscription.dispose()
            fed.emit("a")
            fed.complete()
            await turns(SETTLED)
            assert stayed.subscription is not None
            stayed.subscription.dispose()
            stayed.subscription.dispose()
            assert (await left.told(), await stayed.told()) == ([], self.completed("a"))

    @pytest.mark.logs(
        "No reader ever saw this error: ValueError('broken')"
    )  # of a message, which is not awaited
    @pytest.mark.parametrize("how", ["dispose", "complete", "fail"])
    async def test_required_spec3_13_must_drop_references(self, how: str) -> None:
        """After dispose or the terminal nothing holds the subscriber any more, without any collection."""
        fed = Fed()
        with without_collections():
            async with MiniAgents():
                stream = self.stream(fed)
                heard = Heard()
                subscription = stream.subscribe(heard)
                gone = weakref.ref(heard)
                fed.emit("a")
                await turns(SETTLED)
                if how == "complete":
                    fed.complete()
                elif how == "fail":
                    fed.fail(ValueError("broken"))
                else:
                    subscription.dispose()
                await turns(SETTLED)
                if not self.hot:
                    del subscription  # reactivex's own, which holds whom it has told the end
                del heard
                assert gone() is None
                fed.complete()
