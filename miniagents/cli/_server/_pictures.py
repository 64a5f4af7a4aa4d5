"""Timelines of the runs of a server: which agent called which, and when each token came."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Final, TypeVar

from typing_extensions import override

from miniagents.ext.timeline import Timeline
from miniagents.observers import Observer, RunBegan, RunEvent, RunInfo

__all__ = ["RunPictures"]

Replies = TypeVar("Replies")

_LANES: Final = 100


class RunPictures(Observer):
    """Draws the timeline of each run that no other run has started, and keeps the last ones.

    Args:
        most: how many timelines are kept.

    Example:
        >>> from miniagents import MiniAgents
        >>> from miniagents.testing import scripted_model
        >>> pictures = RunPictures()
        >>> async def main():
        ...     replies, info = pictures.inquire(lambda: scripted_model("Hi").inquire("Hello"))
        ...     pictures.name("7", info)
        ...     await replies
        ...     print(pictures.of("7")[:4], pictures.of("8"))
        >>> MiniAgents(observers=[pictures]).run(main())
        <svg None
    """

    def __init__(self, most: int = 30) -> None:
        self._most = most
        self._drawn: OrderedDict[RunInfo, Timeline] = OrderedDict()
        self._names: OrderedDict[str, RunInfo] = OrderedDict()
        self._begun: RunInfo | None = None  # the first run of the inquiry that is being made

    @override
    def on_event(self, event: RunEvent, /) -> None:
        root = event.run
        while root.parent is not None:
            root = root.parent
        if isinstance(event, RunBegan) and root is event.run:
            self._begun = self._begun or root
            self._drawn[root] = Timeline(lanes=_LANES)
            if len(self._drawn) > self._most:
                self._drawn.popitem(last=False)
        picture = self._drawn.get(root)
        if picture is not None:
            picture.on_event(event)

    def inquire(self, inquire: Callable[[], Replies]) -> tuple[Replies, RunInfo | None]:
        """Make an inquiry; return the replies, and the run that it began.

        Args:
            inquire: calls ``agent.inquire(...)``.
        """
        self._begun = None
        replies = inquire()
        return replies, self._begun

    def name(self, run: str, info: RunInfo | None) -> None:
        """Give a name to the timeline of a run.

        Args:
            run: the name.
            info: the run; None if none began.
        """
        if info is not None:
            self._names[run] = info
            if len(self._names) > self._most:
                self._names.popitem(last=False)

    def delete(self, run: str) -> None:
        """Delete the picture of a run, if there is one.

        Args:
            run: its name.
        """
        info = self._names.pop(run, None)
        if info is not None:
            self._drawn.pop(info, None)

    def has(self, run: str) -> bool:
        """Return whether there is a timeline of a run.

        Args:
            run: its name.
        """
        return run in self._names and self._names[run] in self._drawn

    def of(self, run: str) -> str | None:
        """Return the timeline of a run as SVG; None if there is none, or it is no longer kept.

        Args:
            run: its name.
        """
        info = self._names.get(run)
        picture = None if info is None else self._drawn.get(info)
        return None if picture is None else picture.to_svg()
