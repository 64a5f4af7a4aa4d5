"""The notebook shows what is stored in it, in a real kernel without a key."""

from pathlib import Path

import pytest

from tests.support.notebooks import Output, code_of, read_notebook, run_cells

NOTEBOOK = Path(__file__).parents[2] / "examples" / "notebook.ipynb"


def texts_of(outputs: list[Output]) -> list[object]:
    """What is the same each time: texts, and the kinds of what is drawn."""
    return [output["text"] if "text" in output else sorted(output["data"]) for output in outputs]


@pytest.mark.gate("starts a kernel of Jupyter")
def test_the_notebook(tmp_path: Path) -> None:
    """Its cells show what it says they do; `python -m tests.support.notebooks FILE` writes that into it.

    The first cell may run again.
    """
    cells = code_of(read_notebook(NOTEBOOK))
    first, *others = ["".join(cell["source"]) for cell in cells]
    shown = run_cells(tmp_path, first, first, *others)
    stored = [texts_of(cell["outputs"]) for cell in cells]
    assert [texts_of(outputs) for outputs in shown] == [stored[0], *stored]
    assert stored[-2] == [["image/svg+xml", "text/plain"]]
