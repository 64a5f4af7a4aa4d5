"""`Runs`: runs that continue without their clients, and the frames that are kept of them."""

import asyncio
import logging
import secrets
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from contextvars import Context as Variables
from functools import partial
from typing import Final, cast

from miniagents import MiniAgent
from miniagents.errors import MiniAgentsError
from miniagents.messages import Message, MessageSequencePromise, MessageType
from miniagents.streams import PromisingContext

from ..journal import RunRequest, RunStore, UnfinishedRun
from ._durable_runs import Agent, ask_durably
from ._feeds import Feed, LogFeed, frames_of_feed
from ._frame_log import STOPPED, FrameLog, FrameLogError, Positioned, RunRecord, unknown_run
from ._frames import Frame, RunEnded
from ._live_run import LiveFeed, LiveRun
from ._memory_frames import MemoryFrames
from ._request_errors import RequestError
from ._source import ErrorText, Replies

__all__ = ["Runs"]

logger = logging.getLogger(__name__)

_CLOSING: Final = 10.0  # seconds that recording the last frames of all runs may take
_STOPPING: Final = 5.0  # seconds that another server gets to stop a run that is deleted


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
        self._context: PromisingContext | None = None
        self._opening: asyncio.Task[None] | None = None
        self._live: dict[str, LiveRun] = {}

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
            RequestError: as many runs go on as `max_live` allows.
            ValueError: no agent has this name.
            TypeError: a keyword or a message cannot be kept in a journal.
            MiniAgentsError: the log or the journal cannot be used.
        """
        found = self._agents.get(agent)
        if found is None:
            known = ", ".join(self._agents) or "none"
            raise ValueError(f"These Runs have no agent called {agent!r}; they have: {known}.")
        run, sent = secrets.token_urlsafe(16), MessageSequencePromise[Message](messages)
        if self._journal is None:
            replies = cast("MiniAgent[Message, Message, ...]", found).inquire(sent, **(keywords or {}))
            return await self._start(run, replies, owner=owner, topic=topic, agent=found.alias)
        request = RunRequest(agent, self._version, tuple(await sent), keywords or {}, owner, topic)
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
            RequestError: as many runs go on as `max_live` allows; this one is stopped.
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

    async def _begin(self, run: str, owner: str, topic: str, request: str | None) -> "LiveRun":
        context = await self._opened()
        if len(self._live) >= self._max_live:
            raise RequestError(f"{len(self._live)} runs go on; try again later.", 429, code="too_many_runs")
        journal = self._journal
        if request is None or journal is None:
            live = self._live[run] = LiveRun(run, self._log, context)
            await self._log.begin(run, owner=owner, topic=topic)
            return live
        live = self._live[run] = LiveRun(run, self._log, context, journal)
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

        When this returns, the stop is recorded: also with a journal, and if the server is killed in the next
        moment, no server continues the run.

        Args:
            run: its id.
            owner: the user who asks.

        Returns:
            True if the run exists and had not ended.

        Raises:
            MiniAgentsError: the stop cannot be recorded, or these runs are open in another context.
        """
        record = await self.find(run, owner=owner)
        if record is None or record.ended:
            return False
        live = self._live.get(run)
        if live is None or live.recorder is None:  # of another process; or it is just being started
            await self._log.ask_to_stop(run)
        else:
            live.stop()
            await live.recorded()
        return True

    async def delete(self, run: str, *, owner: str = "") -> bool:
        """Delete the frames and calls of a run; if it goes on, it is stopped first, in any process.

        Args:
            run: its id.
            owner: the user who asks.

        Returns:
            True if the run existed.

        Raises:
            MiniAgentsError: the log or the journal cannot be used, or these runs are open in another context.

        Example:
            >>> from miniagents import MiniAgents, miniagent
            >>> @miniagent
            ... async def hello(ctx):
            ...     ctx.reply("Hello")
            >>> async def main():
            ...     runs = Runs()
            ...     run = await runs.start(hello.inquire())
            ...     print(await runs.delete(run), await runs.find(run), await runs.delete(run))
            >>> MiniAgents().run(main())
            True None False
        """
        record = await self.find(run, owner=owner)
        if record is None:
            return False
        live = self._live.get(run)
        if live is not None:
            live.stop()
            if live.recorder is not None:
                await asyncio.wait((live.recorder,))
        elif not record.ended:
            await self._log.ask_to_stop(run)
            # Its server writes the last frames before they are deleted; after that it cannot write any more.
            try:
                async with asyncio.timeout(_STOPPING), aclosing(self._log.read(run, record.last)) as batches:
                    async for _ in batches:
                        pass
            except TimeoutError:
                pass
            except FrameLogError as error:
                if error.reason != "unknown":
                    raise
        await self._log.delete(run)
        if self._journal is not None:
            await self._journal.end_run(run)
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
            return LiveFeed(live, after)
        return LogFeed(self._log, run, after, await self._opened())

    async def frames(self, run: str, after: int = 0, *, owner: str = "") -> AsyncGenerator[Positioned]:
        """Yield the frames of a run with their positions: first the recorded ones, then new ones.

        Args:
            run: its id.
            after: the position after which to read.
            owner: the user who asks.

        Raises:
            FrameLogError: the run does not exist, or has another owner.
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

    async def _opened(self) -> PromisingContext:
        context = PromisingContext.current().path()[0]
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

    async def _open(self, context: PromisingContext) -> None:
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

    async def _go_on(self, left: UnfinishedRun, journal: RunStore, context: PromisingContext) -> None:
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
        if record.stopping or request is None:
            last = STOPPED if record.stopping else RunEnded("lost", sentence)
            await self._log.end(left.run, last.how, last.sentence)
            await journal.end_run(left.run)
            return
        recorded: list[Frame] = []
        if record.last:
            async with aclosing(self._log.read(left.run)) as batches:
                async for batch in batches:
                    recorded += [frame for _, frame in batch]
                    if len(recorded) >= record.last:
                        break
        live = self._live[left.run] = LiveRun(left.run, self._log, context, journal, recorded)
        try:  # again: another server may have asked before this one would hear it
            now = await self._log.find(left.run)
        except BaseException:
            del self._live[left.run]
            raise
        if now is None or now.stopping:
            live.stop()
        agent = self._agents[request.agent]
        variables = Variables()
        variables.run(context.make_current)
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
