"""Makes a program that fails smaller, as long as it fails in the same way."""

from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Final, TypeVar, cast, get_args

from tests.model import programs as p

__all__ = ["shrunk", "size"]

P = TypeVar("P")

_AGENTS: Final = get_args(p.Agent)
_FORMS: Final = get_args(p.Form)
_STEPS: Final = get_args(p.Step)


def shrunk(program: P, fails: Callable[[P], bool], patience: int = 500) -> P:
    """Return the smallest program, or pipe, flow or schedule, that can be reached by leaving something out.

    Args:
        program: fails.
        fails: returns whether a smaller program fails in the same way.
        patience: how many programs are tried at most.
    """
    tried: set[str] = set()
    found = True
    while found:
        found = False
        for smaller in sorted(_smaller_programs(program), key=size):
            shown = repr(smaller)
            if shown in tried or size(smaller) >= size(program):
                continue
            tried.add(shown)
            if len(tried) > patience:
                return program
            if fails(smaller):
                program = smaller
                found = True
                break
    return program


def size(program: object) -> tuple[int, int]:
    """Return how large a program is."""
    return _count(program), len(repr(program))


def _count(value: object) -> int:
    if is_dataclass(value):
        return 1 + sum(_count(getattr(value, each.name)) for each in fields(value))
    if isinstance(value, tuple):
        return sum(1 + _count(each) for each in cast("tuple[object, ...]", value))
    return 0


def _smaller_programs(program: P) -> Iterator[P]:
    for smaller in _smaller(program):
        if (
            isinstance(smaller, type(program))
            and getattr(smaller, "readers", True)
            and "agents=()" not in repr(smaller)
        ):
            yield smaller


def _smaller(value: object) -> Iterator[object]:  # noqa: C901, PLR0912 - a case for each type
    """Yield everything that is a step smaller than a value."""
    if isinstance(value, tuple):
        items = cast("tuple[object, ...]", value)
        timed = bool(items) and isinstance(items[0], float)  # a pause and what follows it
        for place in () if timed else range(len(items)):
            yield (*items[:place], *items[place + 1 :])
        for place, item in enumerate(items):
            for smaller in _smaller(item):
                yield (*items[:place], smaller, *items[place + 1 :])
    elif isinstance(value, float):
        if value:
            yield 0.0
        for simple in (1.0, 2.0, 5.0, round(value, 1), round(value)):
            if len(repr(float(simple))) < len(repr(value)):
                yield float(simple)
    elif isinstance(value, bool):
        if value:
            yield False
    elif isinstance(value, int):
        if value > 1:
            yield 1
            yield value - 1
        elif value:
            yield 0
    elif is_dataclass(value) and not isinstance(value, type):
        yield from _simpler(value)
        for each in fields(value):
            old: object = getattr(value, each.name)
            for smaller in _smaller_field(value, each.name, old):
                yield replace(value, **{each.name: smaller})


def _smaller_field(of: object, name: str, old: object) -> Iterator[object]:
    if old is None or name in {"prefetch", "flow"}:
        return
    default = next(each.default for each in fields(of) if each.name == name)  # type: ignore[arg-type]
    if default is None:
        yield None
    for smaller in _smaller(old):
        if name != "answer" or isinstance(smaller, p.Streamed):
            yield smaller


def _simpler(value: object) -> Iterator[object]:  # noqa: C901, PLR0912 - the same
    """Yield simpler values of the same kind: the parts of a value, and the simplest ones."""
    for kinds, simplest in (
        (_AGENTS, (p.Identity(), p.Function(()))),
        (_FORMS, (p.Listed(()), p.Text("x"), p.Received())),
    ):
        if isinstance(value, kinds) and is_dataclass(value):
            for each in simplest:
                if _count(each) < _count(value) or (type(each) is not type(value)):
                    yield each
            for each_field in fields(value):
                part: object = getattr(value, each_field.name)
                if isinstance(part, kinds):
                    yield part
                elif isinstance(part, tuple):
                    for item in cast("tuple[object, ...]", part):
                        if isinstance(item, kinds):
                            yield item
                        elif isinstance(item, tuple):
                            yield from (
                                one for one in cast("tuple[object, ...]", item) if isinstance(one, kinds)
                            )
                        elif isinstance(item, p.Reply) and kinds is _FORMS:
                            yield item.form
    if isinstance(value, p.Kept):
        yield p.Reply(value.form)
    if isinstance(value, p.Rows):
        yield p.Forget(value.agent, p.Text("x"))
    if isinstance(value, p.Flaky):
        yield p.Function(value.failing)
        yield p.Function(value.steps)
    if isinstance(value, p.Streamed):
        yield p.Text("x", note=value.note)
