"""The front door opens on use: what it costs to import, what it finds, what it says of what it has not."""

import ast
import subprocess
import sys
from importlib import import_module
from inspect import getsource
from types import ModuleType

import pytest

import miniagents
from miniagents import values
from miniagents._open_on_use import open_on_use

_FLOORS = ("values", "streams", "promising", "agents", "models")


def test_importing_the_door_imports_nothing_behind_it() -> None:
    """`import miniagents` imports neither a floor nor pydantic nor reactivex; a first name does."""
    assert "[] True" == _printed(
        "import miniagents, sys",
        f"heavy = 'pydantic', 'reactivex', 'asyncio', *('miniagents.' + each for each in {_FLOORS})",
        "before = [each for each in heavy if each in sys.modules]",
        "miniagents.Message",
        "print(before, 'miniagents.promising' in sys.modules)",
    )


def test_a_name_imports_no_floor_after_its_own() -> None:
    """`from miniagents import miniagent` imports no tools and no schemas, and `AWAIT` no agents."""
    assert "False" == _printed(
        "from miniagents import miniagent; import sys", "print('miniagents.models' in sys.modules)"
    )
    assert "False" == _printed(
        "from miniagents import AWAIT; import sys", "print('miniagents.streams' in sys.modules)"
    )


@pytest.mark.parametrize("name", miniagents.__all__)
def test_a_name_is_what_type_checkers_take_it_for(name: str) -> None:
    """What a program gets is what stands in the import that a type checker reads."""
    assert getattr(import_module(_imported()[name]), name) is getattr(miniagents, name)


def test_a_star_imports_every_name() -> None:
    """`from miniagents import *` imports all that the door names."""
    assert "True" == _printed(
        "from miniagents import *", "import miniagents", "print(set(miniagents.__all__) <= set(globals()))"
    )


def test_a_floor_is_there_without_being_imported() -> None:
    """After `import miniagents` alone, `miniagents.agents` is the package."""
    assert "miniagents.agents" == _printed("import miniagents", "print(miniagents.agents.__name__)")


def test_a_name_is_looked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was found stands in the door afterwards, and is not looked for again."""
    door = _door(monkeypatch)
    find, _ = open_on_use("miniagents_door", ["AWAIT"], "values")
    assert find("AWAIT") is values.AWAIT
    assert values.AWAIT is vars(door)["AWAIT"]


def test_what_is_behind_but_not_named_stays_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name of a floor that the door does not name is not found in the door."""
    _door(monkeypatch)
    find, _ = open_on_use("miniagents_door", ["AWAIT"], "values")
    with pytest.raises(AttributeError, match=r"^module 'miniagents_door' has no attribute 'CLEAR'$"):
        find("CLEAR")


def test_a_wrong_name_is_told_with_the_right_one() -> None:
    """A misspelt name of the door is an error that knows the name that was meant."""
    with pytest.raises(AttributeError, match=r"^module 'miniagents' has no attribute 'Mesage'$") as caught:
        _ = miniagents.Mesage  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    assert ("Mesage", miniagents) == (caught.value.name, caught.value.obj)
    assert "Message" in dir(miniagents)


def test_the_names_of_a_door_are_listed_before_they_are_used() -> None:
    """`dir(miniagents)` has every name and every floor, so that a shell completes them."""
    assert "True" == _printed(
        "import miniagents", f"print({{*miniagents.__all__, *{_FLOORS}, '__name__'}} <= set(dir(miniagents)))"
    )


def _door(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A door of another name over the floors of ours."""
    door = ModuleType("miniagents_door")
    monkeypatch.setitem(sys.modules, "miniagents_door", door)
    monkeypatch.setitem(sys.modules, "miniagents_door.values", values)
    return door


def _imported() -> dict[str, str]:
    """Where the door's imports for type checkers take each name from."""
    tree = ast.parse(getsource(miniagents))
    lines = [each for each in ast.walk(tree) if isinstance(each, ast.ImportFrom) and each.module is not None]
    return {name.name: line.module for line in lines for name in line.names if line.module is not None}


def _printed(*lines: str) -> str:
    """What a fresh interpreter prints that runs the lines."""
    command = [sys.executable, "-c", "\n".join(lines)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()  # noqa: S603
