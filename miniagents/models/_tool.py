"""`@tool`: a function that a model may call, and its result as the text that the model is told."""

import asyncio
import inspect
import math
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import update_wrapper
from typing import Final, Generic, Protocol, cast, overload

from pydantic import TypeAdapter
from typing_extensions import ParamSpec, TypeVar, override

from miniagents.core import Message, Messages
from miniagents.values import redact_keys

from ._errors import ToolDefinitionError
from ._parameters import Described, Parameters

__all__ = ["Tool", "ToolSpec", "check_timeout", "error_text", "result_text", "tool"]

_ANYTHING: Final = TypeAdapter(object, config={"defer_build": True})


def result_text(value: object, name: str) -> str:
    """Return the text of a result: a text or message as it is, None as ``""``, anything else as JSON.

    Args:
        value: what the tool returned.
        name: of the tool.

    Raises:
        TypeError: it cannot be JSON.
    """
    if value is None:
        return ""
    if isinstance(value, str | Message | Messages):
        return str(cast("object", value))
    try:
        return _ANYTHING.dump_json(value).decode()
    except ValueError as error:
        msg = (
            f"The tool {name} returned a {type(value).__name__}, which cannot be JSON; return a text or data."
        )
        raise TypeError(msg) from error


def error_text(error: Exception) -> str:
    """Return what the model is told of an error: its type and text, without what looks like a key."""
    text = str(error)
    name = type(error).__name__
    return redact_keys(f"{name}: {text}" if text else name)


P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)

_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """What a model is told of a tool.

    Attributes:
        name: up to 64 letters, digits, ``_`` and ``-``.
        description: what it does and when to use it.
        parameters: the JSON schema of its arguments, an object; frozen.

    Raises:
        ToolDefinitionError: no provider takes the name.

    Example:
        >>> ToolSpec("now", "Tells the time.", {"type": "object"}).name
        'now'
    """

    name: str
    description: str
    parameters: Mapping[str, object]

    def __post_init__(self) -> None:
        """Check the name."""
        if not _NAME.match(self.name):
            raise ToolDefinitionError(
                f"{self.name!r} cannot be the name of a tool; give another one, of up to 64 letters, digits, "
                "_ and -."
            )


class Tool(Generic[P, R_co]):
    """A function that a model may call; Python code can still call it like the function.

    It is made by :func:`tool`.

    Attributes:
        spec: what a model is told of it.
        timeout: seconds that a call of a model may take; None leaves it to `with_tools`.

    Args:
        function: what is called.
        spec: what a model is told of it.
        parameters: checks what a model writes as arguments.
        timeout: seconds that a call of a model may take.

    Example:
        >>> @tool
        ... def shout(text: str) -> str:
        ...     return text.upper()
        >>> shout("hi"), shout.spec.name
        ('HI', 'shout')
    """

    def __init__(
        self, function: Callable[P, R_co], spec: ToolSpec, parameters: Parameters, timeout: float | None
    ) -> None:
        self._function = function
        self._parameters = parameters
        self.spec: ToolSpec = spec
        self.timeout: float | None = timeout
        update_wrapper(self, function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Call the function itself; nothing is checked or converted."""
        return self._function(*args, **kwargs)

    @override
    def __repr__(self) -> str:
        return f"<Tool {self.spec.name}>"

    async def invoke(self, arguments: str = "{}") -> str:
        """Call the function as a model does; one that is not async runs in a thread.

        Args:
            arguments: a JSON object.

        Returns:
            A text as it is, None as ``""``, anything else as JSON.

        Raises:
            ToolArgumentsError: the arguments do not fit; the text says what to correct.
            TypeError: the result cannot be JSON.
            Exception: whatever the function raises.

        Example:
            >>> @tool
            ... def area(width: float, height: float) -> float:
            ...     return width * height
            >>> asyncio.run(area.invoke('{"width": 2, "height": 3.5}'))
            '7.0'
        """
        given = self._parameters.arguments(arguments)
        function = cast("Callable[..., object]", self._function)
        if _is_async(function):
            result = await cast("Callable[..., Awaitable[object]]", function)(**given)
        else:
            result = await asyncio.to_thread(function, **given)
        return result_text(result, self.spec.name)


class ToolDecorator(Protocol):
    """What ``@tool(...)`` with parentheses is."""

    def __call__(self, function: Callable[P, R], /) -> Tool[P, R]:
        """Make a tool of a function."""
        ...


@overload
def tool(function: Callable[P, R], /) -> Tool[P, R]: ...
@overload
def tool(
    *, name: str | None = None, description: str | None = None, timeout: float | None = None
) -> ToolDecorator: ...
def tool(
    function: Callable[P, R] | None = None,
    /,
    *,
    name: str | None = None,
    description: str | None = None,
    timeout: float | None = None,
) -> Tool[P, R] | ToolDecorator:
    """Make a tool of a typed function, async or not; usable with and without parentheses.

    A model is told its name, its docstring, and the JSON schema of its parameters, which the section ``Args``
    of the docstring or `pydantic.Field` describe. What the model then writes as arguments is validated by the
    types of the parameters: the function gets a `date` where it says so, and is not called with what does not
    fit.

    Args:
        function: every parameter has a type and can be given by name.
        name: what the model calls it; the name of the function by default.
        description: what it does; the docstring before its first section by default.
        timeout: seconds that a call of a model may take.

    Returns:
        The tool, which can be called as the function it is.

    Raises:
        ToolDefinitionError: a parameter has no type, is positional-only, or is ``*args`` or ``**kwargs``; a
            type has no JSON schema; it is a generator; no provider takes the name; the timeout is no time.

    Example:
        >>> @tool
        ... def add(a: int, b: int = 1) -> int:
        ...     '''Add two numbers.
        ...
        ...     Args:
        ...         a: the first one
        ...     '''
        ...     return a + b
        >>> add(2, b=3), add.spec.description, add.spec.parameters["properties"]["a"]["description"]
        (5, 'Add two numbers.', 'the first one')
    """

    def decorate(function: Callable[P, R]) -> Tool[P, R]:
        shown = name or getattr(function, "__name__", "") or type(function).__name__
        _check(function, shown, timeout)
        told = Described.by(inspect.getdoc(function))
        parameters = Parameters.of(function, shown, told.parameters)
        spec = ToolSpec(shown, told.text if description is None else description, parameters.schema)
        return Tool(function, spec, parameters, timeout)

    return cast("ToolDecorator", decorate) if function is None else decorate(function)


def check_timeout(timeout: float | None, where: str) -> None:
    """Refuse what is no time.

    Raises:
        ToolDefinitionError: it is not above 0, or not finite.
    """
    if timeout is not None and not 0 < timeout < math.inf:
        raise ToolDefinitionError(
            f"timeout={timeout!r} of {where} is no time; give seconds above 0, or None."
        )


def _check(function: Callable[..., object], name: str, timeout: float | None) -> None:
    check_timeout(timeout, f"the tool {name}")
    forms = (function, _call_of(function))
    if any(map(inspect.isgeneratorfunction, forms)) or any(map(inspect.isasyncgenfunction, forms)):
        raise ToolDefinitionError(
            f"The tool {name} yields, but a model is told one result; "
            "return it, or make an agent of the function, which streams."
        )


def _is_async(function: Callable[..., object]) -> bool:
    return any(map(inspect.iscoroutinefunction, (function, _call_of(function))))


def _call_of(function: Callable[..., object]) -> object:
    return getattr(function, "__call__", None)  # noqa: B004 - an object with a __call__ is a function too
