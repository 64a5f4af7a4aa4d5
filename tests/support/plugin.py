"""An environment in which pytest finds the plugin as it does where `miniagents` is installed."""

import os
import tomllib
from pathlib import Path

__all__ = ["BESIDE_PLUGINS", "plugin_path"]

ROOT = Path(__file__).parents[2]
BESIDE_PLUGINS = ("pytest", "asyncio", "pydantic", "reactivex.operators")
"""What pytest and tests import; all that is of a plugin, pytest imports itself, to explain its assertions."""


def plugin_path(folder: Path) -> str:
    """A `PYTHONPATH` with this source tree and the entry points that `pyproject.toml` has for pytest.

    Args:
        folder: where these are written; an installation that has them too does no harm.
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    points = [f"{name} = {module}" for name, module in project["entry-points"]["pytest11"].items()]
    described = folder / "miniagents_plugin-0.dist-info"
    described.mkdir(parents=True, exist_ok=True)
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: miniagents-plugin\nVersion: 0\n")
    (described / "entry_points.txt").write_text("\n".join(["[pytest11]", *points, ""]))
    return os.pathsep.join([str(ROOT), str(folder)])
