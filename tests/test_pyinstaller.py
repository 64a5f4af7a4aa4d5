"""A13: what PyInstaller is told about the package. No program is built here: that takes a minute."""

import runpy
import tomllib
from importlib.util import find_spec
from pathlib import Path
from typing import cast

import miniagents
from miniagents._pyinstaller import hook_folders

PACKAGE = Path(miniagents.__file__).parent
ROOT = PACKAGE.parent


def hook(module: str) -> dict[str, object]:
    """What a hook says."""
    (folder,) = hook_folders()
    return runpy.run_path(str(Path(folder) / f"hook-{module}.py"))


def test_files_with_data() -> None:
    """Every file of the package that is no code goes to where the package looks for it."""
    datas = cast("list[tuple[str, str]]", hook("miniagents")["datas"])
    files = {file for file in PACKAGE.rglob("*.*") if file.suffix not in {".py", ".pyc", ".typed"}}
    assert files == {Path(file) for file, _ in datas}
    assert {PACKAGE / "ext/eliza/script.toml", PACKAGE / "ext/_timeline/hover.js"} <= files
    assert [str(Path(file).parent.relative_to(ROOT)) for file, _ in datas] == [folder for _, folder in datas]


def test_modules_imported_by_name() -> None:
    """The commands and the providers, which are imported by their names, are there."""
    found = cast("list[str]", hook("miniagents.cli")["hiddenimports"])
    assert {"miniagents.cli._main", "miniagents.cli._serve", "miniagents.ext.llm.anthropic"} <= set(found)
    assert [name for name in found if name.startswith("miniagents.") and find_spec(name) is None] == []


def test_pyinstaller_finds_them() -> None:
    """The entry point names the function."""
    file = Path(__file__).parents[1] / "pyproject.toml"  # a wheel has none
    project = tomllib.loads(file.read_text(encoding="utf-8"))["project"]
    named = project["entry-points"]["pyinstaller40"]["hook-dirs"]
    assert named == f"{hook_folders.__module__}:{hook_folders.__name__}"
