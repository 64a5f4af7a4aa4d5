"""Crosses modules: the pictures of the gallery are made from real runs."""

import pytest

from tests.gallery.diagrams import DIAGRAMS
from tests.gallery.page import DOCS, files
from tests.gallery.runs import RUNS


@pytest.mark.loop(fifo=True)
@pytest.mark.no_eager_tasks("what begins at one moment begins in another order, and so do its lanes")
def test_up_to_date() -> None:
    """The two pages and each picture are what the runs draw today; `python -m tests.gallery` writes them."""
    wanted = files()
    assert sorted(name for name in wanted if name.endswith(".svg")) == sorted(
        path.relative_to(DOCS).as_posix()
        for folder in ("diagrams", "gallery")
        for path in (DOCS / folder).iterdir()
    )
    stale = [name for name, text in wanted.items() if (DOCS / name).read_text(encoding="utf-8") != text]
    assert stale == [], "python -m tests.gallery writes them anew"
    assert len(wanted) == 2 + len(RUNS) + len(DIAGRAMS)
