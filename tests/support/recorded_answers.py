"""Answers of independent servers, byte for byte, and what a client must make of each.

`tests/ext/llm/recordings` has them, one a line: those of servers as they were recorded, and those that are
made by hand after a dialect that servers and gateways are known to speak. A line is an object:

* `name`, `server`; `wire`: `chat`, `responses` or `messages`; `request`: the body that was asked;
* `options`: keywords that the agent needs; `needs`: what the request must have, and what is answered else;
* `status`, `headers`, and `chunks`, the body as the network cut it: texts, or `{"base64": ...}`;
* `end`: `clean`, or `cut` where the connection broke inside of the body;
* `verdict`: `healthy`, with the text, the calls and the reason in `expected`, or `broken`, with `why`;
* of what a provider documents: `source`, where it does; `counts` of tokens, and the `cites`, if they matter;
* `check`: `goes_back` where the arguments of a call cannot be used, which the model must be told.
"""

import asyncio
import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final, Literal, TypeAlias, cast

from typing_extensions import override

from miniagents import AssistantMessage, Message, UserMessage
from miniagents.models import ToolSpec
from tests.support.sse_server import Exchange, Script, answer
from tests.support.wires import ANTHROPIC, CHAT, RESPONSES, Wire

__all__ = ["SPLITS", "RecordedAnswer", "Split", "as_json", "recorded_answers"]

FOLDER: Final = Path(__file__).parents[1] / "ext" / "llm" / "recordings"
WIRES: Final = {"chat": CHAT, "responses": RESPONSES, "messages": ANTHROPIC}

Split: TypeAlias = Literal["bytes", "chunks", "whole"]
SPLITS: Final[tuple[Split, ...]] = ("bytes", "chunks", "whole")
"""How the network cuts a body: into single bytes, as it was recorded, not at all."""

JSON: TypeAlias = Mapping[str, object]


def as_json(arguments: str) -> object:
    """What the arguments of a call mean: the value of their JSON, or the text itself if they are none."""
    try:
        value: object = json.loads(arguments or "{}")
    except ValueError:
        return arguments
    return value


@dataclass(frozen=True, slots=True)
class Expected:
    """What must come of a healthy answer.

    Attributes:
        text: all of it.
        calls: the name and the arguments of each call of a tool.
        finish: the reason in the server's own word; None if it does not matter.
    """

    text: str
    calls: tuple[tuple[str, object], ...]
    finish: str | None


