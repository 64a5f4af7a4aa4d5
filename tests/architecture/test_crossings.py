"""How modules import each other, and which of them import packages of others."""

from pathlib import Path

import pytest

from tests.architecture.crossings import (
    foreign_imports,
    imports_in_functions,
    private_needs,
    provider_crossings,
    wrong_crossings,
)
from tests.architecture.project import EXTENSIONS, EXTENSIONS_NEED, FOREIGN, INTERNAL
from tests.architecture.source import ROOT, no_breach, plant


def test_no_import_in_a_function() -> None:
    """Our own code is imported at the top of a file, everywhere."""
    no_breach(imports_in_functions(ROOT, "miniagents", "examples", "tests"))


def test_crossings() -> None:
    """The package and the examples import from other layers what is public there."""
    no_breach(wrong_crossings(ROOT, "miniagents", "examples"))


def test_foreign_packages() -> None:
    """An outside package is imported where it belongs, and no other is."""
    no_breach(foreign_imports(ROOT, FOREIGN))


def test_providers() -> None:
    """No provider of models knows another."""
    no_breach(provider_crossings(ROOT))


def test_extensions() -> None:
    """Extensions stand on the public library: they import what users can import, but for what is listed."""
    assert [*sorted(EXTENSIONS_NEED)] == private_needs(ROOT, EXTENSIONS, INTERNAL)


@pytest.mark.parametrize(
    "line",
    [
        "from miniagents.values import Frozen",  # a layer that users do not import
        "from miniagents.values._frozen import Frozen",
        "from miniagents import values",
        "import miniagents.values",
        "from ... import values",
        "from ...values import Frozen",
        "from miniagents.tools import secret",  # it is there, and not listed
        "from miniagents import secret",
        "from miniagents.ext import _shared",
        "from .. import _shared",
        "from .._shared import x",
        "from miniagents.ext.web._bodies import json_body",
        "if TYPE_CHECKING:\n    from miniagents.values import Frozen",
        "def f():\n    from miniagents.values import Frozen",
        "try:\n    from miniagents.values import Frozen\nexcept ImportError: ...",
        "import_module('miniagents.values._frozen')",
        "from miniagents.tools import *",
    ],
)
def test_extensions_can_fail(tmp_path: Path, line: str) -> None:
    """What an extension imports, and users cannot, is found; and only that."""
    good = "from miniagents import tool\nfrom miniagents.tools import tool\nfrom ..web import json_body\n"
    mine = "from ._mine import x\nfrom miniagents.ext.jobs._mine import x\nimport json\n"
    files = {
        "miniagents/__init__.py": "__all__ = ['tool']\n",
        "miniagents/tools.py": "__all__ = ['tool']\nsecret = 1\n",
        "miniagents/values/_frozen.py": "",
        "miniagents/values/__init__.py": "__all__ = ['Frozen']\n",
        "miniagents/ext/_shared.py": "",
        "miniagents/ext/web/__init__.py": "__all__ = ['json_body']\n",
        "miniagents/ext/web/_bodies.py": "",
        "miniagents/ext/jobs/_mine.py": "",
        "miniagents/ext/jobs/_a.py": f"{good}{mine}",
        "miniagents/ext/jobs/_b.py": f"{line}\n",
        "miniagents/ext/other.py": f"{line}\n",  # no extension that is looked at
    }
    (breach,) = private_needs(plant(tmp_path, files), ["ext.jobs"], ["values"])
    assert breach.startswith("miniagents.ext.jobs._b: ")


@pytest.mark.parametrize(
    "text",
    [
        "def f():\n    from miniagents.values import Frozen\n",
        "async def f():\n    import miniagents\n",
        "class A:\n    def f(self):\n        from ._b import b\n",
        "def f():\n    if True:\n        from . import _b\n",
        "def f():\n    import tests.support\n",
    ],
)
def test_imports_in_functions_can_fail(tmp_path: Path, text: str) -> None:
    """An import of ours inside any function is found; one of others is not."""
    plant(
        tmp_path, {"miniagents/values/_a.py": text, "miniagents/values/_b.py": "def f():\n    import json\n"}
    )
    assert len(imports_in_functions(tmp_path)) == 1


