"""Names that are imported when they are used: what importing the package costs, finds and refuses."""

import ast
import subprocess
import sys
from importlib import import_module
from importlib.util import resolve_name
from inspect import getsource
from types import ModuleType

import pytest

import miniagents
from miniagents import values
from miniagents._lazy_names import lazy_names

_LAYERS = ("values", "streams", "messages", "agents", "models")
_PACKAGES = ("miniagents", "miniagents.values")
_MODULES = ("errors", "operators", "parts", "promising", "testing", "tools", "types")


@pytest.mark.gate("starts an interpreter")
def test_importing_the_package_imports_no_layer() -> None:
    """`import miniagents` imports neither a layer nor pydantic nor reactivex; a first name does."""
    assert "[] True" == _printed(
        "import miniagents, sys",
        f"heavy = 'pydantic', 'reactivex', 'asyncio', *('miniagents.' + each for each in {_LAYERS})",
        "before = [each for each in heavy if each in sys.modules]",
        "miniagents.Message",
        "print(before, 'miniagents.messages' in sys.modules)",
    )


_FIRST_AGENT = (
    "from miniagents import MiniAgents, miniagent",
    "@miniagent",
    "async def hello(ctx):",
    "    ctx.reply('hello')",
    "async def main():",
    "    await hello.inquire()",
    "MiniAgents().run(main())",
)


@pytest.mark.gate("starts interpreters")
def test_a_first_agent_imports_nothing_of_others_that_it_could_do_without() -> None:
    """What is needed in rare cases only, a first agent does not import."""
    rare = {"difflib", "mimetypes", "reactivex.operators"}
    assert "set()" == _printed(*_FIRST_AGENT, "import sys", f"print({rare} & set(sys.modules))")


@pytest.mark.gate("starts an interpreter for each name")
def test_a_name_imports_no_layer_after_its_own() -> None:
    """`from miniagents import miniagent` imports no tools and no schemas, and `AWAIT` no agents."""
    assert "False" == _printed(
        "from miniagents import miniagent; import sys", "print('miniagents.models' in sys.modules)"
    )
    assert "False" == _printed(
        "from miniagents import AWAIT; import sys", "print('miniagents.messages' in sys.modules)"
    )


@pytest.mark.parametrize("package", _PACKAGES)
def test_a_name_is_what_type_checkers_take_it_for(package: str) -> None:
    """What a program gets of a package is what stands in the import that a type checker reads."""
    here = import_module(package)
    seen = _imported(here)
    assert set(here.__all__) <= set(seen)
    wrong = [
        name
        for name, module in seen.items()
        if getattr(here, name) is not getattr(import_module(module), name)
    ]
    assert [] == wrong


@pytest.mark.gate("starts interpreters")
def test_a_star_imports_every_name() -> None:
    """`from miniagents import *` imports all that `__all__` names."""
    assert "True" == _printed(
        "from miniagents import *", "import miniagents", "print(set(miniagents.__all__) <= set(globals()))"
    )


@pytest.mark.gate("imports the library again for each module")
def test_a_module_is_there_without_being_imported() -> None:
    """After `import miniagents` alone, `miniagents.agents` and `miniagents.errors` are there."""
    modules = [*_LAYERS, *_MODULES]
    assert [f"miniagents.{module}" for module in modules] == _printed(
        "import sys",
        f"for module in {modules}:",
        "    if 'miniagents.' + module in sys.modules:  # another one has imported it",
        "        for name in [each for each in sys.modules if each.startswith('miniagents')]:",
        "            del sys.modules[name]  # as in an interpreter that has imported nothing of it",
        "    import miniagents",
        "    print(getattr(miniagents, module).__name__)",
    ).splitlines()


def test_a_name_is_looked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was found stands in the package afterwards, and is not looked for again."""
    package = _package(monkeypatch)
    find, _ = lazy_names("another_package", listed=["AWAIT"], layers=["values"])
    assert find("AWAIT") is values.AWAIT
    assert values.AWAIT is vars(package)["AWAIT"]


def test_what_a_layer_has_but_is_not_named_is_not_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name of a layer that the package does not name is not found in the package."""
    _package(monkeypatch)
    find, _ = lazy_names("another_package", listed=["AWAIT"], layers=["values"])
    with pytest.raises(AttributeError, match=r"^module 'another_package' has no attribute 'CLEAR'$"):
        find("CLEAR")


def test_an_unlisted_name_is_found_and_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """An unlisted name can be imported; `dir` shows it only once it was."""
    _package(monkeypatch)
    find, names = lazy_names("another_package", listed=["AWAIT"], unlisted=["CLEAR"], layers=["values"])
    assert "CLEAR" not in names()
    assert find("CLEAR") is values.CLEAR
    assert "CLEAR" in names()


def test_a_wrong_name_is_told_with_the_right_one() -> None:
    """A misspelt name is an error that knows the name that was meant."""
    with pytest.raises(AttributeError, match=r"^module 'miniagents' has no attribute 'Mesage'$") as caught:
        _ = miniagents.Mesage  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    assert ("Mesage", miniagents) == (caught.value.name, caught.value.obj)
    assert "Message" in dir(miniagents)


def test_names_are_listed_before_they_are_used() -> None:
    """`dir(miniagents)` has every listed name and every module, so that a shell completes them."""
    named = f"{{*miniagents.__all__, *{_LAYERS}, *{_MODULES}, '__name__'}}"
    assert "True" == _printed("import miniagents", f"print({named} <= set(dir(miniagents)))")


def _package(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A package of another name over our values."""
    package = ModuleType("another_package")
    monkeypatch.setitem(sys.modules, "another_package", package)
    monkeypatch.setitem(sys.modules, "another_package.values", values)
    return package


def _imported(package: ModuleType) -> dict[str, str]:
    """Where the imports of a package, those for type checkers among them, take each name from."""
    lines = [each for each in ast.walk(ast.parse(getsource(package))) if isinstance(each, ast.ImportFrom)]
    taken = {
        name.name: resolve_name(f"{'.' * line.level}{line.module}", package.__name__)
        for line in lines
        for name in line.names
    }
    return {
        name: each for name, each in taken.items() if each.startswith("miniagents") and name != "lazy_names"
    }


def _printed(*lines: str) -> str:
    """What a fresh interpreter prints that runs the lines."""
    command = [sys.executable, "-c", "\n".join(lines)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()  # noqa: S603
