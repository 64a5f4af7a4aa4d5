"""Type facts: a tool is called as the function it was made of."""

from collections.abc import AsyncGenerator
from typing import assert_type

from miniagents import File, Image, Tool, tool
from miniagents.parts import AgentPart
from miniagents.tools import ToolContext


@tool
def add(a: int, b: int = 1) -> int:
    """Add."""
    return a + b


@tool(name="later", timeout=1.0)
async def echo(text: str, *, times: int = 1) -> str:
    """Say it again."""
    return text * times


assert_type(add(1), int)
assert_type(add(1, b=2), int)
assert_type(add.timeout, float | None)

add("1")  # type: ignore[arg-type]
add()  # type: ignore[call-arg]
tool(names="x")  # type: ignore[call-overload]


def shout(given: dict[str, object]) -> list[str]:
    """Shout."""
    return [str(each).upper() for each in given.values()]


async def counted(given: dict[str, object]) -> AsyncGenerator[AgentPart | str]:
    """Count."""
    yield AgentPart(("count",), "one")
    yield str(given)


shouting = Tool.from_schema("shout", "Shouts.", {"type": "object"}, shout)
counting = Tool.from_schema("count", "Counts.", {}, counted, timeout=1.0)
assert_type(shouting({"text": "a"}), list[str])
assert_type(counting({}), AsyncGenerator[AgentPart | str])
shouting(text="a")  # type: ignore[call-arg]
Tool.from_schema("add", "Adds.", {}, add)  # type: ignore[arg-type]
Tool.from_schema("shout", "Shouts.", [], shout)  # type: ignore[arg-type]


async def results() -> None:
    """What a model is told is text; what the function returns is its own."""
    assert_type(await add.invoke("{}"), str | tuple[str | Image | File, ...])
    assert_type(await echo("a", times=2), str)
    await echo("a", 2)  # type: ignore[call-arg]


class Users:
    """What no model can give."""


@tool
async def refund(users: Users, cents: int, *, reason: str = "") -> str:
    """Pay back."""
    return f"{users} {cents} {reason}"


@tool
def count(ctx: ToolContext, to: int) -> int:
    """Count."""
    ctx.progress("one")
    assert_type((ctx.call_id, ctx.run_id, ctx.owner), tuple[str | None, str | None, str | None])
    return to


async def bound() -> None:
    """The value of the first parameter is checked, and so are the calls of what is left; not by name."""
    paying = refund.bind(Users())
    assert_type(await paying(250, reason="late"), str)
    await paying("250")  # type: ignore[arg-type]
    await paying(250, users=Users())  # type: ignore[call-arg]
    assert_type(count.bind(ToolContext())(3), int)
    assert_type(await refund.bind(Users()).bind(250)(reason="late"), str)
    assert_type(count.bind(to=3), Tool[..., int])
    refund.bind("Ada")  # type: ignore[call-overload]
    refund.bind(Users(), 250)  # type: ignore[call-overload]


def takes_any_tool(given: Tool[..., object]) -> None:
    """Every tool fits where any tool will do."""
    assert_type(given(1, 2, 3), object)


takes_any_tool(add)
takes_any_tool(echo)
takes_any_tool(shouting)
takes_any_tool(counting)
