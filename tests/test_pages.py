"""Crosses modules: README.md and the pages of docs/ do what they say.

`tests/support/docs_pages.py` says how a page is written. A program runs in this process, in an empty folder.
A program that talks to a server of models, or to a user, runs in a process of its own, in development mode.
"""

import contextlib
import io
import json
import os
import re
import sys
import tomllib
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path
from typing import cast

import pytest

import miniagents
from tests.support.chat_wire import DONE, chunk, event
from tests.support.docs_pages import (
    BLOCKS,
    CHECKED,
    CONSOLES,
    CONTINUED,
    ELSEWHERE,
    PAGES,
    ROOT,
    Block,
    blocks_of,
    headings_of,
    links_of,
)
from tests.support.forked import run_program
from tests.support.plugin import BESIDE_PLUGINS, plugin_path
from tests.support.scripts import run_script, run_shell
from tests.support.sse_server import Exchange, serve, sse

PROGRAMS = [block for block in BLOCKS if block.kind == "program" and not block.is_wrong]
ALONE = [block for block in PROGRAMS if block.answers or block.said]
OF_PEERS = [block for block in PROGRAMS if block.needs]
TOGETHER = [
    list(group)
    for _, group in groupby(
        (block for block in PROGRAMS if block not in ALONE and block not in OF_PEERS),
        key=lambda block: block.page if block.page in CONTINUED else block,
    )
]
TESTS = [block for block in BLOCKS if block.kind == "pytest"]


def name_of(block: Block) -> str:
    """What a test of a block is called."""
    return f"{block.page}: {block.title}"


def test_no_block_is_skipped() -> None:
    """Every block of Python is found, and so is every one of a console; an output has a program."""
    texts = "".join(text for page, text in PAGES.items() if page not in ELSEWHERE)
    assert len(BLOCKS) == texts.count("```python") >= 60
    assert len(CONSOLES) == texts.count("```console") >= 1
    assert all(block.kind == "program" for block in BLOCKS if block.output)
    # What `examples/tracing.py` prints stands in a `text` block of its own.
    assert texts.count("```text") == sum(bool(block.output) for block in BLOCKS) + 1


def test_pages_of_other_tests() -> None:
    """A page that is not run here has a test module that reads it."""
    tests = [path for path in (ROOT / "tests").rglob("test_*.py") if path != Path(__file__)]
    said = "".join(path.read_text(encoding="utf-8") for path in tests)
    for page in ELSEWHERE & PAGES.keys() - {"docs/examples.md", "docs/gallery.md"}:  # made by tests
        assert re.search(rf"docs[\"' /]+{page.removeprefix('docs/')}", said)


def test_unknown_comment() -> None:
    """A comment before a block that is none of those that are known is an error, not passed over."""
    for comment in ("kind: pytset", "modle: a -> b"):
        with pytest.raises(ValueError, match="says nothing that is known"):
            blocks_of("docs/x.md", f"<!-- {comment} -->\n```python\nprint()\n```\n")


