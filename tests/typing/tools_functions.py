"""Type facts: a tool is called as the function it was made of."""

from typing import assert_type

from miniagents import Tool, tool


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


async def results() -> None:
    """What a model is told is text; what the function returns is its own."""
    assert_type(await add.invoke("{}"), str)
    assert_type(await echo("a", times=2), str)
    await echo("a", 2)  # type: ignore[call-arg]


def takes_any_tool(given: Tool[..., object]) -> None:
    """Every tool fits where any tool will do."""
    assert_type(given(1, 2, 3), object)


takes_any_tool(add)
takes_any_tool(echo)
