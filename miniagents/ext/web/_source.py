"""Makes frames of the replies of an agent, which never waits for their reader, and of the events of a log."""

import logging
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import PurePath
from traceback import format_exception
from typing import Final, NamedTuple, TypeAlias, cast

from reactivex.disposable import SerialDisposable

from miniagents.errors import (
    BudgetExceededError,
    InquiryCancelledError,
    LLMRefusalError,
    LLMTruncatedError,
    QuestionError,
)
from miniagents.messages import (
    ErrorMessage,
    InputMessage,
    Message,
    MessagePromise,
    MessageSequencePromise,
    UserMessage,
)
from miniagents.parts import (
    AgentPart,
    Citation,
    File,
    Image,
    Part,
    Reasoning,
    ResponseHeaders,
    Restart,
    Retry,
    ServerToolCall,
    ServerToolResult,
    ToolCallDelta,
    ToolResult,
)
from miniagents.streams import PromisingContext
from miniagents.utils import redact_keys, strip_control

from ..journal import Event, JournalError
from ._frames import (
    BATCH,
    ENDINGS,
    STOPPED,
    Frame,
    FramePart,
    MessageBegan,
    MessageEnded,
    MessagePart,
    Positioned,
    QuestionAnswered,
    QuestionAsked,
    RunEnded,
    RunParked,
    frame_from_data,
    part_of,
    text_size,
)
from ._page_data import DataPart, PageData

logger = logging.getLogger(__name__)

Replies: TypeAlias = MessageSequencePromise[Message] | MessagePromise[Message]
"""The replies of an agent, or one message of them."""

ErrorText: TypeAlias = Callable[[Exception], str]
"""Makes the sentence for clients from an error of an agent."""


class ReplyOf(NamedTuple):
    """A message whose parts the log of the run has already.

    Attributes:
        message: which one of the run.
        span: the call that writes it.
        number: which message of that call it is.
    """

    message: int
    span: int
    number: int


Origin: TypeAlias = Callable[[int, MessagePromise[Message]], tuple[int, int] | None]
"""For a message of a run: the call that writes it into the log, and the number of the message there."""

_SHUT_DOWN: Final = "The server ended before the answer was complete."
"""The sentence of a run whose server ended first."""
_SENTENCES: Final[tuple[tuple[type[Exception], str], ...]] = (
    (TimeoutError, "The agent took too long."),
    (LLMRefusalError, "The model refused to answer."),
    (LLMTruncatedError, "The answer of the model was cut off."),
    (BudgetExceededError, "The budget for this is used up."),
)
_FAILED: Final = "The agent failed; the log of the server says why."
_UNANSWERABLE: Final = "The agent asks a person, and a client of this protocol cannot answer."
_TAKEN: Final = "Another run waits already for the event that this one waits for."
_SHOWN: Final = frozenset({"agent_alias", "model", "tool", "call_id"})
_TOO_SLOW: Final = "The answer was stopped, because the client did not read it."


def sentence_of(error: Exception) -> str:
    """Return a sentence for clients about an error, without its text, which may have keys and prompts.

    Args:
        error: an error of an agent.

    Example:
        >>> sentence_of(ValueError("no such key: sk-123456789"))
        'The agent failed; the log of the server says why.'
    """
    if isinstance(error, QuestionError) and error.reason in {None, "taken"}:
        return _UNANSWERABLE if error.reason is None else _TAKEN
    return next((sentence for kind, sentence in _SENTENCES if isinstance(error, kind)), _FAILED)


def frames_of(messages: Iterable[Message]) -> list[Frame]:
    """Return the frames of finished messages, without a `RunEnded`.

    Args:
        messages: such as those of a history.

    Raises:
        NoActiveContextError: no context is active.

    Example:
        >>> from miniagents import MiniAgents
        >>> async def main():
        ...     for frame in frames_of([UserMessage("Hello")]):
        ...         print(frame)
        >>> MiniAgents().run(main())
        MessageBegan(message=0, role='user', agent=None, model=None, tool=None, call=None, when=None, id=None)
        MessagePart(message=0, part='Hello')
        MessageEnded(message=0)
    """
    source = FrameSource(MessageSequencePromise(tuple(messages)))
    source.open(lambda: None)
    return [frame for _, frame in source.take()[:-1]]


