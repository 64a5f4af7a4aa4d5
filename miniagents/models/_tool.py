"""`@tool`: makes a function a tool that a model may call, and its result what the model gets."""

import asyncio
import inspect
import logging
import re
import sys
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial, update_wrapper
from types import UnionType
from typing import (
    Annotated,
    Concatenate,
    Final,
    Generic,
    Literal,
    Protocol,
    TypeAlias,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
    overload,
)

from pydantic import TypeAdapter
from typing_extensions import ParamSpec, TypeVar, override

from miniagents.messages import Message, Messages
from miniagents.messages._message import ContentMessage
from miniagents.values import (
    AgentPart,
    Attachment,
    File,
    Image,
    ResultContent,
    doc_of,
    is_limit,
    name_of,
    unaliased,
)

from ._errors import SchemaError
from ._parameters import Described, Parameters, parameters_of
from ._schema_parameters import SchemaParameters
from ._tool_context import TOOL_CONTEXT, ToolContext

_ANYTHING: Final = TypeAdapter(object, config={"defer_build": True})


def result_of(value: object, name: str) -> ResultContent:
    """Return a result as a model gets it: a text, or texts, images and files.

    A text, an image, a file and a list of these with an image or a file stay what they are. A message becomes
    its text, and its images and files; None becomes ``""``, all else JSON.

    Args:
        value: what the tool returned.
        name: of the tool.

    Raises:
        TypeError: it cannot be converted to JSON.
    """
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, Message | Messages):
        return result_of_messages((value,) if isinstance(value, Message) else cast("Messages", value))
    if isinstance(value, Image | File):
        return (value,)
    given: object = value
    several = cast("Sequence[object]", given) if isinstance(given, list | tuple) else ()
    if any(isinstance(each, Image | File) for each in several):
        told = tuple(each for each in several if isinstance(each, str | Image | File))
        if len(told) < len(several):
            wrong = next(each for each in several if not isinstance(each, str | Image | File))
            raise TypeError(
                f"The tool {name} returned a list with images or files and a value of type "
                f"{type(wrong).__name__}; return a list of texts, images and files."
            )
        return told
    if isinstance(value, _NO_TEXT):
        raise TypeError(f"The tool {name} returned {_not_told(type(value))}.")
    try:
        return _ANYTHING.dump_json(value).decode()
    except ValueError as error:
        raise TypeError(
            f"The tool {name} returned a {type(value).__name__}, which cannot be converted to JSON; "
            "return a text or data."
        ) from error


def result_of_messages(messages: Iterable[Message]) -> ResultContent:
    """Return messages as a model gets them as a result: their text, and their images and files.

    Args:
        messages: all of them, complete.
    """
    said = tuple(messages)
    parts = (part for each in said if isinstance(each, ContentMessage) for part in each.parts)
    files = [part for part in parts if isinstance(part, Image | File)]
    text = str(Messages(said))
    return (*([text] if text else []), *files) if files else text


_NO_TEXT: Final[tuple[type, ...]] = (bytes, bytearray, memoryview)
"""Types of results that a model cannot be told."""
_LISTS: Final[tuple[object, ...]] = (list, tuple, Sequence)


def _not_told(kind: type) -> str:
    return (
        f"a value of type {kind.__name__}, which a model cannot be sent so as the result of a tool; return "
        "a text, data, an Image, a File, or a list of texts, images and files"
    )


Effects: TypeAlias = Literal["write"]
"""What a call of a tool changes."""

P = ParamSpec("P")
Q = ParamSpec("Q")
A = TypeVar("A")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)

