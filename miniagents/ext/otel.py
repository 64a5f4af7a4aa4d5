"""OpenTelemetry: a span for each run of an agent, a model and a tool, and the metrics of models.

Needs ``pip install 'miniagents[otel]'``, which installs only the API of OpenTelemetry. Your program needs the
SDK and an exporter, too; without them nothing is recorded.

Spans and metrics follow the conventions for generative AI, which are still in development. This module has
their names in one table, and an option for the version.
"""

import json
import os
import traceback
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Literal, TypeAlias, cast

from typing_extensions import override

from miniagents.messages import AssistantMessage, Message
from miniagents.messages._message import ContentMessage
from miniagents.observers import (
    ModelAsked,
    Observer,
    PartsCame,
    PartSeen,
    RunBegan,
    RunEnded,
    RunEvent,
    RunInfo,
)
from miniagents.values import (
    Citation,
    LLMError,
    Reasoning,
    Refusal,
    Retry,
    ServerToolCall,
    ServerToolResult,
    ToolCall,
    ToolResult,
    Usage,
    label_of,
    redact_keys,
)

try:
    from opentelemetry import context as otel_context, metrics, trace
    from opentelemetry.metrics import Histogram, MeterProvider
    from opentelemetry.trace import Span, SpanKind, Status, StatusCode, TracerProvider
except ModuleNotFoundError as _error:
    raise ModuleNotFoundError(
        "tracing() needs the API of OpenTelemetry, which is not installed; pip install 'miniagents[otel]'",
        name=_error.name,
    ) from _error

__all__ = ["tracing"]

_NAME: Final = "miniagents"
_CAPTURE: Final = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
_CAPTURED: Final = frozenset({"true", "1", "span_only", "span_and_event"})
_SECONDS: Final = tuple(0.01 * 2**step for step in range(14))  # 0.01 to 81.92
_FIRST: Final = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
_BETWEEN: Final = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5)
_TOKENS: Final = tuple(4**step for step in range(14))  # 1 to 67108864

_Value: TypeAlias = str | int | float | bool | Sequence[str]


@dataclass(frozen=True, slots=True)
class _Names:
    """The names that differ between the versions of the conventions.

    Attributes:
        duration: the metric of the duration of an answer, in seconds.
        first: the metric of the time to its first chunk, in seconds.
        between: the metric of the time between two chunks, in seconds.
        usage: the metrics of tokens, by kind; if all have one name, an attribute has the kind.
        cache_write: the attribute for tokens that were written to a cache.
    """

    duration: str
    first: str
    between: str
    usage: Mapping[str, str]
    cache_write: str


_ONE_USAGE: Final = "gen_ai.client.token.usage"
_NAMES: Final[Mapping[str, _Names]] = MappingProxyType(
    {
        "1.41": _Names(
            "gen_ai.client.operation.duration",
            "gen_ai.client.operation.time_to_first_chunk",
            "gen_ai.client.operation.time_per_output_chunk",
            {"input": _ONE_USAGE, "output": _ONE_USAGE},
            "gen_ai.usage.cache_creation.input_tokens",
        ),
        "latest": _Names(
            "gen_ai.client.inference.duration",
            "gen_ai.client.inference.time_to_first_chunk",
            "gen_ai.client.inference.time_per_output_chunk",
            {
                "input": "gen_ai.client.inference.usage.input_tokens",
                "output": "gen_ai.client.inference.usage.output_tokens",
                "cached": "gen_ai.client.inference.usage.cache_read.input_tokens",
                "cache_write": "gen_ai.client.inference.usage.cache_write.input_tokens",
                "reasoning": "gen_ai.client.inference.usage.reasoning.output_tokens",
            },
            "gen_ai.usage.cache_write.input_tokens",
        ),
    }
)

_COUNTED: Final = ("input", "output", "cached", "cache_write", "reasoning")
"""The kinds of tokens; a `Usage` has their numbers, such as `input_tokens`."""

_USAGE_ATTRIBUTES: Final = MappingProxyType(
    {
        "input": "gen_ai.usage.input_tokens",
        "output": "gen_ai.usage.output_tokens",
        "cached": "gen_ai.usage.cache_read.input_tokens",
        "reasoning": "gen_ai.usage.reasoning.output_tokens",
    }
)
_REQUEST: Final = (
    *("temperature", "top_p", "top_k", "max_tokens", "seed"),
    *("frequency_penalty", "presence_penalty"),
)
"""The keywords of a model that its span has."""


