"""``a.guard(...)``: checks see what goes into an agent and what comes out of it, before any reader does.

A message of the agent is written anew by a task: parts wait in it until the check has passed the text up to
``hold`` characters behind them, calls of tools until the whole message has passed. If a check gives a reason,
the agent is stopped, and what waits is dropped.
"""

from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias, cast

from miniagents.messages import (
    AssistantMessage,
    InputMessage,
    Message,
    MessagePromise,
    MessageSequencePromise,
)
from miniagents.messages._message import CALLS_MADE, message_of
from miniagents.messages._parts import is_content, parts_in, shown_text
from miniagents.streams._buffer import ReplayBuffer
from miniagents.values import (
    GuardError,
    InquiryCancelledError,
    Part,
    Reasoning,
    Restart,
    ToolCallDelta,
    check_count,
)

from ._operands import Operand, ReplyContext, given_name, named, until_read
from ._rewritten import RewrittenSink, parts_for, rewritten

Check: TypeAlias = Callable[[str], "str | Awaitable[str | None] | None"] | Operand
"""Gets a text; returns None if it may be said, else the reason. An agent replies OK, or the reason."""

_NEVER = float("inf")


@dataclass(frozen=True, slots=True)
class Guarding:
    """The wrapper of ``a.guard(...)``.

    Attributes:
        during: gets the text of a message so far, and that of its thoughts.
        before: gets the input.
        after: gets the text of a complete message.
        hold: how many characters wait for the check.
        replacement: what is said instead; None for a `GuardError`.
    """

    during: Check | None
    before: Check | None
    after: Check | None
    hold: int
    replacement: str | None

    def __post_init__(self) -> None:
        wrong = [f"{name}={check!r}" for name, check in self._checks() if not callable(check)]
        if wrong or not self._checks():
            raise TypeError(
                f"guard({', '.join(wrong)}): give during=, before= or after=: a function or an agent."
            )
        check_count("guard", "hold", self.hold, least=0)

    def _checks(self) -> list[tuple[str, object]]:
        checks = (("during", self.during), ("before", self.before), ("after", self.after))
        return [(name, check) for name, check in checks if check is not None]

    def alias_around(self, part: Operand) -> str:
        """The alias of the agent, and its checks."""
        checks = ", ".join(f"{name}={given_name(check)}" for name, check in self._checks())
        return f"{named(part)}.guard({checks})"

    def description_around(self, part: Operand) -> str:
        """The agent that is checked."""
        return f"{part.alias}, stopped when it says what it must not."

    async def __call__(self, ctx: ReplyContext, call: Operand) -> None:
        """Pass the replies on, each through the checks; the input is judged while the agent works."""
        replies = call.inquire(ctx.messages)
        if self.before is not None:
            before = _function_of(self.before)
            reason = await _reason(before, before(str(await ctx.messages)))
            if reason is not None:
                replies.cancel()
                if self.replacement is None:
                    raise GuardError(reason)
                ctx.reply(AssistantMessage(self.replacement))
                return
        run = _Guarded(self, replies.buffer)
        try:
            async for promise in replies:
                said_to_it = promise.message_class is InputMessage  # a tool loop replies what it has taken
                ctx.reply(promise if said_to_it else run.message(promise))
                await until_read()
        except InquiryCancelledError:
            if not run.tripped:
                raise