_LOG: Final = logging.getLogger("miniagents.tools")
_NO_DOCSTRINGS: Final = 2  # of `sys.flags.optimize`
_MOST_NOTES: Final = 1000
"""How many notes wait for a reader; the oldest are dropped, since the result is not one of them."""
_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """The description of a tool that a model gets.

    Attributes:
        name: up to 64 letters, digits, ``_`` and ``-``.
        description: what it does and when to use it.
        parameters: the JSON schema of its arguments, an object; frozen.

    Raises:
        SchemaError: the name is not one that providers accept.

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
            raise SchemaError(
                f"{self.name!r} cannot be the name of a tool; give another one, of up to 64 letters, digits, "
                "_ and -."
            )


class Tool(Generic[P, R_co]):
    """A function that a model may call; Python code can still call it like the function.

    :func:`tool` makes it, or :meth:`from_schema` from a JSON schema.

    Attributes:
        spec: the description that a model gets.
        timeout: seconds that a call by a model may take; None: the timeout of `with_tools` applies.
        effects: ``"write"`` if a call changes something elsewhere, so that it may not be made twice.

    Args:
        function: the function that is called.
        spec: the description that a model gets.
        parameters: checks the arguments that a model writes.
        timeout: seconds that a call by a model may take.
        effects: what a call changes.

    Example:
        >>> @tool
        ... def shout(text: str) -> str:
        ...     return text.upper()
        >>> shout("hi"), shout.spec.name
        ('HI', 'shout')
    """

    def __init__(
        self,
        function: Callable[P, R_co],
        spec: ToolSpec,
        parameters: Parameters | SchemaParameters,
        timeout: float | None,
        effects: Effects | None = None,
    ) -> None:
        self._function = function
        self._parameters = parameters
        self._context = _context_parameters(function)
        self.spec: ToolSpec = spec
        self.timeout: float | None = timeout
        self.effects: Effects | None = effects
        update_wrapper(self, function)

    @staticmethod
    def from_schema(
        name: str,
        description: str,
        schema: Mapping[str, object],
        call: Callable[[dict[str, object]], R],
        *,
        timeout: float | None = None,
    ) -> "Tool[[dict[str, object]], R]":
        """Make a tool from a JSON schema that is known only at run time.

        It needs ``pip install 'miniagents[schema]'``. The arguments that a model writes are checked against
        the schema, but for regular expressions (``pattern``).

        Args:
            name: the name of the tool for the model.
            description: what it does and when to use it.
            schema: the JSON schema of the arguments: of an object.
            call: a function of one dict, async or not, or an async generator of `AgentPart`s and a result.
            timeout: seconds that a call by a model may take.

        Raises:
            SchemaError: no JSON schema of an object, or a wrong name or timeout.
            ModuleNotFoundError: ``jsonschema`` is not installed.

        Example:
            >>> schema = {"properties": {"celsius": {"type": "number"}}, "required": ["celsius"]}
            >>> warm = Tool.from_schema("warm", "Is it warm?", schema, lambda given: given["celsius"] > 20)
            >>> asyncio.run(warm.invoke('{"celsius": 25}'))
            'true'
            >>> asyncio.run(warm.invoke('{"celsius": "many"}'))
            Traceback (most recent call last):
            ...
            miniagents...ToolArgumentsError: celsius: 'many' is not of type 'number'
        """
        check_timeout(timeout, f"the tool {name}")
        parameters = SchemaParameters.of(schema, name)
        return Tool(call, ToolSpec(name, description, parameters.schema), parameters, timeout)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Call the function itself; nothing is checked or converted."""
        return self._function(*args, **kwargs)

    @override
    def __repr__(self) -> str:
        return f"<Tool {self.spec.name}>"

    @overload
    def bind(self: Callable[Concatenate[A, Q], R], value: A, /) -> "Tool[Q, R]": ...
    @overload
    def bind(self, **values: object) -> "Tool[..., R_co]": ...
    def bind(self, *args: object, **values: object) -> "Tool[..., object]":
        """Return the same tool with a value for its first parameter, or for parameters by name.

        A model can neither see these parameters nor give them: for the user whose data a tool changes, a
        connection, a limit. Write a ``/`` behind them, then a tool that is not bound is refused. Their types
        need no JSON schema if they are the first ones.

        Args:
            *args: the value of the first parameter; type checkers know the other parameters of the result.
            **values: values by name; type checkers do not check calls of the result.

        Raises:
            TypeError: the tool has no such parameter, or was made from a JSON schema.
            SchemaError: a parameter that is left is of a type that has no JSON schema.

        Example:
            >>> @tool
            ... def refund(user: str, /, cents: int) -> str:
            ...     return f"{cents} cents for {user}"
            >>> for_ada = refund.bind("Ada")
            >>> for_ada(250), list(for_ada.spec.parameters["properties"])
            ('250 cents for Ada', ['cents'])
        """
        name, parameters = self.spec.name, self._parameters
        if not isinstance(parameters, Parameters):
            raise TypeError(
                f"The tool {name} was made from a JSON schema, so bind cannot fill its parameters."
            )
        try:
            inspect.signature(self._function).bind_partial(*args, **values)
        except TypeError as error:
            raise TypeError(
                f"{name}.bind(...): {error}; give values for parameters that the tool has."
            ) from None
        function = partial(cast("Callable[..., object]", self._function), *args, **values)
        properties = cast("Mapping[str, Mapping[str, str]]", parameters.schema["properties"])
        told = {each: text for each in properties if (text := properties[each].get("description"))}
        free = {*parameters.fields.values(), *parameters.unbound} - values.keys()
        left = Parameters.of(function, name, told, inspect.signature(function).parameters.keys() - free)
        made = Tool(function, replace(self.spec, parameters=left.schema), left, self.timeout, self.effects)
        update_wrapper(made, self, updated=())
        vars(made)["__wrapped__"] = function  # not the tool: the values are not in its signature any more
        return made

    def check_bound(self) -> None:
        """Check that a model can give all arguments.

        Raises:
            SchemaError: a parameter that a model cannot give is not bound.
        """
        if isinstance(self._parameters, Parameters):
            self._parameters.check_bound(self.spec.name)

    def check(self, arguments: str, /) -> None:
        """Check the arguments of a call, without calling the function.

        Args:
            arguments: a JSON object.

        Raises:
            ToolArgumentsError: they do not fit; the text says what to correct.
        """
        self._parameters.bound(cast("Callable[..., object]", self._function), arguments)

    async def invoke(self, arguments: str = "{}") -> ResultContent:
        """Call the function as a model does; a function that is not async runs in a thread.

        Args:
            arguments: a JSON object.

        Returns:
            The result: a text unchanged, None as ``""``, images and files as a tuple, all else as JSON.

        Raises:
            ToolArgumentsError: the arguments do not fit; the text says what to correct.
            TypeError: the result cannot be converted to JSON.
            Exception: any error that the function raises.

        Example:
            >>> @tool
            ... def area(width: float, height: float) -> float:
            ...     return width * height
            >>> asyncio.run(area.invoke('{"width": 2, "height": 3.5}'))
            '7.0'
        """
        result: ResultContent = ""
        async with aclosing(self.run(arguments)) as pieces:
            async for piece in pieces:
                if not isinstance(piece, AgentPart):
                    result = piece
        return result

    async def run(self, arguments: str = "{}") -> AsyncGenerator[AgentPart | ResultContent]:
        """Call the function as a model does, and stream the parts that it yields before its result.

        Args:
            arguments: a JSON object.

        Yields:
            The `AgentPart`s of an async generator; then the result, as the model gets it.

        Raises:
            ToolArgumentsError: the arguments do not fit; the text says what to correct.
            TypeError: the result cannot be converted to JSON.
            Exception: any error that the function raises.

        Example:
            >>> async def count(given):
            ...     yield AgentPart(("count",), "one, ")
            ...     yield "two"
            >>> async def main():
            ...     tool = Tool.from_schema("count", "Counts.", {}, count)
            ...     return [piece async for piece in tool.run()]
            >>> asyncio.run(main())
            [AgentPart(agents=('count',), part='one, '), 'two']
        """
        self.check_bound()
        function = cast("Callable[..., object]", self._function)
        notes: deque[str] = deque(maxlen=_MOST_NOTES)
        news, loop = asyncio.Event(), asyncio.get_running_loop()

        def note(text: str) -> None:
            notes.append(text)
            loop.call_soon_threadsafe(news.set)

        context = replace(TOOL_CONTEXT.get(), note=note)
        call = self._parameters.bound(partial(function, **dict.fromkeys(self._context, context)), arguments)
        result: object = None
        if _is(inspect.isasyncgenfunction, function):
            # It is closed as soon as it has yielded its result: no reader would get anything after that.
            async with aclosing(cast("AsyncGenerator[object]", call())) as pieces:
                async for piece in pieces:
                    if not isinstance(piece, AgentPart):
                        result = piece
                        break
                    yield piece
        else:
            is_async = _is(inspect.iscoroutinefunction, function)
            run = cast("Callable[[], Awaitable[object]]", call)
            work: Awaitable[object] = _awaited(run if is_async else lambda: asyncio.to_thread(_called, call))
            if self._context:
                work = asyncio.ensure_future(work)
                async with aclosing(_notes_until(work, notes, news)) as told:
                    async for text in told:
                        yield AgentPart((self.spec.name,), text)
            result = await work
        yield result_of(result, self.spec.name)


