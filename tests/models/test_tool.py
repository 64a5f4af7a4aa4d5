"""`@tool`: functions that a model may call, and their results as text."""

import asyncio
import inspect
import json
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache, partial, wraps
from random import Random
from typing import TYPE_CHECKING, Annotated, cast

import pytest
from pydantic import BaseModel, Field

from miniagents import (
    AssistantMessage,
    File,
    Image,
    Message,
    Messages,
    MessageSequencePromise,
    MiniAgents,
    SchemaError,
    Tool,
    ToolArgumentsError,
    ToolSpec,
    tool,
)
from miniagents.models._tool import result_of
from miniagents.testing import scripted_model
from miniagents.tools import ToolContext
from tests.support.amounts import amount

if TYPE_CHECKING:
    from fractions import Fraction


class City(BaseModel):
    name: str


@dataclass
class Degrees:
    celsius: float


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("as it is", "as it is"),
        (None, ""),
        (True, "true"),
        (12.5, "12.5"),
        ({"a": [1, None]}, '{"a":[1,null]}'),
        (City(name="Oslo"), '{"name":"Oslo"}'),
        ([Degrees(-3)], '[{"celsius":-3}]'),
        (date(2024, 2, 29), '"2024-02-29"'),
        (Message("Hello"), "Hello"),
        (Messages([Message("one"), Message("two")]), "one\n\ntwo"),
        ("ü", "ü"),
        (["ü"], '["ü"]'),
    ],
)
def test_results(value: object, text: str) -> None:
    """Texts and messages are told as they are, data as JSON, nothing as nothing."""
    assert result_of(value, "weather") == text


@pytest.mark.parametrize("value", [object(), {"a": object()}, b"\xff"])
def test_results_that_cannot_be_told(value: object) -> None:
    """What cannot be JSON is an error that names the tool and the type."""
    with pytest.raises(
        TypeError, match=f"The tool weather returned a (value of type )?{type(value).__name__}"
    ):
        result_of(value, "weather")


@tool
def add(a: int, b: int = 1) -> int:
    """Add two numbers.

    Args:
        a: the first one
        b: the second one

    Returns:
        The sum.
    """
    return a + b


@tool(name="later", description="Says it later.", timeout=2.5)
async def echo(text: str) -> str:
    """Never read."""
    await asyncio.sleep(0)
    return text


async def test_a_tool_is_the_function_it_was() -> None:
    """Calling a tool is calling the function, with its name, signature and documentation."""
    assert (add(2), add(2, b=3), await echo("hi")) == (3, 5, "hi")
    assert (inspect.getdoc(add) or "").startswith("Add two numbers.")
    assert str(inspect.signature(add)) == "(a: int, b: int = 1) -> int"
    assert repr(echo) == "<Tool later>"


def test_what_a_model_is_told() -> None:
    """Name, description and schema come from the function, unless they are given."""
    assert (add.spec.name, add.spec.description, add.timeout) == ("add", "Add two numbers.", None)
    assert add.spec.parameters["required"] == ("a",)
    assert (echo.spec.name, echo.spec.description, echo.timeout) == ("later", "Says it later.", 2.5)


async def test_a_model_calls_it_with_json() -> None:
    """The arguments are validated, the defaults are the function's, the result is a text or JSON."""
    assert await add.invoke('{"a": 2}') == "3"
    assert await add.invoke('{"a": "2", "b": 3}') == "5"
    assert await echo.invoke('{"text": "hi"}') == "hi"
    with pytest.raises(ToolArgumentsError, match="a: Field required"):
        await add.invoke()


def add_to(total: int, number: int) -> int:
    """Add to the total.

    Args:
        total: so far
        number: to add
    """
    return total + number


def test_objects_that_can_be_called() -> None:
    """An object is told to a model by the docstring of its `__call__`, else by that of its class."""

    class Search:
        """A client of the search engine."""

        def __call__(self, words: str) -> str:
            """Search the web.

            Args:
                words: what to search for
            """
            return words

    class Echo:
        """Repeat words."""

        def __call__(self, words: str) -> str:
            return words

    spec = tool(Search()).spec
    assert "Search the web." == spec.description
    assert spec.parameters["properties"] == {"words": {"type": "string", "description": "what to search for"}}
    assert "Repeat words." == tool(Echo()).spec.description
    assert "Add to the total." == tool(cache(add_to)).spec.description


