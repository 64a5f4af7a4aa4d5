"""Serializers for declared containers: a field declared `Sequence[int]` holds a tuple.

In pydantic's schema such a field is a list, and pydantic's serializers warn about a value that is not one. So
every list and set in the schema of a frozen class gets a serializer that first turns the frozen value back. A
schema is a tree of plain dicts, documented in `pydantic_core.core_schema`. The walk copies the tree; it
changes only definitions in place, since these are referred to by name.
"""

from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, TypeGuard

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from ._freeze import is_list, is_tuple

Thaw = Callable[[object, Callable[[object], object]], object]
Node = dict[str, object]

# The schemas of other classes are not changed here; a frozen class changes its own.
_FOREIGN: Final = frozenset({"model", "dataclass"})


def thaw_in_serializers(schema: CoreSchema, handler: GetCoreSchemaHandler) -> CoreSchema:
    """Return the schema of a frozen class with its lists and sets serialized from tuples and frozensets.

    Args:
        schema: What pydantic generated for the class itself.
        handler: The handler that generated it; it knows the definitions.
    """
    walk = _Walk(handler)
    own: object = schema
    while _is_node(own) and own.get("type") != "model":  # inside validators of the whole model
        own = own.get("schema")
    if _is_node(own):
        # The class's own node was made for this very call, so it may be changed in place.
        own["schema"] = walk.walk(own["schema"])
    return schema


class _Walk:
    """One walk through a schema; it handles each definition once, however often it is referred to."""

    def __init__(self, handler: GetCoreSchemaHandler) -> None:
        self._handler = handler
        self._done: set[str] = set()

    def walk(self, node: object) -> object:
        if is_list(node):
            return [self.walk(item) for item in node]
        if is_tuple(node):
            return tuple(self.walk(item) for item in node)
        if not _is_node(node) or node.get("type") in _FOREIGN:
            return node
        if _is_schema(node) and node["type"] == "definition-ref":
            self._definition(node)
            return node
        walked: Node = {key: self.walk(item) for key, item in node.items()}
        thaw = _THAW.get(str(node.get("type")))
        if thaw is not None and "serialization" not in node:
            walked["serialization"] = core_schema.wrap_serializer_function_ser_schema(thaw)
        return walked

    def _definition(self, reference: CoreSchema) -> None:
        name = str(reference.get("schema_ref"))
        if name in self._done:
            return
        self._done.add(name)
        try:
            definition: object = self._handler.resolve_ref_schema(reference)
        except LookupError:  # the class itself, whose definition does not exist yet
            return
        walked = self.walk(definition)
        if _is_node(definition) and _is_node(walked):
            definition.update(walked)


def _is_node(value: object) -> TypeGuard[Node]:
    return isinstance(value, dict)


def _is_schema(value: object) -> TypeGuard[CoreSchema]:
    return isinstance(value, dict) and "type" in value


def _thawing(frozen: type[object], thaw: Callable[[Any], object]) -> Thaw:
    return lambda value, handler: handler(thaw(value) if isinstance(value, frozen) else value)


_THAW: Final[Mapping[str, Thaw]] = MappingProxyType(
    {
        "list": _thawing(tuple, list),
        "set": _thawing(frozenset, set),
        "ordered-dict": _thawing(dict, OrderedDict),
        "counter": _thawing(dict, Counter),
    }
)
