"""Serializers for declared containers: a field declared `list[int]` holds a tuple, and pydantic must not mind."""

from collections.abc import Callable
from typing import Final, cast

from pydantic_core import CoreSchema, core_schema

_Handler = Callable[[object], object]

# The schemas of other classes are shared with them and describe values that are not frozen.
_FOREIGN: Final = frozenset({"model", "dataclass", "typed-dict"})


def thaw_in_serializers(schema: CoreSchema) -> CoreSchema:
    """Return the schema of a frozen class with its list and set fields serialized from tuples and frozensets.

    Args:
        schema: What pydantic generated for the class itself.
    """
    return cast("CoreSchema", _own(schema))


def _own(node: object) -> object:
    """Walk down to the fields of the class itself."""
    match node:
        case {"type": "model", "schema": inner}:
            return {**cast("dict[str, object]", node), "schema": _walk(inner)}
        case {"type": "definitions", "schema": inner, "definitions": list()}:
            return {**cast("dict[str, object]", node), "schema": _own(inner)}
        case {"schema": inner}:
            return {**cast("dict[str, object]", node), "schema": _own(inner)}
        case _:
            return node


def _walk(node: object) -> object:
    match node:
        case {"type": str(kind)} if kind in _FOREIGN:
            return node
        case dict():
            walked = {key: _walk(item) for key, item in cast("dict[str, object]", node).items()}
            return _wrapped(walked)
        case list():
            return [_walk(item) for item in cast("list[object]", node)]
        case tuple():
            return tuple(_walk(item) for item in cast("tuple[object, ...]", node))
        case _:
            return node


def _wrapped(node: dict[str, object]) -> dict[str, object]:
    if "serialization" in node:  # somebody said how to write it
        return node
    match node.get("type"):
        case "list":
            return {**node, "serialization": core_schema.wrap_serializer_function_ser_schema(_list_from_tuple)}
        case "set":
            return {**node, "serialization": core_schema.wrap_serializer_function_ser_schema(_set_from_frozenset)}
        case _:
            return node


def _list_from_tuple(value: object, handler: _Handler) -> object:
    return handler(list(cast("tuple[object, ...]", value)) if type(value) is tuple else value)


def _set_from_frozenset(value: object, handler: _Handler) -> object:
    return handler(set(cast("frozenset[object]", value)) if type(value) is frozenset else value)
