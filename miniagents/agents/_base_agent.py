"""``BaseAgent``: classes whose instances are agents."""

import inspect
import re
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Self, TypeVar, cast, get_args, get_origin

from pydantic import ConfigDict, Field, ValidationError, model_validator
from pydantic.dataclasses import dataclass as pydantic_dataclass
from pydantic.fields import FieldInfo, ModelPrivateAttr
from pydantic_core import ArgsKwargs, PydanticCustomError
from typing_extensions import Format, dataclass_transform, get_annotations, override

from miniagents.messages import MessageSequencePromise
from miniagents.values import MessageValidationError, freeze_data, misfit, refuse_changeable

from ._agent import In, InteractionContext, MiniAgent, Out
from ._annotations import Classes, MessageClasses, shown
from ._keywords import Keywords, generator_text, is_async

C = TypeVar("C", bound=type[object])
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


def _with_fields(cls: C, *, deferred: bool = False) -> C:
    """Give a class the fields that it declares, in place; if deferred, the validator is made at first use."""
    config = ConfigDict(
        arbitrary_types_allowed=True,
        extra="forbid",
        validate_by_name=True,
        validate_by_alias=True,
        defer_build=deferred,
        hide_input_in_errors=True,  # it may be a secret, and of a missing field it is all the others
    )
    pydantic_dataclass(cls, kw_only=True, repr=False, eq=False, config=config)
    return cls


def _abstract(cls: C) -> C:
    """Do the same for the base class, which has no instances, so that the import makes no validator."""
    return _with_fields(cls, deferred=True)


