"""Dataclasses whose methods are compiled when they are used: they are what ``dataclass`` makes."""

import copy
import dataclasses
import inspect
import pickle
from collections.abc import Callable, Hashable
from typing import cast, get_type_hints

import pytest
from pydantic import TypeAdapter
from typing_extensions import override

from miniagents.values._lazy_dataclass import lazy_dataclass

_MADE = ("__init__", "__repr__", "__eq__", "__hash__")


@lazy_dataclass(frozen=True, slots=True)
class Point:
    """A point, as the library declares its values."""

    x: int
    y: int = 0
    tags: tuple[str, ...] = dataclasses.field(default_factory=tuple, repr=False, compare=False)
    kind: str = dataclasses.field(default="point", kw_only=True)

    def __post_init__(self) -> None:
        """Refuse what is no point."""
        if self.x < 0:
            msg = "x is negative"
            raise ValueError(msg)


@dataclasses.dataclass(frozen=True, slots=True)
class Plain:
    """The same, made by ``dataclass``."""

    x: int
    y: int = 0
    tags: tuple[str, ...] = dataclasses.field(default_factory=tuple, repr=False, compare=False)
    kind: str = dataclasses.field(default="point", kw_only=True)

    def __post_init__(self) -> None:
        """Refuse what is no point."""
        if self.x < 0:
            msg = "x is negative"
            raise ValueError(msg)


class Named(Point):
    """A subclass that is no dataclass."""


@dataclasses.dataclass(frozen=True, slots=True)
class Solid(Point):
    """A dataclass that inherits from one of ours."""

    z: int = 0


def _told(made: Callable[[], object]) -> str:
    """What comes of a call: the value, or the type and text of the error, whatever the class is called."""
    try:
        told = repr(made())
    except (TypeError, ValueError, AttributeError) as error:
        told = f"{type(error).__name__}: {error}"
    return told.replace("Plain", "Point")


def _made_of(cls: Callable[..., object], *given: object, **named: object) -> object:
    """A value of what type checkers refuse."""
    return cls(*given, **named)


_USES: tuple[Callable[[type[Point]], object], ...] = (
    lambda cls: cls(1),
    lambda cls: cls(1, 2, ("a",), kind="other"),
    lambda cls: cls(1, y=2).tags,
    _made_of,
    lambda cls: _made_of(cls, 1, 2, (), "other"),
    lambda cls: _made_of(cls, 1, z=2),
    lambda cls: cls(-1),
    lambda cls: (
        cls(1) == cls(1, 0, ("a",)),
        cls(1) == cls(2),
        cls(1) == cast("object", 1),
        cls(1) != cls(2),
    ),
    lambda cls: (hash(cls(1)) == hash(cls(1, 0)), hash(cls(1)) == hash(cls(2)), {cls(1): 3}[cls(1)]),
    lambda cls: setattr(cls(1), "x", 2),
    lambda cls: delattr(cls(1), "x"),
    lambda cls: dataclasses.replace(cls(1), y=5),
    lambda cls: (dataclasses.asdict(cls(1)), dataclasses.astuple(cls(1))),
    lambda cls: (copy.copy(cls(1, 2)), copy.deepcopy(cls(1, 2))),
    lambda cls: cast("object", pickle.loads(pickle.dumps(cls(1, 2)))),  # noqa: S301 - ours
    lambda cls: cls(1, 2).__getstate__(),
    lambda cls: (cls.__match_args__, vars(cls)["__slots__"], hasattr(cls(1), "__dict__")),
    lambda cls: (dataclasses.is_dataclass(cls), [each.name for each in dataclasses.fields(cls)]),
    lambda cls: cast("object", vars(cls)["__dataclass_params__"]),
    lambda cls: (inspect.signature(cls), get_type_hints(cls), get_type_hints(cls.__init__)),
    lambda cls: [getattr(cls, each).__qualname__ for each in _MADE],
    lambda cls: (cls.__doc__ == "", cls.__module__, cls.__init__.__module__, issubclass(cls, Hashable)),
    lambda cls: TypeAdapter(cls).validate_python({"x": "7"}),
    lambda cls: TypeAdapter(cls).dump_json(cls(1)),
    lambda cls: TypeAdapter(cls).json_schema()["required"],
)


@pytest.mark.parametrize("use", _USES)
def test_it_does_what_dataclass_does(use: Callable[[type[Point]], object]) -> None:
    """Whatever is done with a class and its values, the same comes of it as with ``dataclass``."""
    assert _told(lambda: use(cast("type[Point]", Plain))) == _told(lambda: use(Point))


def test_no_attribute_can_be_added() -> None:
    """Also what is no field cannot be assigned, and the error says so."""
    with pytest.raises(dataclasses.FrozenInstanceError, match="'other'"):
        setattr(Point(1), "other", 2)  # noqa: B010 - type checkers refuse it


def test_nothing_is_compiled_before_it_is_used() -> None:
    """A method is compiled when it is first looked up, and is a plain function of the class from then on."""

    @lazy_dataclass(frozen=True, slots=True)
    class Fresh:
        """A value."""

        x: int

    assert [False] * len(_MADE) == [inspect.isfunction(vars(Fresh)[each]) for each in _MADE]
    assert Fresh(1).x == 1
    assert [True, False, False, False] == [inspect.isfunction(vars(Fresh)[each]) for each in _MADE]
    assert Fresh(1) == Fresh(1)
    assert [True, False, True, False] == [inspect.isfunction(vars(Fresh)[each]) for each in _MADE]


def test_a_method_of_the_class_itself_stays() -> None:
    """What the class defines is not replaced."""

    @lazy_dataclass(frozen=True, slots=True)
    class Secret:
        """A value that is not shown."""

        x: int

        @override
        def __repr__(self) -> str:
            return "Secret"

    assert "Secret" == repr(Secret(1))


def test_a_subclass_keeps_the_fields_fixed() -> None:
    """In a plain subclass fields cannot be assigned or deleted, and what it adds can."""
    named = Named(1)
    named.name = "origin"  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    assert {"name": "origin"} == vars(named)
    del named.name  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(dataclasses.FrozenInstanceError, match=r"^cannot assign to field 'x'$"):
        setattr(named, "x", 2)  # noqa: B010 - type checkers refuse it
    with pytest.raises(dataclasses.FrozenInstanceError, match=r"^cannot delete field 'x'$"):
        delattr(named, "x")
    assert ("Named(x=1, y=0, kind='point')", False) == (repr(named), named == Point(1))


def test_a_dataclass_may_inherit() -> None:
    """A frozen dataclass may inherit from one of ours; its own fields come behind."""
    assert "Solid(x=1, y=2, kind='point', z=3)" == repr(Solid(1, 2, z=3))
    with pytest.raises(dataclasses.FrozenInstanceError):
        Solid(1).x = 2  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]


def test_ours_may_not_inherit_from_a_dataclass() -> None:
    """A class with a dataclass among its bases is refused: it takes ``dataclass``."""
    with pytest.raises(TypeError, match="dataclass"):

        @lazy_dataclass(frozen=True, slots=True)
        class _Solid(Point):
            """A value."""

            z: int = 0