class _Guarded:
    """One run of a guarded agent.

    Args:
        guard: the checks.
        replies: the buffer of the agent's replies; not the promise, which would keep the run going.

    Attributes:
        tripped: whether a check has stopped it.
    """

    def __init__(self, guard: Guarding, replies: ReplayBuffer[MessagePromise[Message]]) -> None:
        self._during = _function_of(guard.during)
        self._after = _function_of(guard.after)
        shown = 0 if guard.during is None else guard.hold
        self._hold = shown if guard.after is None else _NEVER
        self._replacement = guard.replacement
        self._replies = replies
        self.tripped: bool = False

    def message(self, promise: MessagePromise[Message]) -> MessagePromise[Message]:
        """Return the message that readers get in the place of another one."""
        return rewritten("guard", promise, partial(self._parts, promise))

    async def _parts(  # noqa: C901 - calls of helpers would cost more than the branches
        self, promise: MessagePromise[Message], sink: RewrittenSink
    ) -> AsyncGenerator[Part]:
        """Yield each part when it may be shown; then the error, or the replacement."""
        buffer, reason, position, read = promise.buffer, None, 0, 0
        waiting, during = _Waiting(self._hold), self._during
        held = waiting.parts
        came = parts_in(buffer)
        text = thoughts = ""  # names of this function: only these grow without a copy of what is there
        try:
            async for _ in parts_for(sink.buffer, buffer):
                read += 1
                if read <= position:  # all that came while a check was waited for was judged at once
                    continue
                if type(came[position]) is Restart:  # what came before it is judged no more, and not shown
                    text = thoughts = ""
                    waiting.withdraw()
                count, said, thought = waiting.add(came, position)
                position += count
                text += said
                verdict = during(text) if said else None
                reason = None if verdict is None else await _reason(during, verdict)
                if thought and reason is None:
                    thoughts += thought
                    reason = await _reason(during, during(thoughts))
                if reason is not None:
                    break
                while held and held[0][0] <= waiting.seen:
                    part = held.popleft()[1]
                    waiting.shown = waiting.shown or is_content(part)
                    yield part
        except Exception as error:
            # With a check of the whole, nothing has judged what came.
            for part in waiting.all() if error is buffer.error and self._hold != _NEVER else ():
                yield part
            raise
        if reason is None:
            reason = await _reason(self._after, self._after(text))
        for part in waiting.all() if reason is None else self._instead(reason, waiting):
            yield part
        sink.whole = buffer.result if reason is None else self._replaced(sink)

    def _instead(self, reason: str, waiting: "_Waiting") -> Iterator[Part]:
        """Stop the agent, and yield the replacement.

        Raises:
            GuardError: there is none.
        """
        self.tripped = True
        (CALLS_MADE.get() or set()).clear()  # these are not made on purpose
        MessageSequencePromise.over(self._replies).cancel()
        if self._replacement is None:
            raise GuardError(reason)
        if waiting.shown:
            yield Restart(reason)
        yield self._replacement

    def _replaced(self, sink: RewrittenSink) -> Message:
        """Return the replacement as a message; of the same class, unless that requires other data."""
        with suppress(Exception):
            return message_of(sink.message_class, self._replacement or "", dict(sink.metadata))
        return AssistantMessage(self._replacement)


class _Waiting:
    """The parts of one message that may not be shown yet.

    Args:
        hold: how many characters must follow a part.

    Attributes:
        parts: each with the number of characters that lets it go.
        seen: how many characters have come.
        shown: whether any content was shown.
    """

    def __init__(self, hold: float) -> None:
        self._hold = hold
        self.parts: deque[tuple[float, Part]] = deque()
        self.seen: int = 0
        self.shown: bool = False

    def add(self, parts: Sequence[Part], since: int) -> tuple[int, str, str]:
        """Take new parts, up to the next `Restart`; return how many, what was said, and what was thought."""
        said = thought = ""
        count, seen, hold = 0, self.seen, self._hold
        for part in parts[since:]:
            if type(part) is str:  # the most frequent case
                said += part
                seen += len(part)
                self.parts.append((seen + hold, part))
            elif count and isinstance(part, Restart):
                break
            elif self.shown or not isinstance(part, Restart):  # else nothing is to be withdrawn
                refused, thought_of = shown_text(part), part.text if isinstance(part, Reasoning) else ""
                said, thought = said + refused, thought + thought_of
                seen += len(refused) + len(thought_of)
                until = seen + hold if refused or thought_of else 0
                self.parts.append((_NEVER if isinstance(part, ToolCallDelta) else until, part))
            count += 1
        self.seen = seen
        return count, said, thought

    def withdraw(self) -> None:
        """Drop the text that waits before a `Restart`, which comes next.

        Nothing has judged it as a whole. If nothing of it was shown, readers need not know of the `Restart`.
        """
        kept = [each for each in self.parts if not is_content(each[1])]
        self.parts.clear()
        self.parts.extend(kept)

    def all(self) -> Iterator[Part]:
        """Yield all parts."""
        return (part for _, part in self.parts)


def _function_of(check: Check | None) -> Callable[[str], object]:
    """Return a check as a function; that of an agent is asynchronous."""
    if check is None:
        return _passes
    return partial(_by_agent, check) if isinstance(check, Operand) else check


def _passes(_: str) -> None:
    """Find nothing."""


async def _by_agent(check: Operand, text: str) -> str | None:
    if not text:  # a message of calls alone: no model answers that
        return None
    answer = str(await check.inquire(text)).strip()
    if not answer:  # it was refused or cut, perhaps
        return f"{check.alias} did not say whether it is OK."
    return None if answer.rstrip(".!").upper() == "OK" else answer


async def _reason(check: Callable[[str], object], verdict: object) -> str | None:
    """Return the reason that a check gives, which may have to be awaited; None if the text may be said."""
    if verdict is None:
        return None
    if isinstance(verdict, Awaitable):
        verdict = await cast("Awaitable[object]", verdict)
    if verdict is None or isinstance(verdict, str):
        return verdict
    kind = type(verdict).__name__
    raise TypeError(
        f"The check {given_name(check)} of guard returned a {kind}; return None, or a text, the reason."
    )
