"""Pictures of runs: each run that nobody else inquired has one, and only the last ones are kept."""

from miniagents import InteractionContext, MiniAgents, miniagent
from miniagents.cli._server._pictures import RunPictures
from miniagents.testing import scripted_model


async def test_runs_within() -> None:
    """What a run inquires is drawn in its picture, and not in one of its own."""
    model = scripted_model(then="Hello", alias="MODEL")

    @miniagent
    async def outer(ctx: InteractionContext) -> None:
        ctx.reply(model.inquire("Hi"))

    pictures = RunPictures()
    async with MiniAgents(observers=[pictures]):
        for run in ("one", "two"):
            replies, info = pictures.inquire(outer.inquire)
            pictures.name(run, info)
            await replies
    for run in ("one", "two"):
        picture = pictures.of(run)
        assert picture is not None
        assert (1, 1) == tuple(picture.count(f">{name}<") for name in ("OUTER", "MODEL"))


async def test_the_last_ones() -> None:
    """Pictures of earlier runs are forgotten."""
    model = scripted_model(then="Hello")
    pictures = RunPictures(most=2)
    async with MiniAgents(observers=[pictures]):
        for run in "abc":
            replies, info = pictures.inquire(lambda: model.inquire("Hi"))
            pictures.name(run, info)
            await replies
        await model.inquire("Hi")  # one without a name
    assert [False, False, True] == [pictures.has(run) for run in "abc"]
    assert [True, True, False] == [pictures.of(run) is None for run in "abc"]
    assert (2, 2) == (len(pictures._drawn), len(pictures._names))


async def test_without_observers() -> None:
    """Where nobody observes there is no picture, and no fault."""
    pictures = RunPictures()
    async with MiniAgents():
        replies, info = pictures.inquire(lambda: scripted_model("Hello").inquire("Hi"))
        pictures.name("a", info)
        await replies
    assert not pictures.has("a")
