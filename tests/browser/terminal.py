"""The pictures of `miniagents map` in docs/jobs.md: a real terminal, drawn as SVG.

A shell runs at a terminal, and the command is typed. It asks a server on this machine through the SDK of OpenAI. What the
terminal shows at three moments becomes a picture.
"""

import asyncio
import io
import json
import os
import sys
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from random import Random
from typing import Final

import pyte
from pyte.screens import Char
from rich.console import Console
from rich.style import Style
from rich.text import Text

from tests.cli.processes import Terminal, environment, program_at_terminal
from tests.support.chat_wire import DONE, event
from tests.support.sse_server import Exchange, answer, serve, sse

__all__ = ["COMMAND", "TERMINALS", "draw_terminals"]

TERMINALS: Final = ("map-running.svg", "map-stopped.svg", "map-done.svg")

COMMAND: Final = (
    "miniagents map openai:gpt-5.4-mini reviews.jsonl -o moods.jsonl \\\n"
    "    --prompt 'Judge this review of a {product}: {text}' --budget 2"
)

_ROOT: Final = Path(__file__).parents[2]
_ROWS: Final = 1200
_LINES: Final = 30
_COLUMNS: Final = 100
_CTRL_C: Final = "\x03"

_SVG: Final = """\
<svg viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{
  font-family: ui-monospace, "Cascadia Mono", "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace;
  font-size: {char_height}px;
  line-height: {line_height}px;
}}
.{unique_id}-title {{ font-family: system-ui, sans-serif; font-size: 18px; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""
"""What rich makes of a console, but for the font, which it would fetch from another host."""


async def draw_terminals(folder: Path, scratch: Path) -> None:
    """Write the pictures.

    Args:
        folder: where.
        scratch: where the command runs.
    """
    (scratch / "reviews.jsonl").write_text("".join(_reviews()), encoding="utf-8")
    async with serve(_judged) as server:
        env = environment(
            OPENAI_API_KEY="none",
            OPENAI_BASE_URL=f"{server.url}/v1",
            PATH=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
            PS1="$ ",
            PYTHONPATH=str(_ROOT),
            TERM="xterm-256color",
        )
        async with program_at_terminal(
            scratch, "sh", "-i", env=env, lines=_LINES, columns=_COLUMNS
        ) as terminal:
            running, stopped, done = (folder / name for name in TERMINALS)
            await _type_command(terminal)
            while len(server.requests) < _ROWS / 3:
                await terminal.expect(" left")
            running.write_text(_drawn(terminal, "running"), encoding="utf-8")
            terminal.type(_CTRL_C)
            await terminal.expect("Continue with: ")
            await terminal.expect("$ ")
            stopped.write_text(_drawn(terminal, "stopped"), encoding="utf-8")
            terminal.type("clear\n")
            await _type_command(terminal)
            await terminal.expect("from the journal")
            await terminal.expect("1,200 rows in moods.jsonl")
            await terminal.expect("$ ")
            done.write_text(_drawn(terminal, "done"), encoding="utf-8")
            terminal.type("exit\n")
            await terminal.end()


async def _type_command(terminal: Terminal) -> None:
    """Type it line by line, each behind its prompt."""
    for prompt, line in zip(("$ ", "> "), COMMAND.splitlines(), strict=True):
        await terminal.expect(prompt)
        terminal.type(f"{line}\n")


def _reviews() -> Iterator[str]:
    """Lines of JSON."""
    products = ("kettle", "lamp", "chair", "desk", "clock")
    texts = ("Lovely, all of us use it.", "Broke after a week.", "It is fine.", "Not as it is shown.")
    for row in range(_ROWS):
        review = {"product": products[row % 5], "text": f"{texts[row % 4]} ({row})"}
        yield f"{json.dumps(review)}\n"


async def _judged(exchange: Exchange) -> None:
    """Answer as a model would, after some time; some reviews are refused."""
    asked = exchange.request.body
    chance = Random(asked)  # noqa: S311 - the same each time
    await asyncio.sleep(chance.uniform(0.2, 0.9))
    if chance.random() < 0.015:
        said = {"error": {"message": "The review was refused by the content filter.", "type": "refused"}}
        await answer(400, said)(exchange)
        return
    sent, answered = len(asked) // 4, chance.randint(40, 90)
    usage = {"prompt_tokens": sent, "completion_tokens": answered, "total_tokens": sent + answered}
    mood = {"role": "assistant", "content": chance.choice(["positive", "negative"])}
    choice = {"index": 0, "delta": mood, "finish_reason": "stop"}
    head = {"id": "chat-1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-5.4-mini"}
    script = sse(
        event({**head, "choices": [choice]}),
        event({**head, "choices": [], "usage": usage}),
        DONE,
        headers={"x-ratelimit-limit-requests": "6000", "x-ratelimit-limit-tokens": "2000000"},
    )
    await script(exchange)


def _drawn(terminal: Terminal, name: str) -> str:
    """What a terminal shows now, as SVG."""
    screen = pyte.Screen(_COLUMNS, _LINES)
    pyte.ByteStream(screen).feed(bytes(terminal.raw))
    lines = [_line(screen.buffer[row][column] for column in range(_COLUMNS)) for row in range(_LINES)]
    while not lines[-1].plain.strip():
        lines.pop()
    console = Console(record=True, width=_COLUMNS, file=io.StringIO(), force_terminal=True)
    for line in lines:
        console.print(line, no_wrap=True, crop=False, highlight=False)
    return console.export_svg(title="miniagents map", code_format=_SVG, unique_id=name)


def _line(chars: Iterator[Char]) -> Text:
    line = Text()
    for style, run in groupby(chars, key=_style):
        line.append("".join(char.data for char in run), style)
    return line


def _style(char: Char) -> Style:
    color, back = (_color(each) for each in (char.fg, char.bg))
    return Style(color=color, bgcolor=back, bold=char.bold, reverse=char.reverse)


def _color(name: str) -> str | None:
    """The name that rich has for it."""
    if name == "default":
        return None
    if len(name) == 6 and all(digit in "0123456789abcdef" for digit in name):
        return f"#{name}"
    return {"brown": "yellow"}.get(name, name)