@dataclass(frozen=True, slots=True)
class RecordedAnswer:
    """One answer.

    Attributes:
        name: its own.
        wire: how it was asked.
        request: the body that was asked.
        status, headers, chunks, clean: the answer; not clean: the connection breaks at its end.
        expected: what must come of it; None: an error.
        goes_back: whether it has arguments that cannot be used, and the model must be told.
        options: keywords of the agent.
        counts: of tokens, where they matter.
        cites: the sources that the answer names, where they matter.
        needs: what each item of a role must have in the request.
        refusal: what is answered if it has it not.
    """

    name: str
    wire: Wire
    request: JSON
    status: int
    headers: Mapping[str, str]
    chunks: tuple[bytes, ...]
    clean: bool
    expected: Expected | None
    goes_back: bool
    options: JSON
    counts: Mapping[str, int]
    cites: tuple[str, ...]
    needs: Mapping[str, JSON] = field(default_factory=dict[str, JSON])
    refusal: tuple[int, str] = (400, "")

    @classmethod
    def of(cls, line: str) -> "RecordedAnswer":
        """Read a line of a file."""
        told = cast("dict[str, object]", json.loads(line))
        needs, otherwise = _needs(cast("JSON", told.get("needs", {})))
        return cls(
            name=cast("str", told["name"]),
            wire=WIRES[cast("str", told["wire"])],
            request=cast("JSON", told["request"]),
            status=cast("int", told["status"]),
            headers=cast("Mapping[str, str]", told["headers"]),
            chunks=tuple(map(_bytes, cast("list[object]", told["chunks"]))),
            clean=told["end"] == "clean",
            expected=_expected(cast("JSON", told["expected"])) if told["verdict"] == "healthy" else None,
            goes_back=told.get("check") == "goes_back",
            options=cast("JSON", told.get("options", {})),
            counts=cast("Mapping[str, int]", told.get("counts", {})),
            cites=tuple(cast("list[str]", told.get("cites", []))),
            needs=needs,
            refusal=otherwise,
        )

    @override
    def __repr__(self) -> str:
        return self.name

    @property
    def stream(self) -> bool:
        """Whether a stream was asked for."""
        return bool(self.request.get("stream"))

    @property
    def conversation(self) -> list[Message]:
        """What was said before, as messages; "hello" in place of what the server was to refuse."""
        said = self.request.get("messages", self.request.get("input"))
        turns = cast("list[JSON]", said) if isinstance(said, list) else [{"role": "user", "content": said}]
        roles = {"user": UserMessage, "assistant": AssistantMessage}
        messages: list[Message] = [
            roles[role](text)
            for turn in turns
            if (role := str(turn.get("role"))) in roles and isinstance(text := turn.get("content"), str)
        ]
        return messages or [UserMessage("hello")]

    @property
    def tools(self) -> tuple[ToolSpec, ...]:
        """What the model was told of tools."""
        return tuple(map(_tool, cast("list[JSON]", self.request.get("tools", []))))

    def script(self, split: Split) -> Script:
        """Answer with exactly these bytes, cut in this way."""

        async def script(exchange: Exchange) -> None:
            if not self._suits(exchange.request.json):
                await answer(self.refusal[0], self.refusal[1].encode())(exchange)
                return
            body = b"".join(self.chunks)
            single = [bytes([each]) for each in body]
            pieces = {"bytes": single, "chunks": self.chunks, "whole": [body]}[split]
            await exchange.head(self.status, self.headers)
            if "transfer-encoding" in self.headers:
                parts = [b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces if piece]
                # A single write: what the client is handed is each HTTP chunk by itself all the same.
                await exchange.send(b"".join(parts) + (b"0\r\n\r\n" if self.clean else b""))
            else:
                for piece in pieces:
                    await exchange.send(piece)
                    await asyncio.sleep(0)
            exchange.keep = self.clean and not {"transfer-encoding", "content-length"}.isdisjoint(
                self.headers
            )

        return script

    def _suits(self, request: JSON) -> bool:
        items = cast("list[JSON]", request.get("messages", request.get("input")))
        return all(
            item.get(name) == value
            for item in items
            for name, value in self.needs.get(str(item.get("role")), {}).items()
        )


def _bytes(chunk: object) -> bytes:
    if isinstance(chunk, str):
        return chunk.encode()
    return base64.b64decode(cast("dict[str, str]", chunk)["base64"])


def _expected(told: JSON) -> Expected:
    calls = cast("list[dict[str, str]]", told["tool_calls"])
    return Expected(
        cast("str", told["text"]),
        tuple((call["name"], as_json(call["arguments"])) for call in calls),
        cast("str | None", told["finish"]),
    )


_EACH_ITEM: Final = "each input item with role "


def _needs(told: JSON) -> tuple[dict[str, JSON], tuple[int, str]]:
    otherwise = cast("dict[str, object]", told.get("else", {}))
    needs = {
        name.removeprefix(_EACH_ITEM).removesuffix(" has"): cast("JSON", value)
        for name, value in told.items()
        if name.startswith(_EACH_ITEM)
    }
    return needs, (cast("int", otherwise.get("status", 400)), cast("str", otherwise.get("body", "")))


def _tool(told: JSON) -> ToolSpec:
    function = cast("JSON", told.get("function", told))
    parameters = function.get("parameters", function.get("input_schema"))
    return ToolSpec(
        cast("str", function["name"]), cast("str", function["description"]), cast("JSON", parameters)
    )


@cache
def recorded_answers() -> tuple[RecordedAnswer, ...]:
    """All of them."""
    texts = [path.read_text(encoding="utf-8") for path in sorted(FOLDER.glob("*.jsonl"))]
    return tuple(RecordedAnswer.of(line) for text in texts for line in text.strip("\n").split("\n"))