def tracing(
    *,
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
    content: bool | None = None,
    conventions: Literal["1.41", "latest"] = "1.41",
) -> Observer:
    """Return an observer that reports every run to OpenTelemetry: ``MiniAgents(observers=[tracing()])``.

    Each run is a span: ``chat MODEL`` for a model, with all its retries, ``invoke_agent ALIAS`` for an agent,
    ``execute_tool NAME`` for a tool. Its parent is the span of the run that started it, or the span that was
    current when it was inquired. It ends when the run and all its replies have ended. Models also have
    metrics. The page "Tracing, usage, budgets" has the attributes.

    Args:
        tracer_provider: makes the spans; None: the global one.
        meter_provider: makes the metrics.
        content: whether messages, arguments and results of tools, and texts of errors are recorded. None: if
            ``OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT`` says so.
        conventions: the version of the conventions.

    Raises:
        ValueError: the version of the conventions is unknown.

    Example:
        >>> from miniagents import MiniAgents
        >>> from miniagents.testing import scripted_model
        >>> async def main():
        ...     print(await scripted_model("Hi").inquire("Hello"))
        >>> MiniAgents(observers=[tracing()]).run(main())
        Hi
    """
    if conventions not in _NAMES:
        known = ", ".join(map(repr, _NAMES))
        raise ValueError(f"conventions={conventions!r} is not known; give one of {known}.")
    if content is None:
        content = os.environ.get(_CAPTURE, "").lower() in _CAPTURED
    return _Tracing(
        trace.get_tracer(_NAME, tracer_provider=tracer_provider),
        _Metrics(metrics.get_meter(_NAME, meter_provider=meter_provider), _NAMES[conventions]),
        content=content,
    )


class _Metrics:
    """The metrics of models.

    Args:
        meter: makes the metrics.
        names: their names.
    """

    def __init__(self, meter: metrics.Meter, names: _Names) -> None:
        def histogram(name: str, unit: str, text: str, buckets: Sequence[float]) -> Histogram:
            return meter.create_histogram(name, unit, text, explicit_bucket_boundaries_advisory=buckets)

        self.names: _Names = names
        self.duration: Histogram = histogram(names.duration, "s", "How long an answer took.", _SECONDS)
        self.first: Histogram = histogram(names.first, "s", "Until the first chunk of an answer.", _FIRST)
        self.between: Histogram = histogram(names.between, "s", "From a chunk to the next one.", _BETWEEN)
        self._usage: dict[str, Histogram] = {
            name: histogram(name, "{token}", "Tokens that were counted.", _TOKENS)
            for name in dict.fromkeys(names.usage.values())
        }

    def count(self, usage: Usage, attributes: Mapping[str, _Value]) -> None:
        """Record the tokens of one answer.

        Args:
            usage: the tokens that the provider has counted.
            attributes: the attributes of the call.
        """
        for what, counted in _counts(usage).items():
            name = self.names.usage.get(what)
            if name is not None:
                more = {"gen_ai.token.type": what} if name == _ONE_USAGE else {}
                self._usage[name].record(counted, {**attributes, **more})


@dataclass(slots=True)
class _Open:
    """A run whose span is open.

    Attributes:
        span: the span.
        began: when the run did, in seconds of the event loop.
        last: when its last part came, for each message.
        usage: what was counted last, for each message.
        totals: of all models below it, by what is counted.
        asked: whom it asked, if it is a model.
    """

    span: Span
    began: float
    last: dict[int, float] = field(default_factory=dict[int, float])
    usage: dict[int, Usage] = field(default_factory=dict[int, Usage])
    totals: Counter[str] = field(default_factory=Counter[str])
    asked: ModelAsked | None = None


