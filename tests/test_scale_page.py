"""The page `docs/scale.md` does what it says: its agent goes to workers and comes back.

Crosses modules: the example uses what users use; a Ray of this process takes the place of a cluster.
"""

import re
import sys
from collections.abc import Callable, Coroutine
from importlib import import_module
from pathlib import Path
from typing import cast

import pytest

from tests.support.fake_ray import FakeRay, fake_ray

__all__ = ["fake_ray"]

PAGE = (Path(__file__).parents[1] / "docs" / "scale.md").read_text(encoding="utf-8")


async def test_the_example(
    fake_ray: FakeRay, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The example prints what its comment says."""
    (example,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "page_of_scale.py").write_text(example, encoding="utf-8")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    main = cast("Callable[[], Coroutine[object, object, None]]", import_module("page_of_scale").main)
    await main()
    assert "HELLO!\n" == capsys.readouterr().out
    await fake_ray.ended()
