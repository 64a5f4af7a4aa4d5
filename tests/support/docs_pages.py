"""The pages for users: README.md and docs/, with the programs in them.

Every Python block is a program of its own. Invisible comments before a block say what it needs:

    <!-- model: WORD -> ANSWER -->      a server on loopback answers a request in whose last message is WORD
    <!-- stdin: TEXT -->                what the user types
    <!-- file: NAME -->                 other blocks of the page can import it
    <!-- types: wrong -->               it is not run; the `text` block is what `mypy --strict` says,
                                        and an ellipsis there is what was left out
    <!-- kind: pytest -->               tests: pytest runs them
    <!-- kind: app -->                  a web app; a test of its own serves it
    <!-- kind: cell -->                 a cell of a notebook; a test of its own runs all of them in a kernel
    <!-- kind: skip -->                 it is not run: it needs a key, or a server
    <!-- needs: PACKAGE -->             it runs only where PACKAGE is installed; type checkers do not read it

A `text` block behind a program is what it prints. In a `console` block every line that begins with `$ ` is
run by a shell, and must print the lines behind it.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = [
    "BLOCKS",
    "CHECKED",
    "CONSOLES",
    "CONTINUED",
    "ELSEWHERE",
    "KINDS",
    "PAGES",
    "ROOT",
    "Block",
    "blocks_of",
    "headings_of",
    "links_of",
]

ROOT: Final = Path(__file__).parents[2]

ELSEWHERE: Final = frozenset(
    {
        *("docs/examples.md", "docs/gallery.md", "docs/jobs.md", "docs/scale.md", "docs/serve.md"),
        "docs/web.md",
    }
)
"""Pages whose blocks need servers, data or pictures of their own: each has a test module that runs them."""

CONTINUED: Final = frozenset({"docs/journal.md"})
"""Pages that are one program: each block goes on where the one before ended."""

KINDS: Final = frozenset({"program", "pytest", "app", "cell", "skip"})

_COMMENT: Final = re.compile(r"<!-- (\w+): (.*?) -->\n")
_BLOCK: Final = re.compile(
    rf"^((?:{_COMMENT.pattern})*)```python\n(.*?)^```\n(?:```text\n(.*?)^```\n)?", re.MULTILINE | re.DOTALL
)
_CONSOLE: Final = re.compile(r"^```console\n\$ (.*?)\n(.*?)^```\n", re.MULTILINE | re.DOTALL)
_FENCED: Final = re.compile(r"^```.*?^```\n", re.MULTILINE | re.DOTALL)
_LINK: Final = re.compile(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)")
_COMMENTS: Final = frozenset({"model", "stdin", "file", "types", "kind", "needs"})


@dataclass(frozen=True, slots=True)
class Block:
    """A program of a page, what it must print, and what it needs.

    Attributes:
        page: the file that it stands in, from the root of the project on.
        title: the heading above it.
        file: the file that it is written to.
        code: the program.
        output: what it prints.
        kind: what it is, one of `KINDS`.
        answers: words, and what the scripted server answers to a message that has them.
        said: what the user types.
        needs: a package of others without which it is not run.
        is_wrong: type checkers must refuse it, and it is not run.
    """

    page: str
    title: str
    file: str
    code: str
    output: str
    kind: str
    answers: tuple[tuple[str, str], ...]
    said: str
    needs: str
    is_wrong: bool


def blocks_of(page: str, text: str) -> list[Block]:
    """The Python blocks of a page.

    Args:
        page: the file that it stands in, from the root of the project on.
        text: what the page says.

    Raises:
        ValueError: a comment before a block is none of those above.
    """
    blocks: list[Block] = []
    for match in _BLOCK.finditer(text):
        comments: list[tuple[str, str]] = _COMMENT.findall(match[1])
        first = dict(comments)
        if not first.keys() <= _COMMENTS or first.get("kind", "program") not in KINDS:
            raise ValueError(f"{page}: {match[1]!r} before a block says nothing that is known.")
        answers = [
            (word, answer)
            for kind, said in comments
            if kind == "model"
            for word, answer in [said.split(" -> ")]
        ]
        titles = re.findall(r"^#+ (.*)$", _FENCED.sub("", text[: match.start()]), re.MULTILINE)
        name = page.removeprefix("docs/").removesuffix(".md").lower()
        blocks.append(
            Block(
                page=page,
                title=titles[-1] if titles else page,
                file=first.get("file", f"{re.sub(r'[^a-z0-9]', '_', name)}_{len(blocks)}.py"),
                code=match[4],
                output=match[5] or "",
                kind=first.get("kind", "program"),
                answers=tuple(answers),
                said="".join(said for kind, said in comments if kind == "stdin").replace("\\n", "\n"),
                needs=first.get("needs", ""),
                is_wrong=first.get("types") == "wrong",
            )
        )
    return blocks


def headings_of(text: str) -> set[str]:
    """The anchors of the headings of a page, as GitHub and the site make them."""
    headings = re.findall(r"^#+ (.*)$", _FENCED.sub("", text), re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()).strip() for heading in headings)
    return {heading.replace(" ", "-") for heading in plain}


def links_of(text: str) -> list[tuple[str, str]]:
    """The links of a page to files of the project: the file (empty for the page itself) and the anchor."""
    return _LINK.findall(_FENCED.sub("", text))


def _read(page: Path) -> str:
    return page.read_text(encoding="utf-8")


PAGES: Final = {
    path.relative_to(ROOT).as_posix(): _read(path)
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
}
"""The pages for users -> what they say."""

BLOCKS: Final = [
    block for page, text in PAGES.items() if page not in ELSEWHERE for block in blocks_of(page, text)
]
"""The Python blocks of all pages that no other module runs."""

CHECKED: Final = [
    block
    for block in BLOCKS
    if block.kind in {"program", "app"} and not block.needs and block.page not in CONTINUED
]
"""What type checkers read: `tests/typing/test_wheel.py`."""

CONSOLES: Final[list[tuple[str, str]]] = [
    console for page, text in PAGES.items() if page not in ELSEWHERE for console in _CONSOLE.findall(text)
]
"""Shell commands, and what they print."""
