"""The types of the wheel, with its stubs beside it, are those of the sources."""

import json
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path
from shutil import copytree, ignore_patterns

import pytest

from tests.typing.checkers import ROOT, TIMEOUT, Found, corpus, files, settings

pytestmark = [
    pytest.mark.gate("pip builds a wheel, mypy and pyright read the corpus with it"),
    pytest.mark.loop(timeout=TIMEOUT),
]

PROJECT = {
    "include": ["tests/typing"],
    "pythonVersion": "3.11",
    "typeCheckingMode": "strict",
    "reportImplicitOverride": "error",
    "reportUnnecessaryTypeIgnoreComment": "error",
}


def test_the_corpus_holds_for_a_wheel(tmp_path: Path) -> None:
    """Where no sources are, only the wheel, mypy and pyright see what the corpus says, pyright everywhere."""
    programs = _with_the_wheel(tmp_path)
    copytree(ROOT / "tests", tmp_path / "tests", ignore=ignore_patterns("__pycache__"))
    (tmp_path / "mypy.ini").write_text(settings(), encoding="utf-8")
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(PROJECT), encoding="utf-8")

    where = "import miniagents; print(miniagents.__file__)"
    assert str(tmp_path) in _run(tmp_path, str(programs / "python"), "-c", where)
    mypy, pyright = _at_once(
        [sys.executable, "-m", "mypy", f"--python-executable={programs / 'python'}", *corpus()],
        [sys.executable, "-m", "pyright", f"--pythonpath={programs / 'python'}", "--outputjson"],
        folder=tmp_path,
    )
    assert f"Success: no issues found in {len(corpus())} source files\n" == mypy
    found = Found.read(pyright)
    assert found.complaints == []
    assert found.files == len(files())


def _with_the_wheel(folder: Path) -> Path:
    """The programs of an environment that has the wheel, and what it depends on from our own environment."""
    pip = [sys.executable, "-m", "pip", "--quiet"]
    _run(ROOT, *pip, "wheel", "--no-deps", f"--wheel-dir={folder}", str(ROOT))
    (wheel,) = folder.glob("miniagents-*.whl")
    programs = folder / "environment" / "bin"
    venv.create(folder / "environment", with_pip=False)
    _run(folder, *pip, f"--python={programs / 'python'}", "install", "--no-deps", str(wheel))
    (packages,) = folder.glob("environment/lib/*/site-packages")
    # A path file in a folder that is named by a path file is not read: our editable install stays out.
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    return programs


def _at_once(*commands: list[str], folder: Path) -> list[str]:
    """What programs write that run at the same time."""
    started = [
        subprocess.Popen(command, cwd=folder, env=_surroundings(), stdout=subprocess.PIPE, text=True)  # noqa: S603 - our own words
        for command in commands
    ]
    return [each.communicate()[0] for each in started]


def _run(folder: Path, *command: str) -> str:
    done = subprocess.run(  # noqa: S603 - our own words
        command, cwd=folder, env=_surroundings(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _surroundings() -> dict[str, str]:
    """Ours, without what leads to the sources."""
    ours = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "MYPYPATH"}}
    return {**ours, "MYPY_CACHE_DIR": os.devnull}
