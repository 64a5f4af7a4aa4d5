"""What an extra brings is not there: the error says what to install.

`python -m tests.release bare` tries it in an environment that has no extra at all.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.release.extras import MODULES

ROOT = Path(__file__).parents[1]
NEEDED = [
    ("miniagents.ext.mcp", "anyio", "mcp"),
    ("miniagents.ext.otel", "opentelemetry", "otel"),
    ("miniagents.ext.web", "starlette", "web"),
    ("miniagents.cli._server", "starlette", "web"),
    ("miniagents.cli._server", "uvicorn", "web"),
]
PROGRAM = f"""
import importlib, sys
for module, package, _ in {NEEDED!r}:
    sys.modules[package] = None
    try:
        importlib.import_module(module)
    except ImportError as error:
        print(error)
    for name in [name for name in sys.modules if name.startswith(("miniagents", package))]:
        del sys.modules[name]
"""


# What the extras bring, as far as a public module imports it.
BROUGHT = (
    *("aiohttp", "anthropic", "anyio", "genai_prices", "httpx2", "jsonschema", "mcp", "mcp_types", "openai"),
    *("opentelemetry", "prompt_toolkit", "psycopg", "pyarrow", "ray", "rich", "starlette", "uvicorn"),
)


@pytest.mark.gate("starts an interpreter")
def test_each_public_module_names_its_extra() -> None:
    """Without any extra, each public module can be imported, or says which line of pip it needs."""
    hidden = f"import sys\nfor name in {BROUGHT!r}:\n    sys.modules[name] = None\n"
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", hidden + MODULES], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (0, "") == (done.returncode, done.stderr)


@pytest.mark.gate("imports what the extras bring in a process of its own")
def test_a_module_names_its_extra() -> None:
    """A module whose package is missing says which line of pip brings it."""
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True, check=False
    )
    said = done.stdout.splitlines()
    assert len(NEEDED) == len(said), done.stderr
    for line, (_, _, extra) in zip(said, NEEDED, strict=True):
        assert line.endswith(f"not installed; pip install 'miniagents[{extra}]'")
