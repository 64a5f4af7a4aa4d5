"""The checks of the site find what they should, in a small bad site."""

from pathlib import Path

import pytest

from tests.docs_site.checks import breaches_of

PAGE = '<html><body><h1 id="top">Streams</h1><a href="#top">up</a>{}</body></html>'


def site_of(folder: Path, body: str) -> Path:
    """A site of one page, and a reference of a package with one public name."""
    (folder / "kit").mkdir()
    (folder / "kit" / "__init__.py").write_text('__all__ = ["hello"]\n')
    (folder / "site" / "reference").mkdir(parents=True)
    (folder / "site" / "page.html").write_text(PAGE.format(body))
    (folder / "site" / "reference" / "kit.html").write_text('<h2 id="kit.hello">hello</h2>')
    return folder / "site"


def test_a_good_site(tmp_path: Path) -> None:
    """Links to pages, headings, other hosts and mail addresses are fine."""
    body = (
        '<a href="reference/kit.html#kit.hello">hello</a><a href="https://example.org/x.html">other</a>'
        '<a href="mailto:a@example.org">mail</a><script src="data:,"></script><pre>\n```\n</pre>'
        "<table><td>x</td></table><code>\\|</code>"
    )
    assert breaches_of(site_of(tmp_path, body), tmp_path / "kit") == []


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ('<a href="gone.html">x</a>', "<a> leads to gone.html, which is not there"),
        (
            '<a href="reference/kit.html#kit.bye">x</a>',
            "<a> leads to reference/kit.html#kit.bye, where nothing is called kit.bye",
        ),
        ('<script src="https://cdn.example/x.js"></script>', "<script> fetches https://cdn.example/x.js"),
        ('<link href="//fonts.example/css">', "<link> fetches //fonts.example/css from another host"),
        ('<img src="run.svg">', "<img> leads to run.svg, which is not there"),
        ('<pre class="mermaid"></pre>', "mermaid is fetched from another host"),
        ("<p>\n```python app\n</p>", "a fence is shown as text"),
        (
            "<table><td>x</td><td>as <code>a \\| b</code></td></table>",
            "a table shows a backslash; write <code>",
        ),
    ],
)
def test_a_bad_page(tmp_path: Path, body: str, sentence: str) -> None:
    """A link that leads nowhere, what comes from another host, and a broken block are found."""
    (breach,) = breaches_of(site_of(tmp_path, body), tmp_path / "kit")
    assert breach.startswith(f"page.html: {sentence}")


def test_a_name_that_is_not_described(tmp_path: Path) -> None:
    """A public name without a place in the reference is found."""
    site = site_of(tmp_path, "")
    (tmp_path / "kit" / "__init__.py").write_text('__all__ = ["bye", "hello"]\n')
    assert breaches_of(site, tmp_path / "kit") == [
        "reference/kit.html: kit.bye is public, and is not described"
    ]
