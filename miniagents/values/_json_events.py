"""What `JsonMachine` tells of a document while it comes."""

from dataclasses import dataclass
from typing import TypeAlias

from ._errors import MiniAgentsError

__all__ = ["JsonEnd", "JsonError", "JsonEvent", "JsonPath", "JsonText"]

JsonPath: TypeAlias = tuple[str | int, ...]
"""The keys and indexes that lead from the document to a value in it."""


class JsonError(MiniAgentsError, ValueError):
    """A text is not JSON; the error names the character where that shows, and never quotes the text.

    Example:
        >>> from miniagents.values import JsonMachine
        >>> JsonMachine().feed('{"secret" 42}')
        Traceback (most recent call last):
            ...
        miniagents...JsonError: this is not JSON at character 10: '4' cannot stand here
    """


@dataclass(frozen=True, slots=True)
class JsonText:
    """A piece of a text in the document.

    Attributes:
        path: the keys and indexes that lead to the text.
        text: the piece; never empty.

    Example:
        >>> from miniagents.values import JsonMachine
        >>> JsonMachine().feed('{"city": "Os')
        [JsonText(path=('city',), text='Os')]
    """

    path: JsonPath
    text: str


@dataclass(frozen=True, slots=True)
class JsonEnd:
    """A value that is complete.

    Attributes:
        path: the keys and indexes that lead to it.
        value: what `json.loads` would make of it.

    Example:
        >>> from miniagents.values import JsonMachine
        >>> JsonMachine().feed('{"degrees": [-3, ')
        [JsonEnd(path=('degrees', 0), value=-3)]
    """

    path: JsonPath
    value: object


JsonEvent: TypeAlias = JsonText | JsonEnd
"""What a piece of the document told."""
