"""What an agent sends to the page beside what it says: data under a name that the page knows."""

import json
from dataclasses import field
from typing import TYPE_CHECKING, Final, Literal

from pydantic import Field, field_validator

from miniagents.core import Message
from miniagents.values import PartValue, lazy_dataclass

__all__ = ["DataPart", "PageData"]

_NAME: Final = r"^[A-Za-z][A-Za-z0-9_-]{0,63}$"


class PageData(Message):
    """Data for the page, as a reply of an agent: what a model does not say, and a page shows in its own way.

    It is a message of its own, and told in its place among the others. The Vercel AI SDK has it as a part
    ``data-NAME`` of its message, events and JSON lines as a part of the kind ``data``. Clients that show text
    alone are not told it.

    Args:
        name: which data they are: letters, digits, ``-`` and ``_``; not ``agent``, which is taken.
        data: what JSON has words for.
        id: one that comes later with the same name and id takes its place on the page.
        transient: the page is shown it once, and does not keep it in the message.

    Example:
        >>> from miniagents import MiniAgents, miniagent
        >>> @miniagent
        ... async def forecaster(ctx):
        ...     ctx.reply(PageData(name="weather", data={"city": "Oslo", "degrees": 12}, id="w1"))
        ...     ctx.reply("It is fresh in Oslo.")
        >>> async def main():
        ...     for message in await forecaster.inquire():
        ...         print(message)
        >>> MiniAgents().run(main())
        {"name":"weather","data":{"city":"Oslo","degrees":12},"id":"w1","transient":false}
        It is fresh in Oslo.

    Raises:
        ValueError: the name is none, or the data are nothing that JSON has words for.
    """

    name: str = Field(pattern=_NAME)
    data: object = None
    id: str | None = None
    transient: bool = False

    if TYPE_CHECKING:

        def __init__(
            self,
            *,
            name: str,
            data: object = None,
            id: str | None = None,  # noqa: A002 - as their clients call it
            transient: bool = False,
        ) -> None: ...

    @field_validator("name")
    @classmethod
    def _is_free(cls, name: str) -> str:
        if name == "agent":
            raise ValueError("data-agent is what agents say that work as tools; take another name")
        return name

    @field_validator("data")
    @classmethod
    def _is_json(cls, data: object) -> object:
        try:
            json.dumps(data, allow_nan=False)
        except TypeError as error:
            raise ValueError(f"data for a page are what JSON has words for: {error}") from None
        return data


@lazy_dataclass(frozen=True, slots=True)
class DataPart(PartValue):
    """What a client is told of `PageData`.

    Attributes:
        name: which data they are.
        data: what JSON has words for.
        id: what it takes the place of.
        transient: it is shown once.
        kind: which part this is, for JSON.

    Example:
        >>> DataPart("weather", 12).as_data()
        {'name': 'weather', 'data': 12, 'id': None, 'transient': False, 'kind': 'data'}
    """

    name: str
    data: object = None
    id: str | None = None
    transient: bool = False
    kind: Literal["data"] = field(default="data", kw_only=True, repr=False)
