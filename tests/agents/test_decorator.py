"""`@miniagent`: an async function becomes an agent."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar, cast

import pytest
from pydantic import Field
from typing_extensions import override

from miniagents import BaseAgent, InteractionContext, Message, MiniAgent, MiniAgents, miniagent
from miniagents.values import FreezeError


@miniagent
async def plain_agent(ctx: InteractionContext, mark: str = "!") -> None:
    """Reply as {AGENT_ALIAS}."""
    ctx.reply(f"{await ctx.messages}{mark}")


def decorated(function: object) -> object:
    """Decorate what the types would refuse."""
    return cast("Callable[[object], object]", miniagent)(function)


def test_without_parentheses() -> None:
    """The alias is the upper-cased name, the description the docstring with the alias filled in."""
    assert plain_agent.alias == "PLAIN_AGENT"
    assert plain_agent.description == "Reply as PLAIN_AGENT."
    assert repr(plain_agent) == "<MiniAgent PLAIN_AGENT>"


def test_with_empty_parentheses() -> None:
    """`@miniagent()` is the same as `@miniagent`."""

    @miniagent()
    async def some_agent(ctx: InteractionContext) -> None:
        """Say nothing."""

    assert isinstance(some_agent, MiniAgent)
    assert (some_agent.alias, some_agent.description) == ("SOME_AGENT", "Say nothing.")


def test_alias_and_description() -> None:
    """`alias` and `description` replace the name and the docstring; the alias is filled in there too."""

    @miniagent(alias="Bob", description="{AGENT_ALIAS} is {AGENT_ALIAS}.")
    async def some_agent(ctx: InteractionContext) -> None:
        """Not shown."""

    assert (some_agent.alias, some_agent.description) == ("Bob", "Bob is Bob.")


def test_the_docstring_knows_the_alias() -> None:
    """`{AGENT_ALIAS}` in a docstring is the given alias, not the name of the function."""

    @miniagent(alias="Bob")
    async def some_agent(ctx: InteractionContext) -> None:
        """I am {AGENT_ALIAS}; {other} braces stay."""

    assert some_agent.description == "I am Bob; {other} braces stay."


def test_no_docstring() -> None:
    """Without a docstring the description is empty."""

    @miniagent
    async def some_agent(ctx: InteractionContext) -> None:
        pass

    assert some_agent.description == ""


async def test_defaults() -> None:
    """Further keywords of the decorator are what the agent starts with."""

    @miniagent(mark="?")
    async def asking_agent(ctx: InteractionContext, mark: str = "!") -> None:
        ctx.reply(f"{await ctx.messages}{mark}")

    async with MiniAgents():
        assert str(await asking_agent.inquire("hi")) == "hi?"
    assert asking_agent.defaults == {"mark": "?"}


async def test_a_required_default() -> None:
    """A default of the decorator fills a parameter that has none."""

    @miniagent(mark="?")
    async def asking_agent(ctx: InteractionContext, mark: str) -> None:
        ctx.reply(f"{await ctx.messages}{mark}")

    async with MiniAgents():
        untyped = cast("MiniAgent[Message, Message]", asking_agent)  # types do not know the default
        assert str(await untyped.inquire("hi")) == "hi?"


def test_an_unknown_default() -> None:
    """A default that the function does not take is refused where it is decorated."""
    with pytest.raises(TypeError, match=r"Agent SOME_AGENT takes no keyword 'nmae'; it knows: name, age\."):

        @miniagent(nmae="x")
        async def some_agent(ctx: InteractionContext, name: str, age: int = 1) -> None:
            pass


async def test_unannotated() -> None:
    """`async def f(ctx)` without any annotation is an agent."""
    namespace: dict[str, object] = {}
    source = "async def some_agent(ctx, mark='!'):\n    ctx.reply(f'{await ctx.messages}{mark}')"
    exec(source, namespace)  # noqa: S102 - what a user without types writes, not seen by type checkers
    some_agent = cast("MiniAgent[Message, Message]", decorated(namespace["some_agent"]))
    async with MiniAgents():
        assert str(await some_agent.inquire("hi")) == "hi!"


async def test_an_object() -> None:
    """An object with an async `__call__` is an async function, too; its class is its name."""

    class Greeter:
        async def __call__(self, ctx: InteractionContext, name: str = "you") -> None:
            ctx.reply(f"hello, {name}")

    greeter = miniagent(Greeter())
    async with MiniAgents():
        assert str(await greeter.inquire(name="me")) == "hello, me"
    assert greeter.alias == "GREETER"


async def test_a_method() -> None:
    """A bound method is an agent that knows its object."""

    class Greeter:
        def __init__(self, name: str) -> None:
            self.name = name

        async def greet(self, ctx: InteractionContext) -> None:
            ctx.reply(f"hello from {self.name}")

    async with MiniAgents():
        assert str(await miniagent(Greeter("Bob").greet).inquire()) == "hello from Bob"


def test_not_async() -> None:
    """A plain function and what is no function are refused."""

    def plain(ctx: InteractionContext) -> None: ...

    for wrong in (plain, len, 5):
        with pytest.raises(TypeError, match="is not an `async def` function"):
            decorated(wrong)


Ps = ParamSpec("Ps")
R = TypeVar("R")


def counted(function: Callable[Ps, R]) -> Callable[Ps, R]:
    """A decorator whose function is not async."""

    @wraps(function)
    def call(*args: Ps.args, **kwargs: Ps.kwargs) -> R:
        return function(*args, **kwargs)

    return call


class Counted(BaseAgent):
    """Replies with its mark."""

    mark: str = "?"

    @override
    @counted
    async def run(self, ctx: InteractionContext) -> None:
        """Reply."""
        ctx.reply(self.mark)


async def test_a_decorator_that_is_not_async() -> None:
    """What passes on the calls of an async function may be the function of an agent, or its `run`."""

    @miniagent
    @counted
    async def marked(ctx: InteractionContext, *, mark: str = "!") -> None:
        ctx.reply(f"{await ctx.messages}{mark}")

    async with MiniAgents():
        assert "Hi?" == str(await marked.inquire("Hi", mark="?"))
        assert "?" == str(await Counted().inquire("Hi"))


def test_no_context() -> None:
    """A function without a first positional parameter is refused."""

    async def nothing() -> None: ...

    async def keyword(*, ctx: InteractionContext) -> None: ...

    async def others(**ctx: InteractionContext) -> None: ...

    for wrong in (nothing, keyword, others):
        with pytest.raises(TypeError, match="takes no context"):
            decorated(wrong)


def test_parameters_without_a_name() -> None:
    """Further parameters must be nameable: positional-only ones and `*args` are refused."""

    async def positional(ctx: InteractionContext, mark: str, /) -> None: ...

    async def several(ctx: InteractionContext, *marks: str) -> None: ...

    with pytest.raises(TypeError, match="The parameter 'mark' of positional cannot be given by keyword"):
        decorated(positional)
    with pytest.raises(TypeError, match="The parameter 'marks' of several cannot be given by keyword"):
        decorated(several)


async def test_a_positional_only_context() -> None:
    """The context itself may be positional-only."""

    @miniagent
    async def some_agent(ctx: InteractionContext, /, mark: str = "!") -> None:
        ctx.reply(mark)

    async with MiniAgents():
        assert str(await some_agent.inquire()) == "!"


def test_a_method_is_refused() -> None:
    """A method cannot be an agent: the error names the class that agents with fields are derived from."""

    async def run(self: object, ctx: InteractionContext) -> None: ...

    with pytest.raises(TypeError, match=r"run is a method.*derive the class from BaseAgent"):
        decorated(run)


def test_a_field_is_no_default() -> None:
    """The default of a keyword cannot be a `Field` of pydantic, which the function would get as the value."""

    async def count(ctx: InteractionContext, *, limit: int = Field(default=3, gt=0)) -> None: ...

    with pytest.raises(TypeError, match=r"^The default of 'limit' of count is a pydantic\.Field; write the"):
        decorated(count)


def test_a_class_is_refused() -> None:
    """A decorated class, as earlier versions had them, is told to derive from BaseAgent."""

    class Critic:
        async def __call__(self, ctx: InteractionContext) -> None: ...

    with pytest.raises(TypeError, match=r"^Critic is a class.* write `class Critic\(BaseAgent\):`"):
        decorated(Critic)


@pytest.mark.parametrize("kind", [list[str], dict[str, int], set[str]])
def test_a_keyword_that_would_be_frozen_is_refused(kind: object) -> None:
    """A keyword cannot be declared as a list, a dict or a set, since its values are frozen."""

    async def keeper(ctx: InteractionContext, *, notes: object = None) -> None: ...

    keeper.__annotations__["notes"] = kind
    with pytest.raises(FreezeError, match=r"keeper.notes is declared as .*, but its value is frozen: write"):
        decorated(keeper)
