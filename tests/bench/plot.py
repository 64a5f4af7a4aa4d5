"""The picture of a run: how many times the limit everybody takes, and how ours grows with size."""

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path

from .measure import Measured
from .report import Ratios

Growth = Mapping[str, Mapping[int, float]]
"""Of each series: seconds an item at each size."""

MARKS = "svD^<>pP"


def draw(cases: Sequence[Measured], peers: Ratios, growth: Growth, path: Path) -> None:
    """Write the picture.

    Args:
        cases: ours.
        peers: theirs.
        growth: ours at several sizes.
        path: of an SVG file.

    Raises:
        ImportError: matplotlib is not installed; `pip install -e '.[bench]'`.
    """
    matplotlib = import_module("matplotlib")
    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "bench", "font.size": 9})
    figure, (left, right) = import_module("matplotlib.pyplot").subplots(1, 2, figsize=(11, 4.2))
    names = [case.name for case in cases]
    left.axhline(1, color="0.6", linewidth=0.8)
    left.plot(names, [case.target_ratio for case in cases], "_", color="0.3", markersize=18, label="target")
    left.plot(names, [case.ratio for case in cases], "o", color="tab:red", label="ours", zorder=3)
    for mark, (name, ratios) in zip(MARKS, peers.items(), strict=False):
        shown = [case for case in names if case in ratios]
        left.plot(shown, [ratios[case] for case in shown], mark, markersize=5, alpha=0.7, label=name)
    left.set(
        yscale="log",
        ylim=(0.01, 30_000),
        ylabel="times the limit",
        title="Cost, against what the interpreter allows",
    )
    left.legend(fontsize=7, ncols=2)
    for name, costs in growth.items():
        first = next(iter(costs.values()))
        right.plot(list(costs), [cost / first for cost in costs.values()], "o-", markersize=3, label=name)
    right.axhline(1.5, color="0.6", linewidth=0.8, linestyle="--")
    right.set(xscale="log", ylim=(0, 2), xlabel="how many", title="Cost of one more, against the first")
    right.legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
