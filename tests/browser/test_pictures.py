"""Crosses modules: the pictures of the pages are made from real runs."""

import re
import shlex
import struct
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from miniagents.cli._arguments import parse_arguments
from miniagents.cli._map_arguments import MapOptions
from tests.browser.pictures import FOLDER, SCREENSHOTS, draw
from tests.browser.terminal import COMMAND, TERMINALS

SHOWN = [
    found
    for page in FOLDER.parent.rglob("*.md")
    for found in re.findall(
        r"!\[([^\]]*)\]\((?:\.\./)?pictures/([\w.-]+)\)", page.read_text(encoding="utf-8")
    )
]


def test_shown() -> None:
    """The pages show those that `python -m tests.browser.pictures` makes, and no other, each with words for the blind."""
    assert sorted([*SCREENSHOTS, *TERMINALS]) == sorted(path.name for path in FOLDER.iterdir())
    assert sorted([*SCREENSHOTS, *TERMINALS]) == sorted({name for _, name in SHOWN})
    for words, name in SHOWN:
        assert len(words.split()) > 1, name


def test_made() -> None:
    """The pictures on the pages have the sizes of those that are made, and show the command; it is one."""
    check(FOLDER)
    assert isinstance(parse_arguments(shlex.split(COMMAND.replace("\\\n", ""))[1:]), MapOptions)


def test_numbers() -> None:
    """What the words behind a picture of a terminal say of rows stands in the picture."""
    words = {name: text for text, name in SHOWN if name in TERMINALS}
    assert sorted(TERMINALS) == sorted(words)
    for name, text in words.items():
        for number in re.findall(r"[\d,]*\d", text):
            assert number in text_of(FOLDER / name), f"{name}: {number}"


@pytest.mark.gate("starts a browser, servers and a terminal")
@pytest.mark.loop(timeout=240.0)
async def test_draw(tmp_path: Path) -> None:
    """The pictures can be made."""
    await draw(tmp_path)
    check(tmp_path)


def check(folder: Path) -> None:
    """The sizes of screenshots, and what is written at terminals; nothing is fetched for them."""
    for name, size in SCREENSHOTS.items():
        assert size == size_of(folder / name)
    for name in TERMINALS:
        shown = text_of(folder / name)
        for line in COMMAND.splitlines():
            assert line in shown
        assert re.search(r"[\d,]+/1,200 rows", shown)
        assert re.search(r"\d rows/s .* requests/min .* tokens/min .*\$\d.* of about \$\d", shown), shown
        svg = (folder / name).read_text(encoding="utf-8")
        assert ["http://www.w3.org/2000/svg"] == re.findall(r"[a-z]+://[^\s\"')]+", svg)
    running, stopped, done = (text_of(folder / name) for name in TERMINALS)
    assert re.search(r"\$\d.* of about \$\d.* s left", running), running
    assert "Continue with: " not in running
    assert "Continue with: miniagents map" in stopped
    assert stopped.count(" rows/s ") == 1, "one bar stays, also after Ctrl-C"
    assert "1,200/1,200 rows" in done
    assert re.search(r"\d from the journal", done)


def text_of(picture: Path) -> str:
    """What a terminal shows."""
    lines: dict[str, str] = {}
    for element in ET.parse(picture).iter("{http://www.w3.org/2000/svg}text"):  # noqa: S314 - our own
        line = element.get("y", "")
        lines[line] = lines.get(line, "") + (element.text or "")
    return "\n".join(lines.values()).replace("\N{NO-BREAK SPACE}", " ")


def size_of(picture: Path) -> tuple[int, int]:
    """Width and height of a PNG."""
    data = picture.read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", data[16:24])
    return width, height
