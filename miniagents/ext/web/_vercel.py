"""UI message streams of the Vercel AI SDK (version 7): what its ``useChat`` reads.

A run is one message of theirs. Each message of the run is a step of it; the results of tools belong to the
step of the call. What their client takes for the end of everything is never written: an unknown type, null
for what is absent, a piece of something that has not begun, the result of a call that nobody saw.
"""

import hmac
import json
import logging
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import count
from types import MappingProxyType
from typing import Final

from typing_extensions import override

from miniagents.parts import (
    AgentPart,
    Citation,
    File,
    Finish,
    Image,
    Reasoning,
    Refusal,
    Restart,
    ServerToolCall,
    ServerToolResult,
    ToolCall,
    ToolCallDelta,
    ToolResult,
    Usage,
)

from ._frames import (
    Frame,
    FramePart,
    MessageBegan,
    MessageEnded,
    MessagePart,
    QuestionAnswered,
    QuestionAsked,
    RunEnded,
    RunParked,
    json_of,
)
from ._page_data import DataPart
from ._protocols import NO_CACHE, Encoder
from ._safe_json import safe_json
from ._summary import RunSummary
from ._user_messages import is_web

logger = logging.getLogger(__name__)

PROVIDER: Final = "miniagents"
"""Under which name what only we understand stands in the ``providerMetadata`` of their parts."""

_DONE: Final = b"data: [DONE]\n\n"
_DELTA: Final = b'data: {"type":"text-delta","id":"%b","delta":%b}\n\n'
_REASONS: Final = MappingProxyType({"": "stop", "length": "length", "content_filter": "content-filter"})
_LOST: Final = "The answer was cut off."
_FAILED: Final = "The agent failed."

_Chunk = dict[str, object]


def vercel_message_id(run: str) -> str:
    """Return the id of the message that a run is to the client: the same each time it is read.

    Args:
        run: the id of the run, which gives access to it and so is not shown.

    Example:
        >>> vercel_message_id("run-1")
        'msg-efc61655a84e8e4d2e0fd578'
    """
    return f"msg-{sha256(f'message of {run}'.encode()).hexdigest()[:24]}"


@dataclass(slots=True, eq=False)
class _Call:
    """A call of a tool that is being written."""

    id: str | None = None
    name: str | None = None
    arguments: list[str] = field(default_factory=list[str])
    begun: bool = False


@dataclass(frozen=True, slots=True)
class Seal:
    """Signs what only the model's provider understands: the signature and the id of a thought.

    A client that could choose them would choose what the provider is sent.

    Attributes:
        key: the secret of the server.
        owner: the user who gets it, and who alone can send it back.

    Example:
        >>> seal, thought = Seal(b"secret", "ada"), Reasoning(signature="c2ln")
        >>> seal.holds(thought, seal.of(thought)), Seal(b"secret", "bob").holds(thought, seal.of(thought))
        (True, False)
    """

    key: bytes
    owner: str

    def of(self, thought: Reasoning) -> str:
        """Return the signature for a thought.

        Args:
            thought: of a model.
        """
        signed = [self.owner, thought.signature, thought.id, thought.redacted]
        return hmac.new(self.key, json.dumps(signed).encode(), sha256).hexdigest()

    def holds(self, thought: Reasoning, given: object) -> bool:
        """Return whether this server gave a thought to this user.

        Args:
            thought: of a client.
            given: what the client sends as its signature.
        """
        return isinstance(given, str) and given.isascii() and hmac.compare_digest(self.of(thought), given)