def test_partial_functions() -> None:
    """A partial function is told to a model as the function that it is made of."""
    spec = tool(partial(add_to, 5)).spec
    assert (spec.name, spec.description) == ("add_to", "Add to the total.")
    assert spec.parameters["properties"] == {"number": {"type": "integer", "description": "to add"}}


async def test_defaults_of_fields() -> None:
    """A parameter whose `Field` has a default may be left out by a model: the function gets the default."""

    @tool
    def found(
        words: Annotated[list[str], Field(default_factory=list)], most: Annotated[int, Field(default=3)]
    ) -> str:
        return f"{words} {most}"

    assert "required" not in found.spec.parameters
    assert await found.invoke("{}") == "[] 3"
    assert await found.invoke('{"words": ["owl"], "most": 1}') == "['owl'] 1"


async def test_errors_of_the_function_are_its_own() -> None:
    """What the function raises comes out as it is, also a validation error of its own."""

    @tool
    def fail(text: str) -> str:
        raise LookupError(text)

    with pytest.raises(LookupError, match="gone"):
        await fail.invoke('{"text": "gone"}')


async def test_a_function_that_is_not_async_holds_up_nobody() -> None:
    """It runs in another thread, while the event loop goes on."""
    began, go_on = threading.Event(), threading.Event()

    @tool
    def wait() -> bool:
        began.set()
        return go_on.wait(10) and threading.current_thread() is not threading.main_thread()

    task = asyncio.create_task(wait.invoke())
    await asyncio.to_thread(began.wait, 10)
    assert not task.done()
    go_on.set()
    assert await task == "true"


async def test_a_function_in_a_thread_that_raises_stop_iteration() -> None:
    """`next` without a next item is an error of the tool; the call does not wait until its time is over."""

    @tool
    def first(names: list[str]) -> str:
        return next(iter(names))

    assert await first.invoke('{"names": ["Ada"]}') == "Ada"
    with pytest.raises(RuntimeError, match="the tool raised StopIteration"):
        await asyncio.wait_for(first.invoke('{"names": []}'), 5)


class Adder:
    """An object that can be called."""

    async def __call__(self, a: int) -> int:
        """Add one."""
        return a + 1

    def plus(self, a: int) -> int:
        """Add two."""
        return a + 2


async def test_other_callables() -> None:
    """Bound methods, partial functions and objects with an async `__call__` are functions too."""
    assert await tool(Adder().plus).invoke('{"a": 1}') == "3"
    assert await tool(name="three")(partial(add, b=2)).invoke('{"a": 1}') == "3"
    called = tool(Adder())
    assert (called.spec.name, await called.invoke('{"a": 1}')) == ("Adder", "2")


def passed_on(function: Callable[[int], Awaitable[int]]) -> Callable[[int], Awaitable[int]]:
    """A decorator whose function is not async."""

    @wraps(function)
    def called(number: int) -> Awaitable[int]:
        return function(number)

    return called


async def test_what_a_call_returns_is_awaited() -> None:
    """A tool may return replies of an agent, or, decorated, the coroutine of its function: it is awaited."""

    @tool
    async def asked(question: str) -> MessageSequencePromise[Message]:
        return scripted_model(then="In Oslo.").inquire(question)

    @tool
    @passed_on
    async def doubled(number: int) -> int:
        return number * 2

    async with MiniAgents():
        assert "In Oslo." == await asked.invoke('{"question": "Where?"}')
        assert "42" == await doubled.invoke('{"number": 21}')


async def test_a_context_that_may_be_left_out() -> None:
    """A `ToolContext` that may be None is filled for a model; other callers may leave it out."""

    @tool
    def told(name: str, ctx: ToolContext | None = None) -> str:
        return f"{name}: {ctx is not None}"

    assert ["name"] == names_of(told)
    assert ("Ada: True", "Ada: False") == (await told.invoke('{"name": "Ada"}'), told("Ada"))


async def test_types_that_only_type_checkers_know() -> None:
    """The type of the result, and of what is bound, is not needed at run time; those of arguments are."""

    def paid(part: "Fraction", /, cents: "Annotated[int, Field(gt=0)]") -> "Fraction":
        return part * cents

    def lost(cents: "Fraction") -> None:
        del cents

    mine = tool(paid).bind(cast("Fraction", 2))
    assert ["cents"] == names_of(mine)
    assert "10" == await mine.invoke('{"cents": 5}')
    with pytest.raises(ToolArgumentsError, match="cents: Input should be greater than 0"):
        await mine.invoke('{"cents": 0}')
    with pytest.raises(SchemaError, match=r"name 'Fraction' is not defined.* outside of `if TYPE_CHECKING:`"):
        tool(lost)


