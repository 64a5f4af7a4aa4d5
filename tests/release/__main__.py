"""Build the release, install it, and run its tests where no source of the package is."""

import argparse
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import tomllib
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

from tests.release.extras import GIVES, MODULES
from tests.servers.running import environment

__all__ = ["OF_SOURCES", "ROOT", "TRIALS", "Release", "Trying", "build", "main", "surroundings"]

ROOT: Final = Path(__file__).parents[2]
EXTRA: Final = "test"
OF_SOURCES: Final[Mapping[str, str]] = {
    "tests/architecture": "reads the sources of the package, and what they import",
    "tests/browser/test_wheel.py": "builds a wheel of the sources",
    "tests/docs_site": "builds the site, whose reference is read from the sources",
    "tests/quiet": "runs the tests anew, of the sources",
    "tests/typing": "type checkers read the sources, and a wheel that is built of them",
}
"""Tests that need the sources of the package, which are not there, and what for."""

WHERE: Final = "import miniagents; print(miniagents.__file__)"
ELIZA: Final = ("chat", "--model", "eliza", "--no-history")


class BrokenReleaseError(Exception):
    """What was built is not what users should get; the text says what is wrong."""


@dataclass(frozen=True)
class Release:
    """What was built.

    Attributes:
        version: as `pyproject.toml` says.
        wheel: made of the sdist.
        sources: what the sdist has.
    """

    version: str
    wheel: Path
    sources: Path


@dataclass(frozen=True)
class Trying:
    """What each trial needs.

    Attributes:
        release: what is tried.
        uv: the program.
        folder: where environments are made, each in a folder that is named as its trial.
        for_pytest: further words for pytest.
    """

    release: Release
    uv: Path
    folder: Path
    for_pytest: tuple[str, ...]


def main(words: Sequence[str] | None = None) -> int:
    """Try what is chosen; the number of those that failed."""
    said = [*(sys.argv[1:] if words is None else words)]
    end = said.index("--") if "--" in said else len(said)
    parser = argparse.ArgumentParser(
        prog="python -m tests.release", description="The release as users get it."
    )
    parser.add_argument("names", nargs="*", help=f"of {', '.join(TRIALS)}; all by default")
    parser.add_argument("--keep", type=Path, help="the folder where what is built and installed stays")
    given = parser.parse_args(said[:end])
    names: list[str] = given.names or [*TRIALS]
    if unknown := [name for name in names if name not in TRIALS]:
        parser.error(f"{unknown[0]!r} is none of {', '.join(TRIALS)}")
    failed: list[str] = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(given.keep or temporary).absolute()
        tools = environment(folder / "tools", ["twine", "uv"])
        trying = Trying(build(tools, folder / "built"), tools / "uv", folder, tuple(said[end + 1 :]))
        for name in names:
            started = time.perf_counter()
            try:
                TRIALS[name](trying)
            except (BrokenReleaseError, subprocess.CalledProcessError) as error:
                failed.append(name)
                _say(f"{name}: {error}")
            _say(
                f"{name}: {'FAILED' if name in failed else 'ok'} after {time.perf_counter() - started:.0f} s"
            )
    return len(failed)


def build(tools: Path, folder: Path) -> Release:
    """Build the sdist, and the wheel of what the sdist has.

    Args:
        tools: the folder with the programs uv and twine.
        folder: where they are written; what is there is deleted.

    Raises:
        BrokenReleaseError: the wheel has not every file of the package.
        subprocess.CalledProcessError: a package index would not take or show them; twine has printed why.
    """
    shutil.rmtree(folder, ignore_errors=True)
    _run(str(tools / "uv"), "build", "--quiet", "--out-dir", str(folder), str(ROOT), cwd=ROOT)
    (sdist,) = folder.glob("*.tar.gz")
    (wheel,) = folder.glob("*.whl")
    _run(str(tools / "twine"), "check", "--strict", str(sdist), str(wheel), cwd=folder)
    with tarfile.open(sdist) as packed:
        packed.extractall(folder, filter="data")
    sources = folder / sdist.name.removesuffix(".tar.gz")
    lost = _files(ROOT / "miniagents") - set(zipfile.ZipFile(wheel).namelist())
    if lost:
        raise BrokenReleaseError(f"The wheel has not all of the package: {', '.join(sorted(lost))}.")
    # Nothing but the wheel may be what the tests import.
    shutil.rmtree(sources / "miniagents")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return Release(cast("str", project["version"]), wheel, sources)


def _files(package: Path) -> set[str]:
    """What a package has, as a wheel names it."""
    files = (file for file in package.rglob("*") if file.is_file() and "__pycache__" not in file.parts)
    return {file.relative_to(package.parent).as_posix() for file in files}


