"""`Runs`: runs that continue without their clients, and the frames that are kept of them."""

import asyncio
import logging
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from contextvars import Context as Variables
from functools import partial
from typing import Final, cast

from miniagents.agents import MiniAgent
from miniagents.core import CURRENT_CONTEXT, Context, Message, MessageSequencePromise, MessageType
from miniagents.models import JournalError, RunRequest, RunStore, UnfinishedRun
from miniagents.values import MiniAgentsError

from ._durable_runs import ANOTHER_WAY, Agent, AnotherWayError, Retelling, ask_durably
from ._feeds import Feed, LogFeed, frames_of_feed
from ._frame_log import BATCH, FrameLog, FrameLogError, Positioned, RunOverError, RunRecord, unknown_run
from ._frames import Frame, RunEnded
from ._memory_frames import MemoryFrames
from ._open_responses import OpenResponses
from ._source import ErrorText, FrameSource, Replies

__all__ = ["Runs", "TooManyRunsError"]

logger = logging.getLogger(__name__)

_CLOSING: Final = 10.0  # seconds that recording the last frames of all runs may take
_NOT_KEPT: Final = RunEnded("lost", "The answer could not be recorded; the rest of it is lost.")
_RECORDER_LIMIT: Final = 16_000_000
"""Characters that may wait for the log; if it is slower than the run, the run is stopped."""


class TooManyRunsError(MiniAgentsError):
    """As many runs go on as `max_live` allows; a new one can begin when one of them has ended.

    Example:
        >>> raise TooManyRunsError("1000 runs go on; try again later.")
        Traceback (most recent call last):
            ...
        miniagents...TooManyRunsError: 1000 runs go on; try again later.
    """


