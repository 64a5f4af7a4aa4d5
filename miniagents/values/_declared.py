"""The check that no field of a frozen class is declared with a type that can be changed.

A field that is declared as ``list[str]`` would hold a tuple, and ``message.tags.append("x")`` would pass
every type checker and fail when it runs. So the definition of the class raises an error that says what to
write instead.
"""

from collections import deque
from collections.abc import Iterable, Mapping, MutableMapping, MutableSequence, MutableSet
from types import MappingProxyType, UnionType
from typing import Annotated, Final, Literal, TypeAlias, Union, cast, get_args, get_origin

from typing_extensions import is_typeddict

from ._aliases import unaliased
from ._errors import FreezeError

_Kind: TypeAlias = Literal["tuple", "frozenset", "Mapping"]

_CHANGEABLE: Final = cast(
    "Mapping[type[object], _Kind]",
    MappingProxyType(
        {
            list: "tuple",
            deque: "tuple",
            MutableSequence: "tuple",
            set: "frozenset",
            MutableSet: "frozenset",
            dict: "Mapping",
            MutableMapping: "Mapping",
        }
    ),
)
_NOUNS: Final[Mapping[_Kind, str]] = MappingProxyType(
    {"tuple": "lists", "frozenset": "sets", "Mapping": "dicts"}
)
# Only types that contain values are searched: the list in `Callable[[list[int]], None]` is not a value.
_UNIONS: Final = (Union, UnionType)
_CONTAINERS: Final = (*_UNIONS, Annotated)


def refuse_changeable(owner: str, annotations: Mapping[str, object]) -> None:
    """Refuse a field that is declared as a list, a dict or a set, in a class that freezes its values.

    Args:
        owner: The name of the class.
        annotations: The annotations of its fields, by name; one that is still a string is not checked.

    Raises:
        FreezeError: If there is such a field; the text says what to write instead.

    Example:
        >>> refuse_changeable("Question", {"hints": list[str]})
        Traceback (most recent call last):
            ...
        miniagents...FreezeError: Question.hints is declared as list[str], but its value is frozen: write ...
    """
    for name, annotation in annotations.items():
        found = _changeable_in(annotation)
        if found is not None:
            raise FreezeError(
                f"{owner}.{name} is declared as {_shown(annotation)}, but its value is frozen: write "
                f"{_frozen(annotation)}. {_NOUNS[found].capitalize()} are still accepted as values."
            )


def _changeable_in(annotation: object, seen: frozenset[object] = frozenset()) -> _Kind | None:
    plain = unaliased(annotation)
    if plain is not annotation:  # an alias may contain itself
        return None if annotation in seen else _changeable_in(plain, seen | {annotation})
    origin: object = get_origin(annotation) or annotation
    found = _kind_of(origin)
    if found is not None:
        return found
    if _is_container(origin):
        for each in _arguments(annotation):
            found = _changeable_in(each, seen)
            if found is not None:
                return found
    return None


def _kind_of(origin: object) -> _Kind | None:
    if not isinstance(origin, type) or is_typeddict(origin):
        return None
    for base in cast("type[object]", origin).__mro__:
        kind = _CHANGEABLE.get(base)
        if kind is not None:
            return kind
    return None


def _is_union(origin: object) -> bool:
    return any(origin is each for each in _UNIONS)


def _is_container(origin: object) -> bool:
    return origin in _CONTAINERS or (isinstance(origin, type) and issubclass(origin, Iterable))


def _arguments(annotation: object) -> tuple[object, ...]:
    arguments = cast("tuple[object, ...]", get_args(annotation))
    return arguments[:1] if get_origin(annotation) is Annotated else arguments


def _frozen(annotation: object, seen: frozenset[object] = frozenset()) -> str:
    """Return the annotation to write instead."""
    plain = unaliased(annotation)
    if plain is not annotation:
        return _shown(annotation) if annotation in seen else _frozen(plain, seen | {annotation})
    origin: object = get_origin(annotation) or annotation
    arguments = [_frozen(each, seen) for each in _arguments(annotation)]
    if _is_union(origin):
        return " | ".join(arguments)
    if origin is Annotated:
        return f"Annotated[{arguments[0]}, ...]"
    kind = _kind_of(origin)
    if kind == "tuple":
        return f"tuple[{arguments[0] if arguments else 'object'}, ...]"
    name = kind or _shown(origin)
    if kind is not None and not arguments:
        arguments = ["object"] if kind == "frozenset" else ["str", "object"]
    return f"{name}[{', '.join(arguments)}]" if arguments else name


def _shown(annotation: object) -> str:
    """Return an annotation as a user writes it."""
    if annotation is Ellipsis:
        return "..."
    if annotation is type(None):
        return "None"
    origin = cast("object", get_origin(annotation))
    if _is_union(origin):
        return " | ".join(map(_shown, _arguments(annotation)))
    if isinstance(annotation, type) and origin is None:
        return annotation.__name__
    if origin is Annotated or isinstance(origin, type):  # the first is a class up to Python 3.12 only
        name = "Annotated" if origin is Annotated else cast("type[object]", origin).__name__
        return f"{name}[{', '.join(map(_shown, _arguments(annotation)))}]"
    return str(annotation)