@_abstract
@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(Field,))
class BaseAgent(MiniAgent[In, Out, ...], ABC):
    """The base class of classes whose instances are agents, configured by their fields.

    The fields are pydantic fields, given by keyword. Each run calls ``async def run(self, ctx)``. `fork`
    returns a validated copy with other fields; fields given to ``inquire`` count for that run. ``class
    Poet(BaseAgent, alias=..., description=...)`` sets the alias (by default ``POET``) and the description
    (the docstring). An agent never changes: keep the state of a run in local variables.

    Raises:
        TypeError: when the class is defined: ``run`` is missing or does not fit the brackets, or a field has
            the name of an attribute of agents.
        pydantic.ValidationError: when an agent is made: a field does not fit.

    Example:
        >>> from miniagents import InteractionContext, Message, MiniAgents
        >>> class Total(Message):
        ...     total: int
        >>> class Counter(BaseAgent[Message, Total]):
        ...     '''Counts words.'''
        ...     word: str
        ...     start: int = 0
        ...     async def run(self, ctx: InteractionContext[Message, Total]) -> None:
        ...         words = str(await ctx.messages).split()
        ...         ctx.reply(Total(total=self.start + words.count(self.word)))
        >>> async def main():
        ...     print(await Counter(word="knock").fork(start=5).inquire("knock"))
        >>> MiniAgents().run(main())
        {"total":6}
    """

    __agent_class__: ClassVar[AgentClass]
    __pydantic_fields__: ClassVar[dict[str, FieldInfo]]

    if TYPE_CHECKING:  # mypy does not see that a class without fields has its own constructor

        def __init__(self) -> None: ...

    @override
    def __init_subclass__(cls, *, alias: str | None = None, description: str | None = None) -> None:
        super().__init_subclass__()
        _prepare(cls)
        _with_fields(cls)
        annotations = {name: field.annotation for name, field in cls.__pydantic_fields__.items()}
        refuse_changeable(cls.__qualname__, annotations)
        cls.__agent_class__ = _facts(cls, alias, description)

    @abstractmethod
    async def run(self, ctx: InteractionContext[In, Out]) -> None:
        """Do one run of the agent; a subclass overrides it.

        Args:
            ctx: the context of the run: its messages, and methods to reply.
        """

    @override
    def fork(self, **fields: object) -> Self:
        """Return the same agent with other fields.

        Args:
            **fields: the fields to change; all fields are validated together, as in the constructor.

        Raises:
            TypeError: it has no such field; the text names the fields that it has.
            MessageValidationError: a field does not fit; the text names it and its value.
        """
        changed = self._keywords.named(self.alias, (), fields)
        return self._variant(defaults={**self._defaults, **changed})

    @override
    def bind(self, **fields: object) -> Self:
        """Return the same as :meth:`fork`: an agent of a class always has all its fields.

        Args:
            **fields: the fields to change.

        Raises:
            TypeError: it has no such field.
            MessageValidationError: a field does not fit.
        """
        return self.fork(**fields)

    @override
    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.alias}>"

    @override
    def __setattr__(self, name: str, value: object) -> None:
        if name not in self._copied_slots:
            raise AttributeError(_unchanging(self.alias, name))
        super().__setattr__(name, value)

    @override
    def __delattr__(self, name: str) -> None:
        raise AttributeError(_unchanging(self.alias, name))

    @model_validator(mode="before")
    @classmethod
    def _by_keyword(cls, given: object) -> object:
        if isinstance(given, ArgsKwargs) and given.args:  # `kw_only` does not apply to fields with a `Field`
            names = ", ".join(cls.__agent_class__.keywords.names) or "none"
            raise TypeError(f"{cls.__name__} takes its fields by keyword; it knows: {names}.")
        known = cls.__pydantic_fields__
        keywords = given.kwargs if isinstance(given, ArgsKwargs) else None
        if keywords and not any(field.validation_alias for field in known.values()):
            unknown = next((name for name in keywords if name not in known), None)
            if unknown is not None:  # said as `fork` says it
                words = {"owner": cls.__name__, "name": repr(unknown), "fields": ", ".join(known) or "none"}
                raise PydanticCustomError(
                    "unknown_field", "{owner} takes no keyword {name}; it knows: {fields}", words
                )
        return given

    @model_validator(mode="after")
    def _become_agent(self) -> Self:
        if hasattr(self, "_function"):
            return self  # an agent already, validated again as a field of another one
        values: dict[str, object] = vars(self)
        values.update(freeze_data(values))
        known = self.__agent_class__
        super().__init__(
            _run_of,
            known.keywords,
            alias=known.alias,
            description=known.description,
            defaults={name: values[name] for name in known.keywords.names},
            classes=known.classes,
        )
        return self

    @override
    def _called(
        self, args: tuple[object, ...], kwargs: Mapping[str, object]
    ) -> tuple[Callable[..., MessageSequencePromise[Out]], Mapping[str, object]]:
        given = self._keywords.named(self.alias, args, kwargs)
        if not given:
            return self._start, self._defaults
        agent = self.fork(**given)
        return agent._start, agent._defaults  # noqa: SLF001 - same class

    @override
    def _variant(
        self,
        *,
        defaults: Mapping[str, object] | None = None,
        alias: str | None = None,
        description: str | None = None,
        errors_as_messages: bool | None = None,
    ) -> Self:
        if defaults is None:
            return super()._variant(
                alias=alias, description=description, errors_as_messages=errors_as_messages
            )
        made = self._made_of(defaults)
        if self._wrapped is not None:
            inner, wrapper = self._wrapped
            made._wrapped = (inner._variant(defaults=defaults), wrapper)  # noqa: SLF001 - same class
        made._around_done = self._around_done  # noqa: SLF001 - same class, here and below
        flag = self._errors_as_messages if errors_as_messages is None else errors_as_messages
        made._errors_as_messages = flag  # noqa: SLF001
        made._alias = self.alias if alias is None else alias  # noqa: SLF001
        made._description = self.description if description is None else description  # noqa: SLF001
        return made

    @override
    def _bound_to(self, given: Mapping[str, object]) -> Self:
        # Its fields are those of the call already: an inquiry with other fields makes another agent first.
        return self if self._errors_as_messages is False else super()._variant(errors_as_messages=False)

    def _made_of(self, values: Mapping[str, object]) -> Self:
        try:
            return cast("Callable[..., Self]", type(self))(**values)
        except ValidationError as error:
            problem = misfit(error, self.__pydantic_fields__)
        # Outside of the `except` block: pydantic's error, which may contain secrets, must not be its context.
        raise MessageValidationError(f"Agent {self.alias} cannot have these fields: {problem}", self.alias)


def _run_of(ctx: InteractionContext, **_: object) -> Awaitable[None]:
    """Call the method `run` of an agent of a class; its keywords are the fields of the instance."""
    return cast("BaseAgent", ctx.this_agent).run(ctx)


def _unchanging(alias: str, name: str) -> str:
    return (
        f"Agent {alias} never changes, so that its runs share nothing: {name!r} cannot be set or deleted. "
        "Keep the state of a run in local variables of `run`; fork makes a copy with other fields."
    )


# -- the facts about a class, read when it is defined ------------------------------------------------------


def _facts(made: type[object], alias: str | None, description: str | None) -> AgentClass:
    """Read the facts of a class that has its fields already."""
    shown_alias = _WORDS.sub("_", made.__name__).upper() if alias is None else alias
    text = inspect.cleandoc(made.__doc__ or "") if description is None else description
    names = tuple(each.name for each in fields(made) if each.init) if is_dataclass(made) else ()
    return AgentClass(
        shown_alias,
        text.replace("{AGENT_ALIAS}", shown_alias),
        Keywords(names, frozenset(), open=False, defaults={}),
        _message_classes(made),
    )


