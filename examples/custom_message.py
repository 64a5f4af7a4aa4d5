"""Messages with fields of your own: typed, frozen, shown by a template, and they stream like any other."""

from collections.abc import AsyncGenerator, MutableMapping
from typing import ClassVar

from pydantic import ValidationError

from miniagents import InteractionContext, Message, MiniAgents, miniagent


class Place(Message):
    """What is asked for."""

    city: str
    country: str = "Norway"


class Weather(Message):
    """What is answered; without a text it is shown by its template."""

    text_template: ClassVar[str] = "{city}: {degrees} °C, {sky}"
    city: str
    degrees: float
    sky: str = "clear"


@miniagent
async def weather_agent(ctx: InteractionContext[Place, Weather]) -> None:
    """Replies the weather of each place."""
    for place in await ctx.messages:
        ctx.reply(Weather(city=place.city, degrees=-3.5, sky="snow"))


@miniagent
async def presenter_agent(ctx: InteractionContext[Weather, Weather]) -> None:
    """Says the same in words, one by one; the fields go along."""
    for weather in await ctx.messages:
        ctx.reply(Weather.promise(_spoken, city=weather.city, degrees=weather.degrees))


async def _spoken(metadata_so_far: MutableMapping[str, object]) -> AsyncGenerator[str]:
    for word in ("It ", "is ", f"{metadata_so_far['degrees']} °C ", "in ", f"{metadata_so_far['city']}."):
        yield word
    metadata_so_far["sky"] = "probably snow"  # what is put here lands in the final message


async def main() -> None:
    """Show what such a message is."""
    reply = await weather_agent.inquire([Place(city="Oslo"), Place(city="Bergen")])
    print(reply[0])
    print(f"{reply[0].degrees} in {reply[1].city}; as JSON: {reply[1].model_dump_json()}")

    try:
        Weather.model_validate({"city": "Oslo", "degrees": "cold"})
    except ValidationError as error:
        print(f"refused: {error.errors()[0]['msg']}")

    async for promise in presenter_agent.inquire(reply[0]):
        print(promise.preliminary_metadata["city"], [token async for token in promise])
        print((await promise).sky)


if __name__ == "__main__":
    MiniAgents().run(main())
