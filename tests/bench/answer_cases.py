"""A typed answer that streams, read as partials, as elements of its list, and as the text of a field."""

from collections.abc import AsyncIterable

from pydantic import BaseModel

from miniagents.testing import scripted_model

from .sources import timed
from .timing import in_context

TOKEN = 4  # characters
ELEMENT = '{"name": "Opera house", "minutes": 60, "tags": ["music", "sea"]}'


class Sight(BaseModel):
    """One element of the list."""

    name: str
    minutes: int
    tags: list[str]


class Trip(BaseModel):
    """The answer."""

    title: str
    sights: list[Sight]


def tokens_of(length: int) -> list[str]:
    """An answer of about so many bytes, a tenth of it the text of a field, in tokens."""
    title = "fjord " * (length // 60)
    elements = ", ".join([ELEMENT] * max((length - len(title)) // (len(ELEMENT) + 2), 1))
    text = f'{{"title": "{title}", "sights": [{elements}]}}'
    return [text[at : at + TOKEN] for at in range(0, len(text), TOKEN)]


def answers(length: int) -> float:
    """Read an answer of ``length`` bytes in three ways; it is written once."""
    model = scripted_model(tokens_of(length)).as_type(Trip)

    async def work() -> float:
        trip = model.inquire("Plan a trip.")
        return await timed(lambda: read(trip.partials, trip.elements("sights"), trip.field("title")))

    return in_context(work)


async def read(*faces: AsyncIterable[object]) -> None:
    """Read each to its end."""
    for face in faces:
        async for _ in face:
            pass
