"""The Responses API: a run as a response, streamed or whole.

Each message of the run is an item of its own, and so is what it thought. An item that is withdrawn ends as
incomplete, and does not stand in the response that is told at the end.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Literal, cast

from typing_extensions import override

from miniagents.parts import Citation, Reasoning, Refusal, Restart, ToolCall, Usage

from ._frames import Frame, MessageBegan, MessageEnded, MessagePart, QuestionAsked, RunEnded, json_of
from ._openai_answer import FAILED, Answer, AnswerHead, Piece, error_of_run, status_of_run, url_citation
from ._protocols import Encoder

_REASONS: Final = MappingProxyType({"length": "max_output_tokens", "content_filter": "content_filter"})

_Data = dict[str, object]
_Kind = Literal["message", "reasoning"]
_PartKind = Literal["output_text", "refusal", "summary_text"]

# The words of events about a piece of each kind of part.
_PIECES: Final[Mapping[_PartKind, str]] = MappingProxyType(
    {
        "output_text": "response.output_text",
        "refusal": "response.refusal",
        "summary_text": "response.reasoning_summary_text",
    }
)

_PIECE: Final = (
    b'event: response.output_text.delta\ndata: {"type":"response.output_text.delta",%b,"delta":%b,'
    b'"logprobs":[],"sequence_number":%d}\n\n'
)
_NOTHING: Final[Mapping[str, object]] = MappingProxyType({})
_LOGPROBS: Final[Mapping[str, object]] = MappingProxyType({"logprobs": ()})


@dataclass(slots=True, eq=False)
class _Part:
    """A text, a refusal or a thought that is being written."""

    kind: _PartKind
    pieces: list[str] = field(default_factory=list[str])
    annotations: list[_Data] = field(default_factory=list[_Data])

    def as_data(self) -> _Data:
        text = "".join(self.pieces)
        data: _Data = {"type": self.kind, "refusal" if self.kind == "refusal" else "text": text}
        if self.kind == "output_text":
            data |= {"annotations": list(self.annotations), "logprobs": []}
        return data


@dataclass(slots=True, eq=False)
class _Item:
    """An item of the output that is being written."""

    kind: _Kind
    id: str
    index: int
    parts: list[_Part] = field(default_factory=list[_Part])

    def as_data(self, status: str) -> _Data:
        piece = [part.as_data() for part in self.parts]
        if self.kind == "reasoning":
            return {"id": self.id, "type": "reasoning", "summary": piece, "status": status}
        return {"id": self.id, "type": "message", "role": "assistant", "status": status, "content": piece}

    @property
    def of_part(self) -> str:
        """The beginning of the words of events about a part of it."""
        return "response.reasoning_summary_part" if self.kind == "reasoning" else "response.content_part"

    def at(self) -> _Data:
        place = "summary_index" if self.kind == "reasoning" else "content_index"
        return {"item_id": self.id, "output_index": self.index, place: len(self.parts) - 1}


class ResponseEncoder(Encoder):
    """Writes one response in events, or gathers a whole one.

    Args:
        head: what the response says of itself; None: that of a new one.
        tools: names of the client's own tools.
        run: the id of the run, if the client may answer its questions.

    Example:
        >>> encoder = ResponseEncoder()
        >>> encoder.begin().count(b"event: ")  # response.created, response.in_progress
        2
        >>> for frame in [MessageBegan(0, "assistant"), MessagePart(0, "Hi"), RunEnded("finished")]:
        ...     encoder.take(frame)
        >>> status, body = encoder.response()
        >>> status, body["status"], body["output"][0]["content"][0]["text"]
        (200, 'completed', 'Hi')
    """

    def __init__(self, head: AnswerHead | None = None, *, tools: Collection[str] = (), run: str = "") -> None:
        self._run = run
        head = head or AnswerHead.new("resp_")
        self._answer = Answer(tools, apart=True)
        self._head: _Data = {
            "id": head.id,
            "object": "response",
            "created_at": head.created,
            "model": head.model,
            "error": None,
            "incomplete_details": None,
            "instructions": None,
            "metadata": {},
            "parallel_tool_calls": True,
            "temperature": None,
            "top_p": None,
            "tool_choice": "auto",
            "tools": [],
        }
        self._name = head.id.removeprefix("resp_")
        self._items = 0  # that have begun
        self._item: _Item | None = None
        self._output: list[_Data] = []
        self._began = 0  # where the present message begins in the output
        self._events = 0  # that were written
        self._text: _Part | None = None  # that goes on, and where it stands
        self._place = b""
        self._last: _Data = {}  # event

    @override
    def begin(self) -> bytes:
        """Return the events that begin the response."""
        begun = ("response.created", "response.in_progress")
        return self._written({"type": kind, "response": self._data("in_progress")} for kind in begun)

    @override
    def encode(self, position: int, frame: Frame, /) -> bytes:
        """Return the events of a frame."""
        item = self._item
        if type(frame) is MessagePart and type(frame.part) is str and frame.part and item is not None:
            part = item.parts[-1] if item.parts and self._answer.flows else None
            if part is not None and part.kind == "output_text":
                return self._go_on(item, part, frame.part)  # what comes most
        return self._written(self._of_frame(frame))

    @override
    def finish(self) -> bytes:
        """Return nothing: the last event says how it ended, unless the run was cut before it."""
        return self._written(self._broken(None)) if self._answer.ended is None else b""

    def take(self, frame: Frame) -> None:
        """Take a frame of the run for a whole response.

        Args:
            frame: the next one.
        """
        for event in self._of_frame(frame):
            self._last = event

    def response(self) -> tuple[int, dict[str, object]]:
        """Return the HTTP status and the body, when no more frames come."""
        ended = self._answer.ended
        status = status_of_run(ended)
        if status != 200:  # noqa: PLR2004 - of HTTP
            return status, error_of_run(ended)
        return status, cast("_Data", self._last["response"])

    def _go_on(self, item: _Item, part: _Part, text: str) -> bytes:
        if part is not self._text:
            self._text, self._place = part, json_of(item.at())[1:-1]  # without the braces
        part.pieces.append(text)
        number, self._events = self._events, self._events + 1
        return _PIECE % (self._place, json_of(text), number)

    def _written(self, events: Iterator[_Data]) -> bytes:
        written: list[bytes] = []
        for event in events:
            numbered = {**event, "sequence_number": self._events}
            written.append(b"event: %b\ndata: %b\n\n" % (str(event["type"]).encode(), json_of(numbered)))
            self._events += 1
        return b"".join(written)

    # -- frames ------------------------------------------------------------------------------------------

    def _data(self, status: str, **data: object) -> _Data:
        """The response as it is now."""
        return {**self._head, "status": status, "output": list(self._output), "usage": None, **data}

    def _of_frame(self, frame: Frame) -> Iterator[_Data]:
        """The events of a frame; the last one brings the end of the response."""
        match frame:
            case MessageBegan(role=role) if role != "tool":
                self._began = len(self._output)
            case MessageEnded():
                yield from self._end_item("completed")
            case QuestionAsked(question, "approval", shown) if self._run:
                yield from self._end_item("completed")
                yield from self._approval(f"mcpr_{self._run}_{question}", shown)
            case _:
                pass
        for piece in self._answer.pieces(frame):
            yield from self._events_of(piece)
        if isinstance(frame, RunEnded):
            yield from self._end(frame)

    def _events_of(self, piece: Piece) -> Iterator[_Data]:
        match piece:
            case str(text):
                yield from self._piece("message", "output_text", text)
            case Refusal(text):
                yield from self._piece("message", "refusal", text)
            case Reasoning(text):
                if text.strip() or (self._item is not None and self._item.kind == "reasoning"):
                    yield from self._piece("reasoning", "summary_text", text)
            case Citation():
                yield from self._cited(piece)
            case Restart():
                yield from self._end_item("incomplete")
                del self._output[self._began :]

    def _piece(self, kind: _Kind, part_kind: _PartKind, text: str) -> Iterator[_Data]:
        item = self._item
        if item is None or item.kind != kind:
            yield from self._end_item("completed")
            prefix = "rs" if kind == "reasoning" else "msg"
            index, self._items = self._items, self._items + 1
            item = self._item = _Item(kind, f"{prefix}_{self._name}_{index}", index)
            begun = item.as_data("in_progress")
            yield {"type": "response.output_item.added", "output_index": index, "item": begun}
        if not text:
            return
        if not item.parts or item.parts[-1].kind != part_kind:
            yield from self._end_part(item)
            item.parts.append(_Part(part_kind))
            yield {"type": f"{item.of_part}.added", **item.at(), "part": item.parts[-1].as_data()}
        item.parts[-1].pieces.append(text)
        extra = _LOGPROBS if part_kind == "output_text" else _NOTHING
        yield {"type": f"{_PIECES[part_kind]}.delta", **item.at(), "delta": text, **extra}

    def _cited(self, cited: Citation) -> Iterator[_Data]:
        item = self._item
        if item is None or not item.parts or item.parts[-1].kind != "output_text":
            return  # about no text
        part = item.parts[-1]
        annotation = {"type": "url_citation", **url_citation(cited, sum(map(len, part.pieces)))}
        part.annotations.append(annotation)
        yield {
            "type": "response.output_text.annotation.added",
            **item.at(),
            "annotation_index": len(part.annotations) - 1,
            "annotation": annotation,
        }

    # -- items -------------------------------------------------------------------------------------------

    def _end_part(self, item: _Item) -> Iterator[_Data]:
        if not item.parts:
            return
        part = item.parts[-1]
        whole = part.as_data()
        name = "refusal" if part.kind == "refusal" else "text"
        extra = _LOGPROBS if part.kind == "output_text" else _NOTHING
        yield {"type": f"{_PIECES[part.kind]}.done", **item.at(), name: whole[name], **extra}
        yield {"type": f"{item.of_part}.done", **item.at(), "part": whole}

    def _end_item(self, status: str) -> Iterator[_Data]:
        item, self._item = self._item, None
        if item is None:
            return
        yield from self._end_part(item)
        whole = item.as_data(status)
        self._output.append(whole)
        yield {"type": "response.output_item.done", "output_index": item.index, "item": whole}

    def _call(self, call: ToolCall) -> Iterator[_Data]:
        index, self._items = self._items, self._items + 1
        key = f"fc_{self._name}_{index}"
        begun: _Data = {"id": key, "type": "function_call", "call_id": call.id, "name": call.name}
        written = {"name": call.name, "arguments": call.arguments}
        at = {"item_id": key, "output_index": index}
        added = {**begun, "arguments": "", "status": "in_progress"}
        yield {"type": "response.output_item.added", "output_index": index, "item": added}
        yield {"type": "response.function_call_arguments.delta", **at, "delta": call.arguments}
        yield {"type": "response.function_call_arguments.done", **at, **written}
        self._output.append({**begun, **written, "status": "completed"})
        yield {"type": "response.output_item.done", "output_index": index, "item": self._output[-1]}

    def _approval(self, asked: str, shown: Mapping[str, object]) -> Iterator[_Data]:
        """Return the request for the approval of a call."""
        index, self._items = self._items, self._items + 1
        item: _Data = {"id": asked, "type": "mcp_approval_request", "name": shown["tool"]}
        item |= {"arguments": json_of(shown["arguments"]).decode(), "server_label": self._head["model"]}
        self._output.append(item)
        for what in ("added", "done"):
            yield {"type": f"response.output_item.{what}", "output_index": index, "item": item}

    def _end(self, ended: RunEnded) -> Iterator[_Data]:
        cut = self._answer.summary.cut
        if ended.how != "finished":
            yield from self._broken(ended)
            return
        yield from self._end_item("incomplete" if cut else "completed")
        for call in self._answer.calls:
            yield from self._call(call)
        usage = _usage(self._answer.summary.usage)
        if cut:
            data = self._data("incomplete", usage=usage, incomplete_details={"reason": _REASONS[cut]})
            yield {"type": "response.incomplete", "response": data}
        else:
            yield {"type": "response.completed", "response": self._data("completed", usage=usage)}

    def _broken(self, ended: RunEnded | None) -> Iterator[_Data]:
        """The end of a run that did not come to its own."""
        yield from self._end_item("incomplete")
        error = {"code": "server_error", "message": (ended and ended.sentence) or FAILED}
        yield {"type": "response.failed", "response": self._data("failed", error=error)}


def _usage(usage: Usage | None) -> _Data | None:
    """Return the tokens, if those of both sides are known."""
    if usage is None or usage.input_tokens is None or usage.output_tokens is None:
        return None
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {"cached_tokens": usage.cached_tokens or 0},
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens or 0},
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }
