"""The figures of a whole run: its tokens, and whether its last answer was cut off."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

from miniagents.parts import Finish, Usage

from ._frames import Frame, MessageBegan, MessagePart

Cut: TypeAlias = Literal["", "length", "content_filter"]
"""Why the last answer of a run was cut off; ``""`` if it is complete."""

# The finish reasons of all providers.
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
    """Counts the tokens of a run, frame by frame.

    Attributes:
        usage: the tokens of all messages; None if the provider reported none.
        cut: why the last message was cut off.

    Example:
        >>> summary = RunSummary()
        >>> summary.take(MessagePart(0, Usage(7, 3)))
        >>> summary.take(MessagePart(0, Finish("max_tokens")))
        >>> summary.usage, summary.cut
        (Usage(input_tokens=7, output_tokens=3, ...), 'length')
    """

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
            case MessagePart(_, Usage() as usage):  # the last one of a message counts
                self.usage = usage if self._before is None else self._before + usage
            case MessagePart(_, Finish(reason)):
                self.cut = _CUTS.get(reason, "")
            case _:
                pass
