"""Tests of frozen mappings."""

import copy
import json
import pickle
from collections.abc import Callable, Mapping, MutableMapping

import pytest
from hypothesis import given, strategies as st
from pydantic import BaseModel, TypeAdapter, ValidationError

from miniagents.values import FrozenMapping

DICTS = st.dictionaries(st.text() | st.integers(), st.text() | st.none() | st.integers())


@given(DICTS)
def test_equal_to_the_dict(items: dict[str | int, object]) -> None:
    """A frozen mapping is equal to the dict with the same items, both ways round."""
    frozen = FrozenMapping(items)
    assert frozen == items
    assert items == frozen
    assert list(items.items()) == list(frozen.items())
    assert isinstance(frozen, Mapping)


@given(DICTS)
def test_equal_ones_have_equal_hashes(items: dict[str | int, object]) -> None:
    """The hash does not depend on the order of the items."""
    backwards = FrozenMapping(dict(reversed(items.items())))
    assert FrozenMapping(items) == backwards
    assert hash(FrozenMapping(items)) == hash(backwards)


CHANGES: tuple[Callable[[MutableMapping[str, int]], object], ...] = (
    lambda mapping: mapping.__setitem__("a", 2),
    lambda mapping: mapping.__delitem__("a"),
    lambda mapping: mapping.clear(),
    lambda mapping: mapping.pop("a"),
    lambda mapping: mapping.pop("b", 1),
    lambda mapping: mapping.popitem(),
    lambda mapping: mapping.setdefault("b", 1),
    lambda mapping: mapping.setdefault("a", 1),
    lambda mapping: mapping.update(a=2),
    lambda mapping: mapping.update({"b": 2}),
    lambda mapping: mapping.__ior__({"b": 2}) if isinstance(mapping, dict) else None,
)


@pytest.mark.parametrize("change", CHANGES)
def test_no_change(change: Callable[[MutableMapping[str, int]], object]) -> None:
    """Every attempt to change it is refused with a sentence, and nothing has changed."""
    frozen: FrozenMapping[str, int] = FrozenMapping(a=1)
    with pytest.raises(TypeError, match="frozen and cannot be changed; make a changed copy"):
        change(frozen)
    assert dict(frozen) == {"a": 1}


def test_every_change_of_a_dict_is_known_here() -> None:
    """A future Python that adds a method to dict which changes it must be looked at."""
    reading = {"copy", "fromkeys", "get", "items", "keys", "values"}
    changing = {"clear", "pop", "popitem", "setdefault", "update"}
    assert {name for name in vars(dict) if not name.startswith("_")} == reading | changing


COPIES: tuple[Callable[[FrozenMapping[str, object]], FrozenMapping[str, object]], ...] = (
    copy.copy,
    copy.deepcopy,
    lambda one: pickle.loads(pickle.dumps(one)),  # noqa: S301 - our own bytes
)


@pytest.mark.parametrize("again", COPIES)
def test_copies_and_pickles(
    again: Callable[[FrozenMapping[str, object]], FrozenMapping[str, object]],
) -> None:
    """A copy and a pickle are frozen mappings too."""
    frozen: FrozenMapping[str, object] = FrozenMapping(a=FrozenMapping({"b": (1, 2)}))
    other = again(frozen)
    assert type(other) is FrozenMapping
    assert frozen == other
    assert type(other["a"]) is FrozenMapping


def test_a_changed_copy() -> None:
    """Unpacking, `|` and `copy` give ordinary dicts, to be changed."""
    frozen: FrozenMapping[str, int] = FrozenMapping(a=1)
    for changed in ({**frozen, "b": 2}, frozen | {"b": 2}, {"b": 2} | frozen):
        assert changed == {"a": 1, "b": 2}
    assert type(frozen.copy()) is dict


def test_json() -> None:
    """The standard library and pydantic write it like a dict."""
    frozen: FrozenMapping[str, object] = FrozenMapping(a=FrozenMapping({"b": 1}))
    assert json.dumps(frozen) == '{"a": {"b": 1}}'
    assert TypeAdapter(dict[str, object]).dump_json({"x": frozen}) == b'{"x":{"a":{"b":1}}}'


def test_repr() -> None:
    """It shows what it is."""
    assert repr(FrozenMapping({"a": 1})) == "FrozenMapping({'a': 1})"


class Holder(BaseModel):
    scores: FrozenMapping[str, int]
    anything: FrozenMapping[str, object] = FrozenMapping()


def test_as_the_type_of_a_field() -> None:
    """A model may declare a field as a frozen mapping: it is validated and frozen."""
    holder = Holder.model_validate({"scores": {"a": "1"}})
    assert holder.scores == FrozenMapping(a=1)
    assert type(holder.scores) is FrozenMapping
    assert holder == Holder.model_validate_json(holder.model_dump_json())
    with pytest.raises(ValidationError, match="valid integer"):
        Holder.model_validate({"scores": {"a": "x"}})
