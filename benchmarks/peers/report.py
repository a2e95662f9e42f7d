"""Compares trajectories that ``play`` wrote with a baseline's on the same instances, as tables in Markdown.

    python benchmarks/peers report FILE ... [--baseline PEER] [--seeds FIRST COUNT] [--classes NAME ...]
        [--peers PEER ...] [--own-only] [--shared] [--plots DIR]

Noise-free regret is 0 at the optimum and 1 at the default configuration. "x PEER" is the geometric mean, over
the instances that both have, of (regret + 0.02) / (the baseline's, by its own choice, + 0.02), after
20 / 50 / 100 evaluations. "own choice" is what the peer would hand back, for most the best sample; "posterior
mean" is the measured configuration of the highest mean of our model, which was shown the peer's measurements.
So the first has search and recommendation together, and the second the search alone. With few instances gaps
under 25 % are noise. ``--plots`` draws own choices as SVG files, and needs the ``docs`` extra.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from peers.compare import Key, Regrets, in_class, milliseconds, own_regrets, posterior_regrets, ratio
from peers.instances import CLASSES, classes_of
from peers.play import Line, lines_of

Rows = dict[tuple[str, str], dict[Key, Regrets]]
"""Regrets by peer and way of choosing."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--baseline", default="optuna_tpe", metavar="PEER")
    parser.add_argument("--seeds", nargs=2, type=int, default=(10_000, 10_000), metavar=("FIRST", "COUNT"))
    parser.add_argument("--classes", nargs="+", default=CLASSES, metavar="NAME")
    parser.add_argument("--peers", nargs="+", metavar="PEER", help="only these; all in the files otherwise")
    parser.add_argument("--plots", type=Path, metavar="DIR")
    parser.add_argument("--shared", action="store_true", help="only instances that all in these files have")
    parser.add_argument("--own-only", action="store_true", help="leave the posterior mean out; much faster")


def rows_of(lines: list[Line], own_only: bool) -> Rows:
    rows: Rows = {}
    for line in lines:
        key = (line["landscape"], line["seed"])
        rows.setdefault((line["peer"], "own choice"), {})[key] = own_regrets(line)
        if not own_only:
            rows.setdefault((line["peer"], "posterior mean"), {})[key] = posterior_regrets(line)
    return rows


def shared_by_all(lines: list[Line]) -> set[Key]:
    """The instances that every peer has."""
    played: dict[str, set[Key]] = {}
    for line in lines:
        played.setdefault(line["peer"], set()).add((line["landscape"], line["seed"]))
    return set.intersection(*played.values()) if played else set()


def cells(values: Regrets) -> str:
    return " / ".join(f"{value:.2f}" for value in values)


def overall(rows: Rows, baseline: Mapping[Key, Regrets], lines: list[Line], name: str) -> None:
    print(f"| player | choice | instances | mean regret at 20 / 50 / 100 | x {name} | ms a round |")
    print("|---|---|---|---|---|---|")
    ordered = sorted(rows.items(), key=lambda row: float(ratio(row[1], baseline)[-1]))
    for (peer, choice), regrets in ordered:
        shared = [regrets[key] for key in regrets if key in baseline]
        cost = milliseconds(line for line in lines if line["peer"] == peer)
        mean, times = cells(np.mean(shared, axis=0)), cells(ratio(regrets, baseline))
        print(f"| {peer} | {choice} | {len(shared)} | {mean} | {times} | {cost:.1f} |")


def by_class(rows: Rows, baseline: Mapping[Key, Regrets], name: str) -> None:
    print(f"\nx {name} at 20 / 50 / 100, by class (instances)\n")
    several = len({choice for _, choice in rows}) > 1
    heads = [f"{peer}, {choice}" if several else peer for peer, choice in rows]
    print("| class | " + " | ".join(heads) + " |\n" + "|---" * (len(heads) + 1) + "|")
    for each in CLASSES:
        found = []
        for regrets in rows.values():
            shared = {key: value for key, value in in_class(regrets, each).items() if key in baseline}
            found.append(f"{cells(ratio(shared, baseline))} ({len(shared)})" if shared else "-")
        if set(found) != {"-"}:
            print(f"| {each} | " + " | ".join(found) + " |")


def lines_asked_for(arguments: argparse.Namespace) -> list[Line]:
    """Those on instances that the baseline has, and with ``--shared`` all the others."""
    first, count = arguments.seeds
    classes = classes_of(arguments.classes)
    lines = [
        line
        for line in lines_of(arguments.files)
        if first <= line["seed"] < first + count
        and line["landscape"] in classes
        and (not arguments.peers or line["peer"] in (*arguments.peers, arguments.baseline))
    ]
    kept = {(line["landscape"], line["seed"]) for line in lines if line["peer"] == arguments.baseline}
    if arguments.shared:
        kept &= shared_by_all(lines)
    return [line for line in lines if (line["landscape"], line["seed"]) in kept]


def main(arguments: argparse.Namespace) -> int:
    lines = lines_asked_for(arguments)
    if not lines:
        raise SystemExit(f"nothing of {arguments.baseline} for these seeds in these files")
    baseline = {
        (line["landscape"], line["seed"]): own_regrets(line)
        for line in lines
        if line["peer"] == arguments.baseline
    }
    rows = rows_of(lines, arguments.own_only)
    overall(rows, baseline, lines, arguments.baseline)
    by_class(rows, baseline, arguments.baseline)
    if arguments.plots is not None:
        from peers.pictures import pictures  # it needs matplotlib, which the tables do without

        for path in pictures(arguments.plots, lines, arguments.baseline):
            print(f"\n{path}", file=sys.stderr)
    return 0
