"""How every plot of the documentation looks, and how it becomes a file that the same figures always make."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

STYLE: dict[str, Any] = {
    "svg.hashsalt": "oppertune",
    "svg.fonttype": "path",  # looks the same wherever it is shown
    "figure.facecolor": "white",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "axes.titlesize": 9.5,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
}
WIDTH, HEIGHT = 7.6, 3.1
_COORDINATE = re.compile(r"(?<=[ML ])(-?\d+\.\d)\d+(?=[ \n])")


def drawn(path: Path, draw: Callable[[Any], None], height: float = HEIGHT) -> None:
    """Draw on an empty figure and write it. Raises ImportError without matplotlib (the ``docs`` extra).

    Args:
        path: of the file; its suffix says which kind.
        draw: fills the figure that it is given.
        height: of the figure, in inches.
    """
    import matplotlib as mpl

    mpl.use("agg")
    import matplotlib.pyplot as plt

    with mpl.rc_context(STYLE):
        figure = plt.figure(figsize=(WIDTH, height), layout="constrained")
        draw(figure)
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
        plt.close(figure)
    if path.suffix == ".svg":
        path.write_text(shortened(path.read_text("utf-8")), "utf-8")


def shortened(svg: str) -> str:
    """The file with places to a tenth of a point: it looks the same and is a third smaller."""
    return _COORDINATE.sub(r"\1", svg)
