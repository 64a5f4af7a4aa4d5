"""The layers: imports point left only. The contracts are in `pyproject.toml`, checked by import-linter.

The small trees that prove that each contract can fail are made of the contracts themselves.
"""

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import TypedDict

import pytest

from tests.architecture.source import PACKAGE, ROOT, plant

LINT = """
import sys
from importlinter.cli import lint_imports
sys.exit(lint_imports(sys.argv[1], no_cache=True, no_logo=True))
"""


class Contract(TypedDict):
    """A contract of import-linter; each kind has some of these."""

    type: str
    layers: list[str]
    source_modules: list[str]
    forbidden_modules: list[str]
    modules: list[str]


def contracts(kind: str) -> list[Contract]:
    """Our contracts of a kind."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    found: list[Contract] = tomllib.loads(text)["tool"]["importlinter"]["contracts"]
    return [each for each in found if each["type"] == kind]


# From the highest to the lowest one; what is on one line may not import each other.
LAYERS = [line.split(" | ") for line in contracts("layers")[0]["layers"]]


def module_in(layer: str, name: str) -> str:
    """The path of a module of a layer, which is a folder or a module itself."""
    is_folder = (ROOT / PACKAGE / layer).is_dir()
    return f"{PACKAGE}/{layer}/{name}.py" if is_folder else f"{PACKAGE}/{layer}.py"


def good() -> dict[str, str]:
    """A tree in which each layer imports the next one below it."""
    files = {module_in(each, "_a"): "import json\n" for each in LAYERS[-1]}
    for above, below in pairwise(LAYERS):
        files |= {module_in(each, "_a"): f"from {PACKAGE}.{below[0]} import x\n" for each in above}
    for contract in contracts("independence"):
        files |= {f"{each.replace('.', '/')}.py": "from ._shared import x\n" for each in contract["modules"]}
        files |= {
            f"{each.rpartition('.')[0].replace('.', '/')}/_shared.py": "" for each in contract["modules"]
        }
    return files


def breaches() -> Iterator[tuple[str, str]]:
    """Pairs of modules of which the first one may not import the second one."""
    for above, below in pairwise(LAYERS):
        yield from ((f"{PACKAGE}.{each}", f"{PACKAGE}.{above[0]}") for each in below)
        yield from ((f"{PACKAGE}.{each}", f"{PACKAGE}.{above[0]}") for each in above[1:])
    for contract in contracts("forbidden"):
        for source in contract["source_modules"]:
            yield from ((source, each) for each in contract["forbidden_modules"])
    for contract in contracts("independence"):
        yield (contract["modules"][0], contract["modules"][1])


def bad() -> dict[str, str]:
    """The good tree with all of these breaches, and a folder that has no layer."""
    files = good() | {f"{PACKAGE}/attic/_a.py": ""}
    for source, target in breaches():
        layer = source.removeprefix(f"{PACKAGE}.")
        file = module_in(layer, "_b") if "." not in layer else f"{source.replace('.', '/')}.py"
        files[file] = f"{files.get(file, '')}import {target}\n"
    return files


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


def test_layers() -> None:
    """The package keeps its contracts."""
    result = lint(ROOT)
    if result.returncode:
        pytest.fail(result.stdout + result.stderr, pytrace=False)


def test_good_layers_pass(tmp_path: Path) -> None:
    """A tree that imports to the left keeps all contracts."""
    result = lint(plant(tmp_path, good()))
    assert result.returncode == 0, result.stdout


def test_layers_can_fail(tmp_path: Path) -> None:
    """Each breach is named, and so is a folder that has no layer."""
    result = lint(plant(tmp_path, bad()))
    named = re.findall(r"^(\S+) is not allowed to import (\S+):$", result.stdout, re.MULTILINE)
    expected = set(breaches())
    assert len(expected) > len(LAYERS)
    assert set(named) == expected
    assert "not listed as layers:\n\n- miniagents.attic" in result.stdout
    assert result.returncode == 1
