"""The checks of the site that was built, in addition to those of the generator.

* Every link to the site itself leads to a file that is there, and to an element of it.
* Nothing is fetched from another host: no script, style, font or picture.
* Every public name has its place in the reference.
* No fence of a block of code is shown as text, and no backslash before the bar in a table.
"""

import ast
import re
from collections.abc import Iterator, Sequence
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from typing_extensions import override

__all__ = ["breaches_of"]

_NOT_READ: Final = frozenset({"pre", "script", "style"})
"""Elements in which three ticks are no mistake."""

_ROOT: Final = Path(__file__).parents[2]
_FETCHED: Final = frozenset({"img", "link", "script", "source", "iframe", "video", "audio"})


class _Page(HTMLParser):
    """What a page links to, fetches, and can be linked to.

    Attributes:
        links: the addresses that it links to or fetches, with the name of the element.
        ids: the elements that can be linked to.
        text: what is read.
    """

    def __init__(self, html: str) -> None:
        super().__init__()
        self.links: list[tuple[str, str]] = []
        self.ids: set[str] = set()
        self.text: list[str] = []
        self._hidden = 0
        self.feed(html)

    @override
    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        """Keep its addresses and its id."""
        for name, value in attrs:
            if name == "id" and value:
                self.ids.add(value)
            elif name in {"href", "src"} and value:
                self.links.append((tag, value))
        self._hidden += tag in _NOT_READ

    @override
    def handle_endtag(self, tag: str) -> None:
        """Read on behind a script."""
        self._hidden -= tag in _NOT_READ

    @override
    def handle_data(self, data: str) -> None:
        """Keep what is read."""
        if not self._hidden:
            self.text.append(data)


@cache
def _page(path: Path) -> _Page:
    return _Page(path.read_text(encoding="utf-8"))


def breaches_of(site: Path, package: Path = _ROOT / "miniagents") -> list[str]:
    """A sentence for each breach of the checks.

    Args:
        site: the folder with the site.
        package: the folder of the package whose public names the reference must have.
    """
    found: list[str] = []
    for path in sorted(site.rglob("*.html")):
        if path.name == "404.html":  # its addresses are those of the server that shows it
            continue
        name = path.relative_to(site).as_posix()
        found += [f"{name}: {problem}" for problem in _bad_links(path)]
        html = path.read_text(encoding="utf-8")
        if re.search(r"<td[^>]*>(?:(?!</td>).)*\\\|", html, re.DOTALL):
            found.append(f"{name}: a table shows a backslash; write <code>a &#124; b</code>")
        if 'class="mermaid"' in html:
            found.append(f"{name}: mermaid is fetched from another host; draw the diagram as SVG")
        if re.search(r"^```", "".join(_page(path).text), re.MULTILINE):
            found.append(f"{name}: a fence is shown as text, and no block of code")
    return found + list(_missing_names(site / "reference", package))


def _bad_links(path: Path) -> Iterator[str]:
    for tag, link in _page(path).links:
        parts = urlsplit(link)
        if parts.scheme in {"http", "https"} or parts.netloc:
            if tag in _FETCHED:
                yield f"<{tag}> fetches {link} from another host"
            continue
        if parts.scheme:  # mailto:, data:
            continue
        target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
        target = target / "index.html" if target.is_dir() else target
        if not target.exists():
            yield f"<{tag}> leads to {link}, which is not there"
        elif parts.fragment and target.suffix == ".html" and not _has(target, unquote(parts.fragment)):
            yield f"<{tag}> leads to {link}, where nothing is called {parts.fragment}"


def _has(target: Path, fragment: str) -> bool:
    return fragment in _page(target).ids or fragment.startswith("__")  # the theme's own switches


def _missing_names(reference: Path, package: Path) -> Iterator[str]:
    for page in sorted(reference.glob(f"{package.name}*.html")):
        module = page.stem
        for name in _names_of(package.parent.joinpath(*module.split("."))):
            if f"{module}.{name}" not in _page(page).ids:
                yield f"reference/{page.name}: {module}.{name} is public, and is not described"


def _names_of(module: Path) -> list[str]:
    """What a module lists in `__all__`."""
    path = module / "__init__.py" if module.is_dir() else module.with_suffix(".py")
    for statement in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "__all__":
            names: list[str] = ast.literal_eval(statement.value)
            return names
    return []
