"""Draws what the report says: regret by evaluations, by class, against the price of a round, and ranks.

matplotlib is needed only here and only when asked for; the style is that of ``docs/plots``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from peers.compare import OFFSET, Key, milliseconds, own_regrets, ratio
from peers.instances import GROUPS, LOOKS
from peers.play import Line

sys.path.append(str(Path(__file__).resolve().parents[2] / "docs"))

from plots.labels import at_the_ends
from plots.style import drawn

Curve = npt.NDArray[np.float64]
Curves = dict[str, Curve]
"""By peer, the geometric mean of regret + 0.02 after each of LOOKS."""

SHOWN = {
    "bayesian_optimization": ("Tactician", "#0b5fa5"),
    "hebo": ("HEBO", "#2e8b57"),
    "optuna_tpe": ("Optuna TPE", "#d1495b"),
    "smac": ("SMAC3", "#7a4fa3"),
    "random": ("random", "#3f3f3f"),
}
"""Name and colour of those that stand out; the others are grey."""
NAMES = {
    "optuna_gp": "Optuna GP",
    "optuna_cmaes": "Optuna CMA-ES",
    "flaml": "FLAML",
    "nevergrad": "Nevergrad",
    "cmaes": "CatCMA",
    "skopt": "scikit-optimize",
    "sb3_ppo": "SB3 PPO",
    "sb3_sac": "SB3 SAC",
}
GREY = "#8c8c8c"


def shown(peer: str) -> tuple[str, str]:
    """Name and colour of a peer."""
    return SHOWN.get(peer, (NAMES.get(peer, peer), GREY))


def curves(lines: Sequence[Line]) -> Curves:
    """Of own choices, over all the lines."""
    rows: dict[str, list[list[float]]] = {}
    for line in lines:
        own = line["regret_own_choice"]
        rows.setdefault(line["peer"], []).append([own.get(str(n), np.nan) for n in LOOKS])
    return {peer: np.exp(np.mean(np.log(np.array(each) + OFFSET), axis=0)) for peer, each in rows.items()}


def plot(axes: Any, found: Curves) -> None:
    grey = [np.append(curve, np.nan) for peer, curve in found.items() if peer not in SHOWN]
    if grey:  # one path with gaps: the file is smaller
        axes.plot([*LOOKS, np.nan] * len(grey), np.concatenate(grey), color=GREY, linewidth=0.9, alpha=0.8)
    for peer, curve in found.items():
        if peer in SHOWN:
            axes.plot(LOOKS, curve, color=shown(peer)[1], linewidth=1.8)
    axes.set(xscale="log", yscale="log", xlim=(1, 100))
    axes.set_xticks((1, 5, 20, 100), ("1", "5", "20", "100"))
    axes.set_xticks((), minor=True)


def scale(
    axes: Any, found: Iterable[Curves], marks: Sequence[float] = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
) -> None:
    """One y axis for all these."""
    values = np.concatenate([curve for each in found for curve in each.values()])
    low, high = 0.9 * float(np.nanmin(values)), 1.1 * float(np.nanmax(values))
    ticks = [tick for tick in marks if low < tick < high]
    axes.set_ylim(low, high)
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_yticks((), minor=True)


def regret_by_evaluations(figure: Any, panels: Mapping[str, Sequence[Line]]) -> None:
    """One panel for each set of lines, with names at the ends of the curves."""
    row = figure.subplots(1, len(panels), squeeze=False)[0]
    for axes, (title, lines) in zip(row, panels.items(), strict=True):
        found = curves(lines)
        plot(axes, found)
        scale(axes, [found])
        count = len({(line["landscape"], line["seed"]) for line in lines})
        axes.set(title=f"{title} ({count} instances)", xlabel="evaluations")
        figure.canvas.draw()  # sets the places that the labels are kept apart by
        at_the_ends(axes, [(LOOKS[-1], float(c[-1]), *shown(peer)) for peer, c in found.items()])
    row[0].set_ylabel("regret + 0.02, geometric mean")


def by_class(figure: Any, lines: Sequence[Line]) -> None:
    """Small multiples: every class of landscapes, all on one scale, named in the last place."""
    names = [name for name in GROUPS["landscapes"] if any(line["landscape"] == name for line in lines)]
    grid = figure.subplots(-(-(len(names) + 1) // 4), 4, sharex=True, sharey=True, squeeze=False).ravel()
    found = [curves([line for line in lines if line["landscape"] == name]) for name in names]
    for axes, name, each in zip(grid, names, found, strict=False):
        plot(axes, each)
        scale(axes, found, (0.02, 0.1, 0.5))
        axes.label_outer(remove_inner_ticks=True)
        axes.grid(visible=False, axis="x")
        axes.set_title(name.replace("/", ", "), fontsize=8)
    for axes in grid[len(names) :]:
        axes.set_axis_off()
    key = grid[len(names)]
    entries = [shown(peer) for peer in SHOWN if any(line["peer"] == peer for line in lines)]
    for place, (name, colour) in enumerate([*entries, ("the others", GREY)]):
        key.text(0.1, 0.85 - 0.16 * place, name, color=colour, transform=key.transAxes, fontsize=9)
    figure.supxlabel("evaluations", fontsize=9)
    figure.supylabel("regret + 0.02, geometric mean", fontsize=9)


def cost(figure: Any, lines: Sequence[Line], baseline: str) -> None:
    """What a round costs the processor, and what is reached with it at 100 evaluations."""
    axes = figure.subplots()
    regrets: dict[str, dict[Key, Any]] = {}
    for line in lines:
        regrets.setdefault(line["peer"], {})[line["landscape"], line["seed"]] = own_regrets(line)
    for peer, found in regrets.items():
        name, colour = shown(peer)
        spent = milliseconds(line for line in lines if line["peer"] == peer)
        quality = float(ratio(found, regrets[baseline])[-1])
        axes.plot(spent, quality, "o", color=colour, markersize=6 if peer in SHOWN else 4)
        axes.annotate(name, (spent, quality), (5, 3), textcoords="offset points", color=colour, fontsize=8)
    axes.set(xscale="log", yscale="log", xlabel="processor milliseconds a round, the mean of 100")
    axes.set_ylabel(f"regret at 100, x {shown(baseline)[0]}")
    axes.set_yticks((0.5, 0.7, 1.0, 1.5, 2.0), ("0.5", "0.7", "1", "1.5", "2"))
    axes.set_yticks((), minor=True)
    axes.margins(x=0.16, y=0.12)


def ranks(figure: Any, places: Mapping[str, float], ours: str) -> None:
    """Average ranks on the tables, the published tuners' grey, ours in colour; the best on top."""
    axes = figure.subplots()
    order = sorted(places, key=lambda name: -places[name])
    for row, name in enumerate(order):
        label, colour = shown(name) if name == ours else (name, GREY)
        axes.plot((0.0, places[name]), (row, row), color=colour, linewidth=1.0)
        axes.plot(places[name], row, "o", color=colour, markersize=5)
        text = f"{label} {places[name]:.1f}"
        axes.text(places[name] + 0.15, row, text, color=colour, va="center", fontsize=8)
    axes.set(xlabel="average rank after 100 distinct rows (1 is best)", xlim=(0, max(places.values()) + 1.5))
    axes.set_yticks(())
    axes.spines["left"].set_visible(False)


def pictures(folder: Path, lines: Sequence[Line], baseline: str) -> list[Path]:
    """Write the plots that these lines are enough for, and say which."""
    folder.mkdir(parents=True, exist_ok=True)
    groups = {
        name: [line for line in lines if line["landscape"] in classes] for name, classes in GROUPS.items()
    }
    landscapes, coco = groups.pop("landscapes"), {f"bbob-{n}": found for n, found in groups.items() if found}
    written = []
    if landscapes:
        for name, height, draw in (
            ("regret", 3.8, lambda figure: regret_by_evaluations(figure, {"landscapes": landscapes})),
            ("classes", 5.6, lambda figure: by_class(figure, landscapes)),
            ("cost", 3.4, lambda figure: cost(figure, landscapes, baseline)),
        ):
            written.append(folder / f"{name}.svg")
            drawn(written[-1], draw, height)
    if coco:
        written.append(folder / "coco.svg")
        drawn(written[-1], lambda figure: regret_by_evaluations(figure, coco))
    return written
