"""Reads the classes of messages that an agent function takes and replies from its context's annotation."""

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MethodType, SimpleNamespace, UnionType
from typing import (
    Any,
    Never,
    NoReturn,
    TypeAlias,
    TypeGuard,
    TypeVar,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)

from typing_extensions import is_protocol

from miniagents.messages import Message
from miniagents.values import unaliased

Classes: TypeAlias = tuple[type[Message], ...]


@dataclass(frozen=True, slots=True)
class MessageClasses:
    """The classes of the messages that a typed agent takes and replies.

    Attributes:
        takes: the classes of the messages that it takes; None if it takes any message.
        replies: the classes of its replies; None if it replies any message.
    """

    takes: Classes | None
    replies: Classes | None

    @classmethod
    def of(cls, function: Callable[..., object], context: type[object], name: str) -> "MessageClasses | None":
        """Read them from the first parameter of an agent function; None if it takes and replies any message.

        Only this annotation is evaluated when the function is decorated. If it is a string (quoted, or under
        ``from __future__ import annotations``), its names are looked up in the module of the function and
        among the local names that the function uses. ``InteractionContext`` without brackets is not looked
        up, so it may be imported for type checkers only; it means any message.

        Args:
            function: a checked agent function.
            context: the class that the annotation must name.
            name: the name of the function, for errors.

        Raises:
            TypeError: a name in the annotation cannot be found, or the annotation is not a context of message
                classes.
        """
        first = next(iter(inspect.signature(function).parameters.values()))
        annotation: object = first.annotation
        if annotation is inspect.Parameter.empty or _is_bare(annotation, context.__name__):
            return None
        found = unaliased(_resolved(annotation, function, name))
        if found is Any or found is context:
            return None
        if get_origin(found) is context:
            return cls.given(cast("tuple[object, ...]", get_args(found)), name)
        if isinstance(found, type) and (is_protocol(found) or issubclass(context, found)):
            return None
        raise TypeError(
            f"The first parameter of {name} is annotated as {shown(found)}; "
            f"an agent function is given its {context.__name__} there."
        )

    @classmethod
    def given(cls, arguments: tuple[object, ...], name: str) -> "MessageClasses | None":
        """Read them from the two arguments of a context or a class of agents; None if they mean any message.

        Args:
            arguments: the arguments in the brackets; a missing one is ``Message``.
            name: the name of the agent, for errors.

        Raises:
            TypeError: one is neither a message class nor a union of message classes.
        """
        takes, replies, *_ = (*map(partial(_classes, name=name), arguments), None, None)
        return None if takes is replies is None else cls(takes, replies)


def _is_bare(annotation: object, context: str) -> bool:
    """Return whether it is the string ``InteractionContext``, with or without a module before it."""
    return isinstance(annotation, str) and annotation.strip("\"' ").rpartition(".")[2] == context


def _resolved(annotation: object, function: Callable[..., object], name: str) -> object:
    try:
        return evaluated(annotation, function)
    except NameError as error:
        raise TypeError(
            f"{name} is an agent for {shown(annotation)}, but {error.name!r} cannot be found in its module. "
            "The types of an agent are also checked at run time: define its message classes before it, at "
            "the top of the module, and import them outside of `if TYPE_CHECKING:`."
        ) from error


def evaluated(annotation: object, function: Callable[..., object], *, extras: bool = False) -> object:
    """Return an annotation of a function as a type; a text has the names that the function sees.

    Args:
        annotation: of one parameter.
        function: has the parameter.
        extras: whether an `Annotated` stays one.

    Raises:
        NameError: a name in it cannot be found.

    Example:
        >>> evaluated("tuple[int, ...]", lambda numbers: None)
        tuple[int, ...]
    """
    home = _home(function)
    holder = SimpleNamespace(__annotations__={"it": annotation})
    names: dict[str, object] = getattr(home, "__globals__", {})
    return cast("object", get_type_hints(holder, names, _local_names(home), include_extras=extras)["it"])


def _home(function: object) -> object:
    """Return the function whose module has the names of an annotation."""
    while True:
        if isinstance(function, partial):
            function = cast("partial[object]", function).func
        elif isinstance(function, MethodType):
            function = function.__func__
        elif hasattr(function, "__wrapped__"):
            function = cast("object", function.__wrapped__)
        elif not hasattr(function, "__globals__") and function is not type(function).__call__:
            function = type(function).__call__
        else:
            return function


def _local_names(function: object) -> Mapping[str, object]:
    """Return the local names of outer functions that the function uses, and its own type parameters."""
    if not inspect.isfunction(function):
        return {}
    known = {str(each): each for each in cast("Iterable[object]", getattr(function, "__type_params__", ()))}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            known[name] = cell.cell_contents
        except ValueError:  # defined later
            continue
    return known


def _classes(argument: object, *, name: str) -> Classes | None:
    """Return the classes that an argument means; None if it means any message."""
    argument = unaliased(argument)
    if isinstance(argument, TypeVar):
        bound: object = argument.__bound__
        return None if bound is None else _classes(bound, name=name)
    if argument is Any or argument is Message:
        return None
    if argument is Never or argument is NoReturn:
        return ()
    if get_origin(argument) in (Union, UnionType):
        parts = [_classes(each, name=name) for each in get_args(argument)]
        return None if None in parts else tuple(each for part in parts for each in part or ())
    if _is_message_class(argument):
        return (argument,)
    raise TypeError(
        f"{name} is an agent for {shown(argument)}; agents take and reply messages, "
        "so give a subclass of Message, or a union of these."
    )


def _is_message_class(argument: object) -> TypeGuard[type[Message]]:
    return isinstance(argument, type) and issubclass(argument, Message)


def shown(annotation: object) -> str:
    """Return an annotation as an error names it."""
    if isinstance(annotation, str):
        return annotation
    return annotation.__name__ if isinstance(annotation, type) else str(annotation)
