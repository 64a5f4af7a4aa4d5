"""Each pipeline of `rx_public` runs, and emits what it says; our stubs refuse none that plain ones accept."""

import ast
import json
import re
import venv
from collections.abc import Mapping
from inspect import isfunction, signature
from pathlib import Path
from typing import Final, cast, get_args, get_origin

import pydantic
import pytest
import reactivex as rx
import typing_extensions
from pydantic import ConfigDict, TypeAdapter
from reactivex import Observable, operators as ops
from reactivex.scheduler import VirtualTimeScheduler

from miniagents import MiniAgents
from tests.typing import rx_public
from tests.typing.checkers import ROOT, TIMEOUT, Found, run, settings
from tests.typing.message_classes import Question
from tests.typing.rx_items import Item
from tests.typing.rx_public import Event

SOURCES: Final[Mapping[str, Observable[object]]] = {
    "words": rx.of("a", "b", "c"),
    "keys": rx.of("sun ", "sunny", "rain"),
    "lines": rx.of(" one two", "", "x # y"),
    "ints": rx.of(3, 1, 4, 1, 5, 9, 2, 6),
    "flags": rx.of(True, False, True),  # noqa: FBT003
    "events": rx.of(Event("open", "Ann"), Event("open", "Ben", 2), Event("close", "Ann", 3)),
    "requests": rx.of(Item("one", 1), Item("two", 2), Item("two", 2)),
    "questions": rx.of(Question(topic="ice"), Question(topic="snow")),
}
LINES: Final = "rx_public.py"
GAPS: Final = "rx_gaps.py"
FEWEST: Final = 200
ON_A_LOOP: Final = "agents"
ENDLESS: Final = 100  # seconds of virtual time

# What mypy refuses with our stubs and accepts without; docs/types.md has the form that works.
KNOWN: Final = frozenset(
    {
        "a_bare_lambda_first",
        "a_union_in_the_middle",
        "an_async_function",  # a mistake
        "another_type_behind_a_generic_operator",  # without our stubs it is Any
    }
)

CONFIG: Final = {
    "pythonVersion": "3.11",
    "typeCheckingMode": "strict",
    "reportUnnecessaryTypeIgnoreComment": "error",
}


def _groups() -> list[str]:
    functions = {name: each for name, each in vars(rx_public).items() if isfunction(each)}
    ours = {name: each for name, each in functions.items() if each.__module__ == rx_public.__name__}
    return [name for name, each in ours.items() if signature(each).return_annotation is None]


def _pipelines(group: str, monkeypatch: pytest.MonkeyPatch) -> list[tuple[Observable[object], object]]:
    """The pipelines of a function of the corpus, each with the type of its items."""
    found: list[tuple[Observable[object], object]] = []

    def note(pipeline: Observable[object], kind: object) -> None:
        found.append((pipeline, get_args(kind)[0]))

    monkeypatch.setattr(rx_public, "assert_type", note)
    function = vars(rx_public)[group]
    function(**{name: SOURCES[name] for name in signature(function).parameters})
    return found


def _all_are(items: list[object], kind: object) -> bool:
    """Whether items are what the type of their stream says."""
    if get_origin(kind) is Observable:
        return all(isinstance(item, Observable) for item in items)
    adapter = TypeAdapter(cast("type[object]", kind), config=_config(kind))
    return [adapter.validate_python(item, strict=True) for item in items] == items


def _config(kind: object) -> ConfigDict | None:
    """Pydantic takes none for a class that has its own."""
    return None if hasattr(kind, "model_config") or hasattr(kind, "__dataclass_fields__") else ARBITRARY


ARBITRARY: Final = ConfigDict(arbitrary_types_allowed=True)


def test_they_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """There are at least 200 of them."""
    assert sum(len(_pipelines(group, monkeypatch)) for group in _groups()) >= FEWEST


