"""The page `docs/examples.md`: what each example shows, how long it is, and its output or picture."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.support.notebooks import code_of, read_notebook

__all__ = ["examples_page"]

_ROOT: Final = Path(__file__).parents[2]
_EXAMPLES: Final = _ROOT / "examples"
_EXPECTED: Final = _ROOT / "tests" / "examples" / "expected"
_HEAD: Final = """\
# Examples

Copy one of these programs and change it. Each runs without a key and without a network, as
`python examples/tools.py`: Eliza or a scripted model answers. With a key, the programs that call a model
call a real one: `OPENAI_API_KEY=... python examples/tools.py`. `OPENAI_MODEL` and `ANTHROPIC_MODEL` select
the model.
"""
_MOST_LINES: Final = 6
_GROUPS: Final = {
    "First steps": ("hello", "llm_example", "conversation", "parallel", "chain", "custom_message", "errors"),
    "Pipelines": ("pipeline", "many_rows"),
    "Tools, typed answers, teams": ("tools", "mcp_tools", "extraction", "research_team", "agent_classes"),
    "Apps": ("web_chat", "refund_chat", "correct_it", "helpdesk", "notebook"),
    "Jobs, and programs that go on": ("job", "ray_job", "durable_graph", "persist_messages", "budget"),
    "Tests, and what ran": ("test_with_marbles", "timeline", "tracing"),
    "Providers of your own": ("custom_provider", "third_provider"),
    "Programs for this library": ("improve_function", "write_readme"),
}
"""What a reader builds -> the examples for it."""
_PICTURES: Final = {
    "web_chat.py": "![The page of the web chat: two questions with answers, and a third answer that the "
    "agent is writing, with a button to stop it](pictures/web-chat.png)"
}
"""Examples that show a page; `python -m tests.browser.pictures` makes the pictures."""


def examples_page() -> str:
    """What must stand on the page."""
    found = {path.stem: path for path in [*_EXAMPLES.rglob("*.py"), *_EXAMPLES.rglob("*.ipynb")]}
    named = [name for names in _GROUPS.values() for name in names]
    if sorted(named) != sorted(found):
        raise ValueError(f"Write each example once into _GROUPS: {set(named) ^ found.keys()}.")
    rows = "".join(
        f"| **{title}** | | |\n{''.join(_row(found[name]) for name in names)}"
        for title, names in _GROUPS.items()
    )
    table = f"| example | what it shows | lines |\n|---|---|---|\n{rows}"
    return "\n".join([_HEAD, table, *(part for name in named for part in _outputs(found[name]))])


def _row(script: Path) -> str:
    name = script.relative_to(_EXAMPLES).as_posix()
    shown = f"[`{name}`](#{_anchor(name)})" if list(_outputs(script)) else f"`{name}`"
    source, said = _notebook(script) if script.suffix == ".ipynb" else _program(script)
    return f"| {shown} | {said} | {len(source.splitlines())} |\n"


def _program(script: Path) -> tuple[str, str]:
    """Its source, and the first paragraph of its docstring."""
    source = script.read_text(encoding="utf-8")
    docstring = ast.get_docstring(ast.parse(source)) or ""
    return source, docstring.partition("\n\n")[0].replace("\n", " ")


def _notebook(path: Path) -> tuple[str, str]:
    """The code of its cells, and its title."""
    notebook = read_notebook(path)
    title = "".join(notebook["cells"][0]["source"]).partition("\n")[0]
    source = "\n".join("".join(cell["source"]) for cell in code_of(notebook))
    return source, f"{title.removeprefix('# ')}."


def _outputs(script: Path) -> Iterator[str]:
    name = script.relative_to(_EXAMPLES).as_posix()
    lines = _printed(script).splitlines()
    if name in _PICTURES:
        yield f"## {name}\n\n{_PICTURES[name]}\n"
    if lines:
        more = ["..."] if len(lines) > _MOST_LINES else []
        yield f"## {name}\n"
        yield "\n".join(["````text", *lines[:_MOST_LINES], *more, "````", ""])


def _printed(script: Path) -> str:
    """What an example prints, as its test expects it; nothing, if it talks with a user or writes a file."""
    if script.suffix == ".ipynb":
        outputs = [output for cell in code_of(read_notebook(script)) for output in cell["outputs"]]
        return "\n".join(output["text"].rstrip() for output in outputs if output.get("name") == "stdout")
    expected = _EXPECTED / f"{script.stem}.txt"
    return expected.read_text(encoding="utf-8") if expected.exists() else ""


def _anchor(heading: str) -> str:
    return "".join(letter for letter in heading if letter.isalnum() or letter in "_-")
