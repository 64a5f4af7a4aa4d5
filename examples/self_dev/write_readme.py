"""An agent that reads a source tree and writes a README for it.

    python examples/self_dev/write_readme.py FOLDER > README.md

Every file is summarized in an inquiry of its own, all at once; the summaries keep the order of the files.
Without a FOLDER it reads the examples.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

from miniagents import (
    InteractionContext,
    Message,
    Messages,
    MiniAgent,
    MiniAgents,
    SystemMessage,
    miniagent,
)
from miniagents.ext.default_model import default_model
from miniagents.testing import scripted_model

SUMMARIZE = SystemMessage("Summarize this Python file in one sentence, for a table of contents.")
INTRODUCE = SystemMessage("You are given summaries of all files of a project. Introduce it in two sentences.")


class SourceFile(Message):
    """A file of the tree; its text is its source."""

    path: str


@miniagent
async def summary_agent(ctx: InteractionContext[SourceFile, Message], model: MiniAgent) -> None:
    """Summarizes each file, as a line of a list."""
    for file in await ctx.messages:
        ctx.reply([f"\n* `{file.path}`: ", model.inquire([SUMMARIZE, str(file)])])


@miniagent
async def readme_agent(ctx: InteractionContext[SourceFile, Message], model: MiniAgent, title: str) -> None:
    """Writes the README of a project; its texts are to be joined without anything between them."""
    summaries = [
        summary_agent.inquire(file, model=model) async for file in ctx.messages
    ]  # all run from now on
    ctx.reply([f"# {title}\n\n", model.inquire([INTRODUCE, *summaries]), "\n\n## Files\n", *summaries])


async def main(model: MiniAgent, folder: Path) -> None:
    """Print the README as it is written."""
    readme = readme_agent.inquire(source_files(folder), model=model, title=folder.name)
    async for token in readme.as_single_promise(delimiter=""):
        print(token, end="", flush=True)
    print()


def source_files(folder: Path) -> Iterator[SourceFile]:
    """Read the tree."""
    for file in sorted(folder.rglob("*.py")):
        yield SourceFile(file.read_text(encoding="utf-8"), path=file.relative_to(folder).as_posix())


def by_a_rule(messages: Messages) -> str:
    """Summarize a file by its docstring, and a project by counting, when there is no model."""
    if messages[0] == INTRODUCE:
        return f"This project has {len(messages) // 2} Python files. Their docstrings begin so:"
    docstring = ast.get_docstring(ast.parse(str(messages[-1])))
    return docstring.splitlines()[0] if docstring else "(no docstring)"


if __name__ == "__main__":
    chosen = Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else Path(__file__).resolve().parents[1]
    MiniAgents().run(main(default_model(otherwise=scripted_model(then=by_a_rule)), chosen))