class _Tracing(Observer):
    """Makes spans and metrics from events.

    Args:
        tracer: makes the spans.
        measured: the metrics.
        content: whether messages are recorded.
    """

    def __init__(self, tracer: trace.Tracer, measured: _Metrics, *, content: bool) -> None:
        self.content = content
        self._tracer = tracer
        self._metrics = measured
        self._open: dict[RunInfo, _Open] = {}
        self._told: Mapping[type[object], Callable[..., None]] = {
            RunBegan: self._began,
            ModelAsked: self._asked,
            PartSeen: self._seen,
            PartsCame: self._came,
            RunEnded: self._ended,
        }

    @override
    def on_event(self, event: RunEvent, /) -> None:
        if isinstance(event, RunBegan) or event.run in self._open:
            self._told[type(event)](event)

    def _began(self, event: RunBegan) -> None:
        run = event.run
        operation, kind = _OPERATIONS[run.kind]
        attributes: dict[str, _Value] = {"gen_ai.operation.name": operation}
        if run.kind == "model":
            for keyword in _REQUEST:
                value = run.keywords.get(keyword)
                if isinstance(value, int | float):
                    attributes[f"gen_ai.request.{keyword}"] = value
        else:
            attributes[f"gen_ai.{run.kind}.name"] = run.alias
        if run.kind == "tool":
            attributes["gen_ai.tool.type"] = "function"
            if self.content:
                attributes["gen_ai.tool.call.arguments"] = _recorded(str(run.keywords.get("arguments", "")))
        span = self._tracer.start_span(
            f"{operation} {run.alias}",
            kind=kind,
            attributes=attributes,
            start_time=_nanoseconds(run, event.at),
        )
        self._open[run] = _Open(span, event.at)
        # In the context variables of the run, which end with it, so it need not be detached.
        otel_context.attach(trace.set_span_in_context(span))

    def _asked(self, event: ModelAsked) -> None:
        opened = self._open[event.run]
        opened.asked = event
        opened.span.update_name(f"chat {event.model}")
        opened.span.set_attributes(_call(event))
        opened.span.set_attribute("gen_ai.request.stream", event.stream)

    def _seen(self, event: PartSeen) -> None:
        opened, part = self._open[event.run], event.part
        if isinstance(part, Usage):
            opened.usage[event.message] = part
        elif isinstance(part, Retry):
            attributes: dict[str, _Value] = {"attempt": part.attempt, "delay": part.delay}
            opened.span.add_event("retry", attributes, _nanoseconds(event.run, event.at))
        if not event.first:
            return
        if event.run.kind == "model":
            after = event.at - opened.began
            opened.span.set_attribute("gen_ai.response.time_to_first_chunk", after)
            if opened.asked is None or opened.asked.stream:
                self._metrics.first.record(after, _call(opened.asked))

    def _came(self, event: PartsCame) -> None:
        if event.run.kind != "model" or not event.times:
            return
        opened = self._open[event.run]
        before = opened.last.get(event.message)
        attributes = _call(opened.asked)
        if opened.asked is None or opened.asked.stream:
            for at in event.times:
                if before is not None:
                    self._metrics.between.record(at - before, attributes)
                before = at
        opened.last[event.message] = event.times[-1]

    def _ended(self, event: RunEnded) -> None:
        run = event.run
        opened = self._open.pop(run)
        span = opened.span
        attributes: dict[str, _Value] = {}
        if event.outcome != "done":
            attributes["miniagents.outcome"] = event.outcome
        error = None if event.outcome != "failed" else _type_of(event.error)
        if error is not None:
            attributes["error.type"] = error
            span.set_status(Status(StatusCode.ERROR, error))
            if self.content and event.error is not None:
                trace_text = "".join(traceback.format_exception(event.error))
                told = {"exception.message": str(event.error), "exception.stacktrace": trace_text}
                covered = {name: _recorded(text) for name, text in told.items()}
                span.record_exception(event.error, covered, _nanoseconds(run, event.at))
        if run.kind == "model":
            attributes |= self._answered(event, opened, error)
        elif run.parent is None:
            attributes |= {f"miniagents.usage.{what}_tokens": total for what, total in opened.totals.items()}
        if run.kind == "tool" and event.messages and (call_id := label_of(event.messages[-1].get("call_id"))):
            attributes["gen_ai.tool.call.id"] = call_id
        if self.content:
            attributes |= _content(event)
        span.set_attributes(attributes)
        span.end(_nanoseconds(run, event.at))

    def _answered(self, event: RunEnded, opened: _Open, error: str | None) -> dict[str, _Value]:
        """The attributes of the answer of a model, for its span; also records the metrics."""
        call = _call(opened.asked)
        last: Mapping[str, object] = event.messages[-1] if event.messages else {}
        attributes: dict[str, _Value] = {}
        if model := label_of(last.get("model")):
            attributes["gen_ai.response.model"] = call["gen_ai.response.model"] = model
        if response_id := label_of(last.get("response_id")):
            attributes["gen_ai.response.id"] = response_id
        if reasons := [reason for data in event.messages if (reason := label_of(data.get("finish_reason")))]:
            attributes["gen_ai.response.finish_reasons"] = reasons
        totals = Counter[str]()
        for usage in opened.usage.values():
            totals.update(_counts(usage))
            self._metrics.count(usage, call)
        names = {**_USAGE_ATTRIBUTES, "cache_write": self._metrics.names.cache_write}
        attributes |= {names[what]: total for what, total in totals.items()}
        above = event.run.parent
        while above is not None:
            if above in self._open:
                self._open[above].totals.update(totals)
            above = above.parent
        failed = {} if error is None else {"error.type": error}
        self._metrics.duration.record(event.at - opened.began, {**call, **failed})
        return attributes


