"""The configuration of an agent: its alias, description and keywords, and copies with other ones.

Every operation here returns an agent of the same class (``Self``): a typed agent stays typed, and an agent of
a class keeps its fields.
"""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import ClassVar, Final, Generic, Self, cast, get_args

from pydantic import SecretStr
from typing_extensions import ParamSpec, override

from miniagents.messages import Message
from miniagents.values import FrozenMapping, freeze_data, lazy_dataclass

from ._annotations import MessageClasses

P = ParamSpec("P", default=[])


@lazy_dataclass(frozen=True, slots=True)
class Keywords:
    """The keywords that an agent takes.

    Attributes:
        names: their names, in the order of the function's parameters.
        required: the keywords without a default of the function.
        open: whether the function has ``**keywords``, so that any name is accepted.
        defaults: the defaults of the function, unchanged.
        secret: the keywords that may be a `SecretStr`: a text given for one becomes a `SecretStr` at once.
    """

    names: tuple[str, ...]
    required: frozenset[str]
    open: bool
    defaults: Mapping[str, object]
    secret: frozenset[str] = frozenset()

    @classmethod
    def of(cls, function: Callable[..., object], name: str) -> Self:
        """Read them from the signature of an agent function.

        Raises:
            TypeError: the function is not async, takes no context, or has parameters that cannot be given by
                keyword.
        """
        call = getattr(function, "__call__", None)  # noqa: B004 - an object with an async __call__ is a function too
        if inspect.isasyncgenfunction(function) or inspect.isasyncgenfunction(call):
            raise TypeError(generator_text(name, f"async def {name}(ctx):"))
        if not inspect.iscoroutinefunction(function) and not inspect.iscoroutinefunction(call):
            msg = (
                f"{name} is not an `async def` function; "
                f"an agent awaits messages, so write `async def {name}(ctx):`."
            )
            raise TypeError(msg)
        parameters = list(inspect.signature(function).parameters.values())
        if not parameters or parameters[0].kind not in (
            inspect.Parameter.POSITIONAL_ONLY,
            inspect.Parameter.POSITIONAL_OR_KEYWORD,
        ):
            msg = f"{name} takes no context; the first parameter of an agent is its InteractionContext."
            raise TypeError(msg)
        extras = parameters[1:]
        for extra in extras:
            if extra.kind in (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.VAR_POSITIONAL):
                msg = (
                    f"The parameter {extra.name!r} of {name} cannot be given by keyword; "
                    "fork and inquire pass all values by keyword. To wrap an agent, whatever its "
                    "keywords are, use agent.around(...)."
                )
                raise TypeError(msg)
        named = [extra for extra in extras if extra.kind is not inspect.Parameter.VAR_KEYWORD]
        return cls(
            names=tuple(extra.name for extra in named),
            required=frozenset(extra.name for extra in named if extra.default is inspect.Parameter.empty),
            open=len(named) < len(extras),
            defaults={
                extra.name: cast("object", extra.default)
                for extra in named
                if extra.default is not inspect.Parameter.empty
            },
            secret=frozenset(extra.name for extra in named if _is_secret(extra.annotation)),
        )

    def taken(self, alias: str, args: tuple[object, ...], kwargs: Mapping[str, object]) -> dict[str, object]:
        """Return the values given to ``fork`` or ``inquire``, by name; data is frozen.

        Raises:
            TypeError: a keyword that the agent does not take, or one that is given twice.
        """
        return self.frozen(self.named(alias, args, kwargs))

    def frozen(self, named: dict[str, object]) -> dict[str, object]:
        """Return the given values with their data frozen, and texts for secrets as `SecretStr`."""
        for name in self.secret:
            value = named.get(name)
            if isinstance(value, str):
                named[name] = SecretStr(value)
        return freeze_data(named)

    def named(self, alias: str, args: tuple[object, ...], kwargs: Mapping[str, object]) -> dict[str, object]:
        """Return the given values by name, not frozen.

        Raises:
            TypeError: a keyword that the agent does not take, or one that is given twice.
        """
        if not args and not kwargs:
            return {}
        if len(args) > len(self.names):
            msg = f"Agent {alias} takes {len(self.names)} values after the messages, {len(args)} were given."
            raise TypeError(msg)
        given: dict[str, object] = dict(zip(self.names, args, strict=False))
        for name, value in kwargs.items():
            if name in given:
                msg = f"Agent {alias} was given {name!r} twice, by position and by keyword."
                raise TypeError(msg)
            if name not in self.names and not self.open:
                known = ", ".join(self.names) or "none"
                msg = f"Agent {alias} takes no keyword {name!r}; it knows: {known}."
                raise TypeError(msg)
            given[name] = value
        return given

    def check_complete(self, alias: str, given: Mapping[str, object]) -> None:
        """Check that no required keyword is missing.

        Raises:
            TypeError: a required keyword is missing.
        """
        if not self.required <= given.keys():
            missing = ", ".join(name for name in self.names if name in self.required and name not in given)
            msg = f"Agent {alias} needs a value for: {missing}. Give it to inquire, or to bind before that."
            raise TypeError(msg)


