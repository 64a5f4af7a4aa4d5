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

from tests.servers.running import environment

__all__ = ["OF_SOURCES", "ROOT", "TRIALS", "Release", "build", "main", "surroundings"]

ROOT: Final = Path(__file__).parents[2]
EXTRA: Final = "test"
OF_SOURCES: Final = (
    "tests/architecture",
    "tests/docs_site",
    "tests/mutations",
    "tests/quiet",
    "tests/typing",
)
"""Tests that read or change the sources, which are not there."""

# Without the extras: each public module is there, or says what to install.
MODULES: Final = """
import importlib, pkgutil, miniagents
told = there = 0
for found in pkgutil.walk_packages(miniagents.__path__, "miniagents.", onerror=lambda name: None):
    if any(part.startswith("_") for part in found.name.split(".")):
        continue
    try:
        importlib.import_module(found.name)
        there += 1
    except ImportError as error:
        assert "pip install" in str(error), f"{found.name}: {error}"
        told += 1
assert there and told, (there, told)
for name in miniagents.__all__:
    getattr(miniagents, name)
print(f"{there} public modules are there, {told} name the extra that they need")
"""


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
        uv = environment(folder / "uv", ["uv"]) / "uv"
        release = build(uv, folder / "built")
        for name in names:
            started = time.perf_counter()
            try:
                _try(name, release, uv, folder / name, said[end + 1 :])
            except (BrokenReleaseError, subprocess.CalledProcessError) as error:
                failed.append(name)
                _say(f"{name}: {error}")
            _say(
                f"{name}: {'FAILED' if name in failed else 'ok'} after {time.perf_counter() - started:.0f} s"
            )
    return len(failed)


def build(uv: Path, folder: Path) -> Release:
    """Build the sdist, and the wheel of what the sdist has.

    Args:
        uv: the program.
        folder: where they are written; what is there is deleted.

    Raises:
        BrokenReleaseError: the wheel has not every file of the package.
    """
    shutil.rmtree(folder, ignore_errors=True)
    _run(str(uv), "build", "--quiet", "--out-dir", str(folder), str(ROOT), cwd=ROOT)
    (sdist,) = folder.glob("*.tar.gz")
    (wheel,) = folder.glob("*.whl")
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


def _try(name: str, release: Release, uv: Path, folder: Path, for_pytest: Sequence[str]) -> None:
    """Install the wheel and try it, in an environment of its own.

    Raises:
        BrokenReleaseError: it does not do what it should; the text says what.
        subprocess.CalledProcessError: a program failed, after it said why.
    """
    programs = environment(folder, TRIALS[name](release, uv, release.wheel.parent))
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
    if name == "bare":
        _say(_said(str(programs / "python"), "-c", MODULES, cwd=folder).strip())
        answer = _said(str(programs / "miniagents"), *ELIZA, cwd=folder, written="Hello\n")
        if not answer.strip():
            raise BrokenReleaseError("Eliza did not answer.")
        return
    left_out = [f"--ignore={path}" for path in OF_SOURCES]
    _run(
        str(programs / "python"),
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        *left_out,
        *for_pytest,
        cwd=release.sources,
    )


def _lowest(release: Release, uv: Path, folder: Path) -> list[str]:
    """The lowest versions of what `pyproject.toml` names, the newest of what these depend on."""
    pins = folder / "lowest.txt"
    options = ["--quiet", "--resolution=lowest-direct", f"--extra={EXTRA}", f"--python={sys.executable}"]
    _run(
        str(uv),
        "pip",
        "compile",
        *options,
        f"--output-file={pins}",
        str(release.sources / "pyproject.toml"),
        cwd=folder,
    )
    return [*_newest(release, uv, folder), f"--constraint={pins}"]


def _newest(release: Release, uv: Path, folder: Path) -> list[str]:
    return [f"{release.wheel}[{EXTRA}]"]


def _pinned(release: Release, uv: Path, folder: Path) -> list[str]:
    return [*_newest(release, uv, folder), f"--constraint={ROOT / '.ci' / 'constraints.txt'}"]


def _bare(release: Release, uv: Path, folder: Path) -> list[str]:
    return [str(release.wheel)]


TRIALS: Final[Mapping[str, Callable[[Release, Path, Path], list[str]]]] = {
    "bare": _bare,
    "pinned": _pinned,
    "lowest": _lowest,
    "newest": _newest,
}
"""What pip installs for each; the arguments are what was built, the program uv and a folder for files."""


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
