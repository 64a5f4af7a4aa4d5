"""Reads the facts about a class of agents when the class is defined; a wrong class raises an error there."""

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import partial
from typing import Self, cast, get_args, get_origin

from pydantic import Field
from typing_extensions import Format, get_annotations

from miniagents.values import freeze_data

from ._annotations import Classes, MessageClasses
from ._keywords import Keywords, generator_text

_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


@dataclass(frozen=True, slots=True)
class AgentClass:
    """The facts that all agents of a class share.

    Attributes:
        alias: their name.
        description: what they do.
        keywords: their fields.
        classes: the classes of the messages that they take and reply; None if they take and reply any
            message.
    """

    alias: str
    description: str
    keywords: Keywords
    classes: MessageClasses | None

    @classmethod
    def of(
        cls,
        made: type[object],
        root: type[object],
        context: type[object],
        *,
        alias: str | None,
        description: str | None,
    ) -> Self:
        """Read the facts of a class that has its fields already.

        Args:
            made: the class.
            root: the base class of all agents of classes, which has no ``run``.
            context: the class of the context that ``run`` gets.
            alias: the name of the class in capitals by default.
            description: its docstring by default.

        Raises:
            TypeError: ``run`` is missing, is not async, or its context is not one of these messages.
        """
        shown = _WORDS.sub("_", made.__name__).upper() if alias is None else alias
        text = inspect.cleandoc(made.__doc__ or "") if description is None else description
        names = tuple(each.name for each in fields(made) if each.init) if is_dataclass(made) else ()
        return cls(
            shown,
            text.replace("{AGENT_ALIAS}", shown),
            Keywords(names, frozenset(), open=False, defaults={}),
            _message_classes(made, root, context),
        )


def prepare(made: type[object], root: type[object]) -> None:
    """Freeze the defaults of the fields of a class, before it gets them.

    Args:
        made: the class, as its author wrote it.
        root: the base class of all agents of classes.

    Raises:
        TypeError: the class uses a name that every agent uses already.
    """
    name = made.__name__
    body = cast("Mapping[str, object]", vars(made))
    if "__init__" in body:
        msg = (
            f"{name} has an __init__ of its own; an agent of a class is made of its fields by keyword, and "
            "copied by fork, so declare fields and give them defaults, validators or properties."
        )
        raise TypeError(msg)
    annotations = get_annotations(made, format=Format.FORWARDREF)
    known = set(dir(root))
    for each in annotations:
        if each in known:
            msg = f"{name} has a field {each!r}, a name that every agent uses already; choose another one."
            raise TypeError(msg)
    for each in ("alias", "description"):
        if each in body:
            msg = f"{name} sets {each!r} in its body; write `class {name}(..., {each}=...)`."
            raise TypeError(msg)
    for each, annotation in annotations.items():
        if each in body and "ClassVar" not in str(annotation):
            default = freeze_data({each: body[each]})[each]
            # A dataclass refuses a default without a hash, such as a pydantic model, unless a `Field` holds
            # it.
            hashed = getattr(default, "__hash__", None) is not None
            setattr(made, each, default if hashed else Field(default=default))


def _message_classes(made: type[object], root: type[object], context: type[object]) -> MessageClasses | None:
    name = made.__name__
    annotated = MessageClasses.of(_run_of(made, root), context, f"{name}.run")
    arguments = _arguments(made, root)
    if not arguments:
        return annotated
    declared = MessageClasses.given(arguments, name)
    if annotated is None or _fits(annotated, declared or MessageClasses(None, None)):
        return declared
    wanted = " to ".join(map(_shown, arguments))
    msg = (
        f"{name} is a class of agents for {wanted}, but the context of its run is for other messages; write "
        f"`async def run(self, ctx: {context.__name__}[{', '.join(map(_shown, arguments))}])`."
    )
    raise TypeError(msg)


def _run_of(made: type[object], root: type[object]) -> Callable[..., object]:
    """Return the function that an agent runs, without its ``self``."""
    name = made.__name__
    run = cast("Callable[..., object]", inspect.getattr_static(made, "run"))
    wanted = "write `async def run(self, ctx):`"
    inherited = "run" not in vars(made) and getattr(run, "__isabstractmethod__", False)
    if inherited or run is vars(root)["run"]:
        msg = f"{name} has no `run` method; {wanted}."
        raise TypeError(msg)
    if inspect.isasyncgenfunction(run):
        raise TypeError(generator_text(f"{name}.run", "async def run(self, ctx):"))
    if not inspect.iscoroutinefunction(run):
        msg = f"{name}.run is not an `async def` function; an agent awaits messages, so {wanted}."
        raise TypeError(msg)
    bound = partial(run, None)
    try:
        parameters = list(inspect.signature(bound).parameters.values())
    except ValueError:
        parameters = []  # not even `self`
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    if not parameters or parameters[0].kind not in kinds:
        msg = f"{name}.run takes no context; {wanted}."
        raise TypeError(msg)
    if parameters[1:]:
        msg = (
            f"{name}.run takes {parameters[1].name!r} beside its context; the parameters of a class of "
            "agents are its fields, so declare it in the class."
        )
        raise TypeError(msg)
    return bound


def _arguments(made: type[object], root: type[object]) -> tuple[object, ...]:
    """Return the arguments in the brackets of ``root`` in the bases of ``made``; empty without brackets."""
    bases = cast("tuple[object, ...]", vars(made).get("__orig_bases__", made.__bases__))
    for base in bases:
        origin = get_origin(base) or base
        given = cast("tuple[object, ...]", get_args(base))
        if origin is root:
            return given
        if isinstance(origin, type) and issubclass(origin, root):
            names = cast("tuple[object, ...]", getattr(origin, "__parameters__", ()))
            known = dict(zip(names, given, strict=False))
            return tuple(known.get(each, each) for each in _arguments(origin, root))
    return ()


def _fits(run: MessageClasses, declared: MessageClasses) -> bool:
    """Return whether ``run`` takes all messages that the agents take, and replies only what they reply."""
    return _covers(run.takes, declared.takes) and _covers(declared.replies, run.replies)


def _covers(wide: Classes | None, narrow: Classes | None) -> bool:
    return wide is None or (narrow is not None and all(issubclass(each, wide) for each in narrow))


def _shown(annotation: object) -> str:
    return annotation.__name__ if isinstance(annotation, type) else str(annotation)
