"""The wall of the contract: every public operator has one, and every rule can fail."""

import inspect
from collections.abc import Callable, Coroutine
from types import ModuleType

import pytest
import reactivex as rx
from reactivex import Observable, operators as ops
from reactivex.abc import DisposableBase, ObserverBase
from reactivex.disposable import Disposable
from typing_extensions import override

from miniagents import operators
from miniagents.streams import from_async
from tests.contract import test_operators, test_streams
from tests.contract.fed import Fed
from tests.contract.rx_contract import StreamContract
from tests.support import run_async

EXEMPT = {"to_async_iter": "the way out of Observables: tests/streams/test_to_async_iter.py"}


def contracts(*modules: ModuleType) -> list[type[StreamContract]]:
    """The contract classes of test modules."""
    found = [each for module in modules for _, each in inspect.getmembers(module, inspect.isclass)]
    return [each for each in found if issubclass(each, StreamContract) and each is not StreamContract]


def uncovered(names: list[str], classes: list[type[StreamContract]]) -> set[str]:
    """The public operators that have no contract class and no reason."""
    covered = {name for each in classes for name in each.covers}
    return set(names) - covered - set(EXEMPT)


def test_every_operator_has_a_contract() -> None:
    """A new public operator inherits the contract, or says here why it cannot."""
    classes = contracts(test_operators, test_streams)
    assert uncovered(operators.__all__, classes) == set()
    assert {name for each in classes for name in each.covers} <= set(operators.__all__)


def test_the_wall_can_fail() -> None:
    """An operator without a contract class is found."""
    classes = contracts(test_operators, test_streams)
    assert uncovered([*operators.__all__, "shout"], classes) == {"shout"}
    without_join = [each for each in classes if "join" not in each.covers]
    assert uncovered(operators.__all__, without_join) == {"join"}


def bent(push: Callable[[ObserverBase[object], str], None]) -> Callable[[Fed], Observable[object]]:
    """A cold stream whose items go through `push`, without the protection of reactivex."""

    def make(fed: Fed) -> Observable[object]:
        class Bent(Observable[object]):
            @override
            def subscribe(self, on_next: ObserverBase[object], *_: object) -> DisposableBase:  # type: ignore[override]
                return fed.observable.subscribe(
                    lambda text: push(on_next, text), on_next.on_error, on_next.on_completed
                )

        return Bent()

    return make


def doubled(observer: ObserverBase[object], text: str) -> None:
    """Each item comes twice."""
    observer.on_next(text)
    observer.on_next(text)


class Nested(Observable[object]):
    """An item that is caused by an item comes within it."""

    def __init__(self, fed: Fed) -> None:
        super().__init__()
        self._fed = fed

    @override
    def subscribe(self, on_next: ObserverBase[object], *_: object) -> DisposableBase:  # type: ignore[override]
        def emit(*texts: str) -> None:
            for text in texts:
                on_next.on_next(text)

        def push(text: str) -> None:
            if text != "a":
                return
            self._fed.emit = emit  # type: ignore[method-assign]
            on_next.on_next(text)

        return self._fed.observable.subscribe(push, on_next.on_error, on_next.on_completed)


def hung(fed: Fed) -> Observable[object]:
    """It never says the end."""
    return rx.concat(from_async(fed), rx.never())


def twice_the_end(fed: Fed) -> Observable[object]:
    """It says the end twice."""

    class Twice(Observable[object]):
        @override
        def subscribe(self, on_next: ObserverBase[object], *_: object) -> DisposableBase:  # type: ignore[override]
            def end() -> None:
                on_next.on_completed()
                on_next.on_completed()

            return fed.observable.subscribe(on_next.on_next, on_next.on_error, end)

    return Twice()


def another_error(fed: Fed) -> Observable[object]:
    """It hides the error behind another one."""
    return fed.observable.pipe(ops.catch(lambda error, _: rx.throw(ValueError(str(error)))))


def deaf_to_dispose(fed: Fed) -> Observable[object]:
    """It goes on after dispose."""

    class Deaf(Observable[object]):
        @override
        def subscribe(self, on_next: ObserverBase[object], *_: object) -> DisposableBase:  # type: ignore[override]
            fed.observable.subscribe(on_next.on_next, on_next.on_error, on_next.on_completed)
            return Disposable()

    return Deaf()


def keeping(fed: Fed) -> Observable[object]:
    """It keeps whoever has subscribed."""
    kept: list[object] = []

    class Keeping(Observable[object]):
        @override
        def subscribe(self, on_next: ObserverBase[object], *_: object) -> DisposableBase:  # type: ignore[override]
            kept.append(on_next)
            return fed.observable.subscribe(on_next)

    stream = Keeping()
    kept.append(stream)
    return stream


def once(fed: Fed) -> Observable[object]:
    """It serves one subscriber only; the others hear nothing."""
    source = fed.observable.pipe(ops.publish())
    source.connect()
    return source


BROKEN: list[tuple[Callable[[Fed], Observable[object]], str, dict[str, object]]] = [
    (bent(doubled), "1_05_must_complete", {}),
    (Nested, "1_03_must_signal_serially", {}),
    (hung, "1_05_must_complete", {}),
    (hung, "1_05_must_complete_without_items", {}),
    (twice_the_end, "1_05_must_complete", {}),
    (twice_the_end, "1_07_must_not_emit_after_terminal", {"failing": False}),
    (another_error, "1_04_must_signal_the_very_error", {}),
    (deaf_to_dispose, "1_08_must_stop_after_dispose", {}),
    (deaf_to_dispose, "3_05_must_accept_dispose_within_on_next", {}),
    (deaf_to_dispose, "3_07_dispose_must_be_idempotent", {}),
    (keeping, "3_13_must_drop_references", {"how": "dispose"}),
    (keeping, "3_13_must_drop_references", {"how": "complete"}),
    (once, "1_11_must_serve_who_comes_late", {"failing": False}),
    (once, "1_11_must_serve_many", {}),
]


@pytest.mark.parametrize(("make", "rule", "given"), BROKEN)
def test_a_rule_can_fail(
    make: Callable[[Fed], Observable[object]], rule: str, given: dict[str, object]
) -> None:
    """A stream that breaks a rule is found."""

    class TestBroken(StreamContract):
        @override
        def stream(self, source: Fed) -> Observable[object]:
            return make(source)

    check: Callable[..., Coroutine[object, object, None]]
    check = getattr(TestBroken(), f"test_required_spec{rule}")
    with pytest.raises(AssertionError):
        run_async(lambda: check(**given))
