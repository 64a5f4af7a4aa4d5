"""A picture of runs: which agent called which, when each token came, and how each run ended."""

from os import PathLike
from pathlib import Path
from weakref import WeakKeyDictionary

from typing_extensions import override

from miniagents.observers import ModelAsked, Observer, PartsCame, PartSeen, RunBegan, RunEvent, RunInfo
from miniagents.streams._threads import running_loop
from miniagents.values import Retry, Usage, label_of

from ._timeline._characters import in_characters
from ._timeline._html import html
from ._timeline._lanes import Lane
from ._timeline._svg import layout_of, svg

__all__ = ["Timeline"]


class Timeline(Observer):
    """Draws all runs of a context: ``MiniAgents(observers=[timeline := Timeline()])``.

    Each run of an agent, a model or a tool is a line (a lane) below the run that started it. A dot is a part,
    a gap between dots is waiting. ``|`` is the end of a run, ``X`` an error, and a hollow end is a run that
    was cancelled or whose readers left. Time in which nothing runs is cut out. ``print(timeline)`` draws it
    with characters. You can draw it at any time; the last parts of open runs may be missing.

    Args:
        content: whether to keep and show texts: the replies of runs (8,000 characters of each), the last
            message that they got, their keywords, and texts of errors. Secrets and keys are removed.
        lanes: how many runs are drawn at most, the first ones; the others are only counted.

    Raises:
        ValueError: `lanes` is less than 1.

    Example:
        >>> from miniagents import MiniAgents
        >>> from miniagents.testing import scripted_model, virtual_time
        >>> async def main():
        ...     await scripted_model("Hello there").inquire("Hi")
        >>> timeline = Timeline()
        >>> with virtual_time():
        ...     MiniAgents(observers=[timeline]).run(main())
        >>> print(timeline)  # doctest: +ELLIPSIS
        1 run in 0 s, 2 parts
                        0 s
        SCRIPTED_MODEL  .|
        . part ...
    """

    def __init__(self, *, content: bool = False, lanes: int = 1000) -> None:
        if lanes < 1:
            raise ValueError(f"lanes={lanes} would draw nothing; give 1 or more.")
        self.content = content
        self._most = lanes
        self._more = 0
        self._lanes: list[Lane] = []
        self._of_run: WeakKeyDictionary[RunInfo, Lane] = WeakKeyDictionary()
        self._zero = 0.0  # the time of the first event, and
        self._epoch = 0.0  # what makes seconds since 1970 of it
        self._now = 0.0

    @override
    def on_event(self, event: RunEvent, /) -> None:
        run = event.run
        if isinstance(event, RunBegan):
            self._began(event)
            return
        lane = self._of_run.get(run)
        if lane is None:  # it is not drawn, or it began before this observer
            return
        if isinstance(event, PartsCame):
            lane.came(event.parts, event.times)
            return
        at = event.at - lane.zero
        self._now = max(self._now, at)
        if isinstance(event, ModelAsked):
            lane.model = event.model
        elif isinstance(event, PartSeen):
            if event.first:
                lane.first = at
            if isinstance(event.part, Usage):
                lane.usage[event.message] = event.part
                lane.model = lane.model or label_of(event.model) or ""
            elif isinstance(event.part, Retry):
                lane.asked_again(at)
        else:
            lane.end(event, at, content=self.content)

    @staticmethod
    def check_path(path: str | PathLike[str]) -> None:
        """Check that :meth:`save` can write a file of this name, before anything runs.

        Args:
            path: the path of a file.

        Raises:
            ValueError: it ends neither with ``.html`` nor with ``.svg``.

        Example:
            >>> Timeline.check_path("run.png")
            Traceback (most recent call last):
                ...
            ValueError: 'run.png' is not the name of a timeline; end it with .html or .svg.
        """
        if Path(path).suffix.lower() not in {".html", ".svg"}:
            raise ValueError(f"{Path(path).name!r} is not the name of a timeline; end it with .html or .svg.")

    def save(self, path: str | PathLike[str]) -> None:
        """Write the picture to a file; an existing file is replaced.

        Args:
            path: ends with ``.html`` or ``.svg``. A page shows more about the run under the pointer. Neither
                needs a network.

        Raises:
            ValueError: the path ends with something else.
            OSError: the file cannot be written.
        """
        self.check_path(path)
        file = Path(path)
        file.write_text(self.to_html() if file.suffix.lower() == ".html" else self.to_svg(), encoding="utf-8")

    def to_html(self) -> str:
        """Return the picture as an HTML page in one file, which fetches nothing."""
        return html(layout_of(self._lanes, self._until(), self._more))

    def to_svg(self) -> str:
        """Return the picture as SVG, with colours for light and dark pages."""
        return svg(layout_of(self._lanes, self._until(), self._more), titles=True)

    def _repr_svg_(self) -> str:
        """Show the picture: notebooks look for this name."""
        return self.to_svg()

    @override
    def __repr__(self) -> str:
        return f"<Timeline of {len(self._lanes) + self._more} runs>"

    @override
    def __str__(self) -> str:
        return in_characters(self._lanes, self._until(), self._more)

    def _began(self, event: RunBegan) -> None:
        if not self._lanes:
            self._zero, self._epoch = event.at, event.run.epoch
        zero = self._zero + (self._epoch - event.run.epoch)  # on the clock of the event loop of this run
        at = event.at - zero
        self._now = max(self._now, at)
        if len(self._lanes) >= self._most:
            self._more += 1
            return
        parent = None if event.run.parent is None else self._of_run.get(event.run.parent)
        lane = Lane(event.run, at, zero, parent, content=self.content)
        self._lanes.append(lane)
        self._of_run[event.run] = lane

    def _until(self) -> float:
        """The end of the axis: the last event, or now if something runs on the event loop here."""
        loop = running_loop()
        if loop is None or all(lane.ended is not None for lane in self._lanes):
            return self._now
        return max(self._now, loop.time() - self._zero)
