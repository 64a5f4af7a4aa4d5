"""Crosses modules: the README does what it says.

The rule: every Python block is a whole program. It is run as a file of its own, in an empty folder, with no
network but a scripted server of Chat Completions on loopback, and must print the `text` block behind it
(nothing, if there is none). Invisible comments before a block are its world:

    <!-- model: WORD -> ANSWER -->      what the server answers to a request in whose last message is WORD
    <!-- stdin: TEXT -->                what the user types
    <!-- file: NAME -->                 the blocks behind it can import it
    <!-- types: wrong -->               it is not run; the `text` block is what `mypy --strict` says of it,
                                        and an ellipsis there is what was left out

In a `console` block every line that begins with `$ ` is run by a shell, and must print the lines behind it.
"""

import json
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.chat_wire import DONE, chunk, event
from tests.support.scripts import run_script, run_shell
from tests.support.sse_server import Exchange, serve, sse
from tests.typing.checkers import run

ROOT = Path(__file__).parents[1]
README = ROOT.joinpath("README.md").read_text(encoding="utf-8")
COMMANDS = ("pip install . && miniagents chat", "pip install -e '.[test]' && pytest")

_COMMENT = re.compile(r"<!-- (\w+): (.*?) -->\n")
_BLOCK = re.compile(
    rf"^((?:{_COMMENT.pattern})*)```python\n(.*?)^```\n(?:```text\n(.*?)^```\n)?", re.MULTILINE | re.DOTALL
)
_CONSOLE = re.compile(r"^```console\n\$ (.*?)\n(.*?)^```\n", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\((?!https?:)([^)#]*)(#[^)]*)?\)")


@dataclass(frozen=True, slots=True)
class Block:
    """A program of the README, what it must print, and its world."""

    title: str
    file: str
    code: str
    output: str
    answers: tuple[tuple[str, str], ...]
    said: str
    is_wrong: bool

    async def answer(self, exchange: Exchange) -> None:
        """Answer a request as a server of models does."""
        messages = exchange.request.json["messages"]
        assert isinstance(messages, list)
        asked = json.dumps(messages, ensure_ascii=False)
        found = [(asked.rfind(word), answer) for word, answer in self.answers if word in asked]
        assert found, f"no answer to {asked}"
        words = re.findall(r"\S+\s*", max(found)[1])
        usage = {"prompt_tokens": 9, "completion_tokens": len(words), "total_tokens": 9 + len(words)}
        counted = event({"id": "chat-1", "choices": [], "usage": usage})
        await sse(*map(chunk, words), chunk(finish="stop"), counted, DONE)(exchange)


def _blocks() -> list[Block]:
    blocks: list[Block] = []
    for match in _BLOCK.finditer(README):
        comments: list[tuple[str, str]] = _COMMENT.findall(match[1])
        answers = [
            (word, answer)
            for kind, text in comments
            if kind == "model"
            for word, answer in [text.split(" -> ")]
        ]
        said = "".join(text for kind, text in comments if kind == "stdin").replace("\\n", "\n")
        title = re.findall(r"^## (.*)$", README[: match.start()], re.MULTILINE)[-1]
        file = dict(comments).get("file", f"block_{len(blocks)}.py")
        is_wrong = ("types", "wrong") in comments
        blocks.append(Block(title, file, match[4], match[5] or "", tuple(answers), said, is_wrong))
    return blocks


BLOCKS = _blocks()
RIGHT = [block for block in BLOCKS if not block.is_wrong]


def test_no_block_is_skipped() -> None:
    """Every block that says it is Python is found, and so is every one of a console."""
    assert len(BLOCKS) == README.count("```python") >= 10
    assert len(_CONSOLE.findall(README)) == README.count("```console") >= 1
    assert README.count("```text") == sum(bool(block.output) for block in BLOCKS)


_WITH_AN_SDK = pytest.mark.gate("a program with the SDK of a provider")


@pytest.mark.parametrize(
    "block",
    [pytest.param(block, id=block.title, marks=_WITH_AN_SDK if block.answers else ()) for block in RIGHT],
)
async def test_block(block: Block, tmp_path: Path) -> None:
    """The program prints what stands behind it, complains of nothing, and asks no more than it should."""
    script = tmp_path / block.file
    for each in BLOCKS[: BLOCKS.index(block) + 1]:
        tmp_path.joinpath(each.file).write_text(each.code, encoding="utf-8")
    async with serve(block.answer) as server:
        keys = {"OPENAI_API_KEY": "a key", "OPENAI_BASE_URL": f"{server.url}/v1"} if block.answers else {}
        done = await run_script(script, tmp_path, block.said, keys)
    assert done.err == ""
    assert done.out == block.output
    assert done.code == 0
    assert len(server.requests) == len(block.answers)


@pytest.mark.parametrize(("command", "output"), _CONSOLE.findall(README))
async def test_console(command: str, output: str, tmp_path: Path) -> None:
    """The shell shows what the README shows."""
    done = await run_shell(command, tmp_path)
    assert (done.out, done.err, done.code) == (output, "", 0)


# No program names a type of an SDK; reading them all takes mypy three times as long.
MYPY = """
[mypy]
strict = True
[mypy-miniagents.*]
follow_imports = silent
[mypy-openai.*,anthropic.*]
follow_imports = skip
"""


def _programs(folder: Path, config: str, text: str) -> Path:
    """A folder with every program, and with the settings of a checker; where these are."""
    programs = folder / f"programs-{Path(config).stem}"
    programs.mkdir()
    for block in BLOCKS:
        programs.joinpath(block.file).write_text(block.code, encoding="utf-8")
    programs.joinpath(config).write_text(text, encoding="utf-8")
    return programs


@pytest.mark.loop(timeout=120)
@pytest.mark.gate("mypy reads the programs")
def test_types(tmp_path: Path) -> None:
    """Every program passes `mypy --strict`, and of the wrong ones it says what stands behind them."""
    programs = _programs(tmp_path, "mypy.ini", MYPY)
    done = run("mypy", f"--config-file={programs / 'mypy.ini'}", f"--cache-dir={os.devnull}", str(programs))
    assert done.err == ""
    said = done.out.splitlines()
    expected = "".join(block.output for block in BLOCKS if block.is_wrong)
    errors = "".join(f"{line.rpartition('programs-mypy/')[2]}\n" for line in said if ": error: " in line)
    assert re.fullmatch(re.escape(expected).replace("…", ".+"), errors), errors
    assert said[-1].endswith(f"(checked {len(BLOCKS)} source files)")


@pytest.mark.loop(timeout=120)
@pytest.mark.gate("pyright reads the programs")
def test_pyright(tmp_path: Path) -> None:
    """Every program passes pyright, strict, and in the wrong ones it finds mistakes in the same lines."""
    wrong = [block for block in BLOCKS if block.is_wrong]
    programs = _programs(tmp_path, "pyrightconfig.json", '{"typeCheckingMode": "strict"}')
    done = run("pyright", f"--project={programs}", f"--pythonpath={sys.executable}", "--outputjson")
    assert done.err == ""
    said = json.loads(done.out)
    errors = [each for each in said["generalDiagnostics"] if each["severity"] == "error"]
    found = {(Path(each["file"]).name, each["range"]["start"]["line"] + 1) for each in errors}
    lines = [line.split(":")[:2] for block in wrong for line in block.output.splitlines()]
    assert found == {(file, int(line)) for file, line in lines}
    assert said["summary"]["filesAnalyzed"] == len(BLOCKS)


def test_first_screen() -> None:
    """The first screen has the two commands that are all the set-up there is."""
    first_screen = README.splitlines()[:20]
    assert all(command in first_screen for command in COMMANDS)


def test_links() -> None:
    """Every link leads to a file that is there, or to a heading of this page."""
    headings = {
        heading.lower().replace(" ", "-") for heading in re.findall(r"^#+ (.*)$", README, re.MULTILINE)
    }
    for file, anchor in _LINK.findall(README):
        assert ROOT.joinpath(file).exists()
        assert not anchor or anchor[1:] in headings
