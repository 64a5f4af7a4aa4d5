"""From the words of the command line to checked options."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import NoReturn

from typing_extensions import override

from ._complain import BadInputError

_EPILOG = """\
Without --model the provider whose key is set answers: with OPENAI_API_KEY the model
OPENAI_MODEL (else gpt-5.4-mini), with ANTHROPIC_API_KEY the model ANTHROPIC_MODEL
(else claude-haiku-4-5). Without any key eliza answers: a small program of rules, no
language model. What a provider needs comes with: pip install 'miniagents[openai]'
(or [anthropic], or [all]).

At a terminal Enter sends, Ctrl+Space breaks a line, Ctrl-C stops an answer; 'exit',
Ctrl-D, or Ctrl-C at the prompt ends. On a pipe each line is a message.

Exit code: 0; 1 when a model failed on a pipe or the conversation could not be kept;
2 for wrong input.
"""


@dataclass(frozen=True, slots=True)
class ChatOptions:
    """What `miniagents chat` was told.

    Attributes:
        model: `PROVIDER:NAME`, `PROVIDER` or `eliza`; None to find out.
        base_url: where the provider's API is, None for the usual place.
        system: instructions for the model, None for none.
        history: the file that keeps the conversation, None to keep nothing.
    """

    model: str | None
    base_url: str | None
    system: str | None
    history: Path | None


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    @override
    def error(self, message: str) -> NoReturn:
        raise BadInputError(f"{message} (see {self.prog} --help)")


def parse_arguments(words: Sequence[str]) -> ChatOptions:
    """Read the command line.

    Args:
        words: without the name of the program.

    Raises:
        BadInputError: they make no sense.
        SystemExit: `--help` or `--version` was answered.
    """
    parser = _Parser(prog="miniagents", description="Agents on language models.", allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"miniagents {version('miniagents')}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    chat = commands.add_parser(
        "chat",
        help="talk with a model; the conversation is kept in a Markdown file",
        description="Talk with a model. A Markdown file keeps the conversation; it goes on where it ended.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    chat.add_argument("--model", metavar="MODEL", help="openai:NAME, anthropic:NAME, or eliza")
    chat.add_argument("--base-url", metavar="URL", help="where a compatible server answers")
    chat.add_argument("--system", metavar="TEXT", help="instructions for the model")
    keeping = chat.add_mutually_exclusive_group()
    keeping.add_argument(
        "--history", metavar="FILE", default="CHAT.md", help="keeps the conversation (default: %(default)s)"
    )
    keeping.add_argument("--no-history", action="store_true", help="keep nothing")
    given = parser.parse_args(words)
    return ChatOptions(
        model=given.model,
        base_url=given.base_url,
        system=given.system or None,
        history=None if given.no_history else _path(given.history),
    )


def _path(history: str) -> Path:
    if not history or "\0" in history:
        raise BadInputError("--history needs the name of a file")
    return Path(history)