class FrameSource:
    """The feed of a run for its one reader: collects the frames until they are taken.

    Tokens that came meanwhile are joined.

    Args:
        replies: the replies of the agent.
        agent: the alias of the agent, for messages that do not name their agent.
        limit: characters that may wait to be taken; with more, the run is stopped. None: no limit.
        error_text: makes the sentence for clients from an error; None: `sentence_of`.
        origin: which messages a log has already: their parts are not collected. None: of none.
        run: the id of the run, for the log of the server; None: it has none.

    Attributes:
        context: the context of the replies.
        left: no: no other server goes on with it.
        ended: whether the last frame has come.

    Example:
        >>> from miniagents import MessageSequencePromise, MiniAgents
        >>> async def main():
        ...     source = FrameSource(MessageSequencePromise(["Hello"]))
        ...     source.open(lambda: None)
        ...     for position, frame in source.take()[1:]:
        ...         print(frame)
        >>> MiniAgents().run(main())
        MessagePart(message=0, part='Hello')
        MessageEnded(message=0)
        RunEnded(how='finished', sentence='')
    """

    left: bool = False

    def __init__(
        self,
        replies: Replies,
        *,
        agent: str | None = None,
        limit: int | None = None,
        error_text: ErrorText | None = None,
        origin: Origin | None = None,
        run: str | None = None,
    ) -> None:
        self.context: PromisingContext = replies.buffer.context
        self.ended = False
        self._which = "" if run is None else f" ({run})"
        self._origin = origin
        self._replies: Replies = replies
        self._on_more: Callable[[], None] = lambda: None
        self._agent = agent
        self._limit = limit
        self._error_text: ErrorText = sentence_of if error_text is None else error_text
        self._frames: list[Frame | ReplyOf] = []
        self._texts: list[str] = []
        self._size = 0
        self._messages = 0  # that have begun
        self._message: MessagePromise[Message] | None = None  # the one that is being told
        self._waiting: deque[MessagePromise[Message]] = deque()
        self._complete = False  # no further message comes
        self._advancing = False
        self._subscription = SerialDisposable()  # to the messages
        self._parts = SerialDisposable()  # the subscription to those of the message that is being told
        self._position = 0  # of the last frame that was taken

    # -- the reader --------------------------------------------------------------------------------------

    def open(self, wake: Callable[[], None], /) -> None:
        """Begin to read the replies.

        Args:
            wake: called when there are frames to take, during a push, so it may only wake a task.
        """
        replies, self._on_more = self._replies, wake
        if isinstance(replies, MessagePromise):
            self._waiting.append(replies)
            self._complete = True
            self._advance()
        else:
            self._subscription.disposable = replies.messages.subscribe(
                self._add_message, self._fail, self._no_more_messages
            )

    def take(self) -> Sequence[Positioned]:
        """Return the frames since the last call, in order; empty if there are none."""
        frames = cast("list[Frame]", self.take_all())  # without `origin` there is nothing else
        taken = list(enumerate(frames, start=self._position + 1))
        self._position += len(frames)
        return taken

    def take_all(self) -> list[Frame | ReplyOf]:
        """Return the same without positions, and a `ReplyOf` for each message that the log has already."""
        self._join_texts()
        frames, self._frames = self._frames, []
        self._size = 0
        return frames

    def close(self, ending: RunEnded = STOPPED) -> None:
        """Stop the run and all calls that it makes, now, if it has not ended. Idempotent.

        Args:
            ending: the last frame.
        """
        if not self.ended:
            self._end(ending).cancel()

    # -- what the agent pushes ---------------------------------------------------------------------------

    def _add_message(self, promise: MessagePromise[Message]) -> None:
        self._waiting.append(promise)
        self._advance()

    def _no_more_messages(self) -> None:
        self._complete = True
        self._advance()

    def _advance(self) -> None:
        """Begin the next message if the previous one has ended; in a loop, since many may have come."""
        if self._advancing:
            return
        self._advancing = True
        try:
            while self._message is None and self._waiting and not self.ended:
                self._begin(self._waiting.popleft())
        finally:
            self._advancing = False
        if self._complete and self._message is None and not self.ended:
            self._end(RunEnded("finished"))

    def _begin(self, promise: MessagePromise[Message]) -> None:
        self._message = promise
        given = promise.given
        data = promise.preliminary_metadata if given is None else dict(given)
        known = {name: each for name, each in data.items() if name in _SHOWN and isinstance(each, str)}
        kind = promise.message_class
        role = "assistant" if kind.role == "user" and not issubclass(kind, UserMessage) else kind.role
        if issubclass(kind, PageData):
            role = "data"
        said = given if isinstance(given, InputMessage) else None
        agent = known.get("agent_alias", self._agent if said is None else None)
        of_call = (known.get(name) for name in ("model", "tool", "call_id"))
        began = MessageBegan(self._messages, role, agent, *of_call)
        self._add(began if said is None else replace(began, when=said.when, id=said.input_id or None))
        origin = None if self._origin is None else self._origin(self._messages, promise)
        add = None  # no text of it is shown, or what is shown comes from elsewhere
        if issubclass(kind, ErrorMessage):  # its text is that of an error
            self._texts.append(_FAILED)
        elif origin is None and role != "data":
            add = self._add_part
        elif origin is not None and role != "data":
            self._frames.append(ReplyOf(self._messages, *origin))
        self._parts.disposable = promise.parts.subscribe(add, self._fail, self._end_message)

    def _add_part(self, part: Part) -> None:
        if isinstance(part, str):
            self._texts.append(part)
            self._size += len(part)
            self._tell()
        elif (shown := for_clients(part)) is not None:
            self._add(MessagePart(self._messages, shown))

    def _end_message(self) -> None:
        promise, self._message = self._message, None
        if promise is not None and isinstance(data := promise.buffer.result, PageData):
            self._add(MessagePart(self._messages, DataPart(data.name, data.data, data.id, data.transient)))
        self._add(MessageEnded(self._messages))
        self._messages += 1
        self._advance()

    def _fail(self, error: Exception) -> None:
        if self.ended:
            return
        if isinstance(error, InquiryCancelledError):
            self._end(RunEnded("lost", _SHUT_DOWN) if server_ends(self.context) else STOPPED)
            return
        text = "A run failed%s; its client gets only a sentence without the error.\n%s"
        logger.error(text, self._which, _traceback(error))
        replies = self._end(RunEnded("failed", self._sentence(error)))
        self.context.loop.call_soon(replies.cancel)  # no client gets the messages after the failed one

    def _sentence(self, error: Exception) -> str:
        """The sentence for clients; if `error_text` fails, the usual one, so that the run ends."""
        try:
            sentence = cast("object", self._error_text(error))
            if isinstance(sentence, str):
                return sentence
            raise TypeError(  # noqa: TRY301 - it is logged like an error of the function
                f"error_text returned a {type(sentence).__name__}; return the sentence."
            )
        except Exception as failure:  # noqa: BLE001 - the run must end
            text = "error_text failed; the client gets the usual sentence.\n%s"
            logger.error(text, _traceback(failure))  # noqa: TRY400 - it says all
            return sentence_of(error)

    # -- what is kept ------------------------------------------------------------------------------------

    def _add(self, frame: Frame) -> None:
        if self.ended:
            return
        self._join_texts()
        self._frames.append(frame)
        self._size += text_size(frame)
        self._tell()

    def _join_texts(self) -> None:
        if self._texts:
            texts, self._texts = self._texts, []
            text = texts[0] if len(texts) == 1 else "".join(texts)
            self._frames.append(MessagePart(self._messages, text))

    def _tell(self) -> None:
        if self._limit is not None and self._size > self._limit and not self.ended:
            replies = self._end(RunEnded("stopped", _TOO_SLOW))
            self.context.loop.call_soon(replies.cancel)  # later, because it is in the middle of a push
        else:
            self._on_more()

    def _end(self, ending: RunEnded) -> Replies:
        """Add the last frame; release the replies, and return them."""
        self._join_texts()
        self._frames.append(ending)
        self.ended = True
        replies = self._replies
        del self._replies
        self._message = None
        self._waiting.clear()
        self._subscription.dispose()
        self._parts.dispose()
        self._on_more()
        return replies


