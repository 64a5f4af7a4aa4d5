"""From a call to its page in Markdown; pure.

Whatever was said stands in fences that are longer than any in it, so no text can forge a heading.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast

from miniagents.core import AssistantMessage, Message, Messages, ToolMessage, UserMessage
from miniagents.models import AnswerSchema, ToolSpec
from miniagents.values import (
    Citation,
    Content,
    Finish,
    Part,
    Reasoning,
    Refusal,
    ToolCall,
    ToolCallDelta,
    ToolResult,
    Usage,
    content_of,
    media_type_of,
    redact_keys,
)

from ._call import LoggedCall

__all__ = ["markdown"]

_SHOWN: Final = ("model", "stream", "max_tokens", "temperature", "max_retries", "tool_choice")
_FENCES: Final = re.compile(r"`{3,}")
_CONTROL: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_SHORTEST_SECRET: Final = 4


def markdown(call: LoggedCall) -> str:
    """Write the page of a call: what it was about, the prompt, the tools, the parts of the answer.

    Args:
        call: that has ended.

    Returns:
        Markdown without any key, and without characters that a terminal would obey.
    """
    lines = [f"# {call.alias}, {call.began:%Y-%m-%d %H:%M:%S.%f} UTC", "", "| | |", "|---|---|"]
    lines += [f"| {name} | {_cell(value)} |" for name, value in _facts(call)]
    lines += ["", "## Prompt", ""]
    lines += _prompt(call)
    lines += _wanted(call.keywords)
    lines += ["## Answer", ""]
    for block in _blocks(call.parts):
        after = f"{block.since:.3f} s" + (f" to {block.until:.3f} s" if block.until > block.since else "")
        for each in content_of(block.parts):
            lines += _shown(each, f", {after}")
    if call.error is not None:
        lines += ["### error", "", *_fenced(f"{type(call.error).__name__}: {call.error}")]
    text = "\n".join(lines)
    for secret in call.secrets:
        if len(secret) >= _SHORTEST_SECRET:
            text = text.replace(secret, "[redacted]")
    return _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", redact_keys(text))


def _facts(call: LoggedCall) -> Iterator[tuple[str, object]]:
    """What stands in the table."""
    for name in _SHOWN:
        if (value := call.keywords.get(name)) is not None:
            yield name, value
    message = call.message
    if isinstance(message, AssistantMessage):
        if message.model != call.keywords.get("model"):
            yield "answered by", message.model
        if message.response_id is not None:
            yield "response", message.response_id
        yield "finish", message.finish_reason
    usage = next((part for _, part in reversed(call.parts) if isinstance(part, Usage)), None)
    if usage is not None:
        yield "tokens in", _counted(usage.input_tokens, usage.cached_tokens, "cached")
        yield "tokens out", _counted(usage.output_tokens, usage.reasoning_tokens, "reasoning")
    if call.parts:
        yield "first part after", f"{call.parts[0][0]:.3f} s"
    if call.seconds is not None:
        yield "whole after", f"{call.seconds:.3f} s"
    if message is None:
        yield "end", "an error" if call.error is not None else "nobody wanted the rest"


def _counted(count: int | None, of_them: int | None, name: str) -> str:
    known = "?" if count is None else str(count)
    return known if of_them is None else f"{known}, {of_them} of them {name}"


def _prompt(call: LoggedCall) -> Iterator[str]:
    system = call.keywords.get("system")
    if isinstance(system, str):
        yield from _named("system", system)
    if call.prompt is None:
        yield from ("It could not be read.", "")
    for message in call.prompt or Messages():
        role: object = message.role
        for each in _content(message):
            if isinstance(each, str):
                yield from _named(str(role), each)
            else:
                yield from _shown(each, f" of {role}")


def _content(message: Message) -> Sequence[Content]:
    if isinstance(message, UserMessage | AssistantMessage | ToolMessage):
        return message.content
    return (str(message),)


def _wanted(keywords: Mapping[str, object]) -> Iterator[str]:
    """The tools that could be called, and the schema of the answer."""
    given = keywords.get("tools")
    specs = cast("Iterable[object]", given) if isinstance(given, list | tuple) else ()
    tools = [spec for spec in specs if isinstance(spec, ToolSpec)]
    if tools:
        yield from ("## Tools", "")
    for spec in tools:
        yield from _named(spec.name, spec.description)
        yield from _fenced(_json(spec.parameters), "json")
    schema = keywords.get("answer_schema")
    if isinstance(schema, AnswerSchema):
        yield from (f"## Schema: {schema.name}", "", *_fenced(_json(schema.schema), "json"))


@dataclass(slots=True)
class _Block:
    """Parts that belong together, and when the first and the last of them came."""

    parts: list[Part]
    since: float
    until: float


def _blocks(timed: Iterable[tuple[float, Part]]) -> list[_Block]:
    blocks: list[_Block] = []
    open_ones: dict[object, _Block] = {}
    last: object = None
    for at, part in timed:
        if isinstance(part, Usage | Finish):
            continue
        key = _key(part)
        if not isinstance(part, ToolCallDelta) and key != last:
            open_ones.pop(key, None)  # a text that goes on behind something else is another block
        last = key
        block = open_ones.get(key)
        if block is None or isinstance(part, Citation | ToolResult):
            open_ones[key] = _Block([part], at, at)
            blocks.append(open_ones[key])
        else:
            block.parts.append(part)
            block.until = at
    return blocks


def _key(part: Part) -> object:
    index = part.index if isinstance(part, Reasoning | ToolCallDelta) else None
    return type(part), index


def _shown(each: Content, when: str) -> list[str]:
    match each:
        case str():
            title, text = "text", each
        case Reasoning():
            title, text = "reasoning", each.text or "(hidden)"
        case Refusal():
            title, text = "refusal", each.text
        case ToolCall():
            title, text = f"call of {each.name} ({each.id})", each.arguments
        case ToolResult():
            kind = "error" if each.is_error else "result"
            title, text = f"{kind} of {each.name} ({each.call_id})", each.content
        case Citation():
            title, text = "citation", f"{each.title or ''} {each.source}\n{each.text}".strip()
        case _:
            where = f"{len(each.data)} bytes" if each.data is not None else str(each.path or each.url)
            title, text = type(each).__name__.lower(), f"{media_type_of(each)}, {where}"
    return _named(title + when, text)


def _named(title: str, text: str) -> list[str]:
    return [f"### {_cell(title)}", "", *_fenced(text)]


def _fenced(text: str, language: str = "text") -> list[str]:
    longest = max(map(len, _FENCES.findall(text)), default=2)
    fence = "`" * max(3, longest + 1)
    return [f"{fence}{language}", text, fence, ""]


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1, default=_plain)


def _plain(value: object) -> object:
    return dict(cast("Mapping[str, object]", value)) if isinstance(value, Mapping) else str(value)


def _cell(value: object) -> str:
    return " ".join(str(value).split()).replace("|", "\\|")
