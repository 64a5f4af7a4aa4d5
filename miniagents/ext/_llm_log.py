"""The log of calls of models: the record of a call, its page in Markdown, and the folder of pages.

The log does not change a call: the parts are passed on one by one, as fast as their reader takes them, and
the message and the error are the same.

No text can forge a heading in a page: texts are in fences that are longer than any fence in them.
"""

import json
import logging
import os
import re
import time
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Final, cast

from pydantic import SecretStr

from miniagents.messages import AssistantMessage, Message, MessagePromise, Messages, ToolMessage, UserMessage
from miniagents.models import AnswerSchema, ToolSpec
from miniagents.values import (
    Citation,
    Content,
    Finish,
    Part,
    Reasoning,
    Refusal,
    ResponseHeaders,
    Retry,
    ServerToolCall,
    ServerToolResult,
    ToolCall,
    ToolCallDelta,
    ToolResult,
    Usage,
    content_of,
    is_secret_name,
    media_type_of,
    redact_keys,
)

from ._history._serial_executor import SerialExecutor


@dataclass(slots=True)
class LoggedCall:
    """One call of a model.

    Attributes:
        alias: of the agent.
        keywords: of the call; a page shows only those that cannot be secret.
        began: when it began, in UTC.
        since: the same moment on the monotonic clock, in seconds; the other times count from it.
        prompt: the conversation; None if it never came.
        parts: all parts that came, each with the seconds since the beginning.
        message: the whole answer; None if the call failed or was stopped.
        error: the error of the call; None if there was none.
        seconds: how long it took; None while it runs.
    """

    alias: str
    keywords: Mapping[str, object]
    began: datetime = field(default_factory=lambda: datetime.now(UTC))
    since: float = field(default_factory=time.monotonic)
    prompt: Messages[Message] | None = None
    parts: list[tuple[float, Part]] = field(default_factory=list[tuple[float, Part]])
    message: Message | None = None
    error: Exception | None = None
    seconds: float | None = None

    async def passing(
        self, promise: MessagePromise[Message], metadata: MutableMapping[str, object]
    ) -> AsyncGenerator[Part]:
        """Pass on the parts of a message, and note them.

        Args:
            promise: of the message.
            metadata: gets the data of the message.

        Yields:
            Its parts.

        Raises:
            Exception: the error of the message.
        """
        try:
            async with aclosing(aiter(promise.parts)) as parts:
                async for part in parts:
                    self.parts.append((time.monotonic() - self.since, part))
                    yield part
            message = await promise
            known = ((name, value) for name, value in message if name not in {"text", "parts"})
            metadata.update((name, value) for name, value in known if value is not None)
            self.message = message
        except Exception as error:
            self.error = error
            raise

    def end(self) -> None:
        """Note how long the call took."""
        self.seconds = time.monotonic() - self.since

    @property
    def secrets(self) -> tuple[str, ...]:
        """The secrets that no page may show: keys among the keywords, and those of the environment."""
        client = self.keywords.get("client")
        given = [value for name, value in self.keywords.items() if is_secret_name(name)]
        given += [getattr(client, name, None) for name in ("api_key", "auth_token")]
        given += [value for name, value in os.environ.items() if is_secret_name(name)]
        shown = (each.get_secret_value() if isinstance(each, SecretStr) else each for each in given)
        return tuple(each for each in shown if isinstance(each, str) and each.strip())


_SHOWN: Final = ("model", "stream", "max_tokens", "temperature", "max_retries", "tool_choice")
_FENCES: Final = re.compile(r"`{3,}")
_CONTROL: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_SHORTEST_SECRET: Final = 4


def markdown(call: LoggedCall) -> str:
    """Return the page of a call: a table of facts, the prompt, the tools, the parts of the answer.

    Args:
        call: that has ended.

    Returns:
        Markdown without any key, and without control characters.
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
    """Yield the rows of the table: a name and a value."""
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
        cached = (usage.cached_tokens, "cached"), (usage.cache_write_tokens, "written to a cache")
        yield "tokens in", _counted(usage.input_tokens, *cached)
        yield "tokens out", _counted(usage.output_tokens, (usage.reasoning_tokens, "reasoning"))
    first = next((at for at, part in call.parts if not isinstance(part, ResponseHeaders | Retry)), None)
    if first is not None:
        yield "first part after", f"{first:.3f} s"
    if call.seconds is not None:
        yield "whole after", f"{call.seconds:.3f} s"
    if message is None:
        yield "end", "an error" if call.error is not None else "stopped: its readers had left"


def _counted(count: int | None, *of_them: tuple[int | None, str]) -> str:
    known = "?" if count is None else str(count)
    return ", ".join([known, *(f"{some} of them {name}" for some, name in of_them if some is not None)])


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
    """Yield the lines of the tools and of the schema of the answer."""
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
    """Parts that belong together, and the times of the first and the last of them."""

    parts: list[Part]
    since: float
    until: float


def _blocks(timed: Iterable[tuple[float, Part]]) -> list[_Block]:
    blocks: list[_Block] = []
    open_ones: dict[object, _Block] = {}
    last: object = None
    for at, part in timed:
        if isinstance(part, Usage | Finish | ResponseHeaders):
            continue
        key = _key(part)
        if not isinstance(part, ToolCallDelta) and key != last:
            open_ones.pop(key, None)  # a text that continues after another part is another block
        last = key
        block = open_ones.get(key)
        if block is None or not isinstance(part, str | Reasoning | Refusal | ToolCallDelta):
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
            title, text = f"{kind} of {each.name} ({each.call_id})", each.text
            more = [line for file in each.attached for line in _shown(file, when)]
            return [*_named(title + when, text), *more]
        case ServerToolCall():
            title, text = f"call of {each.name} by the provider ({each.id})", each.arguments
        case ServerToolResult():
            title, text = f"result of {each.name} ({each.call_id})", each.content
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


_LOG: Final = logging.getLogger("miniagents.ext.llm_logger")
_STRANGE: Final = re.compile(r"[^A-Za-z0-9_-]+")
_LONGEST_ALIAS: Final = 80


class LogFolder:
    """Writes pages into a folder, in a thread; if that fails, one warning is logged.

    Args:
        path: of the folder; it is made with the first page. Only its owner can read the pages.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)
        self._executor = SerialExecutor()
        self._warned = False

    async def write(self, call: LoggedCall) -> None:
        """Write the page of a call.

        Args:
            call: that has ended.
        """
        await self._executor.run(self._write, call)

    def _write(self, call: LoggedCall) -> None:
        try:
            text = markdown(call).encode("utf-8", "backslashreplace")
            self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
            with os.fdopen(self._new_file(call), "wb") as file:
                file.write(text)
        except Exception as error:  # noqa: BLE001 - a log must not break what it logs
            # Without the text of the error, which may quote the page.
            if not self._warned:
                self._warned = True
                reason = f"{type(error).__name__}, {error.strerror}" if isinstance(error, OSError) else ""
                _LOG.warning(
                    "llm_logger cannot write into %s (%s); calls of models are not logged there",
                    self._path,
                    reason or type(error).__name__,
                )

    def _new_file(self, call: LoggedCall) -> int:
        name = f"{call.began:%Y-%m-%dT%H-%M-%S.%f}_{_STRANGE.sub('-', call.alias)[:_LONGEST_ALIAS]}"
        for number in count(1):
            path = self._path / (f"{name}.md" if number == 1 else f"{name}-{number}.md")
            try:
                return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            except FileExistsError:
                continue
        raise AssertionError  # there is always another number
