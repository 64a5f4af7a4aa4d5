"""The corpus says much of types, and everything public has one.

The step `mypy` checks the corpus with the plugin of pydantic; `test_wheel.py` without it, and by pyright.
"""

import ast
import json
import re
from collections.abc import Mapping, Sequence
from typing import TypedDict

import pytest

from tests.typing.checkers import ROOT, TIMEOUT, corpus, run

pytestmark = pytest.mark.loop(timeout=TIMEOUT)

REFUSED = re.compile(r"# type: ignore\[")
GAPS = "rx_gaps.py"


class _Said(TypedDict):
    message: str


class _Symbol(TypedDict):
    name: str
    isTypeKnown: bool
    diagnostics: Sequence[_Said]


class _Completeness(TypedDict):
    completenessScore: float
    exportedSymbolCounts: Mapping[str, int]
    symbols: Sequence[_Symbol]
    missingDefaultParamCount: int


class _Report(TypedDict):
    typeCompleteness: _Completeness


@pytest.mark.gate("pyright reads the package")
def test_everything_public_has_a_type() -> None:
    """To pyright 100 % of the package is known: every public symbol says its type."""
    said = run("pyright", "--verifytypes=miniagents", "--ignoreexternal", "--outputjson").out
    report: _Report = json.loads(said[said.index("{") :])
    found = report["typeCompleteness"]
    unknown = [
        f"{symbol['name']}: {it['message']}"
        for symbol in found["symbols"]
        for it in symbol["diagnostics"]
        if "docstring"
        not in it["message"]  # an architecture test asks for these, but not of what is overridden
    ]
    assert unknown == []
    assert found["completenessScore"] == 1
    assert found["exportedSymbolCounts"]["withKnownType"] > 200  # it has seen the package
    assert found["missingDefaultParamCount"] == 0


def test_the_facts_about_us_are_many() -> None:
    """Of our own classes and functions at least 80 types are said and 50 mistakes refused."""
    own = [text for name, text in _texts().items() if not name.startswith("rx_")]
    assert sum(_calls(text, "assert_type") for text in own) >= 80
    assert sum(len(REFUSED.findall(text)) for text in own) >= 50


def test_the_pipelines_are_many() -> None:
    """Of reactivex at least 181 pipelines have their precise type and 25 wrong ones are refused, by both."""
    pipelines = {name: text for name, text in _texts().items() if name.startswith("rx_") and name != GAPS}
    assert sum(_calls(text, "assert_type") for text in pipelines.values()) >= 181
    assert len(REFUSED.findall(pipelines["rx_wrong.py"])) >= 25


def test_nothing_in_the_corpus_is_any() -> None:
    """What is inferred as `Any` stands in `rx_gaps` only, or is what pydantic and `csv` say of their own."""
    anys = {
        name: sum("Any" in ast.dump(call.args[1]) for call in _calls_of(text, "assert_type"))
        for name, text in _texts().items()
    }
    known = {"message_values.py": 1, "map_agent.py": 1}
    assert {name: count for name, count in anys.items() if count and name != GAPS} == known


def _texts() -> dict[str, str]:
    return {(ROOT / name).name: (ROOT / name).read_text(encoding="utf-8") for name in corpus()}


def _calls_of(source: str, name: str) -> list[ast.Call]:
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    return [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == name]


def _calls(source: str, name: str) -> int:
    return len(_calls_of(source, name))
