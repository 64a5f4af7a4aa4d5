"""`Runs`: runs that go on without their clients, and the frames that are kept of them."""

import asyncio
import logging
import secrets
from collections.abc import AsyncGenerator, Callable, Sequence
from contextvars import Context as Variables
from typing import Final

from miniagents.core import Context
from miniagents.values import MiniAgentsError

from ._feeds import Feed, LogFeed, frames_of_feed
from ._frame_log import BATCH, FrameLog, Positioned, RunOverError, RunRecord, unknown_run
from ._frames import Frame, RunEnded
from ._memory_frames import MemoryFrames
from ._source import ErrorText, FrameSource, Replies

__all__ = ["Runs", "TooManyRunsError"]

logger = logging.getLogger(__name__)

_CLOSING: Final = 10.0  # seconds that the last frames of all runs have to be recorded
_NOT_KEPT: Final = RunEnded("lost", "The answer could not be recorded; what is missing is lost.")
_RECORDER_LIMIT: Final = 16_000_000
"""Characters that may wait for the log; one that takes less than the runs write has them stopped."""


class TooManyRunsError(MiniAgentsError):
    """As many runs go on as may; one more can begin when one of them has ended.

    Example:
        >>> raise TooManyRunsError("1000 runs go on; try again later.")
        Traceback (most recent call last):
            ...
        miniagents...TooManyRunsError: 1000 runs go on; try again later.
    """


class Runs:
    """Detached runs: a client may leave, come back, read from where it was, and stop them.

    It opens with its first use in a context and closes when the outermost context there ends, after all runs:
    one object for an app. Runs that are cut by the end are recorded as `lost`.

    Args:
        frames: what keeps the frames; None: `MemoryFrames()`.
        max_live: how many runs may go on at once.
        error_text: what clients are told of an error of an agent; None: a sentence without its text.

    Example:
        >>> from miniagents import MiniAgents, miniagent
        >>> @miniagent
        ... async def hello(ctx):
        ...     ctx.reply("Hello")
        >>> async def main():
        ...     runs = Runs()
        ...     run = await runs.start(hello.inquire())
        ...     print((await runs.find(run)).ended, await runs.stop(run))
        >>> MiniAgents().run(main())
        False True
    """

    def __init__(
        self,
        frames: FrameLog | None = None,
        *,
        max_live: int = 1_000,
        error_text: ErrorText | None = None,
    ) -> None:
        self._log: FrameLog = MemoryFrames() if frames is None else frames
        self._max_live = max_live
        self._error_text = error_text
        self._context: Context | None = None
        self._opening: asyncio.Task[None] | None = None
        self._live: dict[str, _LiveRun] = {}

    async def start(
        self, replies: Replies, *, owner: str = "", topic: str = "", agent: str | None = None
    ) -> str:
        """Record what an agent replies, whoever reads it or not.

        Args:
            replies: of ``agent.inquire(...)``.
            owner: who may read and stop it; `""`: whoever knows the id.
            topic: what it belongs to, the id of a chat for example; see `latest`.
            agent: its alias, for messages that do not say who wrote them.

        Returns:
            The id of the run: 128 random bits.

        Raises:
            NoActiveContextError: no context is active.
            TooManyRunsError: as many runs go on as may; this one is stopped.
            FrameLogError: the log cannot be used; the run is stopped.
        """
        run = secrets.token_urlsafe(16)
        try:
            live = await self._begin(run, owner, topic)
        except BaseException:
            self._live.pop(run, None)
            replies.cancel()
            raise
        live.start(replies, agent, self._error_text, self._live)
        return run

    async def _begin(self, run: str, owner: str, topic: str) -> "_LiveRun":
        context = await self._opened()
        if len(self._live) >= self._max_live:
            raise TooManyRunsError(f"{len(self._live)} runs go on; try again later.")
        live = self._live[run] = _LiveRun(run, self._log, context)
        await self._log.begin(run, owner=owner, topic=topic)
        return live

    async def find(self, run: str, *, owner: str = "") -> RunRecord | None:
        """Return what is known of a run; None if there is none, or it is somebody else's.

        Args:
            run: its id.
            owner: who asks.

        Raises:
            MiniAgentsError: these runs are open in another context.
        """
        await self._opened()
        record = await self._log.find(run)
        return record if record is not None and record.owner == owner else None

    async def latest(self, topic: str, *, owner: str = "") -> str | None:
        """Return the id of the run that was begun last for a topic, or None.

        Args:
            topic: what it belongs to.
            owner: whose it is.

        Raises:
            MiniAgentsError: these runs are open in another context.
        """
        await self._opened()
        return await self._log.latest(topic, owner=owner)

    async def stop(self, run: str, *, owner: str = "") -> bool:
        """Stop a run, and all that it does; in this process at once.

        Args:
            run: its id.
            owner: who asks.

        Returns:
            Whether it is known and had not ended.
        """
        record = await self.find(run, owner=owner)
        if record is None or record.ended:
            return False
        if run in self._live:
            self._stop_here(run)
        else:
            await self._log.ask_to_stop(run)
        return True

    async def read(self, run: str, after: int = 0, *, owner: str = "") -> Feed | None:
        """Return what a response is written from; None if there is no such run, or it is somebody else's.

        Args:
            run: its id.
            after: the position behind which it is read.
            owner: who asks.

        Raises:
            MiniAgentsError: these runs are open in another context.
        """
        if await self.find(run, owner=owner) is None:
            return None
        live = self._live.get(run)
        if live is not None:
            return _LiveFeed(live, after)
        return LogFeed(self._log, run, after, await self._opened())

    async def frames(self, run: str, after: int = 0, *, owner: str = "") -> AsyncGenerator[Positioned]:
        """Yield the frames of a run with their positions, those that are kept and those that come.

        Args:
            run: its id.
            after: the position behind which it is read.
            owner: who asks.

        Raises:
            UnknownRunError: there is no such run, or it is somebody else's.
            MiniAgentsError: these runs are open in another context.

        Example:
            >>> from miniagents import MiniAgents, miniagent
            >>> @miniagent
            ... async def hello(ctx):
            ...     ctx.reply("Hello")
            >>> async def main():
            ...     runs = Runs()
            ...     async for position, frame in runs.frames(await runs.start(hello.inquire())):
            ...         print(position, type(frame).__name__)
            >>> MiniAgents().run(main())
            1 MessageBegan
            2 MessagePart
            3 MessageEnded
            4 RunEnded
        """
        feed = await self.read(run, after, owner=owner)
        if feed is None:
            raise unknown_run(run)
        more = asyncio.Event()
        feed.open(more.set)
        try:
            async for each in frames_of_feed(feed, more):
                yield each
        finally:
            feed.close()

    def _stop_here(self, run: str) -> None:
        live = self._live.get(run)
        if live is not None:
            live.stop()

    # -- its life ----------------------------------------------------------------------------------------

    async def _opened(self) -> Context:
        context = Context.current().path()[0]
        if self._context is not context:
            if self._context is not None:
                raise MiniAgentsError(
                    "These Runs are open in another context that has not ended: make one Runs for each app, "
                    "and have one context around it, MiniAgents(app_wide=True)."
                )
            self._context = context
            context.on_close(self._close)
            # A task of nobody's request: the one that came first may be cancelled.
            self._opening = asyncio.create_task(self._log.open(self._stop_here), context=Variables())
        opening = self._opening
        if opening is not None:
            try:
                await asyncio.shield(opening)
            except Exception:  # a later request may have more luck
                if self._opening is opening:
                    self._opening = self._context = None
                raise
        return context

    async def _close(self) -> None:
        opening, self._opening = self._opening, None
        if self._context is None or opening is None:
            return
        self._context = None
        await asyncio.wait((opening,))
        if opening.exception() is not None:
            return
        for each in tuple(self._live.values()):
            each.stop()  # only what no context owns can still be there
        recorders = [each.recorder for each in self._live.values() if each.recorder is not None]
        if recorders:
            _, late = await asyncio.wait(recorders, timeout=_CLOSING)
            for recorder in late:
                recorder.cancel()
            if late:
                logger.error("%s runs could not be recorded to their ends.", len(late))
                await asyncio.wait(late)
        self._live.clear()
        await self._log.close()