def _traceback(error: Exception) -> str:
    """An error for the log, where `exc_info` may have keys and control characters."""
    return strip_control(redact_keys("".join(format_exception(error)))).rstrip()


def server_ends(context: PromisingContext) -> bool:
    """Return whether a context ends: in order, or by an error or a cancellation of its block.

    Args:
        context: of an app.
    """
    return context.draining or context.cancelling


def for_clients(part: Part) -> Part | None:
    """Return a part as clients may see it: without our limits, texts of errors, and what is opaque.

    Args:
        part: of a message.

    Returns:
        None if clients see nothing of it.
    """
    match part:
        case str():
            return part
        case ResponseHeaders() | Image(path=str() | PurePath()) | File(path=str() | PurePath()):
            return None  # a path would tell clients about the files of the server
        case Retry():
            return Retry(part.attempt, part.delay, "")
        case Restart():
            part = Restart()
        case ToolResult(content=tuple(content), is_error=failed):
            shown = [each for each in content if for_clients(each) is not None]
            clean = (redact_keys(each) if failed and isinstance(each, str) else each for each in shown)
            part = replace(part, content=tuple(clean))
        case ToolResult(is_error=True):
            part = replace(part, content=redact_keys(part.text))
        case AgentPart(agents, inner):
            of_agent = for_clients(inner)
            return (
                None if of_agent is None or isinstance(of_agent, AgentPart) else AgentPart(agents, of_agent)
            )
        case Reasoning() | ToolCallDelta() | ServerToolCall() | ServerToolResult() | Citation():
            part = replace(part, opaque=None) if part.opaque else part
        case _:
            pass
    return part


def event_of(item: "Frame | ReplyOf") -> Event:
    """Return the event that a log has of a frame.

    Args:
        item: a frame but the last one, or a message whose parts the log has already.
    """
    if isinstance(item, ReplyOf):
        return ["reply", 0, item.message, item.span, item.number]
    return ["frame", 0, cast("Event", item.as_data())]