def _bare(trying: Trying) -> None:
    """The wheel alone: every public module is there or names its extra, and Eliza answers.

    Raises:
        BrokenReleaseError: Eliza does not answer.
    """
    programs = _installed(trying, "bare", str(trying.release.wheel))
    folder = trying.folder / "bare"
    _say(_said(str(programs / "python"), "-c", MODULES, cwd=folder).strip())
    if not _said(str(programs / "miniagents"), *ELIZA, cwd=folder, written="Hello\n").strip():
        raise BrokenReleaseError("Eliza did not answer.")


def _extras(trying: Trying) -> None:
    """Each extra alone gives what the pages say."""
    for extra, program in GIVES.items():
        folder = trying.folder / "extras" / extra
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        packages = f"--with=miniagents[{extra}] @ {trying.release.wheel.as_uri()}"
        alone = ["--quiet", "--isolated", "--no-project", f"--python={sys.executable}"]
        python = [str(trying.uv), "run", *alone, packages, "python"]
        _run(*python, "-c", program, cwd=folder)
        said = _said(*python, "-c", MODULES, extra, cwd=folder)
        _say(f"miniagents[{extra}]: {said.strip()}")


def _pinned(trying: Trying) -> None:
    """The tests, with the versions of the gate."""
    _tests(trying, "pinned", f"--constraint={ROOT / '.ci' / 'constraints.txt'}")


def _lowest(trying: Trying) -> None:
    """The tests, with the lowest versions that `pyproject.toml` allows, and the newest of what these need."""
    pins = trying.folder / "lowest.txt"
    options = ["--quiet", "--resolution=lowest-direct", f"--extra={EXTRA}", f"--python={sys.executable}"]
    project = str(trying.release.sources / "pyproject.toml")
    command = [str(trying.uv), "pip", "compile", *options, f"--output-file={pins}", project]
    _run(*command, cwd=trying.folder)
    _tests(trying, "lowest", f"--constraint={pins}")


def _newest(trying: Trying) -> None:
    """The tests, with the newest versions that `pyproject.toml` allows."""
    _tests(trying, "newest")


def _tests(trying: Trying, name: str, *constraints: str) -> None:
    """Run the tests of the sdist on the wheel.

    Raises:
        subprocess.CalledProcessError: a test failed; pytest has printed which.
    """
    programs = _installed(trying, name, f"{trying.release.wheel}[{EXTRA}]", *constraints)
    left_out = [f"--ignore={path}" for path in OF_SOURCES]
    pytest = [str(programs / "python"), "-m", "pytest", "-p", "no:cacheprovider"]
    _run(*pytest, *left_out, *trying.for_pytest, cwd=trying.release.sources)


def _installed(trying: Trying, name: str, *requirements: str) -> Path:
    """The programs of an environment that has the wheel and what pip installs with it.

    Raises:
        BrokenReleaseError: it is not our wheel that runs there, or another version of it.
        subprocess.CalledProcessError: a program failed, after it said why.
    """
    folder = trying.folder / name
    release = trying.release
    programs = environment(folder, requirements)
    # What was kept may have an earlier wheel.
    pip = [str(programs / "python"), "-m", "pip", "--quiet", "--disable-pip-version-check"]
    _run(*pip, "install", "--no-deps", "--force-reinstall", str(release.wheel), cwd=folder)
    _run(*pip, "check", cwd=folder)
    said = _said(str(programs / "miniagents"), "--version", cwd=folder)
    if said != f"miniagents {release.version}\n":
        raise BrokenReleaseError(
            f"`miniagents --version` says {said!r}, `pyproject.toml` {release.version!r}."
        )
    where = _said(str(programs / "python"), "-c", WHERE, cwd=release.sources).strip()
    if not Path(where).is_relative_to(folder):
        raise BrokenReleaseError(f"The tests would import {where}, which is not the wheel.")
    return programs


TRIALS: Final[Mapping[str, Callable[[Trying], None]]] = {
    "bare": _bare,
    "extras": _extras,
    "pinned": _pinned,
    "lowest": _lowest,
    "newest": _newest,
}
"""What can be tried; if the release is broken, each raises `BrokenReleaseError` or `CalledProcessError`."""


def _run(*command: str, cwd: Path) -> None:
    subprocess.run(command, cwd=cwd, env=surroundings(), check=True)  # noqa: S603 - our own words


def _said(*command: str, cwd: Path, written: str = "") -> str:
    """What a program writes that is told something."""
    done = subprocess.run(  # noqa: S603 - our own words
        command, cwd=cwd, env=surroundings(), input=written, stdout=subprocess.PIPE, text=True, check=True
    )
    return done.stdout


def surroundings() -> dict[str, str]:
    """Ours, without what leads to the sources, to other versions or to a real model."""
    left_out = ("PYTHON", "PIP_CONSTRAINT", "PYTEST_", "MYPYPATH", "OPENAI_", "ANTHROPIC_")
    return {name: value for name, value in os.environ.items() if not name.startswith(left_out)}


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