class _LiveRun:
    """A run of this process: its frames as far as they are recorded, and who waits for more."""

    def __init__(self, run: str, log: FrameLog, context: Context) -> None:
        self.context = context
        self.frames: list[Frame] = []
        self.readers: set[Callable[[], None]] = set()
        self.recorder: asyncio.Task[None] | None = None
        self._run = run
        self._log = log
        self._source: FrameSource | None = None
        self._more: asyncio.Future[None] | None = None

    def start(
        self, replies: Replies, agent: str | None, error_text: ErrorText | None, live: "dict[str, _LiveRun]"
    ) -> None:
        """Read the replies, and record them in a task that takes itself out of ``live`` at the end."""
        source = self._source = FrameSource(
            replies, self._wake, agent=agent, limit=_RECORDER_LIMIT, error_text=error_text
        )
        self.recorder = asyncio.create_task(
            self._record(source), name=f"recorder of run {self._run}", context=Variables()
        )
        self.recorder.add_done_callback(lambda _: live.pop(self._run, None))

    def stop(self) -> None:
        """Stop it now."""
        if self._source is not None:
            self._source.stop()

    def _wake(self) -> None:
        more, self._more = self._more, None
        if more is not None and not more.done():
            more.set_result(None)

    async def _record(self, source: FrameSource) -> None:
        while True:
            frames = source.take()
            if not frames:
                self._more = asyncio.get_running_loop().create_future()
                await self._more
                continue
            last = frames[-1]
            try:
                if isinstance(last, RunEnded):
                    if len(frames) > 1:
                        await self._log.append(self._run, frames[:-1])
                    await self._log.end(self._run, last.how, last.sentence)
                else:
                    await self._log.append(self._run, frames)
            except Exception as error:
                if not isinstance(error, RunOverError):  # else another server took it for lost
                    logger.exception("A run cannot be recorded; it is stopped.")
                source.stop()
                frames = [_NOT_KEPT]
                last = _NOT_KEPT
            self.frames.extend(frames)
            for wake in tuple(self.readers):
                wake()
            if isinstance(last, RunEnded):
                return


class _LiveFeed:
    """What is recorded of a run of this process, for one reader; as many as there are read one list."""

    def __init__(self, live: _LiveRun, after: int) -> None:
        self.context = live.context
        self.resumable = True
        self._live = live
        self._position = max(after, 0)
        self._wake: Callable[[], None] | None = None

    def open(self, wake: Callable[[], None], /) -> None:
        self._wake = wake
        self._live.readers.add(wake)

    def take(self) -> Sequence[Positioned]:
        frames = self._live.frames
        position = self._position
        if position >= len(frames):
            if position and frames and isinstance(frames[-1], RunEnded):
                return ((len(frames), frames[-1]),)  # it has seen more than there is, but not this
            return ()
        taken = frames[position : position + BATCH]
        self._position += len(taken)
        return list(enumerate(taken, start=position + 1))

    def cut(self) -> None:
        """Nothing: the run goes on without this reader."""

    def close(self) -> None:
        if self._wake is not None:
            self._live.readers.discard(self._wake)
            self._wake = None