def untyped(city: str) -> None:
    """Has lost its type."""


del untyped.__annotations__["city"]


def gives(count: int) -> Iterator[int]:
    """Yields."""
    yield from range(count)


async def streams(count: int) -> AsyncIterator[int]:
    """Yields, too."""
    yield count


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: tool(untyped), "The parameter 'city' of the tool untyped has no type"),
        (lambda: tool(Adder.plus), r"'self' of the tool plus .* of an object, tool\(object\.plus\)\."),
        (lambda: tool(gives), "The tool gives is a generator"),
        (lambda: tool(streams), "The tool streams is a generator"),
        (lambda: tool(name="my tool")(add), "'my tool' cannot be the name of a tool"),
        (lambda: tool(name="x" * 65)(add), "up to 64 letters"),
        (lambda: tool(lambda: 1), "'<lambda>' cannot be the name of a tool"),
        (lambda: tool(timeout=0)(add), "timeout=0 of the tool add is not a positive number"),
        (lambda: tool(timeout=float("inf"))(add), "timeout=inf of the tool add is not a positive number"),
        (lambda: ToolSpec("", "", {}), "'' cannot be the name"),
    ],
)
def test_what_cannot_be_a_tool(make: Callable[[], Tool[..., object]], sentence: str) -> None:
    """It is refused where it is decorated, and the error says why."""
    with pytest.raises(SchemaError, match=sentence):
        make()


class Users:
    """JSON cannot hold it."""


def names_of(made: Tool[..., object]) -> list[str]:
    """Return the parameters that a model sees."""
    return list(cast("Mapping[str, object]", made.spec.parameters["properties"]))


def bound(
    made: Tool[..., object], steps: Sequence[str | None], values: Mapping[str, object]
) -> Tool[..., object]:
    """Return a tool with some parameters bound: by name, or the first one where the step is None."""
    for name in steps:
        first = values[names_of(made)[0]]
        made = made.bind(first) if name is None else made.bind(**{name: values[name]})
    return made


async def test_bound_parameters() -> None:
    """Law: the schema of a bound tool is that of the same function without what is bound; a call is the same.

    Random cases: any parameters, in any order, by place or by name.
    """
    chance = Random(7)  # noqa: S311 - the same cases in each run

    async def function(a: int, b: str, c: float = 1.5, *, d: int = 4, e: str = "") -> tuple[object, ...]:
        return a, b, c, d, e

    values: dict[str, object] = {"a": 1, "b": "two", "c": 3.5, "d": 5, "e": "six"}
    for _ in range(amount(25, 300)):
        await asyncio.sleep(0)  # each case takes milliseconds
        leading: int = chance.randrange(4)
        named = chance.sample("abcde"[leading:], chance.randrange(6 - leading))
        steps: list[str | None] = [*(name for name in named if name in "de"), *[None] * leading]
        chance.shuffle(steps)
        steps += [name for name in named if name in "abc"]  # what follows these can only be given by name
        left = [name for name in "abcde"[leading:] if name not in named]
        made = bound(tool(function), steps, values)
        required = cast("Sequence[str]", made.spec.parameters.get("required", ()))
        assert (left, [name for name in left if name in "ab"]) == (names_of(made), list(required))
        given = {name: values[name] for name in left}
        assert [1, "two", 3.5, 5, "six"] == json.loads(str(await made.invoke(json.dumps(given))))
        for name in set(values) - set(left):
            with pytest.raises(ToolArgumentsError, match="Extra inputs are not permitted"):
                await made.invoke(json.dumps({**given, name: 1}))