_OPERATIONS: Final = MappingProxyType(
    {
        "model": ("chat", SpanKind.CLIENT),
        "agent": ("invoke_agent", SpanKind.INTERNAL),
        "tool": ("execute_tool", SpanKind.INTERNAL),
    }
)


def _counts(usage: Usage) -> dict[str, int]:
    """The numbers of tokens that are known, by kind."""
    counts = {what: cast("int | None", getattr(usage, f"{what}_tokens")) for what in _COUNTED}
    return {what: count for what, count in counts.items() if count is not None}


def _nanoseconds(run: RunInfo, at: float) -> int:
    return int((at + run.epoch) * 1e9)


def _call(asked: ModelAsked | None) -> dict[str, _Value]:
    """The attributes of a model call that both spans and metrics have."""
    attributes: dict[str, _Value] = {"gen_ai.operation.name": "chat"}
    if asked is not None:
        attributes |= {
            "gen_ai.provider.name": asked.provider,
            "gen_ai.request.model": asked.model,
            **_server(asked.server),
        }
    return attributes


def _server(server: str) -> dict[str, str | int]:
    """Return the host and the port of a server; the port has an attribute of its own."""
    host, _, port = server.rpartition(":") if server[-1:] != "]" else (server, "", "")
    if not (host and port.isdecimal()):
        return {"server.address": server.strip("[]")}
    return {"server.address": host.strip("[]"), "server.port": int(port)}


def _type_of(error: BaseException | None) -> str:
    """The kind of an error, with few different values: the status of the server, or the class."""
    if error is None:
        return "error"
    status = error.status if isinstance(error, LLMError) else None
    return type(error).__name__ if status is None else str(status)


def _content(event: RunEnded) -> dict[str, _Value]:
    """The messages as JSON."""
    if event.run.kind == "tool":
        return {"gen_ai.tool.call.result": _recorded("\n".join(map(str, event.replied)))}
    said = {"gen_ai.input.messages": event.received, "gen_ai.output.messages": event.replied}
    return {
        name: json.dumps([_message(cast("Message", each)) for each in messages], ensure_ascii=False)
        for name, messages in said.items()
        if messages
    }


def _recorded(text: str) -> str:
    """A text without keys, and without halves of surrogate pairs, which no exporter can send."""
    return redact_keys(text).encode(errors="replace").decode()


def _message(message: Message) -> dict[str, object]:
    content: Sequence[object] = message.parts if isinstance(message, ContentMessage) else ()
    parts = map(_part, content or (str(message),))
    covered = [{name: _recorded(text) for name, text in part.items()} for part in parts]
    told: dict[str, object] = {"role": message.role, "parts": covered}
    reason = label_of(message.finish_reason) if isinstance(message, AssistantMessage) else None
    return told if reason is None else {**told, "finish_reason": reason}


def _part(part: object) -> dict[str, str]:
    match part:
        case str(text) | Refusal(text):
            told = {"type": "text", "content": text}
        case Reasoning(text):
            told = {"type": "reasoning", "content": text}
        case ToolCall(call_id, name, arguments):
            told = {"type": "tool_call", "id": call_id, "name": name, "arguments": arguments}
        case ToolResult(call_id):
            pieces = [part.text, *(f"[{type(each).__name__.lower()}]" for each in part.attached)]
            told = {"type": "tool_call_response", "id": call_id, "response": " ".join(filter(None, pieces))}
        case ServerToolCall(call_id, name, arguments):
            told = {"type": "server_tool_call", "id": call_id, "name": name, "arguments": arguments}
        case ServerToolResult(call_id, content):
            told = {"type": "server_tool_call_response", "id": call_id, "response": content}
        case Citation(source):
            told = {"type": "citation", "source": source}
        case _:
            told = {"type": type(part).__name__.lower()}  # an image or a file: its kind, not its content
    return told
