"""``a.timeout(first_token=..., stall=..., total=...)``: an agent that is not waited for without end."""

import asyncio
from dataclasses import dataclass

from miniagents.core import Context, MessageSequencePromise, current_ancestry, raise_error
from miniagents.values import AgentTimeoutError, Deadline, Part, check_seconds

from ._copy import MessageCopy
from ._operands import Conversation, Operand, input_complete, is_content, named
from ._tasks import ended

LIMITS = ("first_token", "stall", "total")


@dataclass(frozen=True, slots=True)
class Timeout:
    """What ``a.timeout(...)`` runs; all limits in seconds, None for none.

    Attributes:
        agent: who is waited for.
        first_token: from the end of its input to its first token, or first message without any.
        stall: between two signs of it; before the first one it counts if there is no ``first_token``.
        total: from the inquiry to the end of its last message.
    """

    agent: Operand
    first_token: float | None
    stall: float | None
    total: float | None

    def __post_init__(self) -> None:
        for name in LIMITS:
            check_seconds("timeout", name, getattr(self, name))

    @property
    def alias(self) -> str:
        """The part and its limits."""
        limits = ((name, getattr(self, name)) for name in LIMITS)
        given = ", ".join(f"{name}={seconds:g}" for name, seconds in limits if seconds is not None)
        return f"{named(self.agent)}.timeout({given})"

    @property
    def description(self) -> str:
        """Who is waited for."""
        return f"{self.agent.alias}, stopped when it takes too long."

    async def __call__(self, ctx: Conversation) -> None:
        """Pass the replies on until a limit strikes."""
        run = _Run(ctx, self.agent.inquire(ctx.messages))
        begun = run.now()
        complete = input_complete(ctx.messages)
        complete.add_done_callback(run.look)
        try:
            run.deliver()
            run.replies.buffer.attach(run)
            while not run.over:
                if complete.done() and run.waiting_since is None:
                    run.waiting_since = run.now()
                if run.signs:
                    complete.cancel()  # from now on the agent alone says how much of its input is wanted
                deadline, limit = self._next(run, begun)
                if run.now() < deadline:
                    await run.until(deadline)
                else:
                    self._strike(run, limit, run.now() - begun)
                    return
            raise_error(run.replies.buffer)
        finally:
            run.leave()
            await ended((complete,))

    def _next(self, run: "_Run", begun: float) -> Deadline:
        """Which limit would strike next, and when."""
        total = Deadline.of("total", begun, self.total)
        if run.waiting_since is None:
            return total
        first = self.first_token is not None and not run.signs
        name, seconds = ("first_token", self.first_token) if first else ("stall", self.stall)
        return min(total, Deadline.of(name, run.waiting_since, seconds), key=lambda each: each.at)

    def _strike(self, run: "_Run", limit: str, elapsed: float) -> None:
        """End what is still open with the error, and the agent with it."""
        seconds: float = getattr(self, limit)
        text = next((copy.text for copy in run.open), "")
        error = AgentTimeoutError(
            f"{self.agent.alias} was stopped after {elapsed:.3g} s: its limit {limit}={seconds:g} s was up; "
            f"tokens so far: {run.tokens}.",
            agent=self.agent.alias,
            limit=limit,
            seconds=seconds,
            elapsed=elapsed,
            tokens=run.tokens,
            partial_text=text,
        )
        for copy in tuple(run.open):
            copy.fail(error, (self.alias,))
        run.replies.cancel()
        if not run.ended:  # else all that was left were messages, and each has its error
            raise error


class _Run:
    """Follows the replies of the agent, copies each message, and knows when the last sign of it came.

    Attributes:
        waiting_since: when it was last heard of; None before it has its input and gave a sign.
        signs: how many tokens and ends of messages there were.
        tokens: how many tokens.
        open: the copies that have not ended.
        ended: there are no further messages, and the replies say so.
    """

    __slots__ = (
        *("_ctx", "_lineage", "_loop", "_owner", "position", "_wake"),
        *("ended", "open", "replies", "signs", "tokens", "waiting_since"),
    )

    def __init__(self, ctx: Conversation, replies: MessageSequencePromise) -> None:
        self._ctx = ctx
        self._loop = asyncio.get_running_loop()
        self._owner = Context.current()
        self._lineage = current_ancestry()
        self.position = 0
        self._wake: asyncio.Future[None] | None = None
        self.replies = replies
        self.waiting_since: float | None = None
        self.signs = 0
        self.tokens = 0
        self.open: dict[MessageCopy, None] = {}
        self.ended = False

    @property
    def over(self) -> bool:
        """Whether the replies and all messages have ended."""
        return (
            self.replies.buffer.closed and self.position == len(self.replies.buffer.items) and not self.open
        )

    def now(self) -> float:
        """The time of the event loop, in seconds."""
        return self._loop.time()

    def deliver(self) -> None:
        """Pass on the messages that are new."""
        buffer = self.replies.buffer
        while self.position < len(buffer.items):
            promise = buffer.items[self.position]
            self.position += 1
            if promise.buffer.closed and promise.buffer.error is None:
                self.tokens += len(promise.buffer.items)
                self._sign()
                self._ctx.reply(promise)
                continue
            copy = MessageCopy(promise, self._owner, self._heard)
            copy.buffer.produce_with(copy, self._lineage)  # what delivers this is another run
            self.open[copy] = None
            self._ctx.reply(copy.show())
        if buffer.closed and buffer.error is None and not self.ended:
            self.ended = True
            self._ctx.finish_early()
        if buffer.closed:
            self.look()

    def _heard(self, copy: MessageCopy, part: Part | None) -> None:
        if part is None:
            self.open.pop(copy, None)
            if not self.open:
                self.look()
        elif not is_content(part):
            return
        elif isinstance(part, str):
            self.tokens += 1
        self._sign()

    def _sign(self) -> None:
        self.waiting_since = self.now()
        self.signs += 1
        if self.signs == 1:
            self.look()  # from now on another limit counts

    def look(self, *_: object) -> None:
        """Have the run look at its limits anew."""
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    async def until(self, deadline: float) -> None:
        """Wait until there is something to look at, or until the time of the loop is ``deadline``."""
        self._wake = self._loop.create_future()
        timer = self._loop.call_at(deadline, self.look) if deadline < float("inf") else None
        try:
            await self._wake
        finally:
            self._wake = None
            if timer is not None:
                timer.cancel()

    def leave(self) -> None:
        """Follow no more; the copies go on by themselves for whoever holds them."""
        self.replies.buffer.detach(self)
        for copy in tuple(self.open):
            copy.release()