@pytest.mark.loop(fifo=True)
@pytest.mark.no_eager_tasks("pages show in which order tasks start")
@pytest.mark.parametrize("blocks", TOGETHER, ids=lambda blocks: name_of(blocks[0]))
def test_program(blocks: list[Block], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The program prints what stands behind it, and complains of nothing."""
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "__main__"}
    for block in blocks:
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            exec(compile(block.code, block.page, "exec"), names)  # noqa: S102 - our own page
        assert (out.getvalue(), err.getvalue()) == (block.output, "")


async def _answer(block: Block, exchange: Exchange) -> None:
    """Answer a request as a server of models does."""
    messages = exchange.request.json["messages"]
    assert isinstance(messages, list)
    asked = json.dumps(messages, ensure_ascii=False)
    found = [(asked.rfind(word), answer) for word, answer in block.answers if word in asked]
    assert found, f"no answer to {asked}"
    words = re.findall(r"\S+\s*", max(found)[1])
    usage = {"prompt_tokens": 9, "completion_tokens": len(words), "total_tokens": 9 + len(words)}
    counted = event({"id": "chat-1", "choices": [], "usage": usage})
    await sse(*map(chunk, words), chunk(finish="stop"), counted, DONE)(exchange)


@pytest.mark.gate("a program with the SDK of a provider")
@pytest.mark.parametrize("block", ALONE, ids=name_of)
async def test_program_alone(block: Block, tmp_path: Path) -> None:
    """A program with a server or a user prints what stands behind it, and asks no more than it should."""

    async def answer(exchange: Exchange) -> None:
        await _answer(block, exchange)

    script = tmp_path / block.file
    script.write_text(block.code, encoding="utf-8")
    async with serve(answer) as server:
        keys = {"OPENAI_API_KEY": "a key", "OPENAI_BASE_URL": f"{server.url}/v1"} if block.answers else {}
        done = await run_script(script, tmp_path, block.said, keys)
    assert (done.out, done.err, done.code) == (block.output, "", 0)
    assert len(server.requests) == len(block.answers)


@pytest.mark.gate("programs with other libraries")
@pytest.mark.parametrize("block", OF_PEERS, ids=name_of)
async def test_program_of_a_peer(block: Block, tmp_path: Path) -> None:
    """The other library prints the same, where it is installed.

    The earlier miniagents has our name: the interpreter that has it is `EARLIER_MINIAGENTS`.
    """
    if block.needs == "miniagents==0.0.35":
        python = os.environ.get("EARLIER_MINIAGENTS", "")
        if not python:
            pytest.skip("EARLIER_MINIAGENTS names no interpreter that has miniagents 0.0.35")
    else:
        python = sys.executable
        if find_spec(block.needs) is None:
            pytest.skip(f"{block.needs} is not installed: pip install -e '.[bench]'")
    script = tmp_path / "peer.py"
    script.write_text(block.code, encoding="utf-8")
    done = await run_shell(f"'{python}' -I -W ignore '{script}'", tmp_path)
    assert (done.out, done.code) == (block.output, 0), done.err


def _mode_of(block: Block) -> str:
    return "auto" if "pytest_asyncio" in block.code and "mark.asyncio" not in block.code else "strict"


@pytest.mark.gate("starts pytest")
@pytest.mark.parametrize("mode", ["auto", "strict"])
def test_tests(mode: str, tmp_path: Path) -> None:
    """The tests of pages pass, in a project of their own."""
    blocks = [block for block in TESTS if _mode_of(block) == mode]
    for number, block in enumerate(blocks):
        (tmp_path / f"test_{number}.py").write_text(f"# {name_of(block)}\n{block.code}")
    settings = ["filterwarnings = error", f"asyncio_mode = {mode}"]
    settings.append("asyncio_default_fixture_loop_scope = function")
    (tmp_path / "pytest.ini").write_text("\n".join(["[pytest]", *settings, ""]))
    done = run_program(
        *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)),
        imported=BESIDE_PLUGINS,
        env={"PYTHONPATH": plugin_path(tmp_path / "plugin")},
    )
    count = sum(len(re.findall(r"^(?:async )?def test_", block.code, re.MULTILINE)) for block in blocks)
    assert f"\n{count} passed in " in done.stdout, done.stdout


@pytest.mark.gate("starts programs")
@pytest.mark.parametrize(("command", "output"), CONSOLES)
async def test_console(command: str, output: str, tmp_path: Path) -> None:
    """The shell shows what the page shows."""
    done = await run_shell(command, tmp_path)
    assert (done.out, done.err, done.code) == (output, "", 0)


def test_files_have_names_of_their_own() -> None:
    """No two programs are written to one file, so type checkers read each of them."""
    files = [block.file for block in CHECKED]
    assert sorted(set(files)) == sorted(files)


@pytest.mark.parametrize("page", sorted([*PAGES, "CONTRIBUTING.md"]))
def test_links(page: str) -> None:
    """Every link leads to a file that is there, and to a heading of it."""
    text = (ROOT / page).read_text(encoding="utf-8")
    for file, anchor in links_of(text):
        target = (ROOT / page).parent / file if file else ROOT / page
        assert target.exists(), f"{page} links to {file}"
        if anchor:
            assert anchor in headings_of(target.read_text(encoding="utf-8")), f"{page}: {file}#{anchor}"


def _entries(nav: object) -> list[str]:
    """The files that stand in the navigation of the site, whatever is above them."""
    if isinstance(nav, str):
        return [nav]
    if isinstance(nav, dict):
        return _entries([*cast("dict[str, object]", nav).values()])
    assert isinstance(nav, list)
    return [file for each in cast("list[object]", nav) for file in _entries(each)]


def test_navigation() -> None:
    """Every page of docs/ has one place in the navigation of the site, and every place has its page."""
    site = tomllib.loads((ROOT / "zensical.toml").read_text(encoding="utf-8"))
    entries = sorted(f"docs/{file}" for file in _entries(site["project"]["nav"]))
    assert entries == sorted(page for page in PAGES if page.startswith("docs/")), "see nav in zensical.toml"


# Paths that are kept for programs that use them; the names stand in the reference of other modules.
KEPT = {"miniagents.miniagents", "miniagents.promising", "miniagents.ext.misc_agents"}


def _public_modules() -> set[str]:
    """The modules that users import: those of the root, of `ext`, and `testing`, without an underscore."""
    package = Path(miniagents.__file__).parent
    layers = ("agents", "cli", "models", "runs", "values", "promising")
    found = {"miniagents"}
    for path in package.rglob("*.py"):
        parts = path.relative_to(package.parent).with_suffix("").parts
        names = parts[:-1] if parts[-1] == "__init__" else parts
        if not any(name.startswith("_") for name in names) and names[1:2] and names[1] not in layers:
            found.add(".".join(names))
    return found - {"miniagents.ext"} - KEPT


def test_reference() -> None:
    """Every public module has a page in the reference, which is made from its docstrings."""
    pages = {
        page.removeprefix("docs/reference/").removesuffix(".md"): text
        for page, text in PAGES.items()
        if page.startswith("docs/reference/")
    }
    index = pages.pop("index")
    assert pages.keys() == _public_modules(), (
        "a module has docs/reference/MODULE.md, a row in index.md beside it, and a line in zensical.toml"
    )
    for module, text in pages.items():
        assert text.splitlines()[-1] == f"::: {module}"
        assert f"[`{module}`]({module}.md)" in index
