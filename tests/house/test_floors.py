"""The floors: imports point left only. The contracts are in `pyproject.toml`, checked by import-linter."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.source import ROOT, plant

LINT = """
import sys
from importlinter.cli import lint_imports
sys.exit(lint_imports(sys.argv[1], no_cache=True, no_logo=True))
"""

GOOD = {
    "__main__.py": "from miniagents.cli import main\n",
    "miniagents.py": "from miniagents.agents import x\n",
    "messages.py": "from miniagents.core import x\n",
    "utils.py": "from miniagents.operators import x\n",
    "errors.py": "from miniagents.models import x\n",
    "parts.py": "from miniagents.values import x\n",
    "tools.py": "from miniagents.models import x\n",
    "types.py": "from miniagents.models import x\n",
    "_lazy_names.py": "import importlib\n",
    "values/_a.py": "import json\n",
    "streams/_a.py": "import asyncio\nimport reactivex\nfrom miniagents.values import x\n",
    "promising/_a.py": "from miniagents.core import x\n",
    "operators/_a.py": "import reactivex\nfrom miniagents.core import x\n",
    "agents/_a.py": "import asyncio\nfrom miniagents.operators import x\n",
    "models/_a.py": "from miniagents.agents import x\n",
    "ext/_a.py": "from miniagents.models import x\n",
    "ext/llm/openai.py": "from ._parts import x\n",
    "ext/llm/anthropic.py": "from ._parts import x\n",
    "ext/llm/_parts.py": "from miniagents.agents import x\n",
    "testing/_a.py": "from miniagents.models import x\n",
    "cli/_a.py": "from miniagents.ext import x\n",
}

BAD = {
    "values/_a.py": "import asyncio\nimport reactivex\nfrom miniagents.core import x\n",
    "streams/_a.py": "from miniagents.core import x\n",
    "promising/_a.py": "from miniagents.operators import x\n",
    "operators/_a.py": "import asyncio\nfrom miniagents.agents import x\n",
    "agents/_a.py": "from miniagents.utils import x\n",
    "models/_a.py": "from miniagents.ext import x\n",
    "ext/_a.py": "from miniagents.testing import x\n",
    "testing/_a.py": "from miniagents.ext import x\n",
    "utils.py": "from miniagents.ext import x\n",
    "ext/_b.py": "from miniagents.cli import x\n",
    "ext/llm/openai.py": "from .anthropic import x\n",
    "attic/_a.py": "",
}

BREACHES = {
    ("values", "streams"),
    ("values", "asyncio"),
    ("values", "reactivex"),
    ("streams", "promising"),
    ("promising", "operators"),
    ("operators", "agents"),
    ("operators", "asyncio"),
    ("agents", "utils"),
    ("models", "ext"),
    ("ext", "testing"),
    ("ext", "cli"),
    ("ext.llm.openai", "ext.llm.anthropic"),
    ("testing", "ext"),
    ("utils", "ext"),
}


def lint(root: Path) -> subprocess.CompletedProcess[str]:
    """Check the tree under the root against our contracts, in a process that finds no other `miniagents`."""
    environment = {**os.environ, "PYTHONPATH": str(root), "COLUMNS": "200"}
    return subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-c", LINT, str(ROOT / "pyproject.toml")],
        cwd=root,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_floors() -> None:
    """The house keeps its contracts."""
    result = lint(ROOT)
    if result.returncode:
        pytest.fail(result.stdout + result.stderr, pytrace=False)


def test_good_floors_pass(tmp_path: Path) -> None:
    """A tree that imports to the left keeps all contracts."""
    result = lint(plant(tmp_path, {f"miniagents/{name}": text for name, text in GOOD.items()}))
    assert result.returncode == 0, result.stdout


def test_floors_can_fail(tmp_path: Path) -> None:
    """Each breach is named, and so is a folder that has no floor."""
    result = lint(plant(tmp_path, {f"miniagents/{name}": text for name, text in (GOOD | BAD).items()}))
    named = re.findall(
        r"^miniagents\.(\S+) is not allowed to import (?:miniagents\.)?(\S+):$", result.stdout, re.MULTILINE
    )
    assert set(named) == BREACHES
    assert "not listed as layers:\n\n- miniagents.attic" in result.stdout
    assert result.returncode == 1
