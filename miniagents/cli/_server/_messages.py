"""Turns the frames of a run into messages for the history, and messages into JSON for the page.

The messages of a turn have a note in their data (`served`), which agents do not get. In the user's message it
names the turn; in the last message of the answer it says how the run ended.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final, TypeVar, cast

from miniagents.ext.web import (
    DataPart,
    Frame,
    MessageBegan,
    MessageEnded,
    MessagePart,
    QuestionAnswered,
    QuestionAsked,
    RunEnded,
    RunParked,
    frames_of,
)
from miniagents.messages import (
    AssistantMessage,
    ErrorMessage,
    Message,
    SystemMessage,
    ToolMessage,
    UserMessage,
)
from miniagents.parts import (
    Content,
    File,
    Finish,
    Image,
    Part,
    ToolCall,
    ToolCallDelta,
    ToolResult,
    Usage,
    content_of,
)

M = TypeVar("M", bound=Message)

_NOTE: Final = "served"
_CLASSES: Final[Mapping[str, type[Message]]] = MappingProxyType(
    {each.role: each for each in (UserMessage, SystemMessage, AssistantMessage, ToolMessage, ErrorMessage)}
)


# -- the notes -----------------------------------------------------------------------------------------------


def user_message(text: str, turn: str) -> Message:
    """Return a message of the user for the history.

    Args:
        text: the text of the message.
        turn: the name of the turn that begins with it.

    Example:
        >>> message = user_message("Hi", "turn-1")
        >>> message.role, turn_in(message), turn_in(UserMessage("Hi")), turn_in(AssistantMessage("Hi"))
        ('user', 'turn-1', '', None)
    """
    return UserMessage(text).model_copy(update={_NOTE: {"turn": turn}})


def turn_in(message: Message) -> str | None:
    """Return the name of the turn that a message begins; ``""`` if it has no name, None if it begins none.

    Args:
        message: a message of a history.
    """
    if message.role != "user" or run_in(message):
        return None
    return _text(_note(message).get("turn")) or ("" if isinstance(message, UserMessage) else None)


def run_in(message: Message) -> str:
    """Return the id of the run that wrote a message; `""` if the user wrote it, or the run is not known.

    Args:
        message: a message of a history.
    """
    return _text(_note(message).get("run"))


def _note(message: Message) -> Mapping[str, object]:
    note: object = getattr(message, _NOTE, None)
    return cast("Mapping[str, object]", note) if isinstance(note, Mapping) else MappingProxyType({})


def _data_in(message: Message) -> list[object]:
    """The part of the data that an agent has sent to the page, if the message has such."""
    data = _note(message).get("data")
    if not isinstance(data, Mapping):
        return []
    known = cast("Mapping[str, object]", data)
    part = DataPart(_text(known.get("name")), known.get("data"), _text(known.get("id")) or None)
    return [MessagePart(0, part).as_data()["part"]]


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _with(message: M, **data: object) -> M:
    """A message with other data."""
    kept = {name: value for name, value in message if name != "text"}
    return _made(type(message), message.text, {**kept, **data})


def _made(kind: type[M], text: str | None, data: Mapping[str, object]) -> M:
    """A message with data that its class need not declare; None is no data."""
    known = {name: value for name, value in data.items() if value is not None}
    declared = {name: value for name, value in known.items() if name in kind.model_fields}
    others = {name: value for name, value in known.items() if name not in declared}
    return kind(text, **declared).model_copy(update=others)


# -- from frames to messages ---------------------------------------------------------------------------------


@dataclass(slots=True)
class _Draft:
    """The frames of a message so far."""

    began: MessageBegan
    parts: list[Part] = field(default_factory=list[Part])
    attachments: list[Content] = field(default_factory=list[Content])
    data: DataPart | None = None
    decided: dict[str, QuestionAnswered] = field(default_factory=dict[str, QuestionAnswered])  # by call
    ended: bool = False

    def take(self, part: Part | Content | DataPart) -> None:
        """Take the next part; data have a place of their own."""
        if isinstance(part, Image | File):
            self.attachments.append(part)
        elif not isinstance(part, DataPart):
            self.parts.append(cast("Part", part))

    def calls(self, call: str) -> bool:
        """Whether the message has a call."""
        return any(isinstance(part, ToolCall | ToolCallDelta) and part.id == call for part in self.parts)

    def _decided(self, content: Content) -> Content:
        """A call with the arguments with which it ran; all else as it is."""
        answer = self.decided.get(content.id) if isinstance(content, ToolCall) else None
        if answer is None or answer.arguments is None:
            return content
        return replace(cast("ToolCall", content), arguments=json.dumps(answer.arguments, ensure_ascii=False))

    def message(self, run: str) -> Message | None:
        """The message; None if it was cut before anything of it came, or has no data that are kept."""
        content = (*map(self._decided, content_of(self.parts)), *self.attachments)
        if not content and self.data is None and (not self.ended or self.began.role == "data"):
            return None
        note: dict[str, object] = {"run": run}
        if self.data is not None:
            note["data"] = {"name": self.data.name, "data": self.data.data, "id": self.data.id}
        words = {call: "edited" if each.arguments else each.how for call, each in self.decided.items()}
        if words := {call: word for call, word in words.items() if word != "allowed"}:
            note["decided"] = words
        last = {type(each): each for each in self.parts}  # of each kind of part
        data: dict[str, object] = {
            "model": self.began.model,
            "agent_alias": self.began.agent,
            "tool": self.began.tool,
            "call_id": self.began.call,
            "usage": last.get(Usage),
            "finish_reason": getattr(last.get(Finish), "reason", None),
            _NOTE: note,
        }
        kind = _CLASSES.get(self.began.role, AssistantMessage)
        texts = [each for each in content if isinstance(each, str)]
        if len(texts) == len(content) or kind in {SystemMessage, ErrorMessage}:
            return _made(kind, "".join(texts), data)
        return _made(kind, None, {**data, "parts": content})


def messages_of_run(run: str, frames: Iterable[Frame], seconds: float | None) -> list[Message]:
    """Return the messages of a run for the history; calls have the arguments with which they ran.

    There is always at least one message; the last one says how the run ended.

    Args:
        run: the id of the run.
        frames: all its frames.
        seconds: how long it took; None if that is not known.

    Example:
        >>> frames = [MessageBegan(0, "assistant"), MessagePart(0, "Hel"), RunEnded("lost", "It is gone.")]
        >>> message, = messages_of_run("7", frames, None)
        >>> message.text, message.served["ended"]
        ('Hel', 'lost')
    """
    drafts: dict[int, _Draft] = {}
    places: dict[tuple[str, str], int] = {}  # of data with an id: the message that has them
    asked: dict[str, str] = {}  # question -> the call that needs approval
    ending = RunEnded("lost")
    for frame in frames:
        match frame:
            case MessageBegan():
                drafts[frame.message] = _Draft(frame)
            case MessagePart(number, DataPart(name, id=key, transient=False) as data):
                drafts[number if key is None else places.setdefault((name, key), number)].data = data
            case MessagePart(number, part):
                drafts[number].take(part)
            case MessageEnded(number):
                drafts[number].ended = True
            case QuestionAsked() | QuestionAnswered():
                _decide(drafts, asked, frame)
            case RunEnded():
                ending = frame
            case RunParked():
                pass
    messages: list[Message] = [
        message for each in drafts.values() if (message := each.message(run)) is not None
    ]
    if not messages:
        messages.append(AssistantMessage("") if ending.how == "finished" else ErrorMessage(ending.sentence))
    ended = {"run": run, "ended": ending.how, "sentence": ending.sentence}
    timed = {} if seconds is None else {"seconds": seconds}
    messages[-1] = _with(messages[-1], **{_NOTE: {**_note(messages[-1]), **ended, **timed}})
    return messages


def _decide(
    drafts: Mapping[int, _Draft], asked: dict[str, str], frame: QuestionAsked | QuestionAnswered
) -> None:
    """Note in the message with a call what a person has decided about it."""
    match frame:
        case QuestionAsked(question, _, {"call": str(call)}):
            asked[question] = call
        case QuestionAnswered(question) if question in asked:
            for each in [each for each in drafts.values() if each.calls(asked[question])][-1:]:
                each.decided[asked[question]] = frame
        case _:
            pass


# -- from the history to the agent ---------------------------------------------------------------------------


def conversation_of(messages: Sequence[Message]) -> tuple[Message, ...]:
    """Return the messages to send to an agent: those of the history, without notes.

    Errors are left out, and so are calls of tools without a result, because no model accepts them.

    Args:
        messages: the messages of a history.

    Example:
        >>> cut = AssistantMessage(parts=["Let me look.", ToolCall("1", "look", "{")])
        >>> [str(each) for each in conversation_of([user_message("Hi", "1"), cut, ErrorMessage("Stopped.")])]
        ['Hi', 'Let me look.']
    """
    answered = {
        part.call_id
        for message in messages
        if isinstance(message, ToolMessage)
        for part in message.parts
        if isinstance(part, ToolResult)
    }
    sent: list[Message] = []
    called: set[str] = set()
    for message in messages:
        plain = _with(message, **{_NOTE: None})
        if isinstance(plain, AssistantMessage):
            calls = {each.id for each in plain.tool_calls}
            if not calls <= answered:
                kept = [each for each in plain.content if not isinstance(each, ToolCall)]
                plain = _with(plain, parts=tuple(kept), finish_reason=None)
            else:
                called |= calls
            if not plain.text and not plain.parts:
                continue
        elif isinstance(plain, ErrorMessage):
            continue
        elif isinstance(plain, ToolMessage):
            results = [each for each in plain.parts if isinstance(each, ToolResult)]
            if not results or not {each.call_id for each in results} <= called:
                continue
        sent.append(plain)
    return tuple(sent)


# -- from the history to a page ------------------------------------------------------------------------------


def shown(messages: Sequence[Message], has_picture: Callable[[str], bool]) -> list[dict[str, object]]:
    """Return the messages as JSON for a page, one for each.

    Args:
        messages: the messages of a history.
        has_picture: returns whether there is a timeline of a run; only then the page gets the id of the run.

    Raises:
        NoActiveContextError: no context is active.

    Example:
        >>> from miniagents import MiniAgents
        >>> async def main():
        ...     print(shown([user_message("Hi", "1")], bool)[0]["parts"])
        >>> MiniAgents().run(main())
        ['Hi']
    """
    all_shown: list[dict[str, object]] = []
    for frame in frames_of(messages):
        match frame:
            case MessageBegan(number, role, agent, model, tool, call):
                role = "data" if _data_in(messages[number]) else role
                known = {"role": role, "agent": agent, "model": model, "tool": tool, "call": call}
                all_shown.append(known | _shown(messages[number], has_picture))
            case MessagePart(part=Usage() as usage):
                counted = {name: each for name, each in usage.as_data().items() if name != "kind"}
                all_shown[-1]["usage"] = {name: each for name, each in counted.items() if each is not None}
            case MessagePart(part=part) if not isinstance(part, Finish):
                cast("list[object]", all_shown[-1]["parts"]).append(frame.as_data()["part"])
            case _:
                pass
    for each in all_shown:
        sentence = each["sentence"]
        if each["role"] == "error" and sentence:
            each["parts"] = [sentence]
        each["text"] = "".join(part for part in cast("list[object]", each["parts"]) if isinstance(part, str))
    return all_shown


def _shown(message: Message, has_picture: Callable[[str], bool]) -> dict[str, object]:
    note = _note(message)
    seconds = note.get("seconds")
    run = run_in(message)
    cut = getattr(message, "finish_reason", None) == "interrupted"  # by what the user said meanwhile
    return {
        "parts": _data_in(message),
        "usage": None,
        "seconds": seconds if isinstance(seconds, int | float) else None,
        "ended": _text(note.get("ended")) or ("interrupted" if cut else None),
        "sentence": _text(note.get("sentence")),
        "run": run if has_picture(run) else None,
        "decided": note.get("decided"),
    }