class Runs:
    """Detached runs: a client may leave, come back and read on from where it was, or stop the run.

    Make one object for an app. It opens when it is first used in a context, and closes when the outermost
    context ends, after all runs. A run that is cancelled by that end is recorded as `lost`.

    With a journal, runs that were begun by the name of an agent outlive their server: when the server starts
    again, also after a crash, they continue. Answers of models and tools come from the journal and are not
    requested again. A message that was cut off in the middle is withdrawn, and streamed again.

    Args:
        frames: the log that keeps the frames; None: `MemoryFrames()`.
        agents: by name; `chat_routes` adds its own.
        journal: keeps unfinished runs and their calls; a `miniagents.ext.journal.Journal`. The log of frames
            must outlive the server, too.
        version: the version of the agents. Change it with their prompts and code: unfinished runs of another
            version do not continue.
        max_attempts: how often a run may begin before its server crashes; after that it does not continue,
            because it may be the reason.
        max_live: how many runs may go on at the same time.
        error_text: makes the sentence for clients from an error of an agent; None: one without its text.

    Raises:
        ValueError: there is a journal, and the frames are kept in memory.

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
        agents: Mapping[str, Agent] | None = None,
        journal: RunStore | None = None,
        version: str = "1",
        max_attempts: int = 5,
        max_live: int = 1_000,
        error_text: ErrorText | None = None,
    ) -> None:
        self._log: FrameLog = MemoryFrames() if frames is None else frames
        if journal is not None and isinstance(self._log, MemoryFrames):
            raise ValueError(
                "With a journal, runs outlive their server, but frames in memory do not: give Runs a "
                "SQLiteFrames or RedisFrames."
            )
        self._agents = dict(agents or {})
        self._journal = journal
        self._version = version
        self._max_attempts = max_attempts
        self._max_live = max_live
        self._error_text = error_text
        self._context: Context | None = None
        self._opening: asyncio.Task[None] | None = None
        self._live: dict[str, _LiveRun] = {}

    def add_agents(self, agents: Mapping[str, Agent]) -> None:
        """Add agents by name.

        Args:
            agents: by name.

        Raises:
            ValueError: another agent has one of the names.
        """
        for name, agent in agents.items():
            if self._agents.setdefault(name, agent) is not agent:
                raise ValueError(
                    f"These Runs already have another agent called {name!r}, and a run that continues could "
                    "not tell them apart: give one of them another name."
                )

    async def open(self) -> None:
        """Open now, not with the first use, so that unfinished runs of an earlier server continue at once.

        Call it at the start of an app, in its context.

        Raises:
            MiniAgentsError: these runs are open in another context, or the log or the journal cannot be used.
        """
        await self._opened()

    async def begin(
        self,
        agent: str,
        messages: MessageType = (),
        *,
        owner: str = "",
        topic: str = "",
        keywords: Mapping[str, object] | None = None,
    ) -> str:
        """Start a run of an agent, and record its replies, whether a client reads them or not.

        With a journal, the run continues after a crash of the server, too.

        Args:
            agent: its name.
            messages: the messages for the agent.
            owner: the user who may read and stop the run; `""`: all clients that know the id.
            topic: what the run belongs to, such as the id of a chat; see `latest`.
            keywords: of the agent. With a journal they must be plain data.

        Returns:
            The id of the run: 128 random bits.

        Raises:
            NoActiveContextError: no context is active.
            TooManyRunsError: as many runs go on as `max_live` allows.
            ValueError: no agent has this name.
            TypeError: a keyword or a message cannot be kept in a journal.
            MiniAgentsError: the log or the journal cannot be used.
        """
        found = self._agents.get(agent)
        if found is None:
            known = ", ".join(self._agents) or "none"
            raise ValueError(f"These Runs have no agent called {agent!r}; they have: {known}.")
        run, asked = secrets.token_urlsafe(16), MessageSequencePromise[Message](messages)
        if self._journal is None:
            replies = cast("MiniAgent[Message, Message, ...]", found).inquire(asked, **(keywords or {}))
            return await self._start(run, replies, owner=owner, topic=topic, agent=found.alias)
        request = RunRequest(agent, self._version, tuple(await asked), keywords or {}, owner, topic)
        kept = request.to_json()
        replies = ask_durably(found, request, run=run, store=self._journal)
        return await self._start(run, replies, owner=owner, topic=topic, agent=found.alias, request=kept)

    async def start(
        self, replies: Replies, *, owner: str = "", topic: str = "", agent: str | None = None
    ) -> str:
        """Record the replies of an agent, whether a client reads them or not; the run ends with its server.

        Args:
            replies: the result of ``agent.inquire(...)``.
            owner: the user who may read and stop the run; `""`: all clients that know the id.
            topic: what the run belongs to, such as the id of a chat; see `latest`.
            agent: its alias, for messages that do not name their agent.

        Returns:
            The id of the run: 128 random bits.

        Raises:
            NoActiveContextError: no context is active.
            TooManyRunsError: as many runs go on as `max_live` allows; this one is stopped.
            FrameLogError: the log cannot be used; the run is stopped.
        """
        return await self._start(secrets.token_urlsafe(16), replies, owner=owner, topic=topic, agent=agent)

    async def _start(
        self,
        run: str,
        replies: Replies,
        *,
        owner: str,
        topic: str,
        agent: str | None,
        request: str | None = None,
    ) -> str:
        try:
            live = await self._begin(run, owner, topic, request)
        except BaseException:
            self._live.pop(run, None)
            replies.cancel()
            raise
        live.start(replies, agent, self._error_text, self._live)
        return run

    async def _begin(self, run: str, owner: str, topic: str, request: str | None) -> "_LiveRun":
        context = await self._opened()
        if len(self._live) >= self._max_live:
            raise TooManyRunsError(f"{len(self._live)} runs go on; try again later.")
        journal = self._journal
        if request is None or journal is None:
            live = self._live[run] = _LiveRun(run, self._log, context)
            await self._log.begin(run, owner=owner, topic=topic)
            return live
        live = self._live[run] = _LiveRun(run, self._log, context, journal)
        await journal.begin_run(run, request)  # first, because a run with frames continues
        try:
            await self._log.begin(run, owner=owner, topic=topic, resumable=True)
        except BaseException:
            await journal.end_run(run)
            raise
        return live

    async def find(self, run: str, *, owner: str = "") -> RunRecord | None:
        """Return the record of a run; None if there is none, or it has another owner.

        Args:
            run: its id.
            owner: the user who asks.

        Raises:
            MiniAgentsError: these runs are open in another context.
        """
        await self._opened()
        record = await self._log.find(run)
        return record if record is not None and record.owner == owner else None

    async def latest(self, topic: str, *, owner: str = "") -> str | None:
        """Return the id of the newest run of a topic, or None.

        Args:
            topic: what the run belongs to.
            owner: the user who asks.

        Raises:
            MiniAgentsError: these runs are open in another context.
        """
        await self._opened()
        return await self._log.latest(topic, owner=owner)

    async def stop(self, run: str, *, owner: str = "") -> bool:
        """Stop a run and all calls that it makes; a run of another process stops a little later.

        Args:
            run: its id.
            owner: the user who asks.

        Returns:
            True if the run exists and had not ended.
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
        """Return the feed for a response; None if the run does not exist, or has another owner.

        Args:
            run: its id.
            after: the position after which to read.
            owner: the user who asks.

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
        """Yield the frames of a run with their positions: first the recorded ones, then new ones.

        Args:
            run: its id.
            after: the position after which to read.
            owner: the user who asks.

        Raises:
            UnknownRunError: the run does not exist, or has another owner.
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
                    "and run the app in one context, MiniAgents(app_wide=True)."
                )
            self._context = context
            context.on_close(self._close)
            # A task of its own: the request that came first may be cancelled.
            self._opening = asyncio.create_task(self._open(context), context=Variables())
        opening = self._opening
        if opening is not None:
            try:
                await asyncio.shield(opening)
            except Exception:  # a later request may succeed
                if self._opening is opening:
                    self._opening = self._context = None
                raise
        return context

    async def _open(self, context: Context) -> None:
        await self._log.open(self._stop_here)
        if self._journal is None:
            return
        try:
            left = await self._journal.unfinished_runs()
        except BaseException:
            await self._log.close()
            raise
        for each in left:
            try:
                await self._go_on(each, self._journal, context)
            except Exception:
                logger.exception("An unfinished run of an earlier server cannot continue now.")

    async def _go_on(self, left: UnfinishedRun, journal: RunStore, context: Context) -> None:
        """Continue an unfinished run of an earlier server, or end it if that is not possible."""
        record = await self._log.take_over(left.run)
        if record is None:  # its server crashed before the client got the id; or it belongs to other Runs
            if left.attempts > self._max_attempts:
                await journal.end_run(left.run)
            return
        if record.ended:  # but the journal does not know it
            await journal.end_run(left.run)
            return
        request, sentence = self._request_of(left)
        if request is None:
            await self._log.end(left.run, "lost", sentence)
            await journal.end_run(left.run)
            return
        told: list[Frame] = []
        if record.last:
            async with aclosing(self._log.read(left.run)) as batches:
                async for batch in batches:
                    told += [frame for _, frame in batch]
                    if len(told) >= record.last:
                        break
        live = self._live[left.run] = _LiveRun(left.run, self._log, context, journal, told)
        agent = self._agents[request.agent]
        variables = Variables()
        variables.run(CURRENT_CONTEXT.set, context)
        replies = variables.run(partial(ask_durably, agent, request, run=left.run, store=journal))
        live.start(replies, agent.alias, self._error_text, self._live)

    def _request_of(self, left: UnfinishedRun) -> tuple[RunRequest | None, str]:
        """The request of a run, or None and a sentence for its clients if it cannot continue."""
        try:
            request = RunRequest.from_json(left.request)
        except ValueError:
            return None, "The request of this answer can no longer be read, so the answer does not continue."
        if left.attempts > self._max_attempts:
            times = "once" if self._max_attempts == 1 else f"{self._max_attempts} times"
            return None, f"The server ended {times} during this answer, so the answer does not continue."
        if request.agent not in self._agents:
            return None, "The agent of this answer does not exist any more, so the answer does not continue."
        if request.version != self._version:
            return None, "The agents have changed since this answer began, so it does not continue."
        return request, ""

    async def _close(self) -> None:
        opening, self._opening = self._opening, None
        if self._context is None or opening is None:
            return
        self._context = None
        await asyncio.wait((opening,))
        if opening.exception() is not None:
            return
        for each in tuple(self._live.values()):
            each.stop()  # only runs without a context can still be there
        recorders = [each.recorder for each in self._live.values() if each.recorder is not None]
        if recorders:
            _, late = await asyncio.wait(recorders, timeout=_CLOSING)
            for recorder in late:
                recorder.cancel()
            if late:
                logger.error("%s runs could not be recorded completely.", len(late))
                await asyncio.wait(late)
        self._live.clear()
        await self._log.close()


