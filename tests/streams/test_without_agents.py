"""The streams serve programs that have no agent."""

import subprocess
import sys

import pytest

LOOK = """
import sys
import {module}
layers = {{name.split(".")[1] for name in sys.modules if name.startswith("miniagents.")}}
print(sorted(layers - {{"_lazy_names"}}))
"""


@pytest.mark.gate("starts an interpreter")
@pytest.mark.parametrize(
    ("module", "layers"),
    [
        ("miniagents.streams", ["streams", "values"]),
        ("miniagents.operators", ["messages", "operators", "streams", "values"]),
    ],
)
def test_no_agent_is_imported(module: str, layers: list[str]) -> None:
    """In a fresh process, importing the streams or the operators imports no agent and no provider."""
    command = [sys.executable, "-c", LOOK.format(module=module)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - our own
    assert repr(layers) == done.stdout.strip()