async def test_parameters_that_must_be_bound() -> None:
    """First parameters of types that JSON cannot hold are refused when a model gets the tool, until bound."""

    @tool
    async def refund(users: Users, user: Users, cents: int) -> str:
        """Pay back.

        Args:
            users: of the shop.
            user: who pays.
            cents: how many.
        """
        return f"{cents} of {type(user).__name__}"

    with pytest.raises(SchemaError, match=r"that JSON cannot hold: 'users', 'user'. .* refund.bind\("):
        scripted_model().with_tools(refund)
    with pytest.raises(SchemaError, match="that JSON cannot hold: 'user'"):
        await refund.bind(Users()).invoke('{"cents": 1}')
    bound = refund.bind(Users()).bind(user=Users())
    assert ("refund", "Pay back.", ["cents"]) == (bound.spec.name, bound.spec.description, names_of(bound))
    assert "how many." in str(bound.spec.parameters)
    assert "5 of Users" == await bound.invoke('{"cents": 5}')
    with pytest.raises(TypeError, match=r"refund.bind\(...\): got an unexpected keyword argument 'cent'"):
        refund.bind(cent=1)
    with pytest.raises(TypeError, match="was made from a JSON schema"):
        Tool.from_schema("any", "", {}, str).bind(given={})


@dataclass
class Payer:
    """A type that has a JSON schema."""

    name: str


async def test_positional_parameters_are_never_a_models() -> None:
    """Whatever its type, a parameter before `/` has to be bound: a model neither sees it nor gives it."""

    @tool
    def refund(payer: Payer, limit: int = 10, /, cents: int = 1) -> str:
        return f"{min(cents, limit)} of {payer.name}"

    assert ["cents"] == names_of(refund)
    with pytest.raises(
        SchemaError, match=r"cannot give, being positional-only .*: 'payer'\. .* refund.bind\("
    ):
        scripted_model("Done.").with_tools(refund)
    mine = refund.bind(Payer("Ada"))
    assert ["cents"] == names_of(mine)
    assert "10 of Ada" == await mine.invoke('{"cents": 500}')
    assert "5 of Ada" == await mine.bind(5).invoke('{"cents": 500}')
    with pytest.raises(ToolArgumentsError, match="payer"):
        await mine.invoke('{"cents": 5, "payer": {"name": "Mallory"}}')
    with pytest.raises(SchemaError, match=r"'ctx' is a ToolContext, so write it behind the '/'\."):

        @tool
        def wrong(ctx: ToolContext, /) -> str:
            return str(ctx)


def test_results_that_are_no_text() -> None:
    """A7: a function that returns bytes, or images inside of data, is refused when it is made a tool."""

    def image() -> dict[str, Image]:
        return {}

    async def files() -> list[list[File]] | None:
        return None

    def data() -> bytes:
        return b"text"

    for function, kind in ((image, "Image"), (files, "File"), (data, "bytes")):
        with pytest.raises(SchemaError, match=f"returns a value of type {kind}, which a model cannot"):
            tool(function)


async def test_results_with_images() -> None:
    """Images, files, lists of these and texts, and messages are results; other lists of them are refused."""
    cat, page = Image(url="https://example.org/a.png"), File(data=b"%PDF-1.7")

    @tool
    def image() -> Image | None:
        return cat

    @tool
    async def several() -> list[str | Image | File]:
        return ["A cat:", cat, page]

    @tool
    def any_result(kind: str):  # type: ignore[no-untyped-def]  # noqa: ANN202
        return {"mixed": [cat, 5], "bytes": b"text"}[kind]

    @tool
    def answer() -> Message:
        return AssistantMessage("A cat:", parts=[cat])

    assert [(cat,), ("A cat:", cat, page)] == [await image.invoke(), await several.invoke()]
    assert await answer.invoke() == ("A cat:", cat)
    with pytest.raises(TypeError, match=r"any_result returned a list with images .* of type int"):
        await any_result.invoke('{"kind": "mixed"}')
    with pytest.raises(TypeError, match="The tool any_result returned a value of type bytes"):
        await any_result.invoke('{"kind": "bytes"}')


@pytest.mark.gate("starts a program")
def test_without_docstrings() -> None:
    """A13: where Python drops docstrings (-OO), the log names a tool that has no description now."""
    program = (
        "from miniagents import tool\n"
        "@tool\ndef lost(a: int) -> int:\n    'Says much.'\n    return a\n"
        "@tool(description='Says it.')\ndef kept(a: int) -> int:\n    return a\n"
    )
    for options, count in (["-OO"], 1), ([], 0):
        done = subprocess.run(  # noqa: S603 - our own program
            [sys.executable, *options, "-c", program], capture_output=True, text=True, check=True
        )
        assert count == done.stderr.count(
            "models get no description of the tool lost: write @tool(description"
        )
        assert "kept" not in done.stderr
