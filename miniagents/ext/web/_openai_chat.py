"""Chat Completions: a run as the answer of a model, streamed or whole.

The protocol has no word that withdraws what was streamed: where a text begins anew, the stream ends with an
error, as for readers of tokens. A whole answer has only what was not withdrawn.
"""

from collections.abc import Collection
from types import MappingProxyType
from typing import Final

from typing_extensions import override

from miniagents.parts import Citation, Reasoning, Refusal, Restart, ToolCall, Usage

from ._frames import Frame, MessageBegan, MessagePart, RunEnded, json_of
from ._openai_answer import Answer, AnswerHead, Piece, error_of_run, status_of_run, url_citation
from ._protocols import Encoder

_REASONS: Final = MappingProxyType({"": "stop", "length": "length", "content_filter": "content_filter"})
_DONE: Final = b"data: [DONE]\n\n"
_WITHDRAWN: Final = RunEnded(
    "failed",
    "The text above was withdrawn, and this API cannot stream another one in its place. Repeat the request, "
    "without stream or with the Responses API.",
)

_Data = dict[str, object]


class ChatCompletionEncoder(Encoder):
    """Writes one answer in chunks, or gathers a whole one.

    Args:
        head: what the answer says of itself; None: that of a new one.
        usage: whether the client asked for a last chunk with the tokens.
        tools: names of the client's own tools.

    Example:
        >>> encoder = ChatCompletionEncoder()
        >>> encoder.finish().count(b"data:")  # cut before its end: an error, and the mark of the end
        2
        >>> for frame in [MessageBegan(0, "assistant"), MessagePart(0, "Hi"), RunEnded("finished")]:
        ...     encoder.take(frame)
        >>> status, body = encoder.response()
        >>> status, body["choices"][0]["message"]["content"]
        (200, 'Hi')
    """

    def __init__(
        self, head: AnswerHead | None = None, *, usage: bool = False, tools: Collection[str] = ()
    ) -> None:
        self._answer = Answer(tools)
        self._usage = usage
        head = head or AnswerHead.new("chatcmpl-")
        kind = "chat.completion.chunk"
        self._head = {"id": head.id, "object": kind, "created": head.created, "model": head.model}
        # What stands before and behind the text in most chunks.
        self._before = b'data: %b,"choices":[{"index":0,"delta":{"content":' % json_of(self._head)[:-1]
        counted = b',"usage":null' if usage else b""
        self._behind = b'},"logprobs":null,"finish_reason":null}]%b}\n\n' % counted
        self._length = 0  # characters of the text so far, which citations count
        self._began = 0  # where the present message begins among them
        self._withdrawn = False
        self._pieces: list[Piece] = []  # of a whole answer
        self._kept = 0  # where the present message begins among them

    @override
    def begin(self) -> bytes:
        """Return the chunk that says whose the answer is."""
        return self._chunk({"role": "assistant", "content": ""})

    @override
    def encode(self, position: int, frame: Frame, /) -> bytes:
        """Return the chunks that a frame is."""
        if self._withdrawn:
            return b""
        if type(frame) is MessagePart and type(frame.part) is str and frame.part and self._answer.flows:
            self._length += len(frame.part)
            return b"%b%b%b" % (self._before, json_of(frame.part), self._behind)  # what comes most
        if type(frame) is MessageBegan and frame.role != "tool":
            self._began = self._length
        pieces = list(self._answer.pieces(frame))
        if self._length > self._began and any(isinstance(piece, Restart) for piece in pieces):
            self._withdrawn = True
            return b"data: %b\n\n" % json_of(error_of_run(_WITHDRAWN))
        return b"".join([self._chunk(self._delta(piece)) for piece in pieces])

    @override
    def finish(self) -> bytes:
        """Return why the answer ended, the tokens if they were asked for, and the mark of the end."""
        answer = self._answer
        if self._withdrawn:
            return _DONE
        if answer.ended is None or answer.ended.how != "finished":
            return b"data: %b\n\n" % json_of(error_of_run(answer.ended)) + _DONE
        calls = [{"index": at, **_call(call)} for at, call in enumerate(answer.calls)]
        last = self._chunk({"tool_calls": calls}) if calls else b""
        last += self._chunk({}, "tool_calls" if calls else _REASONS[answer.summary.cut])
        counted = _usage(answer.summary.usage)
        if self._usage:
            last += b"data: %b\n\n" % json_of({**self._head, "choices": [], "usage": counted})
        return last + _DONE

    def _delta(self, piece: Piece) -> _Data:
        match piece:
            case str(text):
                self._length += len(text)
                return {"content": text}
            case Refusal(text):
                return {"refusal": text}
            case Reasoning(text):
                return {"reasoning_content": text}
            case Citation():
                return {"annotations": [_annotation(piece, self._length)]}
            case Restart():
                return {}

    def _chunk(self, delta: _Data, reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        data: _Data = {**self._head, "choices": [choice]}
        if self._usage:
            data["usage"] = None
        return b"data: %b\n\n" % json_of(data)

    # -- a whole answer ----------------------------------------------------------------------------------

    def take(self, frame: Frame) -> None:
        """Take a frame of the run.

        Args:
            frame: the next one.
        """
        if isinstance(frame, MessageBegan) and frame.role != "tool":
            self._kept = len(self._pieces)
        for piece in self._answer.pieces(frame):
            if isinstance(piece, Restart):
                del self._pieces[self._kept :]
            else:
                self._pieces.append(piece)

    def response(self) -> tuple[int, dict[str, object]]:
        """Return the HTTP status and the body, when no more frames come."""
        answer = self._answer
        status = status_of_run(answer.ended)
        if status != 200:  # noqa: PLR2004 - of HTTP
            return status, error_of_run(answer.ended)
        calls = [_call(call) for call in answer.calls]
        choice = {
            "index": 0,
            "message": self._message(calls),
            "logprobs": None,
            "finish_reason": "tool_calls" if calls else _REASONS[answer.summary.cut],
        }
        counted = _usage(answer.summary.usage)
        return status, {**self._head, "object": "chat.completion", "choices": [choice], "usage": counted}

    def _message(self, calls: list[_Data]) -> _Data:
        text = "".join(each for each in self._pieces if isinstance(each, str))
        refusal = "".join(each.text for each in self._pieces if isinstance(each, Refusal))
        thoughts = "".join(each.text for each in self._pieces if isinstance(each, Reasoning))
        cited: list[_Data] = []
        length = 0
        for each in self._pieces:
            if isinstance(each, str):
                length += len(each)
            elif isinstance(each, Citation):
                cited.append(_annotation(each, length))
        data: _Data = {"role": "assistant", "content": text or (None if calls or refusal else "")}
        data["refusal"] = refusal or None
        data["annotations"] = cited
        data |= {"reasoning_content": thoughts} if thoughts else {}
        return data | ({"tool_calls": calls} if calls else {})


def _call(call: ToolCall) -> _Data:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def _annotation(cited: Citation, length: int) -> _Data:
    return {"type": "url_citation", "url_citation": url_citation(cited, length)}


def _usage(usage: Usage | None) -> _Data:
    """Return the tokens; 0 for what is not known, since clients of this protocol need numbers."""
    known = usage or Usage()
    sent, written = known.input_tokens or 0, known.output_tokens or 0
    return {
        "prompt_tokens": sent,
        "completion_tokens": written,
        "total_tokens": sent + written,
        "prompt_tokens_details": {"cached_tokens": known.cached_tokens or 0},
        "completion_tokens_details": {"reasoning_tokens": known.reasoning_tokens or 0},
    }
