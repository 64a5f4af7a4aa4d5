"""Runs the cells of a notebook in a real kernel of Jupyter.

::

    python -m tests.support.notebooks examples/notebook.ipynb     # what its cells show is written into it
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final, TypeAlias, cast

__all__ = ["Output", "code_of", "read_notebook", "run_cells", "text_of"]

Output: TypeAlias = dict[str, Any]
"""What a cell shows, as notebooks store it."""

_ROOT: Final = Path(__file__).parents[2]
_PROGRAM: Final = """
import asyncio, json, sys
from jupyter_client.manager import start_new_async_kernel

async def main(cells):
    manager, client = await start_new_async_kernel(kernel_name="python3")
    shown = []
    try:
        for cell in cells:
            outputs = []
            def hook(message):
                kind, content = message["msg_type"], message["content"]
                if kind == "stream" and outputs and outputs[-1].get("name") == content["name"]:
                    outputs[-1]["text"] += content["text"]
                elif kind in ("stream", "error", "display_data", "execute_result"):
                    content.pop("transient", None)
                    outputs.append({"output_type": kind, **content})
            running = client.execute_interactive(cell, output_hook=hook, timeout=60, store_history=True)
            if cell.startswith("# interrupt"):
                running = asyncio.ensure_future(running)
                while "ready" not in str(outputs):
                    await asyncio.sleep(0.01)
                await manager.interrupt_kernel()
            await running
            shown.append(outputs)
    finally:
        client.stop_channels()
        await manager.shutdown_kernel()
    print(json.dumps(shown))

asyncio.run(main(json.loads(sys.argv[1])))
"""


def run_cells(folder: Path, *cells: str) -> list[list[Output]]:
    """What each cell of a notebook shows, run one after the other in a kernel that has no key of a model.

    Args:
        folder: for what the kernel writes; the cells run there.
        *cells: their code. One that begins with `# interrupt` is interrupted when it has printed `ready`.
    """
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "TMPDIR"}}
    folders = {f"JUPYTER_{each}_DIR": str(folder / each) for each in ("RUNTIME", "CONFIG", "DATA")}
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", _PROGRAM, json.dumps(cells)],
        cwd=folder,
        env=kept | folders | {"PYTHONPATH": str(_ROOT), "IPYTHONDIR": str(folder / "ipython")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return cast("list[list[Output]]", json.loads(done.stdout))


def text_of(outputs: list[Output]) -> str:
    """What outputs say in characters."""
    said = ""
    for output in outputs:
        if output["output_type"] == "stream":
            said += output["text"]
        elif output["output_type"] == "error":
            said += f"{output['ename']}: {output['evalue']}"
        else:
            said += output["data"]["text/plain"]
    return said


def read_notebook(path: Path) -> dict[str, Any]:
    """A notebook, as its file has it."""
    return cast("dict[str, Any]", json.loads(path.read_text(encoding="utf-8")))


def code_of(notebook: dict[str, Any]) -> list[dict[str, Any]]:
    """The cells of a notebook that are code."""
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def _write_outputs(path: Path) -> None:
    notebook = read_notebook(path)
    cells = code_of(notebook)
    with tempfile.TemporaryDirectory() as folder:
        shown = run_cells(Path(folder), *("".join(cell["source"]) for cell in cells))
    for number, (cell, outputs) in enumerate(zip(cells, shown, strict=True), 1):
        cell["execution_count"] = number
        cell["outputs"] = outputs
    path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    _write_outputs(Path(sys.argv[1]))