class VercelEncoder(Encoder):
    r"""Writes one UI message stream.

    Args:
        message_id: of the message that the client makes of it; ``""`` to go on with the one that it has.
        seal: signs what the client must send back unchanged; None: it is not sent back.

    Example:
        >>> encoder = VercelEncoder("msg-1")
        >>> encoder.begin()
        b'data: {"type":"start","messageId":"msg-1"}\n\n'
        >>> encoder.encode(1, RunEnded("stopped")), encoder.finish()
        (b'data: {"type":"abort"}\n\n', b'data: [DONE]\n\n')
    """

    headers = MappingProxyType({**NO_CACHE, "x-vercel-ai-ui-message-stream": "v1"})

    def __init__(self, message_id: str = "", seal: Seal | None = None) -> None:
        self._id = message_id
        self._seal = seal
        self._summary = RunSummary()
        self._in_step = False
        self._began = MessageBegan(0, "assistant")
        self._said = ""  # by the user, while the agent works
        self._text = self._thought = ""  # the ids of what is open
        self._thought_index = 0
        self._signature = Reasoning()  # what the client keeps of the open thought, for the next turn
        self._blocks = count(1)  # that begin
        self._sources = count(1)
        self._calls: dict[int, _Call] = {}  # of this message
        self._known: set[str] = set()  # ids of calls that the client has seen
        self._approvals: dict[str, Mapping[str, object]] = {}  # question -> what is shown of its call
        self._denied: set[str] = set()  # ids of calls
        self._inside: dict[str, str] = {}  # calls of agents that are tools -> the calls of these
        self._inside_step = False  # whether this step has such calls
        self._ended = False

    @override
    def begin(self) -> bytes:
        """Return the chunk that begins the message."""
        return _event({"type": "start", "messageId": self._id} if self._id else {"type": "start"})

    @override
    def encode(self, position: int, frame: Frame, /) -> bytes:
        """Return the chunks that a frame is."""
        if type(frame) is MessagePart and type(frame.part) is str and self._text and frame.part:
            return _DELTA % (self._text.encode(), json_of(frame.part))  # what comes most
        self._summary.take(frame)
        return b"".join(map(_event, self._chunks(frame)))

    @override
    def finish(self) -> bytes:
        """Return the mark of the end; a stream that was cut before its last frame ends with an error."""
        return _DONE if self._ended else _event({"type": "error", "errorText": _LOST}) + _DONE

    # -- frames ------------------------------------------------------------------------------------------

    def _chunks(self, frame: Frame) -> Iterator[_Chunk]:
        match frame:
            case MessageBegan():
                yield from self._begin(frame)
            case MessagePart(_, part) if self._began.when is not None:
                self._said += part if isinstance(part, str) else ""
            case MessagePart(_, part):
                yield from self._part(part)
            case MessageEnded(number) if self._began.when is not None:
                parts = [{"type": "text", "text": self._said}]
                yield {"type": "steering-message", "id": self._began.id or f"said-{number}", "parts": parts}
            case MessageEnded():
                yield from self._end_calls()
            case QuestionAsked() | QuestionAnswered() | RunParked():
                yield from self._question(frame)
            case RunEnded():
                yield from self._end(frame)

    def _begin(self, frame: MessageBegan) -> Iterator[_Chunk]:
        self._began = frame
        self._calls.clear()
        if frame.when is not None:
            self._said = ""
            yield from self._end_step()
        elif frame.role != "data" and (frame.role != "tool" or not self._in_step):
            yield from self._end_step()
            yield {"type": "start-step"}
            self._in_step = True

    def _question(self, frame: QuestionAsked | QuestionAnswered | RunParked) -> Iterator[_Chunk]:
        """Return the request for the approval of a call that the client has seen; other questions as data."""
        if (
            isinstance(frame, QuestionAsked)
            and frame.kind == "approval"
            and frame.shown["call"] in (*self._known, *self._inside)
        ):
            yield from self._show_inside(str(frame.shown["call"]), frame.shown)
            self._approvals[frame.question] = frame.shown
            about = {"digest": frame.digest, **({} if frame.due is None else {"due": frame.due})}
            yield from self._end_calls()
            yield {
                "type": "tool-approval-request",
                "approvalId": frame.question,
                "toolCallId": frame.shown["call"],
                "approvalDescriptor": about,
            }
        elif isinstance(frame, QuestionAnswered) and frame.question in self._approvals:
            shown = self._approvals[frame.question]
            call = str(shown["call"])
            if frame.how == "rejected":
                self._denied.add(call)
            # Of a call in an earlier step clients would make a second one.
            elif frame.arguments is not None and (call in self._inside) == self._inside_step:
                yield from self._input_of(shown, frame.arguments, edited=True)
        elif not isinstance(frame, RunParked):
            data = {name: value for name, value in frame.as_data().items() if name != "type"}
            yield from self._data(DataPart("question", data, frame.question))

    def _show_inside(self, call: str, shown: Mapping[str, object]) -> Iterator[_Chunk]:
        """Show a call of an agent that is a tool, in a step of its own: clients go on if that is answered."""
        if call in self._known:
            return
        if not self._inside_step:
            yield from self._end_step()
            yield {"type": "start-step"}
            self._in_step = self._inside_step = True
        self._known.add(call)
        yield from self._input_of(shown, shown["arguments"])

    def _input_of(self, shown: Mapping[str, object], arguments: object, **about: object) -> Iterator[_Chunk]:
        """Show the arguments of a call that needs approval."""
        call = str(shown["call"])
        if call in self._inside:
            about["inside"] = self._inside[call]
        for chunk in self._input(call, str(shown["tool"]), json_of(arguments).decode()):
            yield {**chunk, "providerMetadata": {PROVIDER: about}}

    def _end(self, ended: RunEnded) -> Iterator[_Chunk]:
        self._ended = True
        yield from self._end_blocks()
        match ended.how:
            case "finished":
                yield from self._end_step()
                yield {"type": "finish", "finishReason": _REASONS[self._summary.cut], **self._metadata()}
            case "stopped":
                yield {"type": "abort", **({"reason": ended.sentence} if ended.sentence else {})}
            case "failed" | "lost" as how:
                sentence = _FAILED if how == "failed" else _LOST
                yield {"type": "error", "errorText": ended.sentence or sentence}

    def _metadata(self) -> _Chunk:
        usage = self._summary.usage or Usage()
        sent, written = usage.input_tokens, usage.output_tokens
        counted = {
            "inputTokens": sent,
            "outputTokens": written,
            "totalTokens": None if sent is None or written is None else sent + written,
            "reasoningTokens": usage.reasoning_tokens,
            "cachedInputTokens": usage.cached_tokens,
        }
        known = {name: count for name, count in counted.items() if count is not None}
        return {"messageMetadata": {"usage": known}} if known else {}

    def _end_step(self) -> Iterator[_Chunk]:
        if self._in_step:
            yield from self._end_blocks()
            yield {"type": "finish-step"}
            self._in_step = self._inside_step = False

    # -- parts -------------------------------------------------------------------------------------------

    def _part(self, part: FramePart) -> Iterator[_Chunk]:  # noqa: C901, PLR0912 - a case for each kind
        match part:
            case str(text) | Refusal(text):
                yield from self._text_chunks(text)
            case Reasoning():
                yield from self._reasoning(part)
            case ToolCallDelta():
                yield from self._call(part)
            case ToolCall(call_id, name, arguments):
                yield from self._end_blocks()
                yield from self._input(call_id, name, arguments)
            case ToolResult():
                yield from self._result(part)
            case AgentPart():
                yield from self._of_agent(part)
            case ServerToolCall(call_id, name, arguments):
                yield from self._end_blocks()
                for chunk in self._input(call_id, name, arguments):
                    yield {**chunk, "providerExecuted": True}
            case ServerToolResult(call_id, content):
                yield from self._end_blocks()
                if call_id in self._known:
                    fields: _Chunk = {"toolCallId": call_id, "output": _output(content)}
                    yield {"type": "tool-output-available", **fields, "providerExecuted": True}
            case Citation() | Image() | File():
                yield from self._shown(part)
            case DataPart():
                yield from self._data(part)
            case Restart() if self._began.role not in {"tool", "data"}:
                # The client forgets what it had open, so nothing of that may be ended.
                self._text = self._thought = ""
                self._known -= {call.id or "" for call in self._calls.values()}
                self._calls.clear()
                yield {"type": "reset-step"}
            case Finish():
                yield from self._end_calls()
            case _:
                pass

    def _text_chunks(self, text: str) -> Iterator[_Chunk]:
        if not text:
            return
        if not self._text:
            yield from self._end_blocks()
            self._text = f"text-{next(self._blocks)}"
            yield {"type": "text-start", "id": self._text, **self._by()}
        yield {"type": "text-delta", "id": self._text, "delta": text}

    def _reasoning(self, piece: Reasoning) -> Iterator[_Chunk]:
        late = not piece.text and not piece.redacted  # a signature, which has its place in a thought
        if not self._thought or (piece.index != self._thought_index and not late):
            if late:
                return
            yield from self._end_blocks()
            self._thought, self._thought_index = f"reasoning-{next(self._blocks)}", piece.index
            yield {"type": "reasoning-start", "id": self._thought, **self._by()}
        before = self._signature
        self._signature = Reasoning(
            signature=(before.signature or "") + (piece.signature or "") or None,
            id=before.id or piece.id,
            redacted=before.redacted or piece.redacted,
        )
        if piece.text:
            yield {"type": "reasoning-delta", "id": self._thought, "delta": piece.text}

    def _end_blocks(self) -> Iterator[_Chunk]:
        if self._text:
            yield {"type": "text-end", "id": self._text}
        if self._thought:
            kept = self._signature
            fields = {"signature": kept.signature, "id": kept.id, "redacted": kept.redacted or None}
            known = {name: value for name, value in fields.items() if value is not None}
            if known and self._seal is not None:
                known["seal"] = self._seal.of(kept)
            metadata = {"providerMetadata": {PROVIDER: {**self._author(), **known}}} if known else {}
            yield {"type": "reasoning-end", "id": self._thought, **metadata}
        self._text = self._thought = ""
        self._signature = Reasoning()

    def _author(self) -> dict[str, str]:
        names = {"agent": self._began.agent, "model": self._began.model}
        return {name: value for name, value in names.items() if value}

    def _by(self) -> _Chunk:
        author = self._author()
        return {"providerMetadata": {PROVIDER: author}} if author else {}

    def _shown(self, part: Citation | Image | File) -> Iterator[_Chunk]:
        if isinstance(part, Citation):
            yield self._source(part)
        elif address := _address_of(part):
            yield from self._end_blocks()
            yield {"type": "file", "url": address, "mediaType": part.content_type}

    def _data(self, part: DataPart) -> Iterator[_Chunk]:
        try:
            safe_json(json_of(part.data).decode())
        except ValueError as error:
            logger.error("Data called %r cannot be shown: %s.", part.name, error)  # noqa: TRY400 - it says all
            return
        yield from self._end_blocks()
        chunk: _Chunk = {"type": f"data-{part.name}", "data": part.data}
        yield chunk | ({"id": part.id} if part.id else {}) | ({"transient": True} if part.transient else {})

    def _source(self, cited: Citation) -> _Chunk:
        fields: _Chunk = {"sourceId": f"source-{next(self._sources)}"}
        if is_web(cited.source):
            titled = {"title": cited.title} if cited.title else {}
            return {"type": "source-url", **fields, "url": cited.source, **titled}
        title = cited.title or cited.source or cited.text or "source"
        return {"type": "source-document", **fields, "mediaType": "text/plain", "title": title}

    def _of_agent(self, part: AgentPart) -> Iterator[_Chunk]:
        """Return what an agent says while it works as a tool: shown at once, and no part of the message."""
        inner = part.part
        if isinstance(inner, ToolCallDelta) and inner.id and self._began.call:
            self._inside[inner.id] = self._began.call
        elif isinstance(inner, ToolResult) and inner.call_id in self._known & self._inside.keys():
            yield from self._result(inner)
        if not isinstance(inner, str | Reasoning | Refusal | ToolCallDelta | ToolResult | Citation | Restart):
            return
        call = {"toolCallId": self._began.call} if self._began.call else {}
        data = {**call, "agents": list(part.agents), "part": MessagePart(0, inner).as_data()["part"]}
        yield {"type": "data-agent", "data": data, "transient": True}

    # -- tools -------------------------------------------------------------------------------------------

    def _call(self, piece: ToolCallDelta) -> Iterator[_Chunk]:
        yield from self._end_blocks()
        call = self._calls.setdefault(piece.index, _Call())
        call.id = call.id or piece.id
        call.name = call.name or piece.name
        call.arguments.append(piece.arguments)
        if not call.begun and call.id and call.name:
            call.begun = True
            self._known.add(call.id)
            yield {"type": "tool-input-start", "toolCallId": call.id, "toolName": call.name}
            if arguments := "".join(call.arguments):
                yield {"type": "tool-input-delta", "toolCallId": call.id, "inputTextDelta": arguments}
        elif call.begun and piece.arguments:
            yield {"type": "tool-input-delta", "toolCallId": call.id, "inputTextDelta": piece.arguments}

    def _end_calls(self) -> Iterator[_Chunk]:
        yield from self._end_blocks()
        for call in self._calls.values():
            yield from self._input(call.id or "", call.name or "", "".join(call.arguments))
        self._calls.clear()

    def _input(self, call_id: str, name: str, arguments: str) -> Iterator[_Chunk]:
        self._known.add(call_id)
        fields: _Chunk = {"toolCallId": call_id, "toolName": name}
        try:
            value = safe_json(arguments if arguments.strip() else "{}")
        except ValueError:
            sentence = "The arguments of the call cannot be read."
            yield {"type": "tool-input-error", **fields, "input": arguments, "errorText": sentence}
        else:
            yield {"type": "tool-input-available", **fields, "input": value}

    def _result(self, result: ToolResult) -> Iterator[_Chunk]:
        yield from self._end_calls()
        if result.call_id not in self._known:
            yield from self._input(result.call_id, result.name or self._began.tool or "tool", "{}")
        if result.call_id in self._denied:
            yield {"type": "tool-output-denied", "toolCallId": result.call_id}
        elif result.is_error:
            yield {"type": "tool-output-error", "toolCallId": result.call_id, "errorText": result.text}
        else:
            output = _output(result.text)
            yield {"type": "tool-output-available", "toolCallId": result.call_id, "output": output}
            for file in result.attached:
                yield from self._shown(file)


def _address_of(attachment: Image | File) -> str:
    """Return where an image or a file is; `""` if no client may be told, as of the files of this machine."""
    if attachment.data is not None:
        return f"data:{attachment.content_type};base64,{b64encode(attachment.data).decode()}"
    address = attachment.url or ""
    return address if is_web(address) else ""


def _output(content: str) -> object:
    """Return what a tool said: an object or a list as such, anything else as the text that it is."""
    if content.lstrip()[:1] not in {"{", "["}:
        return content
    try:
        return safe_json(content)
    except ValueError:
        return content


def _event(chunk: _Chunk) -> bytes:
    return b"data: %b\n\n" % json_of(chunk)
