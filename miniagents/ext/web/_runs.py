"""`Runs`: runs that continue without their clients, and the frames that are kept of them."""

import asyncio
import logging
import secrets
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing, suppress
from contextvars import Context as Variables
from functools import partial
from types import MappingProxyType
from typing import Final, Literal

from miniagents.errors import MiniAgentsError
from miniagents.messages import Message, MessageSequencePromise, MessageType
from miniagents.streams import PromisingContext
from miniagents.tools import QuestionError

from ..journal import (
    Event,
    JournalError,
    MemoryJournal,
    Question,
    RunHead,
    RunRecord,
    RunRequest,
    RunStore,
    answer_question,
    open_questions,
)
from ._durable_runs import Agent, ask_logged
from ._feeds import Feed, LogFeed, frames_of_feed
from ._frame_view import FrameView
from ._frames import LOST, STOPPED, Positioned, RunEnded
from ._live_run import LiveFeed, LiveRun
from ._request_errors import RequestError
from ._source import ErrorText, Replies

__all__ = ["Runs"]

logger = logging.getLogger(__name__)

_CLOSING: Final = 10.0  # seconds that recording the last frames of all runs may take
_REFUSALS: Final[Mapping[str, tuple[int, str]]] = MappingProxyType(
    {
        "unknown": (404, "no_such_question"),
        "answered": (409, "answered"),
        "changed": (409, "changed"),
        "expired": (410, "expired"),
        "invalid": (422, "invalid_answer"),
    }
)
_MOST_ASKED: Final = 1_000  # runs whose questions are listed
_STOPPING: Final = 5.0  # seconds that another server gets to stop a run that is deleted


