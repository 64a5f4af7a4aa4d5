"""The keywords that an agent takes: of its function, or the fields of its class."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Self, cast, get_args

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from miniagents.values import FrozenMapping, freeze_data, refuse_changeable


@dataclass(frozen=True, slots=True)
class Keywords:
    """The keywords that an agent takes.

    Attributes:
        names: their names, in the order of the function's parameters.
        required: the keywords without a default of the function.
        open: whether the function has ``**keywords``, so that any name is accepted.
        defaults: the defaults of the function, unchanged.
        secret: the keywords that may be a `SecretStr`: a text given for one becomes a `SecretStr` at once.
        types: the annotations of the function's parameters, as far as they are known.
    """

    names: tuple[str, ...]
    required: frozenset[str]
    open: bool
    defaults: Mapping[str, object]
    secret: frozenset[str] = frozenset()
    types: Mapping[str, object] = FrozenMapping()

    @classmethod
    def of(cls, function: Callable[..., object], name: str) -> Self:
        """Read them from the signature of an agent function.

        Raises:
            TypeError: the function is a class, is not async, is a method, takes no context, or has parameters
                that cannot be given by keyword, or whose default is a `Field`.
            FreezeError: a parameter is declared as a list, a dict or a set, and values of keywords are
                frozen.
        """
        if isinstance(function, type):
            raise TypeError(
                f"{name} is a class, and @miniagent takes an async function. For agents with fields of their "
                f"own, write `class {name}(BaseAgent):` with `async def run(self, ctx):`, and no decorator."
            )
        call = getattr(function, "__call__", None)  # noqa: B004 - an object with an async __call__ is a function too
        if inspect.isasyncgenfunction(function) or inspect.isasyncgenfunction(call):
            raise TypeError(generator_text(name, f"async def {name}(ctx):"))
        if not is_async(function) and not inspect.iscoroutinefunction(call):
            raise TypeError(
                f"{name} is not an `async def` function; "
                f"an agent awaits messages, so write `async def {name}(ctx):`."
            )
        parameters = _parameters(function)
        if parameters and parameters[0].name in {"self", "cls"}:
            raise TypeError(
                f"{name} is a method, and the function of an agent has no {parameters[0].name!r}. For an "
                "agent with fields of its own, derive the class from BaseAgent: "
                "`class MyAgent(BaseAgent):` with `async def run(self, ctx):`."
            )
        if not parameters or parameters[0].kind not in (
            inspect.Parameter.POSITIONAL_ONLY,
            inspect.Parameter.POSITIONAL_OR_KEYWORD,
        ):
            raise TypeError(
                f"{name} takes no context; the first parameter of an agent is its InteractionContext."
            )
        extras = parameters[1:]
        for extra in extras:
            if extra.kind in (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.VAR_POSITIONAL):
                raise TypeError(
                    f"The parameter {extra.name!r} of {name} cannot be given by keyword; "
                    "fork and inquire pass all values by keyword. To wrap an agent, whatever its "
                    "keywords are, use agent.around(...)."
                )
            if isinstance(cast("object", extra.default), FieldInfo):  # the function would get it as the value
                raise TypeError(
                    f"The default of {extra.name!r} of {name} is a pydantic.Field; write the default itself. "
                    "The fields of a class of agents can have it: derive one from BaseAgent."
                )
        refuse_changeable(name, {extra.name: extra.annotation for extra in extras})
        named = [extra for extra in extras if extra.kind is not inspect.Parameter.VAR_KEYWORD]
        names, nothing = tuple(extra.name for extra in named), inspect.Parameter.empty
        kinds = {extra.name: cast("object", extra.annotation) for extra in named}
        defaults = {extra.name: cast("object", extra.default) for extra in named}
        defaults = {extra: value for extra, value in defaults.items() if value is not nothing}
        return cls(
            names=names,
            required=frozenset(names) - defaults.keys(),
            open=len(named) < len(extras),
            defaults=defaults,
            secret=frozenset(each for each, kind in kinds.items() if _is_secret(kind)),
            types={
                each: kind for each, kind in kinds.items() if not (kind is nothing or isinstance(kind, str))
            },
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
            raise TypeError(
                f"Agent {alias} takes {len(self.names)} values after the messages, {len(args)} were given."
            )
        given: dict[str, object] = dict(zip(self.names, args, strict=False))
        for name, value in kwargs.items():
            if name in given:
                raise TypeError(f"Agent {alias} was given {name!r} twice, by position and by keyword.")
            if name not in self.names and not self.open:
                known = ", ".join(self.names) or "none"
                raise TypeError(f"Agent {alias} takes no keyword {name!r}; it knows: {known}.")
            given[name] = value
        return given

    def check_complete(self, alias: str, given: Mapping[str, object]) -> None:
        """Check that no required keyword is missing.

        Raises:
            TypeError: a required keyword is missing.
        """
        if not self.required <= given.keys():
            missing = ", ".join(name for name in self.names if name in self.required and name not in given)
            raise TypeError(
                f"Agent {alias} needs a value for: {missing}. Give it to inquire; an agent that becomes a "
                "part of another one gets it before, by bind."
            )


def is_async(function: Callable[..., object]) -> bool:
    """Return whether a function is async, or passes on the calls of one, as that of a decorator may.

    Args:
        function: with the function around which it is as `__wrapped__`.
    """
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(inspect.unwrap(function))


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


def _parameters(function: Callable[..., object]) -> list[inspect.Parameter]:
    """Return the parameters of a function, with evaluated annotations if all their names can be found."""
    try:
        return list(inspect.signature(function, eval_str=True).parameters.values())
    except Exception:  # noqa: BLE001 - an annotation is any expression
        return list(inspect.signature(function).parameters.values())


def _is_secret(annotation: object) -> bool:
    if isinstance(annotation, str):
        return SecretStr.__name__ in annotation
    return annotation is SecretStr or SecretStr in get_args(annotation)


NO_KEYWORDS: Final = Keywords((), frozenset(), open=False, defaults=FrozenMapping())


def takes(function: Callable[..., object], count: int) -> bool:
    """Return whether a function can be called with so many values; True if that is not known."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # it is written in C
        return True
    try:
        signature.bind(*[None] * count)
    except TypeError:
        return False
    return True