@pytest.mark.parametrize("group", [each for each in _groups() if each != ON_A_LOOP])
def test_each_runs(group: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each runs without an error, and its items are of the type that it has for both checkers."""
    failed: list[str] = []
    for number, (pipeline, kind) in enumerate(_pipelines(group, monkeypatch), 1):
        items: list[object] = []
        errors: list[Exception] = []
        clock = VirtualTimeScheduler()
        left = pipeline.subscribe(items.append, errors.append, scheduler=clock)
        clock.advance_to(ENDLESS)
        left.dispose()
        if errors or not _all_are(items, kind):
            failed.append(f"{number}: {items}, {errors}, not {kind}")
    assert failed == []


async def test_each_with_an_agent_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same, where agents are operators."""
    async with MiniAgents():
        found = [
            (await pipeline.pipe(ops.to_list()), kind)
            for pipeline, kind in _pipelines(ON_A_LOOP, monkeypatch)
        ]
    assert [(items, kind) for items, kind in found if not items or not _all_are(items, kind)] == []


@pytest.mark.gate("mypy and pyright read the pipelines without our stubs")
@pytest.mark.loop(timeout=TIMEOUT)
def test_the_stubs_refuse_none_that_plain_reactivex_accepts(tmp_path: Path) -> None:
    """Without our stubs, mypy accepts no more than the page names; it refuses many more."""
    python = _without_our_stubs(tmp_path)
    (tmp_path / "mypy.ini").write_text(settings(), encoding="utf-8")
    files = [f"tests/typing/{name}" for name in (LINES, GAPS)]
    lines = run("mypy", f"--config-file={tmp_path / 'mypy.ini'}", f"--python-executable={python}", *files).out
    places = set(re.findall(r"(rx_\w+\.py):(\d+): error: (Unused|.)", lines))
    unneeded = {_function_at(name, int(line)) for name, line, what in places if what == "Unused"}
    assert unneeded == KNOWN
    assert len({line for name, line, _ in places if name == LINES}) > 100


@pytest.mark.gate("pyright reads the pipelines without our stubs")
@pytest.mark.loop(timeout=TIMEOUT)
def test_to_pyright_it_is_the_same(tmp_path: Path) -> None:
    """Without our stubs, pyright accepts nothing that it refuses with them."""
    python = _without_our_stubs(tmp_path)
    for name in (LINES, GAPS):  # it looks only at what is in the folder of its settings
        (tmp_path / name).write_text(_text(name), encoding="utf-8")
    config = {**CONFIG, "include": [LINES, GAPS], "extraPaths": [str(ROOT)]}
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(config), encoding="utf-8")
    done = run("pyright", f"--project={tmp_path}", f"--pythonpath={python}", "--outputjson")
    found = Found.read(done.out + done.err)
    unneeded = [each for each in found.complaints if "nnecessary" in each and "ignore" in each]
    assert unneeded == []
    assert len(found.complaints) > 20


def _without_our_stubs(folder: Path) -> Path:
    """The program of an environment that has reactivex and not what types it better."""
    venv.create(folder / "plain", with_pip=False)
    (packages,) = folder.glob("plain/lib/*/site-packages")
    # A path file in a folder that is named by a path file is not read: our editable install stays out.
    modules = (rx.__file__, pydantic.__file__, typing_extensions.__file__)
    where = {str(Path(str(each)).parents[each != typing_extensions.__file__]) for each in modules}
    (packages / "plain.pth").write_text("\n".join([*where, str(ROOT)]), encoding="utf-8")
    return folder / "plain" / "bin" / "python"


def _text(name: str) -> str:
    return (ROOT / "tests" / "typing" / name).read_text(encoding="utf-8")


def _function_at(name: str, line: int) -> str:
    """The function of the corpus that has a line."""
    functions = [each for each in ast.parse(_text(name)).body if isinstance(each, ast.FunctionDef)]
    return next(each.name for each in functions if each.lineno <= line <= (each.end_lineno or 0))