def generator_text(name: str, signature: str) -> str:
    """Return the error text for an agent function that has a ``yield``.

    Args:
        name: the name of the function.
        signature: its first line as it should be.
    """
    return (
        f"{name} is an async generator, since it has a `yield`; an agent is an async function that replies "
        f"with `ctx.reply(...)`: write `{signature}`, and `ctx.reply(x)` in the place of each `yield x`."
    )


def _is_secret(annotation: object) -> bool:
    if isinstance(annotation, str):
        return SecretStr.__name__ in annotation
    return annotation is SecretStr or SecretStr in get_args(annotation)


NO_KEYWORDS: Final = Keywords((), frozenset(), open=False, defaults=FrozenMapping())


# Type checkers name the class that has a method, and users know only `MiniAgent`. So all base classes of
# `_agent.MiniAgent` have its name. Other modules import this one as `ConfiguredAgent`.
class MiniAgent(Generic[P]):
    """The part of an agent that has its alias, description, function and keywords.

    Attributes:
        alias: its name in errors and records, and for models.
        description: what it does; models get this text.

    Args:
        function: called by a run, with the context and the keywords.
        keywords: the keywords that it takes.
        alias: its name.
        description: what it does.
        defaults: values of keywords that the caller does not give.
        errors_as_messages: whether its errors become messages; None: as the context is set.
        classes: the classes of the messages that it takes and replies; None if it takes and replies any
            message.
    """

    __slots__ = (
        "_classes",
        "_defaults",
        "_errors_as_messages",
        "_function",
        "_keywords",
        "alias",
        "description",
    )
    # All slots that a copy of an agent of this class must have; read once for each class.
    _copied_slots: ClassVar[tuple[str, ...]] = __slots__

    alias: str
    description: str

    def __init__(
        self,
        function: Callable[..., Awaitable[None]],
        keywords: Keywords,
        *,
        alias: str,
        description: str,
        defaults: Mapping[str, object],
        errors_as_messages: bool | None = None,
        classes: MessageClasses | None = None,
    ) -> None:
        self._function = function
        self._classes = classes
        self._keywords = keywords
        self._defaults = FrozenMapping(defaults)
        self._errors_as_messages = errors_as_messages
        self.alias = alias
        self.description = description

    @override
    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        own: str | tuple[str, ...] = vars(cls).get("__slots__", ())
        added = (own,) if isinstance(own, str) else tuple(own)
        cls._copied_slots = tuple(dict.fromkeys((*cls._copied_slots, *added)))

    @override
    def __repr__(self) -> str:
        return f"<MiniAgent {self.alias}>"

    @property
    def defaults(self) -> FrozenMapping[str, object]:
        """The values of keywords that the caller does not give."""
        return FrozenMapping({**self._keywords.defaults, **self._defaults})

    @property
    def takes(self) -> tuple[type[Message], ...] | None:
        """The classes of the messages that it takes; None if it takes any message."""
        return None if self._classes is None else self._classes.takes

    def takes_keyword(self, name: str) -> bool:
        """Return whether ``fork`` and ``inquire`` take a keyword.

        Args:
            name: the name of the keyword.
        """
        return self._keywords.open or name in self._keywords.names

    def described(self, *, alias: str | None = None, description: str | None = None) -> Self:
        """Return the same agent with another alias or another description.

        Args:
            alias: its new name; None: unchanged.
            description: its new description; None: unchanged.
        """
        return self._variant(alias=alias, description=description)

    def fork(self, *args: P.args, **kwargs: P.kwargs) -> Self:
        """Return the same agent with other defaults; every keyword can still be given later.

        For type checkers a required keyword is still required after ``fork``; use :meth:`bind` to give the
        last ones.

        Args:
            *args: values of the agent's own parameters.
            **kwargs: the same by name. Data is frozen; other values (a client) are kept as they are.

        Raises:
            TypeError: the agent does not take a keyword; the text names the keywords that it takes.
        """
        taken = self._keywords.taken(self.alias, args, kwargs)
        return self._variant(defaults={**self._defaults, **taken})

    def _check_complete(self) -> None:
        """Check, when an agent is composed, that no keyword is missing, since none can be given later."""
        self._keywords.check_complete(self.alias, self._defaults)

    def _variant(
        self,
        *,
        defaults: Mapping[str, object] | None = None,
        alias: str | None = None,
        description: str | None = None,
        errors_as_messages: bool | None = None,
    ) -> Self:
        """Return a copy with some changes; None means unchanged."""
        variant = self._copied()
        if defaults is not None:
            variant._defaults = FrozenMapping(defaults)  # noqa: SLF001 - same class, here and below
        if alias is not None:
            variant.alias = alias
        if description is not None:
            variant.description = description
        if errors_as_messages is not None:
            variant._errors_as_messages = errors_as_messages  # noqa: SLF001
        return variant

    def _copied(self) -> Self:
        copied = object.__new__(type(self))
        own = getattr(self, "__dict__", None)
        if own is not None:
            vars(copied).update(own)
        for name in self._copied_slots:
            setattr(copied, name, getattr(self, name))
        return copied
