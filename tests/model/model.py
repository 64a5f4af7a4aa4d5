"""The algebra of agents as pure functions on messages with their tokens and times.

A stream is data here: a `Said` is one message, with the time of each token and of its end; `Replies` are a
sequence, with the time at which each message appears. An operator gets the messages that it was sent and the
time at which it was inquired, and returns its replies. Nothing waits, nothing is paused, nobody reads.

The rules are those of the public pages. Where these leave something open, the sentence that decides it is in
README.md beside this file.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise
from typing import Final, TypeAlias

from tests.model import programs as p
from tests.model.lives import AFTER, LATER, NEVER, Life, UndecidedError, Written, before

__all__ = ["Model", "Moment", "Replies", "Said", "Token", "same_text"]

Token: TypeAlias = tuple[float, str]

LIBRARY_ERRORS: Final = (
    *("AgentTimeoutError", "InquiryCancelledError", "RaceLostError", "MessageValidationError"),
    *("GuardError", "WithdrawnError"),
)

_TEXT_OF_LIBRARY = re.compile(rf"({'|'.join(LIBRARY_ERRORS)})\b[^\n+]*", re.IGNORECASE)

_NUMBER = re.compile(r"#\d+")


def same_text(text: str) -> str:
    """Return the text without the sentences of the library's errors, and without the numbers of the model."""
    return _NUMBER.sub("", _TEXT_OF_LIBRARY.sub(lambda found: found.group(1), text))


@dataclass(frozen=True, slots=True)
class Said:
    """One message.

    Attributes:
        tokens: with their times; a text that was finished from the beginning has one.
        end: when it is complete, or fails.
        error: its error.
        note: whether it is a `Note`.
        life: of what writes it; None for a message that was finished from the beginning.
        fixed: whether it is of a class that is no `Note` and cannot become one.
        result: the result of a tool, a text that is no token.
        calls: of tools, with the seconds that each takes.
        summary: whether it stands for other messages.
        instead: the text that has taken the place of the tokens, which were withdrawn.
    """

    tokens: tuple[Token, ...]
    end: float
    error: str | None = None
    note: bool = False
    life: Life | None = None
    fixed: bool = False
    result: str = ""
    calls: tuple[float, ...] = ()
    summary: bool = False
    instead: tuple[Token, ...] | None = None

    @property
    def text(self) -> str:
        """All tokens, or the result."""
        stands = self.tokens if self.instead is None else self.instead
        return "".join(text for _, text in stands) + self.result

    def as_whole(self, at: float) -> "Said":
        """The finished message of what stands, which comes at a time."""
        text = self.text.removesuffix(self.result)
        tokens = ((at, text),) if text else ()
        return replace(self, tokens=tokens, end=at, life=None, instead=None)

    @property
    def told(self) -> str | None:
        """The error for readers of tokens: a text cannot be withdrawn from them."""
        return self.error or (None if self.instead is None else "WithdrawnError")

    @property
    def begins(self) -> float:
        """When its first token comes, or its end."""
        return self.tokens[0][0] if self.tokens else self.end


@dataclass(frozen=True, slots=True)
class Replies:
    """A sequence of messages.

    Attributes:
        items: each with the time at which it appears.
        end: when the sequence ends.
        error: its error, after all messages.
        life: of what writes it.
    """

    items: tuple[tuple[float, Said], ...]
    end: float
    error: str | None = None
    life: Life | None = None

    def with_error(self) -> Iterator[tuple[float, Said]]:
        """Return the messages; an error of the sequence is one more, which fails."""
        yield from self.items
        if self.error is not None:
            yield self.end, Said((), self.end, self.error)

    def whole(self, since: float) -> tuple[float, str | None]:
        """Return when `await` returns, or raises which error."""
        now = since
        for at, said in self.items:
            now = max(now, at, said.end)
            if said.error is not None:
                return now, said.error
        return max(now, self.end), self.error

    def complete(self) -> float:
        """Return when the last message has ended, with or without an error."""
        return max([self.end, *(said.end for _, said in self.items)])

    def cancelled(self, at: float) -> "Replies":
        """Return them as readers get them if the run is cancelled at a time."""
        items: list[tuple[float, Said]] = []
        for _, said in self.items:
            for time, _ in (*said.tokens, (said.end, "")):
                before(time, at)
        for appears, said in self.items:
            if not before(appears, at):
                break
            stopped = NEVER if said.life is None else said.life.cancelled_at()
            if stopped < said.end:
                before(stopped, said.end)
                tokens = tuple(token for token in said.tokens if before(token[0], stopped))
                said = replace(said, tokens=tokens, end=stopped, error="InquiryCancelledError")  # noqa: PLW2901
            items.append((appears, said))
        if before(self.end, at):
            return replace(self, items=tuple(items))
        return replace(self, items=tuple(items), end=at, error="InquiryCancelledError")

    def sign(self) -> tuple[float, str | None]:
        """Return when a reader sees that the reply has begun, or that it has failed before it did."""
        if not self.items:
            return self.end, self.error
        at, first = self.items[0]
        return max(at, first.begins), None if first.tokens else first.error

    @property
    def text(self) -> str:
        """The texts, joined as those of awaited messages are."""
        return "\n\n".join(said.text for _, said in self.items)


def finished(text: str, at: float, *, note: bool = False) -> Said:
    """A message that is complete from the beginning."""
    return Said(((at, text),) if text else (), at, note=note)


@dataclass(slots=True)
class Flat:
    """What an agent has replied so far: one flat sequence, in the order of the replies."""

    life: Life
    items: list[tuple[float, Said]] = field(default_factory=list[tuple[float, Said]])
    last: float = -NEVER
    open_until: float = -NEVER

    def add(self, at: float, reply: "Said | Replies") -> None:
        """Add a reply that was made at a time."""
        self.last = max(self.last, at)
        if isinstance(reply, Said):
            self._add(self.last, reply, at)
            return
        since = self.last
        if reply.life is not None:
            reply.life.held_by_buffer(self.life, max(since, reply.end) + AFTER, since=at, reads=True)
        for appears, said in reply.with_error():
            self._add(max(appears, since), said, max(appears, since))
        self.last = max(since, reply.end)

    def _add(self, at: float, said: Said, since: float) -> None:
        if len(self.items) > MOST:
            raise UndecidedError
        self.items.append((at, said))
        if said.life is not None:
            said.life.held_by_buffer(self.life, since=since, appears=at)

    def end(self, at: float, error: str | None = None) -> Replies:
        """Return all of it."""
        until = max(self.last, at, self.open_until if error is None else at)
        return Replies(tuple(self.items), until, error, self.life)


