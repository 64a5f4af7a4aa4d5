"""The documented form that has no annotations at all; type checkers know nothing of such an agent."""
# pyright: reportUnknownArgumentType=false, reportUnknownMemberType=false

from miniagents import MiniAgents, miniagent


@miniagent
async def bare_agent(ctx):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201 - the documented form
    """Say hello; I am {AGENT_ALIAS}."""
    ctx.reply("hello")


async def test_bare() -> None:
    """`@miniagent` on `async def f(ctx)` makes an agent; alias and description come from the function."""
    async with MiniAgents():
        assert str(await bare_agent.inquire()) == "hello"
    assert bare_agent.alias == "BARE_AGENT"
    assert bare_agent.description == "Say hello; I am BARE_AGENT."
