"""What a history keeps of one message: plain data, no message class, no file."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"


@dataclass(frozen=True, slots=True)
class Record:
    """One message as a history file keeps it.

    Attributes:
        role: who speaks; stands in the heading.
        class_name: the name of the message class; one that nobody registered is only a name.
        text: the text, or None for a message that has none.
        shown: what stands in the file in place of a text that is None; for the human reader only.
        data: every other field, as JSON (see `encode_data`).
    """

    role: str
    class_name: str = "Message"
    text: str | None = None
    shown: str = ""
    data: Mapping[str, Json] = field(default_factory=dict[str, Json])


@dataclass(frozen=True, slots=True)
class Note:
    """Something a reader of the file should know: a place that is not as it was written.

    Attributes:
        offset: where in the file, in bytes from its start.
        sentence: what was found there and what became of it.
        settled: True for a damage that was already reported and sealed by a later append.
    """

    offset: int
    sentence: str
    settled: bool = False
