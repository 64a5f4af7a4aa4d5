"""Tests of what the fields of a frozen class may be declared as."""

import re
import typing
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Mapping, MutableSequence, Sequence, Set as AbstractSet
from typing import Annotated, Generic, Optional, TypeVar

import pytest
from pydantic import BaseModel, Field
from typing_extensions import TypeAliasType, TypedDict

from miniagents.values import FreezeError, Frozen, FrozenMapping, refuse_changeable

T = TypeVar("T")
Numbers = TypeAliasType("Numbers", list[int])
own_alias: Callable[[str, object], object] = getattr(typing, "TypeAliasType", TypeAliasType)
"""What a `type` statement makes, from Python 3.12 on."""
Many = TypeAliasType("Many", list[T], type_params=(T,))
Own = own_alias("Own", list[int])
Leaves = own_alias("Leaves", Mapping[str, Numbers])


class Row(TypedDict):
    """Is frozen to a mapping; type checkers see a mapping, too, when they see `ReadOnly`."""

    cells: list[int]


class Foreign(BaseModel):
    """Keeps its own lists."""

    items: list[int]


@pytest.mark.parametrize(
    ("annotation", "declared", "wanted", "noun"),
    [
        (list[str], "list[str]", "tuple[str, ...]", "Lists"),
        (list, "list", "tuple[object, ...]", "Lists"),
        (dict[str, int], "dict[str, int]", "Mapping[str, int]", "Dicts"),
        (dict, "dict", "Mapping[str, object]", "Dicts"),
        (set[int], "set[int]", "frozenset[int]", "Sets"),
        (set, "set", "frozenset[object]", "Sets"),
        (list[str] | None, "list[str] | None", "tuple[str, ...] | None", "Lists"),
        (Optional[list[str]], "list[str] | None", "tuple[str, ...] | None", "Lists"),  # noqa: UP045
        (tuple[list[int], ...], "tuple[list[int], ...]", "tuple[tuple[int, ...], ...]", "Lists"),
        (Mapping[str, set[int]], "Mapping[str, set[int]]", "Mapping[str, frozenset[int]]", "Sets"),
        (Sequence[list[int]], "Sequence[list[int]]", "Sequence[tuple[int, ...]]", "Lists"),
        (MutableSequence[int], "MutableSequence[int]", "tuple[int, ...]", "Lists"),
        (deque[int], "deque[int]", "tuple[int, ...]", "Lists"),
        (defaultdict[str, int], "defaultdict[str, int]", "Mapping[str, int]", "Dicts"),
        (OrderedDict[str, int], "OrderedDict[str, int]", "Mapping[str, int]", "Dicts"),
        (Numbers, "Numbers", "tuple[int, ...]", "Lists"),
        (Own, "Own", "tuple[int, ...]", "Lists"),
        (Many[int], "Many[int]", "tuple[int, ...]", "Lists"),
        (Leaves, "Leaves", "Mapping[str, tuple[int, ...]]", "Lists"),
        (Annotated[tuple[list[int], ...], "note"], "Annotated[tuple[list[int], ...]]", "Annotated[", "Lists"),
    ],
)
def test_what_could_be_changed_is_refused(annotation: object, declared: str, wanted: str, noun: str) -> None:
    """The error names the field, what it is declared as and what to write, as deep as it stands."""
    said = f"Note.x is declared as {declared}, but its value is frozen: write {wanted}"
    with pytest.raises(FreezeError, match=f"^{re.escape(said)}") as caught:
        refuse_changeable("Note", {"ok": int, "x": annotation})
    assert str(caught.value).endswith(f". {noun} are still accepted as values.")


@pytest.mark.parametrize(
    "annotation",
    [
        str,
        tuple[str, ...],
        Sequence[str],
        Mapping[str, int],
        frozenset[int],
        AbstractSet[int],
        Callable[[list[int]], dict[str, int]],
        type[list[int]],
        Foreign,
        Row,
        object,
        "list[Unknown]",
        T,
        Annotated[int, Field(gt=0)],
    ],
)
def test_everything_else_is_not(annotation: object) -> None:
    """What cannot be changed, what has lists of its own, and what is not known yet."""
    refuse_changeable("Note", {"x": annotation})


def test_where_the_class_is_defined() -> None:
    """So is a class, a generic one, one with a default, and one that knows its field only later."""
    with pytest.raises(FreezeError, match=r"\.Note\.tags is declared as list\[str\]"):

        class Note(Frozen):  # pyright: ignore[reportUnusedClass]  # it must not come to be
            tags: list[str] = Field(default=[])

    with pytest.raises(FreezeError, match=r"\.Box\.items is declared as list\[~T\]"):

        class Box(Frozen, Generic[T]):  # pyright: ignore[reportUnusedClass]  # the same
            items: list[T]

    class Late(Frozen):
        items: "list[Later]"

    class Later(Frozen):
        x: int

    with pytest.raises(FreezeError, match=r"\.Late\.items is declared as list\[Later\]"):
        Late.model_rebuild(_types_namespace={"Later": Later})


def test_as_values_they_are_accepted() -> None:
    """Lists, dicts and sets become what is declared."""

    class Note(Frozen):
        tags: tuple[str, ...]
        sizes: Mapping[str, tuple[int, ...]]
        marks: frozenset[str]

    note = Note.model_validate({"tags": ["a"], "sizes": {"x": [1]}, "marks": {"m"}})
    assert ("a",) == note.tags
    assert FrozenMapping(x=(1,)) == note.sizes
    assert frozenset({"m"}) == note.marks
    assert note == Note.model_validate(note.model_dump()) == Note.model_validate_json(note.model_dump_json())


def test_a_counter_too() -> None:
    """Classes of dicts are dicts."""
    with pytest.raises(FreezeError, match="declared as Counter"):
        refuse_changeable("Note", {"x": Counter[str]})
