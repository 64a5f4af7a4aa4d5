"""The types of the wheel, with its stubs beside it, are those of the sources.

Each checker runs once: to read what is imported takes most of its time.
"""

import json
import os
import re
import subprocess
import sys
import sysconfig
import venv
from dataclasses import dataclass
from pathlib import Path
from shutil import copytree, ignore_patterns

import pytest

from tests.support.docs_pages import BLOCKS, CHECKED
from tests.typing.checkers import ROOT, TIMEOUT, Found, corpus, files, settings
from tests.typing.test_messages import CONSEQUENCE, bare, compare

pytestmark = [
    pytest.mark.gate("pip builds a wheel, mypy and pyright read with it what users write"),
    pytest.mark.loop(timeout=TIMEOUT),
]

MISTAKES = "mistakes/messages.py"
# The programs of the pages are checked as they are, and by the settings that users have.
OF_USERS = """
[mypy-{modules}]
warn_unreachable = False
disable_error_code = ignore-without-code, redundant-expr, truthy-bool, possibly-undefined, explicit-override
"""
PROJECT = {
    "include": ["tests/typing", "mistakes", "programs"],
    "pythonVersion": "3.11",
    "typeCheckingMode": "strict",
    "reportImplicitOverride": "error",
    "reportUnnecessaryTypeIgnoreComment": "error",
    "executionEnvironments": [
        {"root": "programs", "reportImplicitOverride": "none", "reportUnnecessaryTypeIgnoreComment": "none"},
        {"root": "."},
    ],
}


@dataclass(frozen=True)
class Said:
    """What the checkers say.

    Attributes:
        mypy: its lines.
        pyright: what it found.
    """

    mypy: list[str]
    pyright: Found


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> Said:
    """What they say of the corpus, of likely mistakes, and of the programs of the pages."""
    folder = tmp_path_factory.mktemp("wheel")
    programs = _with_the_wheel(folder)
    copytree(ROOT / "tests", folder / "tests", ignore=ignore_patterns("__pycache__"))
    for name, text in {MISTAKES: bare(), **{f"programs/{each.file}": each.code for each in CHECKED}}.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    modules = ",".join(each.file.removesuffix(".py") for each in CHECKED)
    config = settings().replace("[mypy]", "[mypy]\nmypy_path = programs", 1) + OF_USERS.format(
        modules=modules
    )
    (folder / "mypy.ini").write_text(config, encoding="utf-8")
    (folder / "pyrightconfig.json").write_text(json.dumps(PROJECT), encoding="utf-8")

    where = "import miniagents; print(miniagents.__file__)"
    assert str(folder) in _run(folder, str(programs / "python"), "-c", where)
    read = [*corpus(), MISTAKES, *(f"programs/{each.file}" for each in CHECKED)]
    mypy, pyright = _at_once(
        [sys.executable, "-m", "mypy", f"--python-executable={programs / 'python'}", *read],
        [sys.executable, "-m", "pyright", f"--pythonpath={programs / 'python'}", "--outputjson"],
        folder=folder,
    )
    assert mypy.endswith(f"(checked {len(read)} source files)\n"), mypy
    found = Found.read(pyright)
    assert len(files()) + 1 + len(CHECKED) == found.files
    return Said(mypy.splitlines()[:-1], found)


def test_the_corpus_holds_for_a_wheel(said: Said) -> None:
    """Where no sources are, only the wheel, mypy and pyright see what the corpus says, pyright everywhere."""
    assert [] == [line for line in said.mypy if not line.startswith(("mistakes/", "programs/"))]
    ours = [line for line in said.pyright.complaints if not re.search(r"/(mistakes|programs)/\w+\.py:", line)]
    assert ours == []


def test_mypy_says_what_is_recorded(said: Said) -> None:
    """The first line of mypy is the one that stands above each likely mistake."""
    found = [re.fullmatch(rf"{MISTAKES}:(\d+): error: (.*?)  \[[\w-]+\]", line) for line in said.mypy]
    compare("mypy", [(int(each[1]), each[2]) for each in found if each])


def test_pyright_says_what_is_recorded(said: Said) -> None:
    """The same of pyright."""
    lines = "\n".join(said.pyright.complaints)
    found = re.findall(rf"/{MISTAKES}:(\d+): error: (.*)", lines)
    compare("pyright", [(int(line), text) for line, text in found if not CONSEQUENCE.fullmatch(text)])


def test_mypy_reads_the_pages(said: Said) -> None:
    """Every program of a page passes `mypy --strict`; of the wrong ones it says what stands behind them."""
    expected = "".join(block.output for block in BLOCKS if block.is_wrong)
    lines = [line.removeprefix("programs/") for line in said.mypy if line.startswith("programs/")]
    errors = "".join(f"{line}\n" for line in lines if ": error: " in line)
    assert re.fullmatch(re.escape(expected).replace("…", ".+"), errors), errors


def test_pyright_reads_the_pages(said: Said) -> None:
    """Every program of a page passes pyright, strict; it finds mistakes in the lines where mypy does."""
    lines = [block.output.splitlines() for block in BLOCKS if block.is_wrong]
    expected = {tuple(line.split(":")[:2]) for output in lines for line in output}
    found = re.findall(r"/programs/(\w+\.py):(\d+): error: ", "\n".join(said.pyright.complaints))
    assert expected == {*found}, said.pyright.complaints


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