MOST: Final = 2_000
"""Messages of one sequence; some programs double them again and again, and are not judged."""

NOWHERE: Final = Life(None, NEVER, cancelled=0.0)
"""The life of nothing."""

_Wrapped: TypeAlias = p.ErrorsAsMessages | p.Guarded | p.Retry | p.Timeout | p.Around | p.Fork


@dataclass(frozen=True, slots=True)
class Moment:
    """Something happens to an error.

    Attributes:
        error: its name.
        at: when, in seconds.
        life: where; None for the program.
        surely: whether the pages say so; otherwise they leave it open.
    """

    error: str
    at: float
    life: Life | None
    surely: bool = True


@dataclass
class Model:
    """Interprets one program.

    Attributes:
        written: every message that a `Streamed` writes, with its life.
        raised: every error, where it comes to be.
        seen: every error, where something handles it.
        mended: the errors that become messages, or that a handler gets.
        again: the errors that were raised a second time, with what they were the first time.
        named: errors with a note that names an agent.
        calls: of each `Flaky`.
        limits: when time limits expire that end a message.
        forgetters: the runs that have begun something that nothing reads.
    """

    written: list[Written] = field(default_factory=list[Written])
    raised: list[Moment] = field(default_factory=list[Moment])
    seen: list[Moment] = field(default_factory=list[Moment])
    mended: set[str] = field(default_factory=set[str])
    again: dict[str, str] = field(default_factory=dict[str, str])
    named: set[str] = field(default_factory=set[str])
    calls: dict[int, int] = field(default_factory=dict[int, int])
    limits: list[float] = field(default_factory=list[float])
    forgetters: list[Life] = field(default_factory=list[Life])

    def begin(self, program: p.Program) -> tuple[Replies, Replies, Life]:
        """Return what a program sends, the replies of its agent, and the life of the program."""
        main = Life(None, 0.0)
        sent = self._sent(program.form, 0.0, Replies((), 0.0), main)
        return sent, self.inquire(program.agent, sent, 0.0, main), main

    def sees(self, error: str | None, at: float, life: Life | None) -> None:
        """Something handles an error."""
        if error is not None:
            self.seen.append(Moment(error, at, life))

    def _perhaps_sees(self, error: str, at: float, life: Life) -> None:
        """Something gets an error, and fails with it itself."""
        self.seen.append(Moment(error, at, life, surely=False))

    def _raises(self, error: str, at: float, life: Life | None, *, named: bool = False) -> str:
        """Return a new error; `named` if it has the name of an agent in any case."""
        if named:
            self.named.add(error)
        error = f"{error}#{len(self.raised)}"
        self.raised.append(Moment(error, at, life))
        return error

    def _raises_again(self, error: str, at: float, life: Life) -> str:
        """Return an error that something has handled, and with which a stream fails after that."""
        again = self._raises(error.partition("#")[0], at, life)
        self.again[again] = self.again.get(error, error)
        return again

    def all_seen(self) -> Iterator[Moment]:
        """Return `seen`; what handles an error after it was raised again handles all that it has ended."""
        yield from self.seen
        for raised in self.raised:
            first = self.again.get(raised.error)
            for each in self.seen:
                same = first is not None and self.again.get(each.error, each.error) == first
                if same and each.error != raised.error and each.at > raised.at - LATER:
                    surely = each.surely and each.at > raised.at + 2 * AFTER
                    yield Moment(raised.error, each.at, each.life, surely)

    # -- forms --------------------------------------------------------------------------------------------

    def form(self, form: p.Form, at: float, received: Replies, run: Life) -> Said | Replies:  # noqa: PLR0911 - a case for each kind
        """Return what becomes of a form that is made at a time by a run."""
        match form:
            case p.Text():
                return finished(form.text, at, note=form.note)
            case p.Streamed():
                return self._streamed(form, at, run)
            case p.Failure():
                return Said((), at, self._raises(form.error, at, run))
            case p.Received():
                return received
            case p.Listed() | p.Generated():
                return self._collection(form, at, received, run)
            case p.Asked():
                return self.inquire(form.agent, self._sent(form.form, at, received, run), at, run)
            case p.Joined():
                return self._joined(self._sent(form.form, at, received, run), at, run)
            case p.Split():
                return self._split(self._sent(form.form, at, received, run), at, run)
            case p.Piped():
                return self.inquire(form.agent, received, at, run)

    def _sent(self, form: p.Form, at: float, received: Replies, run: Life) -> Replies:
        """Return the input of an agent that is sent a form."""
        made = self.form(form, at, received, run)
        if isinstance(made, Replies) and isinstance(form, p.Asked | p.Received | p.Split):
            return made
        flat = Flat(Life(run, at, expected=True))
        flat.add(at, made)
        sent = flat.end(at)
        flat.life.ended = sent.end
        return sent

    def _streamed(self, form: p.Streamed, at: float, run: Life) -> Said:
        now = at
        tokens: list[Token] = []
        for pause, text in form.tokens:
            now += pause
            tokens.append((now, text))
        error = None
        if form.fails is not None:
            now += form.fails[0]
        now += form.ends if form.fails is None else 0.0
        life = Life(run, at, now)
        if form.fails is not None:
            error = self._raises(form.fails[1], now, life, named=life.in_run())
        self.written.append(Written(form, life, tuple(tokens)))
        return Said(tuple(tokens), now, error, form.note, life)

    def _collection(self, form: p.Listed | p.Generated, at: float, received: Replies, run: Life) -> Replies:
        life = Life(run, at)
        flat = Flat(life)
        now, error = at, None
        if isinstance(form, p.Listed):
            for each in form.forms:
                flat.add(now, self.form(each, now, received, run))
        else:
            if received.life is not None:  # the generator could still use its context
                received.life.held_by_task(life, since=at, reads=False)
            for pause, each in form.items:
                now += pause
                flat.add(now, self.form(each, now, received, life))
            if form.fails is not None:
                now += form.fails[0]
                error = self._raises(form.fails[1], now, life)
        replies = flat.end(now, error)
        life.ended, life.task_ended = replies.end, now
        return replies

    def _joined(
        self, messages: Replies, at: float, run: Life, delimiter: str = "+", *, blank: bool = True
    ) -> Said:
        life = Life(run, at)
        tokens: list[Token] = []
        now = at
        error = None
        for place, (appears, said) in enumerate(messages.items):
            now = max(now, appears)
            if place and blank:
                tokens.append((now, delimiter))
            for number, (time, text) in enumerate(said.tokens):
                now = max(now, time)
                if tokens and not blank and not number:
                    tokens.append((now, delimiter))
                tokens.append((now, text))
            now = max(now, said.end)
            error = said.error
            if error is None and said.told is not None:
                error = self._raises(said.told, now, life)
            if error is not None:
                break
        else:
            now, error = max(now, messages.end), messages.error
        life.ended = now
        if messages.life is not None:
            messages.life.held_by_task(life, since=at)
        return Said(tuple(tokens), now, error, life=life)

    def _split(self, messages: Replies, at: float, run: Life) -> Replies:
        life = Life(run, at)
        whole = self._joined(replace(messages, life=None), at, run)
        if messages.life is not None:
            messages.life.held_by_task(life, since=at)
        items: list[tuple[float, Said]] = []
        tokens: list[Token] = []
        held = ""  # newlines, which may be at the end of a message

        def end(now: float, error: str | None = None) -> None:
            nonlocal held
            held = ""
            if tokens:
                piece = Life(life, tokens[0][0], now)
                if messages.life is not None:
                    messages.life.held_by_task(piece, since=at)
                items.append((tokens[0][0], Said(tuple(tokens), now, error, life=piece)))
                tokens.clear()

        for now, text in whole.tokens:
            for place, each in enumerate(text.split("+")):
                if place:
                    end(now)
                part = held + each if tokens else each.lstrip("\n")
                held = part[len(part.rstrip("\n")) :]
                if part.rstrip("\n"):
                    tokens.append((now, part.rstrip("\n")))
        end(whole.end, whole.error)
        life.ended = whole.end
        return Replies(tuple(items), whole.end, whole.error, life)

    # -- agents -------------------------------------------------------------------------------------------

    def inquire(self, agent: p.Agent, sent: Replies, at: float, by: Life) -> Replies:
        """Return the replies of an agent that a run inquires at a time."""
        life = Life(by, at, run=True)
        replies = self._run(agent, sent, at, life)
        life.ended = replies.end
        life.fails = NEVER if replies.error is None else replies.end
        if sent.life is not None:
            leaf = isinstance(agent, p.Function | p.Flaky)
            waits = isinstance(agent, p.Timeout | p.Hedge)  # for the end of its input
            sent.life.held_by_task(life, life.released, since=at, reads=waits, late=not leaf)
        return replies if replies.life is life else replace(replies, life=life)

    def _run(self, agent: p.Agent, sent: Replies, at: float, life: Life) -> Replies:  # noqa: C901, PLR0911, PLR0912 - a case for each kind
        match agent:
            case p.Function():
                return self._function(agent.steps, sent, at, life)
            case p.Flaky():
                calls = self.calls[id(agent)] = self.calls.get(id(agent), 0) + 1
                steps = agent.failing if calls <= agent.failures else agent.steps
                return self._function(steps, sent, at, life)
            case p.Identity():
                return self._relayed(sent, at, life)
            case p.Chain():
                middle = self.inquire(agent.first, sent, at, life)
                if middle.life is not None:
                    middle.life.expected = True
                return self._relayed(self.inquire(agent.second, middle, at, life), at, life)
            case p.Both():
                flat = Flat(life)
                for each in (agent.first, agent.second):
                    flat.add(at, self.inquire(each, sent, at, life))
                life.task_ended = at
                return flat.end(at)
            case p.Race():
                return self._race(agent, sent, at, life)
            case p.Hedge():
                return self._hedge(agent, sent, at, life)
            case p.Route():
                return self._route(agent, sent, at, life)
            case p.Catching():
                replies = self.inquire(agent.agent, sent, at, life)
                handle = partial(self._handled, agent.handler, sent)
                return self._mended(replies, handle, life, relays=isinstance(agent.handler, p.Agent))
            case p.Backed():
                replies = self.inquire(agent.agent, sent, at, life)
                handle = partial(self._handled, agent.other, sent)
                restarts = sent if agent.restart and not agent.hold else None
                return self._mended(
                    replies, handle, life, relays=True, backed=True, hold=agent.hold, restarts=restarts
                )
            case p.ErrorsAsMessages() | p.Guarded() | p.Retry() | p.Timeout() | p.Around() | p.Fork():
                return self._wrapped(agent, sent, at, life)
            case p.Compacted():
                return self._compacted(agent, sent, at, life)
            case p.Prompt():
                return self._prompt(agent, sent, at, life)
            case p.Typed():
                return self._typed(agent, sent, at, life)
            case p.Tools():
                return self._tools(agent, sent, at, life)

    # What returns the same agent with something around it leaves its errors errors, and has messages made of
    # them outermost: `a.errors_as_messages().retry()` is `a.retry().errors_as_messages()`.

    def _wrapped(self, agent: "_Wrapped", sent: Replies, at: float, life: Life) -> Replies:
        if not _makes_messages(agent):
            return self._wrapper(agent, sent, at, life)
        inner = Life(life, at)
        replies = self._wrapper(_raising(agent), sent, at, inner)
        inner.ended = replies.end
        inner.fails = NEVER if replies.error is None else replies.end
        life.released = inner.released
        return self._mended(replies, self._as_message, life, relays=False)

    def _as_message(self, error: str, now: float, _: Life) -> Said:
        return finished(error if error.partition("#")[0] in LIBRARY_ERRORS else f"ValueError: {error}", now)

    def _wrapper(self, agent: p.Agent, sent: Replies, at: float, life: Life) -> Replies:
        match agent:
            case p.Guarded():
                return self._guarded(agent, sent, at, life)
            case p.Retry():
                return self._retry(agent, sent, at, life)
            case p.Timeout():
                return self._timeout(agent, sent, at, life)
            case p.Around():
                return self._around(agent, sent, at, life)
            case p.Fork():
                return self._wrapper(agent.agent, sent, at, life)
            case _:
                return self._run(agent, sent, at, life)

    def _guarded(self, agent: p.Guarded, sent: Replies, at: float, life: Life) -> Replies:
        """Write each message anew: a token is shown when so many characters have come behind it."""
        on_model = _on_model(agent.agent, agent)
        if on_model is not None:
            return self._wrapper(on_model, sent, at, life)
        return self._judged(agent, self.inquire(agent.agent, sent, at, life), at, life)

    def _judged(self, agent: p.Guarded, replies: Replies, at: float, life: Life) -> Replies:
        flat = Flat(life)
        _read(replies, life, at)
        now = at
        stops = self._tripped(agent, replies, at)
        for appears, said in replies.items:
            now = max(now, appears)
            if stops < NEVER and not before(now, stops):
                break  # the agent was stopped
            trips = _trip(agent, said, now)
            if trips == stops < NEVER:
                flat.add(now, self._refused(agent, said, now, life, trips))
            else:
                if stops < NEVER and not before(max(said.end, now), stops):
                    raise UndecidedError  # it is open, and is stopped or not
                flat.add(now, self._held_back(said, now, life, agent.hold))
        if stops == NEVER:
            return flat.end(max(now, replies.end), replies.error)
        _stop(replies, stops, life)
        if replies.error is not None and not before(stops, replies.end):
            return flat.end(replies.end, replies.error)
        return flat.end(min(stops, max(now, replies.end)))

    def _tripped(self, agent: p.Guarded, replies: Replies, at: float) -> float:
        """Return when the first message trips."""
        now, trips = at, [NEVER]
        for appears, said in replies.items:
            now = max(now, appears)
            trips.append(_trip(agent, said, now))
        if (agent.replaces or min(trips) < NEVER) and _is_of_model(agent):
            raise UndecidedError  # with tools the guard is on the model, and a value is not replaced
        if min(trips) < NEVER and trips.count(min(trips)) > 1:
            raise UndecidedError  # the first one that trips stops the other one
        return min(trips)

    def _refused(self, agent: p.Guarded, said: Said, at: float, run: Life, trips: float) -> Said:
        """Return what is said of a message that trips."""
        life = Life(run, at, trips)
        if said.life is not None:
            said.life.held_by_task(life, since=at)
        held = self._held_back(replace(said, life=None), at, Life(run, at), agent.hold)
        shown = tuple(token for token in held.tokens if before(token[0], trips))
        error = None if agent.replaces else self._raises("GuardError", trips, life)
        instead = ((trips, p.REPLACEMENT),) if agent.replaces else None
        if instead is not None and not shown:
            shown, instead = instead, None
        return replace(said, tokens=shown, end=trips, error=error, life=life, instead=instead)

    def _held_back(self, said: Said, at: float, run: Life, hold: int) -> Said:
        copied = self._copied(said, at, run)
        if said.instead is not None and hold:
            raise UndecidedError  # what takes the place of a text lets it go as well
        came: list[tuple[float, int]] = []  # when so many characters have come
        for time, text in said.tokens:
            came.append((max(time, at), len(text) + (came[-1][1] if came else 0)))
        shown = [
            next((time for time, count in came if count >= before + hold), copied.ended) for _, before in came
        ]
        tokens = tuple((time, text) for time, (_, text) in zip(shown, said.tokens, strict=True))
        return replace(said, tokens=tokens, end=copied.ended, life=copied)

    def _copied(self, said: Said, at: float, run: Life) -> Life:
        life = Life(run, at, max(said.end, at))
        if said.life is not None:
            said.life.held_by_task(life, since=at)
        return life

    def _compacted(self, agent: p.Compacted, sent: Replies, at: float, life: Life) -> Replies:
        """Return all messages; or a summary, and the last one, with the call that it answers."""
        flat = Flat(life)
        now, error = sent.whole(at)
        _read_until(sent, life, at, now)
        whole = [
            replace(
                said,
                tokens=((now, said.text),) if said.text and not said.result else (),
                end=now,
                life=None,
                instead=None,
            )
            for _, said in sent.items
        ]
        cut = _cut(whole)
        if error is not None:
            self._perhaps_sees(error, now, life)
        elif not agent.short:
            flat.add(now, sent)
        else:
            if cut:
                only = Flat(Life(life, now, now))
                only.add(now, finished("", now))
                replies = self.inquire(agent.by, only.end(now), now, life)
                since = now
                now, error = replies.whole(now)
                _read_until(replies, life, since, now)
                if error is not None:
                    self._perhaps_sees(error, now, life)
                text = f"Summary of the conversation so far:\n\n{replies.text}"
                whole = [Said(((now, text),), now, fixed=True, summary=True), *whole[cut:]]
            for said in whole if error is None else ():
                flat.add(now, replace(said, tokens=tuple((now, text) for _, text in said.tokens), end=now))
        life.task_ended = life.released = now
        if error is not None:
            life.failed = now
        return flat.end(now, error)

    def _relayed(self, replies: Replies, at: float, life: Life) -> Replies:
        """Pass replies on, with their error."""
        flat = Flat(life)
        flat.add(at, replace(replies, error=None))
        return flat.end(at, replies.error)

    # A function ends with the error that it raises, after everything that it has replied.

    def _function(self, steps: Sequence[p.Step], sent: Replies, at: float, life: Life) -> Replies:
        flat = Flat(life)
        now, error, closed = at, None, None
        for step in steps:
            now, error = self._step(step, now, flat if closed is None else Flat(life), sent)
            if isinstance(step, p.FinishEarly) and closed is None:
                closed = flat.end(now)
            if error is not None:
                break
        life.released = now
        life.task_ended = max(now, flat.open_until) if error is None else now
        if error is not None:
            life.failed = now
        return flat.end(now, error) if closed is None else closed

    def _step(self, step: p.Step, now: float, flat: Flat, sent: Replies) -> tuple[float, str | None]:  # noqa: C901, PLR0912 - a case for each kind
        """Return when a step has ended, and the error that it raises."""
        life = flat.life
        match step:
            case p.Reply():
                flat.add(now, self.form(step.form, now, sent, life))
            case p.Kept():
                made = self.form(step.form, now, sent, life)
                for each in step.meanwhile:
                    now, error = self._step(each, now, flat, sent)
                    if error is not None:
                        return now, error
                flat.add(now, made)
            case p.Sleep():
                now += step.seconds
            case p.Raise():
                return now, self._raises(step.error, now, life, named=True)
            case p.AwaitInput():
                since = now
                now, error = sent.whole(now)
                _read_until(sent, life, since, now)
                if error is not None:
                    self._perhaps_sees(error, now, life)
                    return now, error
                if step.replies:
                    flat.add(now, finished(sent.text.upper(), now))
            case p.EachMessage():
                return self._each(step.way, now, flat, sent)
            case p.WaitFor():
                flat.open_until = max(flat.open_until, now + step.seconds)
            case p.Forget():
                life.forgets = True
                self.inquire(step.agent, self._sent(step.form, now, sent, life), now, life)
                life.forgets = False
                self.forgetters.append(life)
            case p.Rows():
                now = self._rows(step, now, flat, sent)
            case p.FinishEarly():
                pass
        return now, None

    def _rows(self, step: p.Rows, now: float, flat: Flat, sent: Replies) -> float:
        """Map an agent over items: the next item is read when fewer than `concurrency` are under way."""
        mapper = Life(flat.life, now, cancels=True)
        rows: list[tuple[float, float, Replies, Said]] = []  # when each begins and ends, and its item
        for pause, item in step.items:
            ends = sorted(end for _, end, _, _ in rows if end > now)
            if len(ends) >= step.concurrency:
                now = ends[-step.concurrency]
            now += pause
            sent_one = self._sent(item, now, sent, mapper)
            replies = self.inquire(step.agent, sent_one, now, mapper)
            said = next((said for _, said in sent_one.items), finished("", now))
            rows.append((now, max(now, replies.complete()), replies, said))
        mapper.ended = max([now, *(end for _, end, _, _ in rows)])
        if not step.ordered:
            rows.sort(key=lambda row: row[1])
            for (_, end, _, _), (_, following, _, _) in pairwise(rows):
                before(end, following)
        shown = [begins if step.ordered else end for begins, end, _, _ in rows]
        for (begins, _, replies, said), at, following in zip(
            rows, shown, [*shown[1:], mapper.ended], strict=False
        ):
            if replies.life is not None:
                replies.life.held_by_task(flat.life, at + AFTER, since=begins, reads=False)
            if said.life is not None:  # each row has its item, also while it is a reply
                said.life.held_by_task(flat.life, following, since=begins, reads=False)
                said.life.held_by_buffer(
                    flat.life, max(at, flat.last, replies.end) + AFTER, since=begins, reads=True
                )
            flat.add(at, replies)
        return mapper.ended

    def _each(self, way: str, now: float, flat: Flat, sent: Replies) -> tuple[float, str | None]:
        since = now
        now, error = self._each_of(way, now, flat, sent)
        _read_until(sent, flat.life, since, now)
        if error is not None:
            self._perhaps_sees(error, now, flat.life)
        return now, error

    def _each_of(self, way: str, now: float, flat: Flat, sent: Replies) -> tuple[float, str | None]:
        for at, said in sent.items:
            now = max(now, at)
            if way == "echo":
                flat.add(now, said)
            elif way == "upper":
                flat.add(now, self._rewritten(said, now, flat.life))
            else:
                now = max(now, said.end)
                if said.error is not None:
                    return now, said.error
                flat.add(now, finished(said.text.upper(), now))
        return max(now, sent.end), sent.error

    def _rewritten(self, said: Said, at: float, run: Life) -> Said:
        end = max(said.end, at)
        life = Life(run, at, end)
        if said.life is not None:
            said.life.held_by_task(life, since=at)
        tokens = tuple((max(time, at), text.upper()) for time, text in said.tokens)
        error = said.error
        if error is None and said.told is not None:
            error = self._raises(said.told, end, life)
        return Said(tokens, end, error, life=life)

    def _prompt(self, agent: p.Prompt, sent: Replies, at: float, life: Life) -> Replies:
        flat = Flat(life)
        life.task_ended = life.released = at
        if not agent.slot:
            flat.add(at, finished("before", at))
            flat.add(at, sent)
            return flat.end(at)
        whole = replace(sent, items=tuple(sent.with_error()), error=None)
        inner = self._joined(whole, at, life, "\n\n", blank=False)
        tokens = [(at, "before "), *inner.tokens]
        error = inner.error
        if error is None and not sent.items:
            error = self._raises("MessageValidationError", inner.end, inner.life)
        if error is None:
            tokens.append((inner.end, " after"))
        flat.add(at, replace(inner, tokens=tuple(tokens), error=error, fixed=True))
        return flat.end(at)

    # -- models -------------------------------------------------------------------------------------------

    def _model(
        self, answer: p.Streamed | None, sent: Replies, at: float, by: Life, calls: tuple[float, ...] = ()
    ) -> Replies:
        """Return the replies of a model, which awaits what it is sent; without an answer it calls tools."""
        life = Life(by, at, run=True)
        now, error = sent.whole(at)
        _read_until(sent, life, at, now)
        flat = Flat(life)
        if error is not None:
            self._perhaps_sees(error, now, life)
            life.failed = life.fails = now
        else:
            said = self._streamed(answer, now, life) if answer is not None else finished("", now)
            flat.add(now, replace(said, note=False, fixed=True, calls=calls))
        life.ended = life.task_ended = life.released = now
        return flat.end(now, error)

    def _guarded_model(  # noqa: PLR0917 - those of `_model`
        self,
        guards: tuple[p.Guarded, ...],
        answer: p.Streamed | None,
        sent: Replies,
        at: float,
        by: Life,
        calls: tuple[float, ...] = (),
    ) -> Replies:
        if not guards:
            return self._model(answer, sent, at, by, calls)
        life = Life(by, at, run=True)
        inner = self._guarded_model(guards[:-1], answer, sent, at, life, calls)
        replies = self._judged(guards[-1], inner, at, life)
        life.ended = replies.end
        life.fails = NEVER if replies.error is None else replies.end
        return replies

    def _typed(self, agent: p.Typed, sent: Replies, at: float, life: Life) -> Replies:
        written = Life(life, at)
        replies = self._model(p.as_json(agent.answer), sent, at, written)
        _read(replies, written, at)
        end, error = replies.whole(at)
        if error is not None:
            self._perhaps_sees(error, end, written)
        written.ended = end
        tokens = replies.items[0][1].tokens if replies.items else ()
        flat = Flat(life)
        flat.add(at, Said(tokens, end, error, life=written, fixed=True))
        return flat.end(at)

    def _tools(self, agent: p.Tools, sent: Replies, at: float, life: Life) -> Replies:
        flat = Flat(life)
        now, error = sent.whole(at)
        _read_until(sent, life, at, now)
        if error is None and sent.items and sent.items[-1][1].calls:  # that have no results yet
            now = self._called(sent.items[-1][1].calls, now, flat)
        for calls in agent.turns:
            turn = self._guarded_model(agent.guards, None, sent, now, life, calls)
            flat.add(now, turn)
            if turn.error is not None:
                return self._ended(flat, now)
            now = self._called(calls, now, flat)
        turn = self._guarded_model(agent.guards, agent.answer, sent, now, life)
        flat.add(now, turn)
        return self._ended(flat, turn.whole(now)[0])

    def _called(self, calls: tuple[float, ...], now: float, flat: Flat) -> float:
        for seconds in calls:
            result = Life(flat.life, now, now + seconds)
            flat.add(now, Said((), now + seconds, life=result, fixed=True, result=f"{seconds:g}"))
        return now + max(calls)

    def _ended(self, flat: Flat, now: float) -> Replies:
        flat.life.task_ended = flat.life.released = now
        return flat.end(now)

    # -- operators ----------------------------------------------------------------------------------------

    def _race(self, agent: p.Race, sent: Replies, at: float, life: Life) -> Replies:
        if len(agent.agents) == 1:
            return self._relayed(self.inquire(agent.agents[0], sent, at, life), at, life)
        entrants = [self.inquire(each, sent, at, life) for each in agent.agents]
        outcomes = [each.whole(at) for each in entrants]
        good = [(end, place) for place, (end, error) in enumerate(outcomes) if error is None]
        end, winner = min(good) if good else (max(end for end, _ in outcomes), -1)
        life.cancels, life.task_ended = True, end
        for place, (entrant, (other, error)) in enumerate(zip(entrants, outcomes, strict=True)):
            if place == winner:
                _read(entrant, life, at)
            elif error is None:
                before(end, other)
                _read(entrant, life, at)
                _stop(entrant, end, life)
            else:
                _read_until(entrant, life, at, min(other, end), end)
                if good and abs(other - end) < LATER:
                    self._perhaps_sees(error, other, life)
                elif other <= end:
                    self.sees(error, other, life)
                _stop(entrant, end, life)
        if not good:
            return Flat(life).end(end, self._raises("RaceLostError", end, life))
        return self._shown_from(end, entrants[winner], life)

    def _shown_from(self, since: float, replies: Replies, life: Life) -> Replies:
        flat = Flat(life)
        flat.add(since, replace(replies, error=None))
        return flat.end(since, replies.error)

    def _hedge(self, agent: p.Hedge, sent: Replies, at: float, life: Life) -> Replies:
        life.cancels = True
        first = self.inquire(agent.first, sent, at, life)
        _read(first, life, at)
        begun, error = first.sign()
        complete = max(at, sent.complete())
        if error is None and before(begun, complete + agent.after):
            return self._shown_from(begun, first, life)
        later = complete + agent.after
        if error is not None and before(begun, later):
            later = begun
        second = self.inquire(agent.second, sent, later, life)
        _read(second, life, later)
        then, second_error = second.sign()
        if error is not None and second_error is not None:
            self._perhaps_sees(error, begun, life)
            self.sees(second_error, then, life)
            _stop(second, max(begun, then), life)
            return self._shown_from(max(begun, then), first, life)
        if error is not None and before(begun, then):
            self.sees(error, begun, life)
        if second_error is not None and before(then, begun):
            self.sees(second_error, then, life)
        if second_error is not None or (error is None and before(begun, then)):
            _stop(second, begun, life)
            return self._shown_from(begun, first, life)
        _stop(first, then, life)
        return self._shown_from(then, second, life)

    def _route(self, agent: p.Route, sent: Replies, at: float, life: Life) -> Replies:
        flat = Flat(life)
        _read(sent, life, at)
        now = at
        for appears, said in sent.items:
            now = max(now, appears)
            if not said.note and not said.fixed:  # it could still become a note
                now = max(now, said.end)
            elif said.error is not None and said.life is not None:
                before(said.end, now)
            kind = agent.notes if said.note else agent.rest
            if said.error is not None and said.end <= now:
                flat.add(now, said)
            elif kind is not None:
                only = Flat(Life(life, now))
                only.add(now, said)
                alone = only.end(now)
                only.life.ended = alone.end
                flat.add(now, self.inquire(kind, alone, now, life))
            else:
                flat.add(now, Said((), now, self._raises("MessageValidationError", now, life)))
        life.task_ended = max(now, sent.end)
        return flat.end(max(now, sent.end), sent.error)

    def _mended(  # noqa: C901, PLR0912 - one loop over what happens to each message
        self,
        replies: Replies,
        handle: Callable[[str, float, Life], "Said | Replies | str"],
        life: Life,
        *,
        relays: bool,
        backed: bool = False,
        hold: bool = False,
        restarts: Replies | None = None,
    ) -> Replies:
        """Pass messages on one after the other, each from its first token; replace each error.

        Args:
            replies: what may fail.
            handle: returns what replaces an error, or the error that it raises.
            life: of the run.
            relays: whether the error of what replaces the error of the sequence ends the sequence.
            backed: whether nothing follows what replaces an error.
            hold: whether a message is shown when it is complete, and not at all if it fails.
            restarts: what the other agent is sent, if its reply takes the place of what was shown of the
                message that fails.
        """
        flat = Flat(life)
        if not backed:
            _read(replies, life, life.begun)
        now = life.begun
        for appears, said in replies.items:
            now = max(now, appears, said.end if hold else said.begins)
            handled = None
            end = max(now, said.end)
            copied = Life(life, now, end)
            if said.error is not None:
                self.sees(said.error, end, life)
                self.mended.add(said.error)
                handled = handle(said.error, end, life if restarts is None or not said.tokens else copied)
            if said.life is not None:
                said.life.held_by_task(copied, since=now)
            if restarts is not None and restarts.life is not None:
                restarts.life.held_by_task(copied, since=now, reads=False, late=True)
            if restarts is not None and said.tokens and isinstance(handled, Replies):
                _read_until(replies, life, life.begun, end)
                return self._rewritten_by(handled, said, copied, now, flat)
            kept = replace(said, error=None, end=end, life=copied)  # it is written at that time
            if isinstance(handled, str):
                flat.add(now, replace(kept, error=handled))
            elif said.error is None and hold:
                flat.add(now, said if said.instead is None else said.as_whole(now))
            elif said.error is None or (said.tokens and not hold):
                flat.add(now, kept)
            now = end
            if handled is not None and not isinstance(handled, str):
                flat.add(now, handled)
                if backed:  # what is left of the agent is stopped
                    _read_until(replies, life, life.begun, now)
                    return flat.end(now)
        if backed:
            _read(replies, life, life.begun)
        now = max(now, replies.end)
        if replies.error is None:
            return flat.end(now)
        self.sees(replies.error, now, life)
        self.mended.add(replies.error)
        handled = handle(replies.error, now, life)
        if isinstance(handled, str):
            return flat.end(now, handled)
        if relays and isinstance(handled, Replies):
            flat.add(now, replace(handled, error=None))
            return flat.end(now, handled.error)
        flat.add(now, handled)
        return flat.end(now)

    def _rewritten_by(self, other: Replies, said: Said, copied: Life, now: float, flat: Flat) -> Replies:
        """Let a message that has failed go on with the first reply of another agent; the others follow."""
        since = copied.ended
        _read(other, flat.life, since)
        first = next(other.with_error(), (other.end, replace(said, end=other.end)))
        then, one = max(since, first[0]), first[1]
        copied.ended = max(then, one.end)
        if one.note != said.note:
            raise UndecidedError  # it is of the class of the first one until it is complete
        if one.life is not None:
            one.life.held_by_task(copied, since=then)
        stands = one.tokens if one.instead is None else one.instead
        instead: tuple[Token, ...] | None = tuple((max(then, time), text) for time, text in stands)
        error = one.error
        if not other.items:  # nothing takes its place: it is not withdrawn
            instead = said.instead
        if not other.items and other.error is None:
            error = None if error is None else self._raises_again(error, then, copied)
        if not other.items and other.error is not None:
            self._perhaps_sees(other.error, then, flat.life)
        flat.add(
            now,
            replace(
                one,
                tokens=said.tokens,
                end=copied.ended,
                error=error,
                instead=instead,
                life=copied,
                fixed=said.fixed,
            ),
        )
        now = copied.ended
        if not other.items:
            return flat.end(now)
        for appears, rest in other.items[1:]:
            now = max(now, appears)
            flat.add(now, rest)
        return flat.end(max(now, other.end), other.error)

    def _handled(
        self, handler: "p.Form | p.Agent | str", sent: Replies, error: str, now: float, life: Life
    ) -> "Said | Replies | str":
        if isinstance(handler, str):
            return self._raises(handler, now, life)
        if isinstance(handler, p.Form):
            return self.form(handler, now, sent, life)
        return self.inquire(handler, sent, now, life)

    def _retry(self, agent: p.Retry, sent: Replies, at: float, life: Life) -> Replies:
        now = at
        for attempt in range(agent.attempts):
            replies = self.inquire(agent.agent, sent, now, life)
            _read(replies, life, now)
            begun, error = replies.sign()
            begun = max(begun, now)
            if error is None or attempt == agent.attempts - 1:
                return self._shown_from(begun, replies, life)
            self.sees(error, begun, life)
            _stop(replies, begun, life)
            now = begun + agent.delay
        raise AssertionError("no attempt")

    def _timeout(self, agent: p.Timeout, sent: Replies, at: float, life: Life) -> Replies:
        replies = self.inquire(agent.agent, sent, at, life)
        _read_until(replies, life, at, max(at, replies.end) + AFTER)
        signs: list[float] = []
        for appears, said in replies.items:
            signs += [max(appears, time) for time, _ in (*said.tokens, *(said.instead or ()))]
            signs.append(max(appears, said.end))
        last = life.task_ended = max([replies.end, *signs])
        if sent.life is not None:
            sent.life.perhaps_held(last)  # it counts from the end of its input
        expires = self._expires(agent, sorted(signs), max(at, sent.complete()), at, last)
        if expires is None:  # an error of the sequence comes when its messages have ended
            end = replies.end if replies.error is None else replies.complete()
            items = tuple(
                (appears, _watched(said, max(at, appears), life)) for appears, said in replies.items
            )
            return self._relayed(replace(replies, items=items, end=end), at, life)
        _stop(replies, expires, life)
        life.task_ended = expires
        # After the end of the replies a limit ends only what is still open of them.
        error = self._raises("AgentTimeoutError", expires, life if expires <= replies.end else NOWHERE)
        flat = Flat(life)
        for appears, said in replies.items:
            if before(appears, expires) and max(appears, said.end) > expires:
                before(expires, max(appears, said.end))
                if said.instead is not None:
                    raise UndecidedError  # the model does not know when its text was withdrawn
                tokens = tuple(token for token in said.tokens if before(max(appears, token[0]), expires))
                cut = Life(life, appears, expires)
                if said.life is not None:
                    said.life.held_by_task(cut, since=appears)
                self.limits.append(expires)
                self.raised.append(Moment(error, expires, cut))
                flat.add(appears, Said(tokens, expires, error, said.note, cut, said.fixed))
            elif appears < expires:
                flat.add(appears, _watched(said, max(at, appears), life))
        if replies.end < expires and replies.error is None:
            return flat.end(replies.end)
        before(expires, replies.end)
        return flat.end(expires, error)

    def _expires(
        self, agent: p.Timeout, signs: Sequence[float], complete: float, at: float, last: float
    ) -> float | None:
        """Return when the first limit expires; None if none does before the end."""
        limits: list[float] = []
        if agent.total is not None:
            limits.append(at + agent.total)
        first = agent.first_token if agent.first_token is not None else agent.stall
        if first is not None and (not signs or complete <= signs[0]):
            limits.append(_gap(complete, first, signs, last))
        if agent.stall is not None:
            for sign, following in pairwise([*signs, last]):
                limits.append(_gap(sign, agent.stall, [following], last))
        expires = min([limit for limit in limits if limit < NEVER], default=NEVER)
        return expires if expires < NEVER and before(expires, last) else None

    def _around(self, agent: p.Around, sent: Replies, at: float, life: Life) -> Replies:
        flat = Flat(life)
        if agent.way == "not":
            flat.add(at, finished("cached", at))
            return flat.end(at)
        replies = self.inquire(agent.agent, sent, at, life)
        flat.add(at, replies)
        if agent.way == "twice":
            flat.add(at, self.inquire(agent.agent, sent, at, life))
        if agent.way == "watch":
            end, error = replies.whole(at)
            return flat.end(end, error)
        return flat.end(at)