class ToolDecorator(Protocol):
    """The type of ``@tool(...)`` with parentheses."""

    def __call__(self, function: Callable[P, R], /) -> Tool[P, R]:
        """Make a function a tool."""
        ...


@overload
def tool(function: Callable[P, R], /) -> Tool[P, R]: ...
@overload
def tool(
    *,
    name: str | None = None,
    description: str | None = None,
    timeout: float | None = None,
    effects: Effects | None = None,
) -> ToolDecorator: ...
def tool(
    function: Callable[P, R] | None = None,
    /,
    *,
    name: str | None = None,
    description: str | None = None,
    timeout: float | None = None,
    effects: Effects | None = None,
) -> Tool[P, R] | ToolDecorator:
    """Make a typed function a tool; with or without parentheses. The function may be async or not.

    A model gets its name, its docstring and the JSON schema of its parameters. Describe parameters in the
    docstring, in the style of Google, NumPy or Sphinx, or with
    ``Annotated[int, pydantic.Field(description=...)]``. The arguments that the model writes are converted to
    the types of the parameters. If they do not fit, the function is not called.

    Args:
        function: every parameter has a type and can be given by name.
        name: for the model; by default the name of the function.
        description: what it does; by default the docstring before its first section.
        timeout: seconds that a call by a model may take.
        effects: ``"write"`` if a call changes something.

    Raises:
        SchemaError: something of this does not fit.

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
        shown = name or name_of(function)
        _check(function, shown, timeout)
        told = Described.by(doc_of(function))
        if description is None and not told.text and sys.flags.optimize >= _NO_DOCSTRINGS:
            _LOG.warning(
                "Python runs with -OO, which drops docstrings, so models get no description of the tool %s: "
                "write @tool(description=...), or run Python without -OO.",
                shown,
            )
        of_context = _context_parameters(function)
        for each in of_context:
            if inspect.signature(function).parameters[each].kind is inspect.Parameter.POSITIONAL_ONLY:
                raise SchemaError(f"The parameter {each!r} is a ToolContext, so write it behind the '/'.")
        parameters = Parameters.of(function, shown, told.parameters, of_context)
        spec = ToolSpec(shown, told.text if description is None else description, parameters.schema)
        return Tool(function, spec, parameters, timeout, effects)

    return cast("ToolDecorator", decorate) if function is None else decorate(function)


def check_timeout(timeout: float | None, where: str) -> None:
    """Refuse a timeout that is not a positive number.

    Args:
        timeout: seconds, or None for no limit.
        where: the tool or function that has it, for the error.

    Raises:
        SchemaError: it is not above 0, or not finite.

    Example:
        >>> check_timeout(2.5, "the tool now")
    """
    if timeout is not None and not is_limit(timeout):
        raise SchemaError(
            f"timeout={timeout!r} of {where} is not a positive number; give seconds above 0, or None."
        )


def _check(function: Callable[..., object], name: str, timeout: float | None) -> None:
    check_timeout(timeout, f"the tool {name}")
    if _is(inspect.isgeneratorfunction, function) or _is(inspect.isasyncgenfunction, function):
        raise SchemaError(
            f"The tool {name} is a generator, but a model takes one result; "
            "return it, or make the function an agent, which can stream."
        )
    try:
        returned = get_type_hints(function).get("return")
    except Exception:  # noqa: BLE001 - of names that do not exist: `Parameters` says so where they matter
        return
    wrong = next(_no_text_in(returned), None)
    if wrong is not None:
        raise SchemaError(f"The tool {name} returns {_not_told(wrong)}.")


def _no_text_in(annotation: object, depth: int = 0) -> Iterator[type]:
    """The types in an annotation that a model cannot be told; images and files may be in one list."""
    if isinstance(annotation, type) and issubclass(
        annotation, _NO_TEXT if depth < _IN_DATA else (*_NO_TEXT, Attachment)
    ):
        yield annotation
    origin = get_origin(annotation)
    deeper = 0 if origin in {Union, UnionType, Annotated} else 1 if origin in _LISTS else _IN_DATA
    for each in cast("tuple[object, ...]", get_args(annotation)):
        yield from _no_text_in(each, depth + deeper)


_IN_DATA: Final = 2  # lists around a value, or data, which becomes JSON


def _context_parameters(function: Callable[..., object]) -> tuple[str, ...]:
    """Return the names of the parameters that get the context of a call."""
    try:
        parameters = parameters_of(function)
    except (NameError, SyntaxError, TypeError, ValueError):
        return ()  # `Parameters` says why it cannot be read
    return tuple(each.name for each in parameters if _is_context(each.annotation))


def _is_context(annotation: object) -> bool:
    kind = unaliased(annotation)
    inside = get_args(kind) if get_origin(kind) in {Union, UnionType, Annotated} else (kind,)
    return ToolContext in inside


async def _notes_until(
    work: "asyncio.Future[object]", notes: deque[str], news: asyncio.Event
) -> AsyncGenerator[str]:
    """Yield notes as they come, until the work is done; if this is closed before, stop the work."""
    work.add_done_callback(lambda _: news.set())
    try:
        while not work.done() or notes:
            await news.wait()
            news.clear()
            while notes:
                yield notes.popleft()
    finally:
        if not work.done():
            work.cancel()
            await asyncio.wait((work,))


async def _awaited(call: Callable[[], Awaitable[object]]) -> object:
    """Await also what a call returns: replies of an agent, or the coroutine of a decorated function."""
    result = await call()
    return await result if inspect.isawaitable(result) else result


def _called(call: Callable[[], object]) -> object:
    """Call a function; a `StopIteration`, which a future of a thread cannot have, becomes an error it can."""
    try:
        return call()
    except StopIteration as error:
        raise RuntimeError("the tool raised StopIteration") from error


def _is(kind: Callable[[object], bool], function: Callable[..., object]) -> bool:
    # An object with a `__call__` is a function too.
    return kind(function) or kind(getattr(function, "__call__", None))  # noqa: B004