class _LiveRun:
    """A run of this process: its recorded frames, and the callbacks of its readers.

    With a journal, it continues in another process if this one ends first; ``told`` are then the frames that
    were recorded in the earlier process.
    """

    def __init__(
        self,
        run: str,
        log: FrameLog,
        context: Context,
        journal: RunStore | None = None,
        told: Sequence[Frame] = (),
    ) -> None:
        self.context = context
        self.frames: list[Frame] = list(told)
        self._journal = journal
        self._retelling = None if journal is None else Retelling(told)
        self.readers: set[Callable[[], None]] = set()
        self.recorder: asyncio.Task[None] | None = None
        self._run = run
        self._log = log
        self._source: FrameSource | None = None
        self._more: asyncio.Future[None] | None = None

    def start(
        self, replies: Replies, agent: str | None, error_text: ErrorText | None, live: "dict[str, _LiveRun]"
    ) -> None:
        """Read the replies, and record them in a task that removes itself from ``live`` at the end."""
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
        ended = False
        while not ended:
            frames = source.take()
            if frames:
                ended = await self._record_now(frames)
            else:
                self._more = asyncio.get_running_loop().create_future()
                await self._more

    async def _record_now(self, frames: list[Frame]) -> bool:
        """Record frames and pass them to readers; return whether the run has ended."""
        leaves = self._journal is not None and _is_shut_down(frames[-1])
        if self._retelling is not None:
            frames = self._told_now(self._retelling, frames[:-1] if leaves else frames)
        if leaves:
            await self._leave(frames)
            return True
        if not frames:
            return False
        last = frames[-1]
        try:
            if isinstance(last, RunEnded):
                if len(frames) > 1:
                    await self._log.append(self._run, frames[:-1])
                await self._log.end(self._run, last.how, last.sentence)
                await self._note(lambda journal: journal.end_run(self._run))
            else:
                await self._log.append(self._run, frames)
        except Exception as error:
            if not isinstance(
                error, RunOverError
            ):  # else another server recorded it as lost, or took it over
                logger.exception("A run cannot be recorded; it is stopped.")
            self.stop()
            frames = [_NOT_KEPT]
        self.frames.extend(frames)
        for wake in tuple(self.readers):
            wake()
        return isinstance(frames[-1], RunEnded)

    def _told_now(self, retelling: Retelling, frames: list[Frame]) -> list[Frame]:
        try:
            return retelling.take(frames)
        except AnotherWayError as error:
            logger.error("A run cannot continue: %s.", error)  # noqa: TRY400 - the place in the code does not help
            self.stop()
            return [ANOTHER_WAY]

    async def _leave(self, frames: Sequence[Frame]) -> None:
        """The server ends: the run continues in the next one, and its readers reconnect."""
        try:
            if frames:
                await self._log.append(self._run, frames)
        except FrameLogError:
            logger.exception("The last frames of a run cannot be recorded.")
        await self._note(lambda journal: journal.leave_run(self._run))
        self.context.shared(OpenResponses).end()

    async def _note(self, note: Callable[[RunStore], Awaitable[None]]) -> None:
        """Write a note into the journal, if there is one."""
        try:
            if self._journal is not None:
                await note(self._journal)
        except JournalError:
            logger.exception("The journal of runs cannot be written.")


def _is_shut_down(frame: Frame) -> bool:
    """Whether a run has ended because its server ends."""
    return isinstance(frame, RunEnded) and frame.how == "lost"


class _LiveFeed:
    """The recorded frames of a run of this process, for one reader; all readers share one list."""

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
                return (
                    (len(frames), frames[-1]),
                )  # the reader is beyond the last frame, but has not seen it
            return ()
        taken = frames[position : position + BATCH]
        self._position += len(taken)
        return list(enumerate(taken, start=position + 1))

    def cut(self) -> None:
        """Do nothing: the run continues without this reader."""

    def close(self) -> None:
        if self._wake is not None:
            self._live.readers.discard(self._wake)
            self._wake = None
