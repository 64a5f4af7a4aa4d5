"""The contract is complete: every public operator has one, and every rule can fail."""

import inspect
import re
from collections.abc import Callable, Coroutine
from types import ModuleType
from typing import get_overloads

import pytest
import reactivex as rx
from reactivex import Observable, operators as ops
from reactivex.abc import DisposableBase, ObserverBase
from reactivex.disposable import Disposable
from typing_extensions import override

import miniagents
from miniagents import MiniAgent, agents, messages, models, operators, promising, streams, testing
from miniagents.streams import from_async
from tests.contract import test_algebra, test_models, test_operators, test_streams
from tests.contract.fed import Fed
from tests.contract.rx_contract import StreamContract
from tests.support import run_async

EXEMPT = {
    "Stream.__aiter__": "an async iterator: tests/messages/test_sequence.py",
    "StreamedPromise.__aiter__": "an async iterator: tests/streams/test_promise.py",
    "ModelAgent.catching": "as MiniAgent.catching: tests/agents/algebra/test_fallback.py",
    "TypedAgent.catching": "as MiniAgent.catching: tests/agents/test_around.py",
    "TypedAgent.hedge": "as MiniAgent.hedge: tests/agents/test_around.py",
    "TypedAgentMap.__call__": "as AgentMap.__call__: tests/agents/test_around.py",
    "TypedAgentMap.read": "as AgentMap.read: tests/agents/test_around.py",
    "MiniAgent.interactive": "its replies have what it takes, too: tests/model/test_live.py",
    "InteractiveAgent.bind": "as MiniAgent.bind",
    "InteractiveAgent.timeout": "as MiniAgent.timeout: tests/agents/test_interactive.py",
    "BaseAgent.bind": "as BaseAgent.fork",
    "BaseAgent.fork": "a copy with other fields: tests/agents/test_base_agent.py",
    "AgentTool.run": "what a tool streams while it is called: tests/models/test_tool_loop.py",
    "ToolLoop.components": "as MiniAgent.components",
    "TypedAnswer.components": "as MiniAgent.components",
    "MiniAgent.components": "the agents that it is made of: tests/agents/test_around.py",
    "Callee.run": "what a tool streams while it is called: tests/models/test_tool_loop.py",
    "Tool.run": "the same: tests/models/test_tool_loop.py",
    "Marbles.model": "makes a model for a test: tests/testing/test_marbles.py",
    "ScriptedModels.__call__": "the same: tests/test_pytest_plugin.py",
    "to_async_iter": "the way out of Observables: tests/streams/test_async_adapters.py",
}
MAKES_AGENTS = {"map_agent", "miniagent", "model_agent"}  # the agent says what is made, or a decorator is
PUBLIC_MODULES = (agents, messages, miniagents, models, operators, promising, streams, testing)
STREAMS = re.compile(
    r"\bStream\[|\bParts\b|Observable\[|AsyncIterable\[|AsyncGenerator\[|Agent\[|AgentMap\[|Pipeline\["
)


def contracts(*modules: ModuleType) -> list[type[StreamContract]]:
    """The contract classes of test modules."""
    found = [each for module in modules for _, each in inspect.getmembers(module, inspect.isclass)]
    return [each for each in found if issubclass(each, StreamContract) and each.covers]


CONTRACTS = contracts(test_algebra, test_models, test_operators, test_streams)


def streams_of(*public_modules: ModuleType) -> set[str]:
    """Whatever is public and is a stream or gives one: Observables, async iterables, agents."""
    return {
        found
        for module in public_modules
        for name in module.__all__
        for found in _streams_of(name, getattr(module, name))
    }


def _streams_of(name: str, thing: object) -> set[str]:
    if not inspect.isclass(thing):
        makes = name in MAKES_AGENTS or isinstance(thing, MiniAgent) or _gives_a_stream(thing)
        return {name} if makes else set()
    members = {
        f"{thing.__name__}.{own}"
        for base in _own_bases(thing)
        for own, each in dict(vars(base)).items()
        if _is_stream(own, each) or (issubclass(thing, MiniAgent) and _is_variant(own, each))
    }
    return members | ({name} if issubclass(thing, Observable) else set())


def _own_bases(thing: type[object]) -> list[type[object]]:
    """The class, and those of its bases that only it makes public."""
    public = {
        getattr(module, name) for module in PUBLIC_MODULES for name in module.__all__ if name[0].isupper()
    }
    found: list[type[object]] = []
    for base in thing.__mro__:
        if base is not thing and (base in public or not base.__module__.startswith("miniagents.")):
            break
        found.append(base)
    return found


def _is_variant(name: str, member: object) -> bool:
    """Whether a method gives an agent of the class that it is called on."""
    given = str(getattr(member, "__annotations__", {}).get("return"))
    return not name.startswith("_") and given.rpartition(".")[2] == "Self"


def _is_stream(name: str, member: object) -> bool:
    operators_of_python = ("__aiter__", "__and__", "__call__", "__or__")
    return (name in operators_of_python or not name.startswith("_")) and _gives_a_stream(member)


def _gives_a_stream(function: object) -> bool:
    if isinstance(function, property):
        function = function.fget
    if not inspect.isfunction(function):
        return False
    given = [str(each.__annotations__.get("return")) for each in (function, *get_overloads(function))]
    return any(STREAMS.search(each) for each in given)


def uncovered(names: set[str], classes: list[type[StreamContract]]) -> set[str]:
    """The public streams that have no contract class and no reason."""
    return names - {name for each in classes for name in each.covers} - set(EXEMPT)


def test_every_stream_has_a_contract() -> None:
    """Whatever is public and gives a stream inherits the contract, or says here why it cannot."""
    names = streams_of(*PUBLIC_MODULES)
    assert uncovered(names, CONTRACTS) == set()
    assert set(EXEMPT) <= names


def test_every_class_of_observables_has_a_contract() -> None:
    """Also what is not public: no class of ours is an Observable without the contract."""
    ours = {each.__name__ for each in subclasses(Observable) if each.__module__.startswith("miniagents.")}
    assert ours == {"Stream", "TokenStream", "Lifted", "_MappedTokens"}
    assert uncovered(ours - {"_MappedTokens"}, CONTRACTS) == set()  # `map_tokens`


def subclasses(kind: type[object]) -> set[type[object]]:
    """All of them, however far down."""
    return {kind}.union(*(subclasses(each) for each in kind.__subclasses__()))


def test_completeness_can_fail() -> None:
    """What has no contract class is found: a new name, a name whose class is gone, a stream of any kind."""
    names = streams_of(*PUBLIC_MODULES)
    assert uncovered(names | {"shout"}, CONTRACTS) == {"shout"}
    assert uncovered(names, [each for each in CONTRACTS if "join" not in each.covers]) == {"join"}
    assert {"race", "join", "MiniAgent.hedge", "MessagePromise.parts", "ParsedReplies.field"} <= names
    assert {
        "ModelAgent.with_tools",
        "map_agent",
        "from_async",
        "identity",
        "miniagent",
    } <= names


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
    """It keeps its subscribers."""
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
