"""Runs as frames: healthy ones, and such as nobody meant, drawn from a seed."""

from collections.abc import Iterator
from random import Random

from miniagents.ext.web._frames import Frame, FramePart, MessageBegan, MessageEnded, MessagePart, RunEnded
from miniagents.values import (
    AgentPart,
    Citation,
    File,
    Finish,
    Image,
    Reasoning,
    Refusal,
    Restart,
    Retry,
    ToolCallDelta,
    ToolResult,
    Usage,
)

__all__ = ["drawn_run", "message", "run_of", "tool_run"]


def message(number: int, *parts: FramePart, role: str = "assistant") -> list[Frame]:
    """The frames of one message."""
    told = [MessagePart(number, part) for part in parts]
    return [MessageBegan(number, role), *told, MessageEnded(number)]


def run_of(*parts: FramePart) -> list[Frame]:
    """A run of one message, which ends well."""
    return [*message(0, *parts), RunEnded("finished")]


def tool_run(result: str = '{"degrees": 12}', *, is_error: bool = False) -> list[Frame]:
    """A run in which the model thinks, calls a tool of the server, and answers."""
    call = [ToolCallDelta(0, "call-1", "weather"), ToolCallDelta(0, arguments='{"city": "Oslo"}')]
    answered = ToolResult("call-1", result, is_error=is_error, name="weather")
    return [
        *message(0, Reasoning("North."), "Let me look.", *call, Usage(20, 5), Finish("tool_use")),
        MessageBegan(1, "tool", tool="weather", call="call-1"),
        MessagePart(1, AgentPart(("SCOUT",), "Looking out.")),
        MessagePart(1, answered),
        MessageEnded(1),
        *message(2, "It is ", "12 °C.", Usage(30, 7), Finish("end_turn")),
        RunEnded("finished"),
    ]


_WORDS = (
    "Hello",
    " ",
    "",
    "\n\n",
    "\ud83d",
    "😀",
    "</script>",
    'data: {"type":"finish"}\n\n',
    "\x00",
    "\u2028",
)
_NAMES = ("weather", "__proto__", "constructor", "a b", "ü", "")
_IDS = ("call-1", "call-2", "__proto__", "", None)
_ARGUMENTS = (
    *('{"city":', '"Oslo"}', "{}", "", "null", "[1e999]", "NaN", '{"a": -Infinity}', "12", '"x"'),
    *('{"__proto__": {"a": 1}}', '{"constructor": {"prototype": {}}}', "[" * 100, "{" * 3, "1" * 5_000),
)
_SOURCES = ("https://example.org/a", "javascript:alert(1)", "", "file:///etc/passwd", "doc-7")


def drawn_run(random: Random) -> list[Frame]:
    """Any run: its messages have any parts in any order, and it may end in the middle of one."""
    frames: list[Frame] = []
    for number in range(random.randrange(4)):
        role = random.choice(("assistant", "assistant", "tool", "error"))
        call = random.choice(_IDS) if role == "tool" else None
        frames.append(MessageBegan(number, role, random.choice((None, "POET")), None, None, call))
        frames += [MessagePart(number, part) for part in _parts(random)]
        frames.append(MessageEnded(number))
    if frames and random.random() < 0.3:
        del frames[random.randrange(len(frames)) :]
        return [
            *frames,
            RunEnded(random.choice(("failed", "stopped", "lost")), random.choice(("", "Sorry."))),
        ]
    return [*frames, RunEnded("finished")]


def _parts(random: Random) -> Iterator[FramePart]:
    for _ in range(random.randrange(9)):
        part = _part(random)
        if isinstance(part, str | Reasoning | Citation | ToolCallDelta) and random.random() < 0.1:
            yield AgentPart(("SCOUT",), part)
        yield part


def _part(random: Random) -> FramePart:
    pick = random.choice
    return pick(
        (
            lambda: pick(_WORDS),
            lambda: pick(_WORDS),
            lambda: Refusal(pick(_WORDS[:4])),
            lambda: Reasoning(pick(_WORDS), pick((None, "sig")), pick((None, "r")), pick((0, 0, 1))),
            lambda: Reasoning(signature="sig", redacted=True),
            lambda: ToolCallDelta(pick((0, 0, 1)), pick(_IDS), pick((*_NAMES, None)), pick(_ARGUMENTS)),
            lambda: ToolCallDelta(pick((0, 0, 1)), arguments=pick(_ARGUMENTS)),
            lambda: ToolResult(
                pick(_IDS) or "", pick(_ARGUMENTS), pick((True, False)), pick((None, "weather"))
            ),
            lambda: Citation(pick(_SOURCES), pick((None, "Title")), pick(_WORDS), pick((None, 3)), None),
            lambda: Usage(pick((None, 7)), pick((None, 3))),
            lambda: Finish(pick(("stop", "length", "refusal", "tool_use"))),
            lambda: pick((Restart(), Retry(1, 0.5, ""))),
            lambda: Image(data=b"GIF89a"),
            lambda: File(url=pick(_SOURCES[:2]), name="a\r\nb"),
        )
    )()
