"""What a client is told of a whole run besides what was said: the tokens, and whether the model was cut."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

from miniagents.values import Finish, Usage

from ._frames import Frame, MessageBegan, MessagePart

__all__ = ["Cut", "RunSummary"]

Cut: TypeAlias = Literal["", "length", "content_filter"]
"""What cut the last answer of a run; ``""`` if it came to its own end."""

# In the words of all providers.
_CUTS: Final[Mapping[str, Cut]] = MappingProxyType(
    {
        "length": "length",
        "max_tokens": "length",
        "max_output_tokens": "length",
        "content_filter": "content_filter",
        "refusal": "content_filter",
    }
)


class RunSummary:
    """Gathers it, frame by frame.

    Attributes:
        usage: the tokens of all messages; None if nobody counted.
        cut: what cut the last message.

    Example:
        >>> summary = RunSummary()
        >>> summary.take(MessagePart(0, Usage(7, 3)))
        >>> summary.take(MessagePart(0, Finish("max_tokens")))
        >>> summary.usage, summary.cut
        (Usage(input_tokens=7, output_tokens=3, ...), 'length')
    """

    __slots__ = ("_before", "cut", "usage")

    def __init__(self) -> None:
        self.usage: Usage | None = None
        self.cut: Cut = ""
        self._before: Usage | None = None

    def take(self, frame: Frame) -> None:
        """Take a frame of the run.

        Args:
            frame: the next one.
        """
        match frame:
            case MessageBegan(role=role):
                self._before = self.usage
                if role != "tool":
                    self.cut = ""
            case MessagePart(_, Usage() as usage):  # the last one of a message holds
                self.usage = usage if self._before is None else self._before + usage
            case MessagePart(_, Finish(reason)):
                self.cut = _CUTS.get(reason, "")
            case _:
                pass
