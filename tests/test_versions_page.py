"""What is said of versions, on the page and in the changelog, is what `pyproject.toml` says."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = cast("Mapping[str, object]", tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"])
PAGE = (ROOT / "docs" / "versions.md").read_text(encoding="utf-8")
NOT_OF_USERS = {"all", "bench", "browser", "docs", "test"}
"""Extras that bring no package of their own, or are for who develops the library."""


def test_the_table_of_packages() -> None:
    """The page has every package of every extra with its range, in their order."""
    extras = cast("Mapping[str, Sequence[str]]", PROJECT["optional-dependencies"])
    assert set(extras) >= NOT_OF_USERS
    brought = {"none": cast("Sequence[str]", PROJECT["dependencies"]), **extras}
    expected = [
        (extra, *_named(requirement))
        for extra in brought
        if extra not in NOT_OF_USERS
        for requirement in _brought(extra, brought)
    ]
    assert expected == re.findall(r"^\| ([\w]+) \| ([\w-]+) \| `(.+)` \|$", PAGE, re.MULTILINE)


def test_the_table_of_pythons() -> None:
    """The versions of Python on the page are those of the classifiers, and the nightly run tries each."""
    classifiers = cast("Sequence[str]", PROJECT["classifiers"])
    expected = [found[1] for each in classifiers if (found := re.search(r":: (3\.\d+)$", each))]
    assert expected == re.findall(r"^\| (3\.\d+) \|", PAGE, re.MULTILINE)
    assert f">={expected[0]}" == PROJECT["requires-python"]
    nightly = (ROOT / ".ci" / "nightly").read_text(encoding="utf-8")
    assert f"PYTHONS:-{' '.join(f'python{each}' for each in expected)}}}" in nightly
    assert "\\$python -m tests.release -- -m 'gate or not gate'" in nightly


def test_the_changelog_has_the_version() -> None:
    """The first heading with a day in the changelog is that of the version in `pyproject.toml`."""
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    (newest, *_) = re.findall(r"^## \[([\d.]+)\] - \d{4}-\d\d-\d\d$", changelog, re.MULTILINE)
    assert PROJECT["version"] == newest


def test_each_lower_bound_is_there() -> None:
    """Every package that `pyproject.toml` names has a lowest version: there is something to try."""
    extras = cast("Mapping[str, Sequence[str]]", PROJECT["optional-dependencies"])
    named = [
        *cast("Sequence[str]", PROJECT["dependencies"]),
        *(one for some in extras.values() for one in some),
    ]
    assert [] == [each for each in named if ">=" not in each and not each.startswith("miniagents[")]


@pytest.mark.parametrize("name", ["SECURITY.md", "CHANGELOG.md"])
def test_who_leads_to_the_page(name: str) -> None:
    """The pages that say which versions get fixes lead to the one that says all of it."""
    assert "(docs/versions.md)" in (ROOT / name).read_text(encoding="utf-8")


def _brought(extra: str, brought: Mapping[str, Sequence[str]]) -> list[str]:
    """What an extra brings, with what the extras bring that it names."""
    found: list[str] = []
    for requirement in brought[extra]:
        named = re.fullmatch(r"miniagents\[(\w+)\]", requirement)
        found += _brought(named[1], brought) if named else [requirement]
    return found


def _named(requirement: str) -> tuple[str, str]:
    """The package and its range."""
    found = re.fullmatch(r"([\w-]+)(\S+)", requirement.partition(";")[0].strip())
    assert found
    return found[1], found[2]
