"""`PageData`: data that an agent sends to a page besides its text."""

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from pydantic import Field, field_validator

from miniagents.messages import Message
from miniagents.values import PartValue

_NAME: Final = r"^[A-Za-z][A-Za-z0-9_-]{0,63}$"


class PageData(Message):
    """Data for a page, as a reply of an agent; the page shows them in its own way.

    It is a message among the other replies. In the Vercel AI SDK it is a part ``data-NAME`` of its message;
    in events and JSON lines it is a part of the kind ``data``. Clients that get only text do not get it.

    Args:
        name: the kind of the data, for the page: letters, digits, ``-`` and ``_``; not ``agent``, which is
            reserved.
        data: anything that JSON can have.
        id: later data with the same name and id replace these on the page.
        transient: whether the page only gets the data once, and does not keep them in its message.

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
        ValueError: the name is wrong, or JSON cannot have the data.
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
            raise ValueError("the name 'agent' is reserved for agents that work as tools; take another name")
        return name

    @field_validator("data")
    @classmethod
    def _is_json(cls, data: object) -> object:
        try:
            json.dumps(data, allow_nan=False)
        except TypeError as error:
            raise ValueError(f"the data cannot be written as JSON: {error}") from None
        return data


@dataclass(frozen=True, slots=True)
class DataPart(PartValue):
    """`PageData` as a part of a frame.

    Attributes:
        name: the kind of the data, for the page.
        data: anything that JSON can have.
        id: later data with the same name and id replace these.
        transient: whether the page does not keep them.
        kind: the kind of the part, in JSON.

    Example:
        >>> DataPart("weather", 12).as_data()
        {'name': 'weather', 'data': 12, 'id': None, 'transient': False, 'kind': 'data'}
    """

    name: str
    data: object = None
    id: str | None = None
    transient: bool = False
    kind: Literal["data"] = field(default="data", kw_only=True, repr=False)