@pytest.mark.parametrize(
    ("file", "line", "sentence"),
    [
        (
            "miniagents/streams/_buffer.py",
            "from miniagents.values._frozen import Frozen",
            "the private module",
        ),
        ("miniagents/streams/_buffer.py", "from miniagents.values import _frozen", "the private module"),
        ("miniagents/streams/_buffer.py", "import miniagents.values._frozen", "the private module"),
        ("miniagents/streams/_buffer.py", "from ..values import Frozen", "from miniagents.values import"),
        ("miniagents/values/_other.py", "from miniagents.values._frozen import Frozen", "are relative"),
        ("miniagents/values/_other.py", "from miniagents.values import Frozen", "are relative"),
        ("miniagents/utils.py", "from miniagents.values._frozen import Frozen", "the private module"),
        ("examples/hello.py", "from miniagents.values._frozen import Frozen", "the private module"),
        (
            "miniagents/streams/_buffer.py",
            "from miniagents._lazy_names import lazy_names",
            "the private module",
        ),
        (
            "miniagents/streams/__init__.py",
            "from .._lazy_names import lazy_names",
            "import its public module",
        ),
    ],
)
def test_crossings_can_fail(tmp_path: Path, file: str, line: str, sentence: str) -> None:
    """A way through a check is found."""
    (tmp_path / "examples").mkdir()
    plant(tmp_path, {"miniagents/values/_frozen.py": "", file: line + "\n"})
    (breach,) = wrong_crossings(tmp_path, "miniagents", "examples")
    assert breach.startswith(f"{file}:1: ")
    assert sentence in breach


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("miniagents/streams/_buffer.py", "from miniagents.values import Frozen"),
        ("miniagents/values/_other.py", "from ._frozen import Frozen"),
        ("miniagents/values/_other.py", "from . import _frozen"),
        ("miniagents/values/deep/_other.py", "from .._frozen import Frozen"),
        ("miniagents/utils.py", "from miniagents.values import Frozen"),
        ("miniagents/agents/_a.py", "from miniagents.promising.sentinels import AWAIT"),
        ("examples/hello.py", "from miniagents import miniagent"),
        ("miniagents/streams/__init__.py", "from miniagents._lazy_names import lazy_names"),
    ],
)
def test_good_crossings_pass(tmp_path: Path, file: str, line: str) -> None:
    """Imports of public modules, relative ones inside a layer, and what any package may import, are free."""
    (tmp_path / "examples").mkdir()
    plant(tmp_path, {"miniagents/values/_frozen.py": "", "miniagents/promising/sentinels.py": "", file: line})
    assert wrong_crossings(tmp_path, "miniagents", "examples") == []


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("ext/llm/anthropic.py", "import openai"),
        ("ext/llm/openai.py", "from anthropic import AsyncAnthropic"),
        ("ext/llm/_parts.py", "from openai.types import chat"),
        ("ext/llm/_parts.py", "def f():\n    import openai"),
        ("agents/_a.py", "from prompt_toolkit import prompt"),
        ("agents/_a.py", "import requests"),
    ],
)
def test_foreign_can_fail(tmp_path: Path, module: str, line: str) -> None:
    """An outside package in the wrong module is found."""
    assert len(foreign_imports(plant(tmp_path, {f"miniagents/{module}": line + "\n"}), FOREIGN)) == 1


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("ext/llm/openai.py", "import openai"),
        ("ext/llm/anthropic.py", "from anthropic import AsyncAnthropic"),
        ("ext/console/_prompt.py", "from prompt_toolkit import prompt"),
        ("values/_a.py", "import json\nfrom pydantic import BaseModel"),
    ],
)
def test_foreign_where_it_belongs_passes(tmp_path: Path, module: str, line: str) -> None:
    """An outside package in its module is free."""
    assert foreign_imports(plant(tmp_path, {f"miniagents/{module}": line + "\n"}), FOREIGN) == []


@pytest.mark.parametrize("line", ["from .one import x", "from . import one", "import miniagents.ext.llm.one"])
def test_providers_can_fail(tmp_path: Path, line: str) -> None:
    """A provider that imports another one is found, whatever the two are called; a shared module is free."""
    modules = {"one.py": "from ._parts import x\n", "two.py": line + "\n", "_parts.py": ""}
    plant(tmp_path, {f"miniagents/ext/llm/{name}": text for name, text in modules.items()})
    assert provider_crossings(tmp_path) == ["miniagents/ext/llm/two.py:1: a provider does not import another"]
