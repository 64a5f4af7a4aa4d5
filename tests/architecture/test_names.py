"""What is public is listed, is there, is described, and is typed."""

import importlib
from pathlib import Path

import pytest

from tests.architecture.names import bad_alls, shadowed_modules, undocumented, untyped
from tests.architecture.project import JUSTIFIED_ANY
from tests.architecture.source import ROOT, modules, no_breach, plant

# Importing `__main__` would run the command line.
MODULES = [module.name for module in modules(ROOT) if module.path.name != "__main__.py"]


def test_all_is_what_is_public() -> None:
    """Each `__all__` is sorted, unique and complete."""
    no_breach(bad_alls(ROOT))


def test_no_module_is_shadowed() -> None:
    """No public module exports a name that hides one of its modules."""
    no_breach(shadowed_modules(ROOT))


def test_public_names_are_described() -> None:
    """Every module, public class, function and method has a docstring."""
    no_breach(undocumented(ROOT))


def test_public_names_are_typed() -> None:
    """No public signature says Any without its reason."""
    no_breach(untyped(ROOT, JUSTIFIED_ANY))


def test_public_names_are_there() -> None:
    """Every module can be imported, and has every name it lists."""
    imported = [importlib.import_module(name) for name in MODULES]
    listed = [(module, name) for module in imported for name in getattr(module, "__all__", [])]
    assert [] == [(module.__name__, name) for module, name in listed if not hasattr(module, name)]


@pytest.mark.parametrize(
    ("file", "text", "sentence"),
    [
        ("values/__init__.py", 'from ._a import b, a\n__all__ = ["b", "a"]\n', "is not sorted"),
        ("values/__init__.py", 'from ._a import a, B\n__all__ = ["a", "B"]\n', "is not sorted"),
        ("values/__init__.py", 'from ._a import a\n__all__ = ["a", "a"]\n', "something twice"),
        ("values/__init__.py", 'from ._a import a\n__all__ = ["a", "b"]\n', "not there: ['b']"),
        ("values/__init__.py", 'from ._a import a, b\n__all__ = ["a"]\n', "does not name ['b']"),
        ("values/__init__.py", "from ._a import a\n", "no __all__"),
        ("ext/history.py", "class History: ...\n", "no __all__"),
        ("ext/history.py", '__all__ = ["f"]\ndef f(): ...\ndef g(): ...\n', "does not name ['g']"),
        ("ext/history.py", '__all__ = ["f"]\ndef f(): ...\nLIMIT: int = 3\n', "does not name ['LIMIT']"),
        ("values/_a.py", '__all__ = ["f"]\n', "not there: ['f']"),
        ("values/__init__.py", "from ._a import a as a\n__all__ = []\n", "does not name ['a']"),
        ("__init__.py", "from miniagents.values import a\n__all__ = []\n", "does not name ['a']"),
    ],
)
def test_all_can_fail(tmp_path: Path, file: str, text: str, sentence: str) -> None:
    """An `__all__` that is out of order or not true is found."""
    (breach,) = bad_alls(plant(tmp_path, {f"miniagents/{file}": text}))
    assert breach.startswith(f"miniagents/{file}: ")
    assert sentence in breach


def test_good_alls_pass(tmp_path: Path) -> None:
    """Constants, then classes, then functions; private names and type variables need no listing."""
    layer = 'from ._a import A_B, Ab, ab\n\n__all__ = ["A_B", "Ab", "ab"]\n'
    private = "import json\n\ndef helper(): ...\n"
    public = 'T = TypeVar("T")\n\n__all__ = ["f"]\n\ndef f(): ...\n'
    files = {
        "miniagents/values/__init__.py": layer,
        "miniagents/values/_a.py": private,
        "miniagents/ext/history.py": public,
    }
    assert bad_alls(plant(tmp_path, files)) == []


def test_shadow_can_fail(tmp_path: Path) -> None:
    """A public module that exports a function named like its module is found."""
    files = {"miniagents/ext/__init__.py": '__all__ = ["console"]\n', "miniagents/ext/console.py": ""}
    (breach,) = shadowed_modules(plant(tmp_path, files))
    assert "hides the module miniagents.ext.console" in breach


@pytest.mark.parametrize(
    "text",
    [
        "def f(): ...\n",
        '"""Module."""\ndef f(): ...\n',
        '"""Module."""\nasync def f(): ...\n',
        '"""Module."""\nclass A: ...\n',
        '"""Module."""\nclass A:\n    """A."""\n    def f(self): ...\n',
        '"""Module."""\nclass A:\n    """A."""\n    @property\n    def f(self): ...\n',
        '"""Module."""\nif True:\n    def f(): ...\n',
    ],
)
def test_description_can_fail(tmp_path: Path, text: str) -> None:
    """A public definition, or a module, without a docstring is found."""
    assert undocumented(plant(tmp_path, {"miniagents/values/_a.py": text})) != []


@pytest.mark.parametrize(
    "text",
    [
        "def _f(): ...\n",
        "class _A:\n    def f(self): ...\n",
        'class A:\n    """A."""\n    def __len__(self): ...\n    def _f(self): ...\n',
        'class A:\n    """A."""\n    @override\n    def f(self): ...\n',
        'class A:\n    """A."""\n    @typing.overload\n    def f(self): ...\n',
    ],
)
def test_private_needs_no_description(tmp_path: Path, text: str) -> None:
    """Private names, magic methods, overrides and overloads need no docstring."""
    assert undocumented(plant(tmp_path, {"miniagents/values/_a.py": f'"""Module."""\n{text}'})) == []


@pytest.mark.parametrize(
    "text",
    [
        "def f(x: Any): ...\n",
        "def f(*, x: dict[str, Any]): ...\n",
        "def f(*args: Any): ...\n",
        "def f(**kwargs: typing.Any): ...\n",
        "def f() -> list[Any]: ...\n",
        'def f(x: "Any"): ...\n',
        "class A:\n    def f(self, x: Any): ...\n",
        "class A:\n    def __call__(self, x: Any): ...\n",
        "class A:\n    field: Any\n",
        "class A(Generic[Any]): ...\n",
    ],
)
def test_any_can_fail(tmp_path: Path, text: str) -> None:
    """An Any in a public signature, field or base is found, unless it is justified."""
    plant(tmp_path, {"miniagents/values/_a.py": text})
    (breach,) = untyped(tmp_path, frozenset())
    name = breach.split()[1]
    assert untyped(tmp_path, frozenset({f"miniagents.values._a:{name}"})) == []


@pytest.mark.parametrize(
    "text", ["def _f(x: Any): ...\n", "def f(x: object): ...\n", "class A:\n    _x: Any\n"]
)
def test_inner_any_passes(tmp_path: Path, text: str) -> None:
    """What is private may say Any."""
    assert untyped(plant(tmp_path, {"miniagents/values/_a.py": text}), frozenset()) == []
