"""What is public says what it takes, what it raises, and shows an example."""

import textwrap
from pathlib import Path

import pytest

from tests.architecture.described import QUESTIONS, examples_in, unanswered, undescribed
from tests.architecture.project import ADAPTERS
from tests.architecture.source import ROOT, modules, no_breach, plant

PUBLIC = "miniagents/values/__init__.py"
MODULE = "miniagents/values/_a.py"


def doc(*sections: str, indent: str = "    ", shows: str = ">>> 1\n1\n") -> str:
    """Write a docstring with these sections (`Args: x, y`) and an example, behind a definition."""
    lines = ['"""A.', ""]
    for section in sections:
        title, _, names = section.partition(": ")
        lines += [f"{title}:", *(f"    {name}: it." for name in names.split(", ")), ""]
    return textwrap.indent("\n".join([*lines, f'{shows}"""\n']), indent)


F = f"    def f(self, x):\n{doc(indent=' ' * 8)}"
G = "    def _g(self):\n        raise ValueError\n"


@pytest.mark.gate("reads every docstring")
def test_public_names_are_described() -> None:
    """Every public name says what it takes and raises, and shows an example."""
    no_breach(undescribed(ROOT))


def test_adapters_answer() -> None:
    """When does it start, how often, what is kept, what does break do, when does an error come?"""
    no_breach(unanswered(ROOT, ADAPTERS))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (f"def a():\n{doc(shows='')}", "a shows no example"),
        (f"class a:\n{doc(shows='')}", "a shows no example"),
        (f"@miniagent\nasync def a():\n{doc()}", "a shows no example in the docstring of its module"),
        (f"def a(x):\n{doc()}", "a does not say under Args what x is"),
        (f"def a(*, x):\n{doc('Args: y')}", "a does not say under Args what x is"),
        (f"def a(*x):\n{doc('Args: x')}", "a does not say under Args what *x is"),
        (f"def a(**x):\n{doc('Args: x')}", "a does not say under Args what **x is"),
        (f"def a(x):\n{doc().replace('A.', 'A. x: it.')}", "a does not say under Args what x is"),
        (f"class a:\n{doc()}    def __init__(self, x): ...\n", "a does not say under Args what x is"),
        (f"class a:\n{doc()}    x: int\n", "a does not say what x is"),
        (f"class a:\n{doc()}{F}", "f does not say under Args what x is"),
        (f"def a():\n{doc()}    raise ValueError\n", "under Raises when ValueError"),
        (f"def a():\n{doc()}    raise my.Error('x')\n", "under Raises when Error"),
        (f"def a():\n{doc()}    _b()\ndef _b():\n    raise ValueError\n", "when ValueError"),
        (
            f"def a():\n{doc()}    try:\n        b()\n    except KeyError:\n        raise ValueError\n",
            "ValueError",
        ),
        (f"def a():\n{doc()}    try:\n        raise KeyError\n    finally:\n        pass\n", "KeyError"),
        (f"class a:\n{doc()}    def __init__(self):\n        self._g()\n{G}", "Raises when ValueError"),
        ("a: int = 1\n", "a has no string below it"),
        ("a = 1\nb = 2\n", "a has no string below it"),
    ],
)
def test_description_can_fail(tmp_path: Path, text: str, sentence: str) -> None:
    """A public name that lacks an example, an argument, an error or a string is found."""
    imported = 'from ._a import a\n__all__ = ["a"]\n'
    (breach,) = undescribed(plant(tmp_path, {PUBLIC: imported, MODULE: text}))
    assert breach.startswith("miniagents/values/_a.py:")
    assert sentence in breach
    assert undescribed(tmp_path, "miniagents/values/") == []


@pytest.mark.parametrize(
    "text",
    [
        f"def a(x, *y, **z):\n{doc('Args: x, *y, **z')}",
        f"def a(x, y):\n{doc('Args: x, y').replace('x: it.', 'x, y: two.')}",
        f"def a(self, _x):\n{doc()}",
        f"class a:\n{doc('Attributes: x')}    x: int\n    y: ClassVar[int]\n    _z: int\n",
        f"class a:\n{doc()}    @override\n{F}    def _g(self, x): ...\n",
        f"def a():\n{doc('Raises: ValueError')}    raise ValueError('no')\n",
        f"def a():\n{doc()}    try:\n        raise KeyError\n    except KeyError:\n        pass\n",
        f"def a():\n{doc()}    def b():\n        raise ValueError\n    return b\n",
        f"def a(error):\n{doc('Args: error')}    raise error\n",
        f"def a():\n{doc()}    try:\n        b()\n    except KeyError:\n        raise\n",
        f"{doc(indent='')}@miniagent\nasync def a():\n{doc(shows='')}",
        f"@overload\ndef a(x): ...\ndef a(x=1):\n{doc('Args: x')}",
        f"def a():\n{doc()}def b(x): ...\n",
        'a: int = 1\n"""What it is."""\n',
    ],
)
def test_description_passes(tmp_path: Path, text: str) -> None:
    """What is described is not found; nor is what is not listed, overrides, or raises where it is called."""
    imported = 'from ._a import a\n__all__ = ["a"]\n'
    assert undescribed(plant(tmp_path, {PUBLIC: imported, MODULE: text})) == []


def test_answers_can_fail(tmp_path: Path) -> None:
    """A question that an adapter does not answer is found, also in a method."""
    some, last = "\n".join(QUESTIONS[:-1]), QUESTIONS[-1]
    text = f'class A:\n    """{some}\n{last}\n    """\n    def f(self):\n        """{some}"""\n'
    plant(tmp_path, {MODULE: text})
    (breach,) = unanswered(tmp_path, {"miniagents.values._a": ("A", "A.f")})
    assert breach == f"miniagents.values._a: A.f does not answer {last!r}"


def test_examples_are_counted(tmp_path: Path) -> None:
    """Those of the module, of its definitions and of their methods count, those of its comments do not."""
    text = f"{doc(indent='')}# >>> 1\nclass A:\n{doc()}{F}"
    (module,) = (each for each in modules(plant(tmp_path, {MODULE: text})) if each.name.endswith("_a"))
    assert examples_in(module) == 3