class Runs:
    """Detached runs: a client may leave, come back and read on from where it was, or stop the run.

    Make one object for an app. It opens when it is first used in a context, and closes when the outermost
    context ends, after all runs. What a run does is written to a journal. Several processes can use the same
    journal: each can read, stop and continue the runs of the others.

    Runs that were begun by the name of an agent outlive their server: when it has ended, also by a crash, the
    next server of the same version continues them. Answers of models and tools come from the journal and are
    not requested again. A message that was cut off in the middle is withdrawn, and streamed again. A run that
    cannot continue ends as `lost`.

    Args:
        journal: keeps what runs do: a `miniagents.ext.journal.Journal` or `PostgresJournal`; None: the memory
            of this process, so that all runs end with it.
        agents: by name; `chat_routes` adds its own.
        version: the version of the agents. Change it with their prompts and code: unfinished runs of another
            version continue only in servers of that version.
        keep: for how many seconds a run is kept after its end; None: until it is deleted.
        max_attempts: how often a run may begin before its server crashes; after that it does not continue,
            because it may be the reason.
        max_live: how many runs may go on at the same time.
        error_text: makes the sentence for clients from an error of an agent; None: one without its text.

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
        journal: RunStore | None = None,
        *,
        agents: Mapping[str, Agent] | None = None,
        version: str = "1",
        keep: float | None = 3600.0,
        max_attempts: int = 5,
        max_live: int = 1_000,
        error_text: ErrorText | None = None,
    ) -> None:
        self._journal: RunStore = MemoryJournal() if journal is None else journal
        self._restart: Literal["server", "never"] = "never" if journal is None else "server"
        self._agents = dict(agents or {})
        self._version = version
        self._keep = keep
        self._max_attempts = max_attempts
        self._max_live = max_live
        self._error_text = error_text
        self._context: PromisingContext | None = None
        self._opening: asyncio.Task[None] | None = None
        self._taking: asyncio.Task[None] | None = None
        self._left = False  # whether there may be runs to take
        self._depart: Callable[[], None] | None = None
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
            MiniAgentsError: these runs are open in another context, or the journal cannot be used.
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

        The run continues after a crash of the server, if the journal outlives it.

        Args:
            agent: its name.
            messages: the messages for the agent.
            owner: the user who may read and stop the run; `""`: all clients that know the id.
            topic: what the run belongs to, such as the id of a chat; see `latest`.
            keywords: of the agent, plain data.

        Returns:
            The id of the run: 128 random bits.

        Raises:
            NoActiveContextError: no context is active.
            RequestError: as many runs go on as `max_live` allows.
            ValueError: no agent has this name.
            TypeError: a keyword or a message cannot be kept in a journal.
            MiniAgentsError: the journal cannot be used.
        """
        found = self._agents.get(agent)
        if found is None:
            known = ", ".join(self._agents) or "none"
            raise ValueError(f"These Runs have no agent called {agent!r}; they have: {known}.")
        request = RunRequest(agent, tuple(await MessageSequencePromise[Message](messages)), keywords or {})
        head = RunHead(secrets.token_urlsafe(16), owner, topic, self._version, self._restart)
        live = await self._begin(head, request)
        replies = ask_logged(found, request, log=live.log, head=head)
        live.start(replies, found.alias, self._error_text)
        return head.run

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
            JournalError: the log cannot be used; the run is stopped.
        """
        head = RunHead(secrets.token_urlsafe(16), owner, topic, self._version)
        try:
            live = await self._begin(head, None)
        except BaseException:
            replies.cancel()
            raise
        live.start(replies, agent, self._error_text)
        return head.run

    async def _begin(self, head: RunHead, request: RunRequest | None) -> LiveRun:
        context = await self._opened()
        if len(self._live) >= self._max_live:
            raise RequestError(f"{len(self._live)} runs go on; try again later.", 429, code="too_many_runs")
        live = self._add(head.run, context, resumable=head.restart == "server")
        try:
            await self._journal.begin(head, [["began", 0, None if request is None else request.as_data()]])
        except BaseException:
            del self._live[head.run]
            raise
        self._journal.listen(head.run, live.on_sent)
        return live

    def _add(
        self, run: str, context: PromisingContext, *, resumable: bool, events: Sequence[Event] = ()
    ) -> LiveRun:
        live = LiveRun(run, self._journal, context, resumable=resumable, keep=self._keep, events=events)
        self._live[run] = live

        def forget(closed: asyncio.Future[bool]) -> None:
            if closed.result():  # else only this process knows how it has ended
                self._live.pop(run, None)

        live.closed.add_done_callback(forget)
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
        found = await self._journal.find(run=run, owner=owner, limit=1)
        return found[0] if found else None

    async def latest(self, topic: str, *, owner: str = "") -> str | None:
        """Return the id of the newest run of a topic, or None.

        Args:
            topic: what the run belongs to.
            owner: the user who asks.

        Raises:
            MiniAgentsError: these runs are open in another context.
        """
        await self._opened()
        found = await self._journal.find(topic=topic, owner=owner, limit=1) if topic else ()
        return found[0].run if found else None

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
        await self._journal.send(run, "stop", None)
        live = self._live.get(run)
        if live is not None:
            live.stop()
            if live.started:
                await live.stopped()
        return True

    async def questions(self, run: str | None = None, *, owner: str = "") -> list[Question]:
        """Return the open questions of a run, or of all runs of an owner, oldest run first.

        Args:
            run: the id; None for all runs that have not ended.
            owner: the user who asks.

        Raises:
            MiniAgentsError: the journal cannot be used, or these runs are open in another context.
        """
        await self._opened()
        found = await self._journal.find(run=run, owner=owner, limit=_MOST_ASKED)
        return [
            question
            for record in reversed(found)
            if not record.ended
            for question in await open_questions(self._journal, record.run)
        ]

    async def answer(
        self, run: str, question: str, answer: object, *, digest: str | None = None, owner: str = ""
    ) -> None:
        """Answer a question of a run, in whatever process the run is.

        When this returns, the answer is recorded: if the run's server has ended, the next one gets it.

        Args:
            run: the id of the run.
            question: the id of the question.
            answer: `Allow` or `Reject` for the call of a tool; else a value of the type that was asked for.
            digest: what was shown to who answers; None if that is not known.
            owner: the user who answers.

        Raises:
            RequestError: there is no such question (404), it was answered or has changed (409), its time is
                over (410), or the answer does not fit (422).
            MiniAgentsError: the journal cannot be used, or these runs are open in another context.
        """
        if await self.find(run, owner=owner) is None:
            raise RequestError("This run does not exist.", 404, code="no_such_run")
        live = self._live.get(run)
        check = None if live is None else live.log.questions.refusal
        try:
            await answer_question(self._journal, run, question, answer, digest=digest, check=check)
        except QuestionError as error:
            status, code = _REFUSALS[error.reason or "invalid"]
            raise RequestError(str(error), status, code=code) from None

    async def delete(self, run: str, *, owner: str = "") -> bool:
        """Delete all that is kept of a run; if it goes on, it is stopped first, in any process.

        Args:
            run: its id.
            owner: the user who asks.

        Returns:
            True if the run existed.

        Raises:
            MiniAgentsError: the journal cannot be used, or these runs are open in another context.

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
            await asyncio.wait((live.closed,))
        elif not record.ended:
            await self._journal.send(run, "stop", None)
            # Its server writes the last frames before they are deleted; after that it cannot write any more.
            with suppress(TimeoutError):
                async with (
                    asyncio.timeout(_STOPPING),
                    aclosing(self._journal.follow(run, record.last)) as more,
                ):
                    async for _ in more:
                        pass
        await self._journal.delete(run)
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
        return LogFeed(self._journal, run, after, await self._opened())

    async def frames(self, run: str, after: int = 0, *, owner: str = "") -> AsyncGenerator[Positioned]:
        """Yield the frames of a run with their positions: first those that are kept, then new ones.

        They end with a `RunEnded`, or before, if this server ends and leaves the run to the next one.

        Args:
            run: its id.
            after: the position after which to read.
            owner: the user who asks.

        Raises:
            JournalError: the run does not exist, or has another owner.
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
            raise JournalError(f"no run has the id {run!r}, or it is no longer kept.", "unknown")
        more = asyncio.Event()
        feed.open(more.set)
        try:
            async for each in frames_of_feed(feed, more):
                yield each
        finally:
            feed.close()

    async def has_read(self, record: RunRecord, after: int) -> bool:
        """Return whether a run has ended, and a client has all its frames.

        Args:
            record: of the run.
            after: the position that the client has.

        Raises:
            JournalError: the journal cannot be read.
        """
        if not record.ended:
            return False
        match (await self._journal.read(record.run, record.last - 1)).events:
            case [["ended", 0, _, _, int(position)]]:
                return position == after
            case _:
                return False

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
        if not self._agents:
            return  # it only reads, stops and answers what servers do
        self._depart = await self._journal.join(self._version, self._take_soon)
        self._taking = asyncio.create_task(self._take(context), name="taking of runs")
        await asyncio.wait((self._taking,))

    def _take_soon(self) -> None:
        """Take runs that other servers have left, in a task of its own."""
        self._left = True
        context = self._context
        if context is not None and not context.draining and (self._taking is None or self._taking.done()):
            self._taking = asyncio.create_task(
                self._take(context), name="taking of runs", context=Variables()
            )

    async def _take(self, context: PromisingContext) -> None:
        await asyncio.sleep(0)  # an eager task would begin within `_take_soon`
        self._left = True
        try:
            while self._left and not context.draining and (room := self._max_live - len(self._live)) > 0:
                self._left = False
                for record in await self._journal.take(self._version, room):
                    self._left = True
                    try:
                        await self._go_on(record, context)
                    except Exception:
                        logger.exception("A run of an earlier server cannot continue now.")
        except JournalError:
            logger.exception("Runs of earlier servers cannot continue now.")

    async def _go_on(self, record: RunRecord, context: PromisingContext) -> None:
        """Continue a run of an earlier server, or end it if that is not possible."""
        page = await self._journal.read(record.run)
        request, ending = self._request_of(record, page.events[0] if page.events else [])
        if "stop" in page.sent:
            ending = STOPPED
        if request is None or ending is not None:
            last = ending or LOST
            position = len(FrameView().take(page.events)) + 1
            event: Event = ["ended", 0, last.how, last.sentence, position]
            await self._journal.end(record.run, [event], how=last.how, keep=self._keep)
            return
        live = self._add(record.run, context, resumable=True, events=page.events)
        self._journal.listen(record.run, live.on_sent)
        agent = self._agents[request.agent]
        variables = Variables()
        variables.run(context.make_current)
        replies = variables.run(
            partial(ask_logged, agent, request, log=live.log, head=record, events=page.events)
        )
        live.start(replies, agent.alias, self._error_text)

    def _request_of(self, record: RunRecord, began: Event) -> tuple[RunRequest | None, RunEnded | None]:
        """The request of a run, and its last frame if it cannot continue."""
        if record.restart == "never":
            return None, LOST
        try:
            request = RunRequest.of_data(began[2] if began[:1] == ["began"] else None)
        except ValueError:
            return None, _cannot("The request of this answer can no longer be read, so the answer")
        if record.attempts > self._max_attempts:
            times = "once" if self._max_attempts == 1 else f"{self._max_attempts} times"
            return None, _cannot(f"The server ended {times} during this answer, so the answer")
        if request.agent not in self._agents:
            return None, _cannot("The agent of this answer does not exist any more, so the answer")
        if record.version != self._version:
            return None, _cannot("The agents have changed since this answer began, so it")
        return request, None

    async def _close(self) -> None:
        opening, self._opening = self._opening, None
        if self._context is None or opening is None:
            return
        self._context = None
        await asyncio.wait((opening,))
        taking, self._taking = self._taking, None
        if taking is not None:
            await asyncio.wait((taking,))
        if self._depart is not None:
            self._depart()
        for each in tuple(self._live.values()):
            each.stop()  # only runs without a context can still be there
        closing = [each.closed for each in self._live.values()]
        if closing:
            _, late = await asyncio.wait(closing, timeout=_CLOSING)
            if late:
                logger.error("%s runs could not be recorded completely.", len(late))
        self._live.clear()


def _cannot(reason: str) -> RunEnded:
    return RunEnded("lost", f"{reason} does not continue.")
