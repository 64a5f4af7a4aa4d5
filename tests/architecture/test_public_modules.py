"""A public module is a docstring, imports and `__all__`."""

from pathlib import Path

import pytest

from tests.architecture.public_modules import bad_public_modules
from tests.architecture.source import ROOT, no_breach, plant

_ON_USE = '"""Agents."""\n\nif TYPE_CHECKING:\n'
_OPENED = 'else:\n    __getattr__, __dir__ = lazy_names(__name__, "values")\n'


def test_public_modules() -> None:
    """No public module of the package defines anything."""
    no_breach(bad_public_modules(ROOT))


@pytest.mark.parametrize(
    ("file", "text", "sentence"),
    [
        ("values/__init__.py", "from ._frozen import Frozen\n", "says in its docstring"),
        ("values/__init__.py", '"""Values."""\n\n\ndef freeze(): ...\n', ":4: a public module is"),
        ("values/__init__.py", '"""Values."""\n\n\nclass Frozen: ...\n', ":4: a public module is"),
        ("values/__init__.py", '"""Values."""\n\nLIMIT = 3\n', ":3: a public module is"),
        ("values/__init__.py", '"""Values."""\n\nif LIMIT:\n    import ast\n', ":3: a public module is"),
        ("__init__.py", f"{_ON_USE}    LIMIT = 3\n{_OPENED}", ":3: a public module is"),
        ("__init__.py", f"{_ON_USE}    import ast\n", ":3: a public module is"),
        ("__init__.py", f"{_ON_USE}    import ast\nelse:\n    import re\n", ":3: a public module is"),
        ("__init__.py", f"{_ON_USE}    import ast\n{_OPENED}", "names them in __all__"),
        ("values/__init__.py", '"""Values."""\n\n__all__ = sorted(dir())\n', ":3: a public module is"),
        ("values/__init__.py", '"""Values."""\n\nfrom ._frozen import Frozen\n', "names them in __all__"),
        ("utils.py", '"""Utils."""\n\nJOIN = 1\n', "utils.py:3: a public module is"),
        ("promising/sentinels.py", '"""Sentinels."""\n\nAWAIT = 1\n', "sentinels.py:3: a public module is"),
        (
            "ext/misc_agents.py",
            '"""Agents."""\n\nasync def f(): ...\n',
            "misc_agents.py:3: a public module is",
        ),
    ],
)
def test_public_modules_can_fail(tmp_path: Path, file: str, text: str, sentence: str) -> None:
    """Whatever else stands in a public module is found."""
    (breach,) = bad_public_modules(plant(tmp_path, {f"miniagents/{file}": text}))
    assert sentence in breach


def test_modules_and_good_public_modules_pass(tmp_path: Path) -> None:
    """A module may define what it likes, and a public module may import and name it."""
    layer = '"""Values."""\n\nfrom ._frozen import Frozen\n\n__all__ = ["Frozen"]\n'
    front = f'{_ON_USE}    from miniagents.values import Frozen\n{_OPENED}\n__all__ = ["Frozen"]\n'
    files = {
        "miniagents/__init__.py": front,
        "miniagents/values/__init__.py": layer,
        "miniagents/values/_frozen.py": "class Frozen: ...\n",
    }
    assert bad_public_modules(plant(tmp_path, files)) == []
