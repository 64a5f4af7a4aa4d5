"""`Runs`: runs that continue without their clients, and the frames that are kept of them."""

import asyncio
import logging
import secrets
import sys
import time
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Generator, Mapping, Sequence
from contextlib import aclosing, contextmanager, suppress
from contextvars import Context as Variables
from dataclasses import replace
from functools import partial
from inspect import iscoroutinefunction
from types import MappingProxyType
from typing import Final, Literal

from miniagents.errors import MiniAgentsError, NoActiveContextError
from miniagents.messages import InputMessage, Message, MessageSequencePromise, MessageType
from miniagents.runs import LoggedCalls, RunLog, RunRequest
from miniagents.streams import PromisingContext
from miniagents.tools import QuestionError
from miniagents.types import InteractiveAgent
from miniagents.values import check_count, check_seconds

from ..journal import (
    Event,
    JournalError,
    Lease,
    MemoryJournal,
    Question,
    RunRecord,
    RunStore,
    answer_question,
    open_questions,
    send_event,
)
from ._feeds import OF_ITS_CLIENT, Feed, LogFeed, Turn, TurnFeed, end_of_turn, frames_of_feed
from ._frames import LOST, SHUT_DOWN, STOPPED, Frame, Positioned, QuestionAnswered, QuestionAsked, RunEnded
from ._live_run import Agent, LiveFeed, LiveRun, ask_logged
from ._request_errors import RequestError, no_run
from ._source import ErrorText, FrameView, Replies, in_steps, server_ends

logger = logging.getLogger(__name__)

_RETRIES: Final = 3  # of a run whose log cannot be written, while the journal can write that it is left
_AGAIN: Final = 30.0  # seconds after which a run that cannot continue now is tried again
_CLOSING: Final = 10.0  # seconds that recording the last frames of all runs may take
_REFUSALS: Final[Mapping[str, tuple[int, str]]] = MappingProxyType(
    {
        "unknown": (404, "no_such_question"),
        "ended": (409, "run_over"),
        "answered": (409, "answered"),
        "changed": (409, "changed"),
        "expired": (410, "expired"),
        "invalid": (422, "invalid_answer"),
    }
)
_CHECKED: Final = 1.0  # seconds that an answer, or what is said, waits at most until its run has got it
_MOST_CHECKS: Final = 1_000  # of answers to runs that were parked; more are checked when their runs go on
_STOPPING: Final = 5.0  # seconds that another server gets to stop a run that is deleted