def _prepare(made: type[object]) -> None:
    """Freeze the defaults of the fields of a class, before it gets them; refuse names that agents use."""
    name = made.__name__
    body = cast("Mapping[str, object]", vars(made))
    if "__init__" in body:
        raise TypeError(
            f"{name} has an __init__ of its own; an agent of a class is made of its fields by keyword, and "
            "copied by fork, so declare fields and give them defaults, validators or properties."
        )
    annotations = get_annotations(made, format=Format.FORWARDREF)
    known = set(dir(BaseAgent))
    for each in annotations:
        if each in known:
            raise TypeError(
                f"{name} has a field {each!r}, a name that every agent uses already; choose another one."
            )
    for each in ("alias", "description"):
        if each in body:
            raise TypeError(f"{name} sets {each!r} in its body; write `class {name}(..., {each}=...)`.")
    for each, annotation in annotations.items():
        if each in body and "ClassVar" not in str(annotation):
            if isinstance(body[each], ModelPrivateAttr):
                raise TypeError(
                    f"{name} has a PrivateAttr {each!r}, and an agent never changes; write a field, or keep "
                    "the state of a run in local variables of `run`."
                )
            default = freeze_data({each: body[each]})[each]
            # A dataclass refuses a default without a hash, such as a pydantic model, unless a `Field` holds
            # it.
            hashed = getattr(default, "__hash__", None) is not None
            setattr(made, each, default if hashed else Field(default=default))


def _message_classes(made: type[object]) -> MessageClasses | None:
    name = made.__name__
    annotated = MessageClasses.of(_run_without_self(made), InteractionContext, f"{name}.run")
    arguments = _arguments(made)
    if not arguments:
        return annotated
    declared = MessageClasses.given(arguments, name)
    if annotated is None or _fits(annotated, declared or MessageClasses(None, None)):
        return declared
    wanted = " to ".join(map(shown, arguments))
    raise TypeError(
        f"{name} is a class of agents for {wanted}, but the context of its run is for other messages; write "
        f"`async def run(self, ctx: InteractionContext[{', '.join(map(shown, arguments))}])`."
    )


def _run_without_self(made: type[object]) -> Callable[..., object]:
    """Return the function that an agent runs, without its ``self``."""
    name = made.__name__
    run = cast("Callable[..., object]", inspect.getattr_static(made, "run"))
    wanted = "write `async def run(self, ctx):`"
    inherited = "run" not in vars(made) and getattr(run, "__isabstractmethod__", False)
    if inherited or run is vars(BaseAgent)["run"]:
        raise TypeError(f"{name} has no `run` method; {wanted}.")
    if inspect.isasyncgenfunction(run):
        raise TypeError(generator_text(f"{name}.run", "async def run(self, ctx):"))
    if not is_async(run):
        raise TypeError(f"{name}.run is not an `async def` function; an agent awaits messages, so {wanted}.")
    bound = partial(run, None)
    try:
        parameters = list(inspect.signature(bound).parameters.values())
    except ValueError:
        parameters = []  # not even `self`
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    if not parameters or parameters[0].kind not in kinds:
        raise TypeError(f"{name}.run takes no context; {wanted}.")
    if parameters[1:]:
        raise TypeError(
            f"{name}.run takes {parameters[1].name!r} beside its context; the parameters of a class of "
            "agents are its fields, so declare it in the class."
        )
    return bound


def _arguments(made: type[object]) -> tuple[object, ...]:
    """Return what the bases of ``made`` have in the brackets of `BaseAgent`; empty without brackets."""
    root = cast("type[object]", BaseAgent)  # without its type arguments
    bases = cast("tuple[object, ...]", vars(made).get("__orig_bases__", made.__bases__))
    for base in bases:
        origin = get_origin(base) or base
        given = cast("tuple[object, ...]", get_args(base))
        if origin is root:
            return given
        if isinstance(origin, type) and issubclass(origin, root):
            names = cast("tuple[object, ...]", getattr(origin, "__parameters__", ()))
            known = dict(zip(names, given, strict=False))
            return tuple(known.get(each, each) for each in _arguments(origin))
    return ()


def _fits(run: MessageClasses, declared: MessageClasses) -> bool:
    """Return whether ``run`` takes all messages that the agents take, and replies only what they reply."""
    return _covers(run.takes, declared.takes) and _covers(declared.replies, run.replies)


def _covers(wide: Classes | None, narrow: Classes | None) -> bool:
    return wide is None or (narrow is not None and all(issubclass(each, wide) for each in narrow))