def _trip(agent: p.Guarded, said: Said, at: float) -> float:
    """Return when a guard finds its letter in a message; never if it does not."""
    text = ""
    for time, token in said.tokens if said.instead is None else (*said.tokens, (NEVER, ""), *said.instead):
        text = text + token.lower() if time < NEVER else ""  # what was withdrawn is judged no more
        if agent.trips is not None and (agent.trips in text or _TEXT_OF_LIBRARY.search(text)):
            if _TEXT_OF_LIBRARY.search(text):
                raise UndecidedError  # here the sentences of the library are short
            return max(time, at)
    return NEVER


def _is_of_model(agent: p.Agent) -> bool:
    while isinstance(agent, p.Guarded | p.Retry | p.Timeout | p.Around | p.Fork | p.ErrorsAsMessages):
        agent = agent.agent
    return isinstance(agent, p.Tools | p.Typed)


def _cut(whole: Sequence[Said]) -> int:
    """Return how many messages a summary replaces: all but the last one, with the call that it answers."""
    if any(said.summary for said in whole):
        raise UndecidedError  # it may stand for messages that are here
    if not whole or not whole[-1].result:
        return max(len(whole) - 1, 0)
    places = [at for at, said in enumerate(whole) if said.calls]
    if len(places) != 1:
        raise UndecidedError  # which of them it answers
    return places[0]