class FrameView:
    """Makes frames of the events of a run, in their order.

    Example:
        >>> view = FrameView()
        >>> for frame in view.take([["parts", 1, 0, ["Hel", "lo"], [0.0, 1]], ["reply", 0, 0, 1, 0]]):
        ...     print(frame)
        MessagePart(message=0, part='Hello')
    """

    def __init__(self) -> None:
        self._asked: dict[str, Mapping[str, object]] = {}  # open question -> what is shown of it
        self._parts: defaultdict[tuple[int, int], list[FramePart]] = defaultdict(list)
        self._current: tuple[int, int] | None = None  # whose parts are those of the reply that is being shown
        self._reply = 0
        self._last: Frame | None = None

    def take(self, events: Iterable[Event]) -> list[Frame]:
        """Return the frames of the next events.

        Args:
            events: of the log.

        Raises:
            JournalError: one of them cannot be read.
        """
        frames: list[Frame] = []
        try:
            for event in events:
                self._take(event, frames)
        except (ValueError, TypeError, KeyError) as error:
            raise JournalError(f"The log of a run cannot be read: {error}") from None
        self._last = frames[-1] if frames else self._last
        return frames

    def _take(self, event: Event, frames: list[Frame]) -> None:
        match event:
            case ["parts", int(span), int(number), list(parts), _]:
                came = (cast("Part", part_of(part)) for part in parts)
                shown = [each for part in came if (each := for_clients(part)) is not None]
                if self._current == (span, number):
                    self._show(shown, frames)
                else:
                    self._parts[span, number] += shown
            case ["reply", 0, int(reply), int(span), int(number)]:
                self.add(ReplyOf(reply, span, number), frames)
            case ["frame", 0, dict(data)]:
                self.add(frame_from_data(cast("Mapping[str, object]", data)), frames)
            case ["ended", 0, str(how), str(sentence), int()]:
                frames.append(RunEnded(ENDINGS[how], sentence))
            case ["parked", 0, until]:
                parked = RunParked(cast("float | None", until))
                if parked != (frames[-1] if frames else self._last):  # else it has only refused an answer
                    frames.append(parked)
            case _:
                frames += self._of_question(event)

    def add(self, item: "Frame | ReplyOf", frames: list[Frame]) -> None:
        """Add what clients get of an item of the run itself: a frame, or parts that have come already.

        Args:
            item: the item.
            frames: the frames to which it is added.
        """
        if isinstance(item, ReplyOf):
            self._current, self._reply = (item.span, item.number), item.message
            self._show(self._parts.pop(self._current, []), frames)
            return
        if isinstance(item, MessageEnded):
            self._current = None
        frames.append(item)

    def _of_question(self, event: Event) -> Iterator[Frame]:
        match event:
            case ["question", _, str(key), str(kind), dict(shown), str(digest), due, *_]:
                if kind not in {"sleep", "event"}:  # which no person answers
                    self._asked[key] = cast("Mapping[str, object]", shown)
                    yield QuestionAsked(key, kind, shown, digest, cast("float | None", due))
            case ["answer", _, str(key), dict(answer)] if key in self._asked:
                arguments = cast("Mapping[str, object] | None", answer.get("arguments"))
                edited = arguments if arguments != self._asked.pop(key).get("arguments") else None
                yield QuestionAnswered(key, _how(answer), edited)
            case ["void", _, str(key), *_] if key in self._asked:  # else its answer came just before that
                del self._asked[key]
                yield QuestionAnswered(key, "void")
            case _:
                pass

    def _show(self, parts: Iterable[FramePart], frames: list[Frame]) -> None:
        """Add parts; texts that follow each other are one."""
        texts: list[str] = []
        for part in (*parts, None):
            if isinstance(part, str):
                texts.append(part)
                continue
            if text := "".join(texts):
                frames.append(MessagePart(self._reply, text))
            texts.clear()
            if part is not None:
                frames.append(MessagePart(self._reply, part))


def in_steps(view: FrameView, events: Iterable[Event]) -> Iterator[list[Frame]]:
    """Yield the frames of events some at a time, so that other tasks can have their turn in between.

    Args:
        view: has taken the events before.
        events: of a log.

    Raises:
        JournalError: one of them cannot be read.
    """
    frames: list[Frame] = []
    for event in events:
        frames += view.take((event,))
        if len(frames) >= BATCH:
            yield frames
            frames = []
    yield frames


def _how(answer: Mapping[str, object]) -> str:
    """How a question was closed."""
    if answer.get("expired"):
        return "expired"
    if "allow" in answer:
        return "allowed" if answer["allow"] else "rejected"
    return "answered"
