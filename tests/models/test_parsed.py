"""Tests of typed answers as messages, and of the replies with one."""

from typing import cast

from pydantic import BaseModel

from miniagents import AssistantMessage, MessageSequencePromise, MiniAgents, ParsedMessage, ParsedReplies


class City(BaseModel):
    name: str
    sights: list[str] = []


OSLO = ParsedMessage[City]('{"name": "Oslo"}', parsed=City(name="Oslo"))


def test_a_message_with_a_value() -> None:
    """The value goes through JSON with its type, and is a part of the hash key."""
    assert ParsedMessage[City].model_validate_json(OSLO.model_dump_json()) == OSLO
    assert isinstance(OSLO, AssistantMessage)
    assert OSLO.hash_key != ParsedMessage[City]('{"name": "Oslo"}', parsed=City(name="Bodø")).hash_key


async def test_a_view_of_replies() -> None:
    """The replies give the message, its value, and all that can be read while it streams."""
    async with MiniAgents():
        given = cast("MessageSequencePromise[ParsedMessage[City]]", MessageSequencePromise(OSLO))
        replies = ParsedReplies[City].of_model(given, City)
        assert await replies == (OSLO,)
        assert await replies.parsed == City(name="Oslo")
        assert [each async for each in replies.partials] == [City(name="Oslo")]
        assert [each async for each in replies.elements("sights")] == []
        assert [each async for each in replies.elements(lambda city: city.sights)] == []
        assert "".join([each async for each in replies.field(lambda city: city.name)]) == "Oslo"