class Runs:
    """Detached runs: a client may leave, come back and read on from where it was, or stop the run.

    Make one object for an app; it opens at its first use in a context, and closes with it.

    Args:
        journal: None: the memory of this process.
        agents: by name; `chat_routes` adds its own.
        version: of prompts and code: only servers of the same version continue a run.
        keep, linger: seconds for which a run is kept after its end; waits before it is parked.
        max_attempts, max_live: how often a run may begin; how many may go on at once.
        take_over: called with each run of a version that is gone: "parked" if it waits, else "left".
        error_text: makes the sentence for clients from an error.

    Raises:
        TypeError, ValueError: ``take_over`` is async, or a number is none.

    Example:
        >>> from miniagents import MiniAgents
        >>> from miniagents.testing import scripted_model
        >>> async def main():
        ...     runs = Runs()
        ...     run = await runs.start(scripted_model("Hi").inquire())
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
        linger: float = 0.0,
        take_over: Callable[[RunRecord], str | None] | None = None,
        error_text: ErrorText | None = None,
    ) -> None:
        if iscoroutinefunction(take_over):
            raise TypeError("Runs(take_over=...) is async; give a function that decides at once.")
        check_seconds("Runs", "keep", keep)
        check_seconds("Runs", "linger", linger)
        check_count("Runs", "max_attempts", max_attempts)
        check_count("Runs", "max_live", max_live)
        self._journal: RunStore = MemoryJournal() if journal is None else journal
        self._restart: Literal["server", "never"] = "never" if journal is None else "server"
        self._agents = dict(agents or {})
        self._version = version
        self._keep = keep
        self._max_attempts = max_attempts
        self._max_live = max_live
        self._linger = linger
        self._take_over = take_over
        self._error_text = error_text
        self._context: PromisingContext | None = None
        self._opening: asyncio.Task[None] | None = None
        self._taking: asyncio.Task[None] | None = None
        self._left = False  # whether there may be runs to take
        self._depart: Callable[[], None] | None = None
        self._live: dict[str, LiveRun] = {}
        # Of questions of runs that this process has parked, the newest ones.
        self._checks: dict[str, Callable[[Mapping[str, object]], object]] = {}
        self._failures: Counter[str] = Counter()  # how often a run was left because of its log

    def add_agents(self, agents: Mapping[str, Agent]) -> None:
        """Add agents by name.

        Args:
            agents: by name.

        Raises:
            ValueError: another agent has one of the names.
        """
        served = bool(self._agents)
        for name, agent in agents.items():
            if self._agents.setdefault(name, agent) is not agent:
                raise ValueError(
                    f"These Runs already have another agent called {name!r}, and a run that continues could "
                    "not tell them apart: give one of them another name."
                )
        opening = self._opening
        if agents and not served and self._context is not None and opening is not None and opening.done():
            self._opening = asyncio.create_task(self._open(self._context), context=Variables())

    async def open(self) -> None:
        """Open now, not with the first use, so that unfinished runs of an earlier server continue at once.

        Call it at the start of an app, in its context.

        Raises:
            NoActiveContextError: no context is active, or these runs have ended with theirs.
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
            ValueError: no agent has this name, or a keyword has a value that does not fit.
            TypeError: the agent does not take a keyword, or needs one; or a keyword or a message cannot be
                kept in a journal.
            MiniAgentsError: the journal cannot be used.
        """
        found = self._agents.get(agent)
        if found is None:
            known = ", ".join(self._agents) or "none"
            raise ValueError(f"These Runs have no agent called {agent!r}; they have: {known}.")
        keywords = keywords or {}
        found.bind(**keywords)  # what does not fit is refused before the run begins
        request = RunRequest(agent, tuple(await MessageSequencePromise[Message](messages)), keywords)
        head = RunRecord(_new_id(), owner, topic, self._version, self._restart, agent=agent)
        await self._begin(head, request, lambda live: self._answer(live, head, request))
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
        head = RunRecord(_new_id(), owner, topic, self._version)
        try:
            await self._begin(head, None, lambda live: live.start(replies, agent, self._error_text))
        except BaseException:
            replies.cancel()
            raise
        return head.run

    async def _begin(
        self, head: RunRecord, request: RunRequest | None, start: Callable[[LiveRun], None]
    ) -> None:
        context = await self._opened()
        if len(self._live) >= self._max_live:
            raise RequestError(f"{len(self._live)} runs go on; try again later.", 429, code="too_many_runs")
        began: Event = ["began", 0, None if request is None else request.as_data()]
        lease = Lease(head)
        live = self._make(lease, context)
        beginning = asyncio.create_task(self._journal.begin(lease, [began]), context=Variables())
        try:
            await asyncio.shield(beginning)
            self._journal.listen(lease, live.on_sent)
            start(live)
        except BaseException:  # the journal may write it nevertheless
            beginning.add_done_callback(partial(_end_begun, live))
            raise

    def _answer(
        self, live: LiveRun, record: RunRecord, request: RunRequest, events: Sequence[Event] = ()
    ) -> None:
        """Have the agent answer the request of a run, whose log has some events already."""
        agent = self._agents[request.agent]
        on_wait = None if self._restart == "never" else live.park
        block = LoggedCalls(
            live.log, record, events, on_wait=on_wait, linger=self._linger, on_diverged=live.diverged
        )
        live.listens = _is_interactive(agent)
        live.start(ask_logged(agent, request, block=block), agent.alias, self._error_text)

    def _make(self, lease: Lease, context: PromisingContext, events: Sequence[Event] = ()) -> LiveRun:
        live = self._live[lease.run] = LiveRun(
            *(lease, self._journal, context),
            keep=self._keep,
            may_retry=lambda: self._failures[lease.run] < _RETRIES,
            events=events,
        )

        def forget(closed: asyncio.Future[bool]) -> None:
            if closed.result() and self._live.get(live.run) is live:  # else only this process knows its end
                del self._live[live.run]
            if live.not_kept:
                self._failures[live.run] += 1
            self._checks |= live.log.questions.checks
            while len(self._checks) > _MOST_CHECKS:
                del self._checks[next(iter(self._checks))]

        live.closed.add_done_callback(forget)
        return live

    async def find(self, run: str, *, owner: str | None = "") -> RunRecord | None:
        """Return the record of a run; None if there is none, or it has another owner.

        Args:
            run: its id.
            owner: the user who asks; None: a run of anybody.

        Raises:
            NoActiveContextError: no context is active, or these runs have ended with theirs.
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
            NoActiveContextError: no context is active, or these runs have ended with theirs.
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
        if not await _sent(self._journal.send(run, "stop", None)):
            return False
        if (live := self._live.get(run)) is not None:
            live.stop()
            await live.stopped()
        return True

    async def questions(
        self, run: str | None = None, *, owner: str | None = "", answered: bool = False
    ) -> list[Question]:
        """Return the open questions of a run, or of all runs of an owner, oldest run first.

        Args:
            run: the id; None for all runs that have not ended. A warning in the log names those whose log is
                damaged.
            owner: the user who asks; None: of runs of anybody.
            answered: whether to return those, too, that have an answer which the run has not checked yet.

        Raises:
            NoActiveContextError: no context is active, or these runs have ended with theirs.
            MiniAgentsError: the journal cannot be used, or these runs are open in another context.
        """
        await self._opened()
        try:
            return await open_questions(self._journal, run, owner=owner, answered=answered)
        except JournalError as error:
            if error.reason != "unknown":
                raise
            return []

    async def answer(
        self,
        run: str,
        question: str,
        answer: object,
        *,
        digest: str | None = None,
        owner: str | None = "",
        by: str | None = None,
    ) -> bool:
        """Answer a question of a run, in whatever process the run is.

        When this returns, the answer is recorded: if the run's server has ended, the next one gets it.

        Args:
            run: the id of the run.
            question: the id of the question.
            answer: `Allow` or `Reject` for the call of a tool; else a value of the type that was asked for.
            digest: what was shown to who answers; None if that is not known.
            owner: the user who answers, whose run it is; None: a run of anybody.
            by: who answers, for the log.

        Returns:
            Whether the run has taken it. If not, a server of the run's version checks it when it goes on.

        Raises:
            RequestError: there is no such question (404), it was answered or has changed, or its run is over
                (409), its time is over (410), or the answer does not fit (422).
            MiniAgentsError: the journal cannot be used, or these runs are open in another context.
        """
        if await self.find(run, owner=owner) is None:
            raise no_run()
        with _refusing():
            return await answer_question(
                self._journal, run, question, answer, digest=digest, by=by, wait=_CHECKED, check=self._check
            )

    def _check(self, question: str, answer: Mapping[str, object]) -> None:
        """Refuse an answer that does not fit, without waking a run that was parked here."""
        if (check := self._checks.get(question)) is not None:
            check(answer)

    async def say(self, run: str, message: InputMessage, *, owner: str = "") -> None:
        """Say something to the interactive agent of a run while it works, in whatever process.

        When this returns, the message is recorded, and the run has heard it, or will when a server goes on
        with it. It is among the frames of the run when it is taken.

        Args:
            run: the id of the run.
            message: with an id, it counts once.
            owner: the user who says it, whose run it is.

        Raises:
            RequestError: there is no such run (404), it is over, or its agent is not interactive (409).
            MiniAgentsError: the journal cannot be used, or these runs are open in another context.
        """
        record, live = await self.find(run, owner=owner), self._live.get(run)
        if record is None:
            raise no_run()
        with _refusing():
            if not (await self._listens(record) if live is None else live.listens):
                why = "The agent of this run takes nothing while it works; only agent.interactive() does."
                raise RequestError(why, 409, code="not_interactive")
            if not message.input_id:
                message = message.model_copy(update={"input_id": _new_id()})
            if live is None or message.input_id not in live.log.dialogs.heard:
                goes_on = live is None or live.log.dialogs.open
                if not (goes_on and await self._hears(record, message)):
                    raise RequestError("This run is over; begin another one.", 409, code="run_over")

    async def _hears(self, record: RunRecord, message: InputMessage) -> bool:
        """Say something to a run; return False if it ends, or has ended, without having heard that."""
        if not record.ended and await _sent(self._journal.send(record.run, *RunLog.saying(message))):
            following = self._journal.follow(record.run, record.last)
            try:
                async with asyncio.timeout(_CHECKED), aclosing(following) as batches:
                    async for events in batches:
                        if message.input_id in RunLog.heard(events):
                            return True
            except TimeoutError:
                return True  # no server goes on with it now
            except JournalError as error:
                if error.reason != "unknown":  # else it was deleted meanwhile, with what was said
                    return True
        return message.input_id in RunLog.heard((await self._journal.read(record.run)).events)

    async def _listens(self, record: RunRecord) -> bool:
        name = record.agent
        # Its store does not keep it, or an earlier version has begun the run; those of `start` have none.
        if not name and record.restart == "server":
            match (await self._journal.read(record.run)).events[:1]:
                case [["began", _, {"agent": str(name)}]]:
                    pass
                case _:
                    return False
        return name in self._agents and _is_interactive(self._agents[name])

    async def send_event(self, name: str, value: object = None, *, expires: float = 86_400.0) -> None:
        """Say that something has happened for which a run waits (`wait_for_event`), or will wait.

        When this returns, it is recorded: the run goes on with it, in whatever process.

        Args:
            name: of what has happened.
            value: of the type that the run waits for.
            expires: for how many seconds the value is kept if no run waits for it yet.

        Raises:
            NoActiveContextError: no context is active, or these runs have ended with theirs.
            RequestError: another value was sent under this name (409), or it does not fit (422).
            MiniAgentsError: the journal cannot be used, or these runs are open in another context.
        """
        await self._opened()
        with _refusing():
            await send_event(self._journal, name, value, expires=expires, wait=_CHECKED, check=self._check)

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
        elif not record.ended and await _sent(self._journal.send(run, "stop", None)):
            # Its server writes the last frames before they are deleted; after that it cannot write any more.
            with suppress(TimeoutError):
                async with asyncio.timeout(_STOPPING):
                    await _sent(self._end_of(record))
        await self._journal.delete(run)
        return True

    async def _end_of(self, record: RunRecord) -> None:
        async with aclosing(self._journal.follow(record.run, record.last)) as more:
            async for _ in more:
                pass

    async def read(self, run: str, after: int = 0, *, owner: str | None = "") -> Feed | None:
        """Return the feed for a response; None if the run does not exist, or has another owner.

        Args:
            run: its id.
            after: the position after which to read.
            owner: the user who asks.

        Raises:
            NoActiveContextError: no context is active, or these runs have ended with theirs.
            MiniAgentsError: these runs are open in another context.
        """
        if await self.find(run, owner=owner) is None:
            return None
        live = self._live.get(run)
        if live is not None:
            return LiveFeed(live, after)
        return LogFeed(self._journal, run, after, await self._opened())

    async def question(self, run: str, question: str) -> Question | None:
        """Return a question of a run, open or not; None if there is none.

        Args:
            run: the id of the run.
            question: the id of the question.

        Raises:
            MiniAgentsError: these runs are open in another context, or the journal cannot be read.
        """
        for found in await self.questions(run, owner=None, answered=True):
            if found.id == question:
                return found
        for each in await self._frames_so_far(run, None):
            if isinstance(each, QuestionAsked) and each.question == question:
                return Question(run, question, each.kind, each.shown, each.digest, each.due)
        return None

    async def _frames_so_far(self, run: str, owner: str | None) -> list[Frame]:
        if await self.find(run, owner=owner) is None:
            return []
        found: list[Frame] = []
        for frames in in_steps(FrameView(), (await self._journal.read(run)).events):
            found += frames
            await asyncio.sleep(0)
        return found

    async def turn(
        self,
        run: str,
        answered: Collection[str] = (),
        seen: Collection[str] = (),
        *,
        owner: str = "",
        stops: bool = False,
    ) -> tuple[list[Positioned], Feed]:
        """Return the feed of a run that ends where the run waits for approvals.

        Args:
            run: its id.
            answered: the approvals that the client has answered now.
            seen: the ids of the calls whose results it has, besides. It has the frames up to the end of the
                turn in which all of these came.
            owner: the user who asks.
            stops: whether the run stops if the reader leaves before the end of the turn.

        Returns:
            The frames that the client has, and the feed behind them.

        Raises:
            RequestError: there is no such run, or it has another owner.
            MiniAgentsError: these runs are open in another context, or the journal cannot be read.
        """
        frames = await self._frames_so_far(run, owner)
        known = frames[: end_of_turn(frames, {*answered, *seen})] if answered else []
        feed = await self.read(run, len(known), owner=owner)
        if feed is None:
            raise no_run()
        closed = {each.question for each in frames if isinstance(each, QuestionAnswered)}
        turn = Turn(known, {*answered, *closed})
        live = self._live.get(run) if stops else None
        on_left = None if live is None else live.stop
        return list(enumerate(known, start=1)), TurnFeed(feed, turn, on_left)

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
            raise JournalError.unknown(run)
        async with aclosing(frames_of_feed(feed)) as frames:
            async for each in frames:
                yield each

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
            if context.refuses_calls:  # these runs are closed already
                raise NoActiveContextError(
                    "The context of these Runs ends, so that they take nothing more; another server goes on."
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
        self._depart = await self._journal.join(
            self._version, self._take_soon, waiting=self._take_over is not None
        )
        self._taking = asyncio.create_task(self._take(context), name="taking of runs")
        await asyncio.wait((self._taking,))

    def _take_soon(self) -> None:
        """Take runs that other servers have left, in a task of its own."""
        self._left = True
        context = self._context
        if context is not None and not server_ends(context) and (self._taking is None or self._taking.done()):
            self._taking = asyncio.create_task(
                self._take(context), name="taking of runs", context=Variables()
            )

    async def _take(self, context: PromisingContext) -> None:
        await asyncio.sleep(0)  # an eager task would begin within `_take_soon`
        self._left = True
        try:
            while self._left and not server_ends(context) and (room := self._max_live - len(self._live)) > 0:
                self._left = False
                waiting = self._take_over is not None
                for lease in await self._journal.take(self._version, room, waiting=waiting):
                    self._left = True
                    try:
                        await self._go_on(lease, context)
                    except Exception as error:
                        logger.exception("A run of an earlier server cannot continue now: %s", lease.run)
                        await self._let_go(lease, error)
        except JournalError:
            logger.exception("Runs of earlier servers cannot continue now.")

    async def _go_on(self, lease: Lease, context: PromisingContext) -> None:
        """Continue a run of an earlier server, or end it if that is not possible."""
        record = lease.record
        if (before := self._live.get(record.run)) is not None:
            before.log.lose()  # this process has slept for so long that it takes its own run over
        page = await self._journal.read(record.run)
        request, ending = (None, LOST) if record.restart == "never" else self._request_of(record, page.events)
        if "stop" in page.sent:
            ending = STOPPED
        if record.topic == OF_ITS_CLIENT and not _waits(page.events):
            ending = ending or LOST  # its client has gone, and may have sent the request again
        live = self._make(lease, context, page.events)
        if request is None or ending is not None:
            warns = request is None and record.restart != "never"
            live.end(ending or LOST, logging.WARNING if warns else logging.INFO)
            await live.closed
            return
        try:
            variables = Variables()
            variables.run(context.make_current)
            variables.run(self._answer, live, record, request, page.events)
            for key, data in page.sent.items():
                live.on_sent(key, data)
            self._journal.listen(lease, live.on_sent)
        except BaseException:
            live.log.lose()
            raise
        if page.events[-1][0] != "parked":  # else no server had it
            logger.info("A run of another server was taken over: %s", record.run)

    async def _let_go(self, lease: Lease, error: Exception) -> None:
        """Leave a run for a while; end it if that was so too often, unless others can continue it."""
        record = lease.record
        counts = not isinstance(error, JournalError) or error.reason in {None, "damaged"}
        last = _cannot("The server failed whenever it began this answer again, so the answer")
        if isinstance(error, JournalError):
            last = _cannot("What was recorded of this answer is damaged, so it")
        with suppress(Exception):  # another process has it, or takes it over: the journal is away
            if counts and record.attempts >= self._max_attempts:
                frames: list[Frame] = []
                with suppress(JournalError):  # none, if what is damaged cannot be read
                    frames = FrameView().take((await self._journal.read(record.run)).events)
                event: Event = ["ended", 0, last.how, last.sentence, len(frames) + 1]
                await self._journal.end(lease, [event], how=last.how, keep=self._keep)
                logger.warning("A run is lost (%s): %s", record.run, last.sentence)
            else:
                wake_at = time.time() + _AGAIN
                await self._journal.leave(lease, wake_at=wake_at, heard=sys.maxsize, counts=counts)

    def _request_of(
        self, record: RunRecord, events: Sequence[Event]
    ) -> tuple[RunRequest | None, RunEnded | None]:
        """The request of a run, None if this server cannot continue it; and its last frame, if it ends."""
        try:
            began = events[0] if events else []
            _, _, data = began  # none if its texts were dropped
            request = RunRequest.of_data(data)
        except ValueError:
            return None, _cannot("The request of this answer can no longer be read, so the answer")
        if record.attempts > self._max_attempts:
            times = "once" if self._max_attempts == 1 else f"{self._max_attempts} times"
            return None, _cannot(f"The server ended {times} during this answer, so the answer")
        if request.agent not in self._agents:
            return None, _cannot("The agent of this answer does not exist any more, so the answer")
        if record.version == self._version:
            return request, None
        if self._take_over is None:
            return None, _CHANGED
        record = replace(record, state="parked" if _waits(events) else "left", agent=request.agent)
        return request, _decided(record, self._take_over)

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
            each.stop(SHUT_DOWN)  # it has no context, or does not end when it is cancelled
        closing = [each.closed for each in self._live.values()]
        if closing:
            _, late = await asyncio.wait(closing, timeout=_CLOSING)
            if late:
                logger.error("%s runs could not be recorded completely.", len(late))
        self._live.clear()


async def _sent(sending: Awaitable[None]) -> bool:
    """Send something to a run; False if it has ended meanwhile."""
    try:
        await sending
    except JournalError as error:
        if error.reason not in ("ended", "unknown"):
            raise
        return False
    return True


@contextmanager
def _refusing() -> Generator[None]:
    """A block whose `QuestionError`s become `RequestError`s, and that of a run that was deleted meanwhile."""
    try:
        yield
    except JournalError as error:
        if error.reason != "unknown":
            raise
        raise no_run() from None
    except QuestionError as error:
        status, code = _REFUSALS[error.reason or "invalid"]
        raise RequestError(str(error), status, code=code) from None


def _end_begun(live: LiveRun, beginning: asyncio.Task[None]) -> None:
    """End a run that could not begin, if its beginning was written."""
    if beginning.cancelled() or beginning.exception() is not None:
        live.log.lose()
    else:
        live.end(STOPPED)


def _waits(events: Sequence[Event]) -> bool:
    """Whether a run was parked, or killed while it waited for approvals."""
    return events[-1][0] == "parked" or Turn(FrameView().take(events)).waits


def _new_id() -> str:
    """Return 128 random bits; programs with arguments would take a first "-" for an option."""
    return secrets.token_urlsafe(16).replace("-", ".")


def _is_interactive(agent: object) -> bool:
    """Return whether an agent, or one that it is made of, takes what is said to it while it works."""
    parts: Sequence[object] = getattr(agent, "components", ())
    return isinstance(agent, InteractiveAgent) or any(map(_is_interactive, parts))


def _decided(record: RunRecord, take_over: Callable[[RunRecord], object]) -> RunEnded | None:
    """What `take_over` says of a run of another version; it goes on only if that says so."""
    try:
        sentence = take_over(record)
        if isinstance(sentence, str | None):
            return None if sentence is None else RunEnded("lost", sentence)
        raise TypeError(  # noqa: TRY301 - it is logged like an error of the function
            f"take_over returned a {type(sentence).__name__}; return the sentence, or None."
        )
    except Exception:
        logger.exception("take_over failed, so a run of another version ends: %s", record.run)
        return _CHANGED


def _cannot(reason: str) -> RunEnded:
    return RunEnded("lost", f"{reason} does not continue.")


_CHANGED: Final = _cannot("The agents have changed since this answer began, so it")