def _makes_messages(agent: p.Agent) -> bool:
    """Return whether the errors of an agent become messages."""
    if isinstance(agent, p.Guarded | p.Retry | p.Timeout | p.Around | p.Fork):
        return _makes_messages(agent.agent)
    return isinstance(agent, p.ErrorsAsMessages)


def _raising(agent: p.Agent) -> p.Agent:
    """Return the same agent, whose errors stay errors."""
    if isinstance(agent, p.Guarded | p.Retry | p.Timeout | p.Around | p.Fork):
        return replace(agent, agent=_raising(agent.agent))
    return _raising(agent.agent) if isinstance(agent, p.ErrorsAsMessages) else agent


def _on_model(agent: p.Agent, guard: p.Guarded) -> p.Agent | None:
    """Return an agent with tools with a guard on its model; None if it has no tools."""
    if isinstance(agent, p.Tools):
        return replace(agent, guards=(*agent.guards, guard))
    if isinstance(agent, p.Guarded | p.Retry | p.Timeout | p.Around | p.Fork | p.ErrorsAsMessages):
        inner = _on_model(agent.agent, guard)
        return None if inner is None else replace(agent, agent=inner)
    return None


def _watched(said: Said, at: float, life: Life) -> Said:
    """Return a message as a time limit passes it on: one that comes from outside of the agent is a copy."""
    if said.life is None or said.life.within(life) or said.end <= at:
        return said
    copied = Life(life, at, said.end)
    said.life.held_by_task(copied, since=at)
    return replace(said, life=copied)


def _gap(since: float, seconds: float, signs: Sequence[float], last: float) -> float:
    """Return when a limit expires that counts from `since`; never if a sign comes in time."""
    following = min([sign for sign in signs if sign >= since], default=last)
    return NEVER if before(following, since + seconds) else since + seconds


def _read(replies: Replies, by: Life, since: float) -> None:
    """A task reads replies."""
    if replies.life is not None:
        replies.life.held_by_task(by, since=since)


def _read_until(replies: Replies, by: Life, since: float, early: float, late: float = 0.0) -> None:
    """A task reads replies until a time, and may hold them until a later one."""
    if replies.life is not None:
        replies.life.held_by_task(by, early, since=since)
        if late > early:
            replies.life.held_by_task(by, late, since=since, late=True)


def _stop(replies: Replies, at: float, by: Life) -> None:
    if replies.life is not None:
        replies.life.cancel(at, by)
