"""The message for a row of columns: a row is data, whatever its columns are called."""

from collections.abc import Iterator, Mapping
from typing import Final, cast

from pydantic import model_serializer
from typing_extensions import override

from miniagents.messages import Message, MessageSequencePromise, MessageType

_CHAT: Final = frozenset({"role", "content"})


class RowMessage(Message):
    """A row whose columns cannot be fields of a message: ``dict(message)`` is the row, as of any message.

    Attributes:
        row: the columns.

    Example:
        >>> message = RowMessage(row={"json": 1, "text": 5})
        >>> dict(message), str(message)
        ({'json': 1, 'text': 5}, '{"json":1,"text":5}')
    """

    row: Mapping[str, object]

    @override
    def __iter__(self) -> Iterator[tuple[str, object]]:  # type: ignore[override]  # pydantic's is a generator
        """Yield the columns, so that the row can become a message of a class that declares them."""
        return iter(self.row.items())

    def __getattr__(self, name: str) -> object:
        """Return the value of a column, as other messages do."""
        row = self.__dict__.get("row", ())
        if name in row:
            return cast("Mapping[str, object]", row)[name]
        raise AttributeError(f"The row has no column {name!r}; it has: {', '.join(map(str, row))}.")

    @model_serializer(mode="plain")
    def _columns(self) -> dict[str, object]:
        return dict(self.row)


async def message_of_row(row: Mapping[str, object]) -> tuple[Message, Message]:
    """Return the message for a row, and the message that its key in the journal is made from."""
    if "role" not in row or frozenset(row) == _CHAT:  # the second is a message in the form of other libraries
        # The key of a row stays that of the message which 0.2 made of it.
        try:
            (message,) = await MessageSequencePromise(cast("MessageType", row))
        except (TypeError, ValueError):
            pass  # a column that a message cannot have
        else:
            return message, message
    return RowMessage(row=row), Message(row=row)
