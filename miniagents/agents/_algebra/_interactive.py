"""``a.interactive()``: an agent whose input stays open; what comes is taken while it works.

An **answer** is one call of the agent, a **boundary** the moment before a tool loop sends a request. One list
has what steers: a tool loop takes from it at each boundary and replies what it took, and what the replies
have is taken. So the replies are the transcript, and nothing else tells who got what.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from contextvars import ContextVar, copy_context
from dataclasses import dataclass
from typing import Final, Literal, Protocol, TypeAlias, cast

from miniagents.messages import (
    AssistantMessage,
    InputMessage,
    Message,
    MessagePromise,
    MessageSequencePromise,
    SystemMessage,
    ToolMessage,
    UserMessage,
)
from miniagents.messages._copies import MessageCopy
from miniagents.messages._message import end_early, message_of, metadata_so_far
from miniagents.messages._tokens import resolved
from miniagents.streams._run_task import current_ancestry
from miniagents.values import Finish, InquiryCancelledError, ToolCall, ToolResult, check_seconds

from ._entrant import ended
from ._operands import Operand, ReplyContext, WhileNeeded, named, relay, until_over, until_read

When: TypeAlias = Literal["steer", "queue", "interrupt", "rollback"]
"""What becomes of a message that comes while an answer runs."""

_QUESTION: Final = "question"
"""The place in a log where the position of the last message of the question is written."""

INTERRUPTED: Final = "interrupted"
"""The reason of an answer that was cut."""

NOT_ALLOWED_YET: Final = "not_allowed_yet"
"""In the data of the result of a call while it waits for approval."""


class DialogLog(Protocol):
    """What is written of one dialog, so that it does the same in a process that goes on with it."""

    @property
    def inputs(self) -> Mapping[str, Message]:
        """What has come, by keys, in that order."""
        ...

    def came(self, key: str, message: Message, /) -> None:
        """Write that a message has come."""
        ...

    def place(self, conversation: Sequence[Message], /) -> str:
        """Return a name for the boundary of a tool loop after these messages."""
        ...

    def taken(self, place: str, /) -> tuple[Sequence[str], bool] | None:
        """Return what was taken at a place, and whether the loop ended there; None if it is not written."""
        ...

    def takes(self, place: str, keys: Sequence[str], /, *, ends: bool = False) -> None:
        """Write what is taken at a place."""
        ...

    def begin(self, answer: int, /) -> tuple[str, Sequence[Message | str]] | None:
        """Begin an answer; return how it was cut, and what had been shown of it; None if it was not."""
        ...

    async def play(self, inquire: Callable[[], MessageSequencePromise], /) -> None:
        """Play what is written of an answer that was cut."""
        ...

    def cuts(self, answer: int, how: str, shown: Sequence[Message | str], /) -> None:
        """Write how an answer is cut, and what was shown of it; keys stand for input."""
        ...

    def left(self) -> Iterable[str]:
        """Return the keys of what had come before, and was neither taken nor replaced."""
        ...

    def began(self) -> None:
        """Note that the dialog takes what comes through the log."""
        ...

    def close(self) -> None:
        """Note that the dialog has ended."""
        ...


BeginsDialog: TypeAlias = Callable[[Callable[[Message], None], Callable[[], None]], DialogLog]
"""Begins to write a dialog: gets what takes a message from outside, and what to call when all is played."""

DIALOGS: Final[ContextVar[BeginsDialog | None]] = ContextVar("miniagents_dialogs", default=None)
"""Begins the log of a dialog; None: nothing is written."""


class Steering:
    """What has come for an answer while that is being written; the tool loops of the answer take it.

    Args:
        log: of the dialog.
        play_on: called where nothing more is written; what had come and is left comes then.

    Attributes:
        messages: what came and still waits, or was taken by a loop of this answer.
        used: the ids (as of `id`) of what loops that ended normally have taken.
        over: whether the answer was ended early.
    """

    def __init__(self, log: DialogLog | None = None, play_on: Callable[[], None] | None = None) -> None:
        self.messages: list[Message] = []
        self.used: set[int] = set()
        self.over: bool = False
        self._log = log
        self._play_on = play_on

    def new(
        self, known: Container[int], conversation: Sequence[Message], *, ends: bool = False
    ) -> tuple[list[Message], bool]:
        """Return what a loop has not taken yet, and whether it ends: as it is written, if it is.

        Args:
            known: the ids (as of `id`) of what it has taken.
            conversation: of the loop.
            ends: whether it ends if nothing is new.
        """
        log = self._log
        if log is None:
            new = [each for each in self.messages if id(each) not in known]
            return new, ends and not new
        place = log.place(conversation)
        written = log.taken(place)
        if written is None:
            if self._play_on is not None:
                self._play_on()
            if self.over:
                return [], False
            new = in_order(log, [each for each in self.messages if id(each) not in known])
            written = [key_of(log, each) for each in new], ends and not new
            if not ends or not new:
                log.takes(place, written[0], ends=written[1])
            return new, written[1]
        new = [log.inputs[key] for key in written[0]]
        here = set(map(id, self.messages))
        self.messages += [each for each in new if id(each) not in here]
        return new, written[1]


def in_order(log: DialogLog, messages: Iterable[Message]) -> list[Message]:
    """Return messages in the order in which they came; what is played may come in another one."""
    wanted = set(map(id, messages))
    return [each for each in log.inputs.values() if id(each) in wanted]


def key_of(log: DialogLog, message: Message) -> str:
    """Return the key of a message that has come."""
    return next(key for key, each in log.inputs.items() if each is message)


STEERING: Final[ContextVar[Steering | None]] = ContextVar("miniagents_steering", default=None)
"""The steering of the answer that the running code works on; None where nothing can come."""


class Boundaries:
    """The boundaries of one tool loop: it takes each message once, and none that its input has.

    Args:
        sent: what the loop was sent.

    Example:
        >>> from contextvars import copy_context
        >>> copy_context().run(Boundaries, []).over
        False
    """

    def __init__(self, sent: Sequence[Message]) -> None:
        self._steering = STEERING.get() or Steering()
        STEERING.set(None)  # tools, and what they call, take nothing
        self._known = {id(each): each for each in sent}

    @property
    def over(self) -> bool:
        """Whether the answer was ended early: what has come of it is no answer of the model."""
        return self._steering.over

    def take(self, conversation: Iterable[Iterable[Message]]) -> list[Message]:
        """Return what is new, for the next request.

        Args:
            conversation: of the loop, without what it was sent.

        Raises:
            InquiryCancelledError: the answer was ended early, so this run is about to be cancelled.
        """
        new = [] if self.over else self._steering.new(self._known, self._whole(conversation))[0]
        if self.over:  # perhaps by what had come before, and comes now
            raise InquiryCancelledError
        self._known.update((id(each), each) for each in new)
        return new

    def end(self, conversation: Iterable[Iterable[Message]], *, last: bool) -> bool:
        """Return whether the loop may end: nothing new waits, or no turn is left.

        Args:
            conversation: of the loop, without what it was sent.
            last: whether no turn is left.
        """
        if not last and not self._steering.new(self._known, self._whole(conversation), ends=True)[1]:
            return False
        self._steering.used.update(self._known)
        return True

    def _whole(self, conversation: Iterable[Iterable[Message]]) -> list[Message]:
        return [*self._known.values(), *(each for part in conversation for each in part)]


@dataclass(frozen=True, slots=True)
class Interactive:
    """The agent function of ``a.interactive(...)``.

    Attributes:
        agent: the agent; it is called once for each answer, with the whole conversation.
        unmarked: what becomes of messages that do not say it.
        idle: seconds after which the run ends if nothing comes and nothing runs; None: never.
    """

    agent: Operand
    unmarked: When
    idle: float | None

    def __post_init__(self) -> None:
        check_seconds("interactive", "idle", self.idle)
        if self.unmarked not in ("steer", "queue", "interrupt", "rollback"):
            raise ValueError(
                f"interactive(unmarked={self.unmarked!r}): give 'steer', 'queue', 'interrupt' or 'rollback'."
            )

    @property
    def alias(self) -> str:
        """The alias of the agent, which goes on listening."""
        return f"{named(self.agent)}.interactive()"

    @property
    def components(self) -> tuple[Operand, ...]:
        """The agent."""
        return (self.agent,)

    async def __call__(self, ctx: ReplyContext, **keywords: object) -> None:
        """Answer as long as something comes."""
        inquire = cast("Callable[..., MessageSequencePromise]", self.agent.inquire)

        def answer(conversation: object) -> MessageSequencePromise:
            return inquire(conversation, **keywords)

        items, closed = ctx.messages.buffer.items, ctx.messages.buffer.closed
        may_come = DIALOGS.get() is not None or any(each.message_class is InputMessage for each in items)
        if closed and not may_come:
            await relay(ctx, answer(ctx.messages))  # it is a call like any other
            return
        if closed:
            await ctx.messages  # all of it is the question
        dialog = _Dialog(ctx, answer, self)
        reading = asyncio.ensure_future(dialog.read())
        try:
            while await dialog.something_waits() and await dialog.answer():
                pass
        finally:
            dialog.leave()  # first: what comes from now on is not answered
            await ended((reading,))


class _Answer:
    """An answer that is being written.

    Args:
        replies: of the agent; None if it is written what came of it.

    Attributes:
        replies: of the agent.
        shown: what was replied of it.
        taken: the ids (as of `id`) of what came meanwhile and is among that.
        read: how many of its replies were looked at.
        cut: how it was ended early.
    """

    def __init__(self, replies: MessageSequencePromise | None) -> None:
        self.replies = replies
        self.shown: list[MessagePromise[Message]] = []
        self.taken: set[int] = set()
        self.read = 0
        self.cut: When | None = None


class _Dialog:
    """One run of an interactive agent: the conversation so far, what waits, and the answer that runs."""

    def __init__(
        self, ctx: ReplyContext, answer: Callable[[object], MessageSequencePromise], settings: Interactive
    ) -> None:
        self._ctx = ctx
        self._inquire = answer
        self._settings = settings
        self._ancestry = current_ancestry()
        self._variables = copy_context()
        self._conversation: list[Message] = []
        self._question: list[Message] | None = []  # what comes plainly before the first answer; then None
        self._asked = -1  # the position of the last message of it
        self._queued: deque[Message] = deque()
        self._answers = 0
        self._answer: _Answer | None = None
        self._replaced = 0
        self._news = asyncio.Event()
        self._input_ended = False
        self._error: Exception | None = None
        self._read = 0
        begin = DIALOGS.get()
        self._log = None if begin is None else begin(self._say, self._play_on)
        # Not None: it plays.
        self._left: list[str] | None = None if self._log is None else [*self._log.left()]
        self._keys: set[str] = set() if self._log is None else {*self._log.inputs}
        written = None if self._log is None else self._log.taken(_QUESTION)
        self._written = None if written is None else int(written[0][0])  # the same position, if it is written
        self._steering = self._new_steering()
        self._take_what_is_there()

    def _new_steering(self) -> Steering:
        return Steering(self._log, self._play_on)

    def leave(self) -> None:
        """Let go of everything: the run has ended."""
        self._answer = None
        self._steering = Steering()
        self._conversation.clear()
        if self._log is not None:
            self._log.close()

    # -- what comes --------------------------------------------------------------------------------------

    def _take_what_is_there(self) -> None:
        """Take the conversation so far, with its question; of it, only the last messages may be input."""
        given: list[Message] = []
        for promise in self._ctx.messages.buffer.items:
            if promise.given is None and (not promise.buffer.closed or promise.buffer.error is not None):
                break
            given.append(resolved(promise))
        self._read = len(given)
        live = len(given)
        while live and (isinstance(given[live - 1], InputMessage) or self._is_later(live - 1)):
            live -= 1
        self._asked = live - 1
        for message in given[:live]:
            if isinstance(message, InputMessage) and message.replaces:
                del self._conversation[-message.replaces :]
            self._conversation.append(message)
        first = len(self._conversation)
        while first and not isinstance(self._conversation[first - 1], AssistantMessage | ToolMessage):
            first -= 1
        self._question = self._conversation[first:]
        del self._conversation[first:]
        for at, message in enumerate(given[live:], live):
            self._come(message, at)
        if self._log is not None:
            self._log.began()

    def _is_later(self, position: int) -> bool:
        """Return whether it is written that a message came when the first answer had begun."""
        return self._written is not None and position > self._written

    async def read(self) -> None:
        """Take each message when it is complete."""
        try:
            position = 0
            async for promise in self._ctx.messages:
                if position >= self._read:
                    self._come(await promise, position)
                position += 1
        except asyncio.CancelledError:  # this task has ended
            return
        except Exception as error:  # noqa: BLE001 - the run fails with it
            self._error = error
        self._input_ended = True
        self._news.set()

    def _say(self, message: Message) -> None:
        """Take a message that comes through the log, from code that is not in this run."""
        self._variables.run(self._come, message, -1)

    def _come(self, message: Message, position: int) -> None:
        """Take a message, once."""
        key = f"#{position}"
        if isinstance(message, InputMessage):
            key = message.input_id or key
        elif self._question is not None and not self._is_later(position):
            self._question.append(message)
            self._asked = position
            self._news.set()
            return
        elif type(message) in (Message, UserMessage):
            data = {name: value for name, value in message if name != "text"}
            message = message_of(InputMessage, message.text, {**data, "when": self._settings.unmarked})
        if key in self._keys:
            return
        self._keys.add(key)
        if self._log is not None:
            self._log.came(key, message)
        if self._left is not None:
            self._left.append(key)
        else:
            self._take(message)

    def _play_on(self) -> None:
        """Note that something is done that is not written; in an ended answer, only a failed call."""
        if self._log is None or self._log.taken(self._end) is None:
            self._take_left()

    def _take_left(self) -> None:
        """Take what had come before and is left: from here on nothing is written yet."""
        left, self._left = self._left, None
        for key in left or ():
            if self._log is not None:
                self._take(self._log.inputs[key])

    def _take(self, message: Message) -> None:
        when = message.when if isinstance(message, InputMessage) else self._settings.unmarked
        if when == "queue":
            self._queued.append(message)
        else:
            if when != "steer" and self._answer is not None:
                self._cut(self._answer, when)
            if when == "rollback":
                self._steering.messages.clear()
            self._steering.messages.append(message)
        self._news.set()

    async def something_waits(self) -> bool:
        """Wait for what begins an answer; False if nothing will."""
        while self._question is not None and self._written is not None and self._asked < self._written:
            if self._input_ended or not await self._comes():
                break  # the program does not ask the same
        if self._log is not None and self._log.taken(self._place) is not None:
            return True
        self._take_left()
        while not any(map(_begins, (*(self._question or ()), *self._steering.messages, *self._queued))):
            if self._error is not None:
                raise self._error
            if self._input_ended:
                return bool(self._question)
            if not await self._comes():
                return False
        return True

    async def _comes(self) -> bool:
        """Wait until something comes; False if nothing has come for `idle` seconds."""
        self._news.clear()
        limit = asyncio.timeout(self._settings.idle)
        try:
            async with limit:
                await self._news.wait()
        except TimeoutError:
            if not limit.expired():
                raise
            return False
        return True

    # -- answers -----------------------------------------------------------------------------------------

    async def answer(self) -> bool:
        """Answer what waits; return whether the run goes on."""
        log, place = self._log, self._place
        if log is not None and self._question is not None and self._written is None:
            log.takes(_QUESTION, [str(self._asked)])
        waiting, question, self._question = self._steering.messages, self._question or [], None
        self._steering = self._new_steering()
        written = None if log is None else log.taken(place)
        if log is not None and written is not None:
            waiting = [log.inputs[key] for key in written[0]]
        elif not waiting and not any(map(_begins, question)) and self._queued:
            waiting = [self._queued.popleft()]
        if log is not None and written is None:
            waiting = in_order(log, waiting)
            log.takes(place, [key_of(log, each) for each in waiting])
        self._answers += 1
        if self._replaced:
            waiting[0] = waiting[0].model_copy(update={"replaces": self._replaced})
            self._replaced = 0
        while question and isinstance(question[0], SystemMessage):
            self._conversation.append(question.pop(0))  # it stays if the question leaves
        begun = len(self._conversation)
        self._conversation += (*question, *waiting)
        for each in waiting:
            self._ctx.reply(each)
        cut = None if log is None else log.begin(self._answers)
        if log is not None and cut is not None:
            await self._play_cut(log)
            answer = self._cut_before(log, *cut)
        else:
            STEERING.set(self._steering)
            answer = self._answer = _Answer(self._inquire(self._conversation))
            await self._pass_on(answer)
        self._answer = None
        return self._go_on(answer, begun)

    @property
    def _place(self) -> str:
        """The beginning of the next answer."""
        return f"answer {self._answers + 1}"

    @property
    def _end(self) -> str:
        """The end of the present answer: what comes later does not come for it."""
        return f"end {self._answers}"

    async def _pass_on(self, answer: _Answer) -> None:
        """Reply what is replied, until all of it has ended."""
        if answer.replies is None:
            return
        try:
            async for promise in answer.replies:
                if answer.cut:
                    break
                answer.read += 1
                self._show(answer, promise)
                await until_read()
        except InquiryCancelledError:
            if not answer.cut:
                raise
        open_ones = [each.buffer for each in answer.shown if each.given is None]
        with WhileNeeded(*open_ones):
            for buffer in open_ones:
                await until_over(buffer)

    async def _play_cut(self, log: DialogLog) -> None:
        """Let the agent do again what is written of an answer that was cut."""

        def end() -> None:
            steering.over = True

        steering = Steering(log, end)
        STEERING.set(steering)
        await log.play(lambda: self._inquire(self._conversation))

    def _cut_before(self, log: DialogLog, how: str, shown: Sequence[Message | str]) -> _Answer:
        """Reply what came of an answer that was cut before the process was killed."""
        answer = _Answer(None)
        answer.cut = cast("When", how)
        for each in shown:
            message = log.inputs[each] if isinstance(each, str) else each
            answer.shown.append(message.as_promise)
            self._ctx.reply(message)
        return answer

    def _go_on(self, answer: _Answer, begun: int) -> bool:
        """Add an answer that has ended to the conversation; return False if it has failed uncut."""
        if answer.cut is None:
            if any(map(_has_failed, answer.shown)):
                return False
            self._show_used(answer)
        if self._log is not None and self._log.taken(self._end) is None:
            self._log.takes(self._end, [], ends=True)
        self._conversation += (resolved(each) for each in answer.shown if not _has_failed(each))
        left = [each for each in self._steering.messages if id(each) not in answer.taken]
        self._steering.messages = left
        if answer.cut == "rollback":
            self._replaced = len(self._conversation) - begun
            del self._conversation[begun:]
        return True

    def _show_used(self, answer: _Answer) -> None:
        """Reply what a loop has used, if the agent has not replied what the loop replied."""
        for each in self._steering.messages:
            if id(each) in self._steering.used:
                self._show(answer, each.as_promise)

    def _show(self, answer: _Answer, promise: MessagePromise[Message]) -> None:
        """Reply a message of the answer; what several loops have taken is replied once."""
        given = promise.given
        if given is not None:
            if id(given) in answer.taken:
                return
            if any(given is each for each in self._steering.messages):
                answer.taken.add(id(given))
        elif not promise.buffer.closed and not (
            self._ancestry and self._ancestry.began(promise.buffer.ancestry)
        ):
            promise = MessageCopy(promise).begin()  # it comes from outside, so it must not be ended early
        answer.shown.append(promise)
        self._ctx.reply(promise)

    def _cut(self, answer: _Answer, how: When) -> None:
        """End an answer now, as what has come; each call of a tool gets a result."""
        self._answer, self._steering.over = None, True
        replies = cast("MessageSequencePromise", answer.replies)
        for promise in replies.buffer.items[answer.read :]:
            self._show(answer, promise)
        self._show_used(answer)
        answer.cut = how
        for promise in answer.shown:
            if promise.given is None and not promise.buffer.closed:
                known = metadata_so_far(promise)
                is_result = issubclass(promise.message_class, ToolMessage)
                call = ToolCall(str(known.get("call_id")), str(known.get("tool")))
                told = _error(call, begun=not known.pop(NOT_ALLOWED_YET, False))
                end_early(promise, told if is_result else Finish(INTERRUPTED))
        shown = [resolved(each) for each in answer.shown if not _has_failed(each)]
        for call in _without_result(shown):
            shown.append(ToolMessage(parts=[_error(call)]))
            answer.shown.append(shown[-1].as_promise)
            self._ctx.reply(answer.shown[-1])
        if self._log is not None:
            taken = {id(each): key for key, each in self._log.inputs.items()}
            self._log.cuts(self._answers, how, [taken.get(id(each), each) for each in shown])
        replies.cancel()


def _has_failed(promise: MessagePromise[Message]) -> bool:
    return promise.given is None and promise.buffer.error is not None


def _begins(message: Message) -> bool:
    """Return whether a message that comes begins an answer; others wait for one that does."""
    return not isinstance(message, SystemMessage)


def _without_result(messages: Iterable[Message]) -> Iterable[ToolCall]:
    """Return the calls of tools that have no result."""
    calls: dict[str, ToolCall] = {}
    for message in messages:
        if isinstance(message, AssistantMessage):
            calls |= {each.id: each for each in message.tool_calls}
        elif isinstance(message, ToolMessage):
            for part in message.parts:
                if isinstance(part, ToolResult):
                    calls.pop(part.call_id, None)
    return calls.values()


def _error(call: ToolCall, *, begun: bool = True) -> ToolResult:
    text = f"The user interrupted {call.name}; its result is not known."
    if not begun:
        text = f"{call.name} was not called: the user interrupted before it was allowed."
    return ToolResult(call.id, text, is_error=True, name=call.name)
