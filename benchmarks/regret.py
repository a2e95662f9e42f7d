"""Shows how fast each algorithm finds good configurations: learning curves on landscapes with known optima.

    python benchmarks/regret.py [--only still|contexts|drift] [--quick] [--algorithms NAME ...]
                                [--instances N] [--jobs N] [--runs FILE]

``still``: for every class of landscape (3, 8 and 20 mixed parameters, Hartmann's function of 6, Ackley's of
10; noise of 3 %, 5 %, 10 %, heavy tails) and every registered algorithm that can be made without further
options, the regret of the recommended configuration after 20, 50 and 100 rounds: 0 at the optimum, 1 at the
parameters' own values, free of noise. "x random" is the geometric mean over instances of (regret + 0.02) /
(regret of uniform_random on the same instance + 0.02).

``contexts``: 3, 6 or 9 contexts share 100 rounds. "Played" is the mean regret of what was played in the last
25 of them; "recommended" that of what is recommended for each context at the end, by those that can.
Algorithms that take contexts are told them; "; apart" is one tuner for each context.

``drift``: the optimum moves slowly, or jumps every 200 rounds; the mean regret of what was played in 600
rounds, and in the last 300 of them.

Instances are drawn from seeds of 10,000 and above, which nothing was tuned on. With a handful of instances
differences under 25 % mean nothing. ``--runs`` keeps every run in a file, a line for each as soon as it is
known, and takes those that are there from it; delete the file after a change to an algorithm.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy is loaded
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

from oppertune.algorithms.all import ALGORITHMS, get_algorithm_class
from regret_runs import SEPARATE, Curve, Run, follow

FIRST_SEED = 10_000
BASELINE = "uniform_random"
STILL = (
    "system3/gaussian3",
    "system3/gaussian10",
    "system3/heavy",
    "system8/gaussian3",
    "system8/gaussian10",
    "system8/heavy",
    "system20/gaussian3",
    "system20/gaussian10",
    "system20/heavy",
    "hartmann6/gaussian5",
    "ackley10/gaussian3",
    "ackley10/gaussian5",
)
QUICK = ("system3/gaussian3", "system8/gaussian3", "system8/heavy", "system20/gaussian10")
CONTEXTS = tuple(f"contextual{n}x{m}/gaussian3" for n in (3, 8) for m in (3, 6, 9))
DRIFT = ("slow3/gaussian3", "slow8/gaussian3", "jumps3/gaussian3", "jumps8/gaussian3")

_TWO_POINT: dict[str, object] = {"feedback": 2}
_FAST: dict[str, object] = {"feedback": 2, "eta": 0.05}
OPTIONS: dict[str, list[tuple[str, dict[str, object]]]] = {
    "bluefin": [("", {}), (", two-point", _TWO_POINT)],
    "hybrid_solver": [("", {}), (", two-point", {"numerical_algorithm_args": _TWO_POINT})],
    "ppo": [("", {}), (", classical, n_steps 16", {"model_based": False, "n_steps": 16, "batch_size": 16})],
}
"""Settings per algorithm; the default ones for those that are not named."""
WITH_DRIFT: dict[str, tuple[str, dict[str, object]]] = {
    "bluefin": (", two-point, eta 0.05", _FAST),
    "hybrid_solver": (", two-point, eta 0.05", {"numerical_algorithm_args": _FAST}),
}
"""Settings besides, which only a moving optimum is worth."""

Found = dict[str, dict[str, list[Curve]]]
"""Curves by class of landscape and label."""


class Kept:
    """Runs that were measured, in a file if there is one.

    Args:
        path: a JSON document a line; read first.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._known: dict[str, Curve | None] = {}
        if path is not None and path.exists():
            for line in path.read_text(encoding="utf-8").splitlines():
                row = json.loads(line)
                self._known[row["run"]] = None if row["curve"] is None else Curve(**row["curve"])

    def __contains__(self, run: Run) -> bool:
        return self._key(run) in self._known

    def __getitem__(self, run: Run) -> Curve | None:
        return self._known[self._key(run)]

    def add(self, run: Run, curve: Curve | None) -> None:
        """Keep one run."""
        self._known[self._key(run)] = curve
        if self._path is not None:
            row = {"run": self._key(run), "curve": None if curve is None else curve._asdict()}
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")

    @staticmethod
    def _key(run: Run) -> str:
        return json.dumps([run.label, run.options, run.landscape, run.seed, run.checkpoints])


def candidates(wanted: Sequence[str] | None) -> Iterator[tuple[str, str, dict[str, object]]]:
    """Label, name and options of everything that imports; an alias is not measured twice."""
    seen: set[type] = set()
    for name in wanted or sorted(ALGORITHMS, key=lambda n: (n == "hopt", n)):
        try:
            cls = get_algorithm_class(name)
        except ImportError:
            continue
        if cls not in seen:
            seen.add(cls)
            for suffix, options in OPTIONS.get(name, [("", {})]):
                yield name + suffix, name, options


def runs_of(
    landscapes: Sequence[str], wanted: Sequence[str] | None, instances: int, checkpoints: tuple[int, ...]
) -> list[Run]:
    """All runs of one section; the baseline is always among them."""
    chosen = list(candidates(wanted))
    if BASELINE not in {name for _, name, _ in chosen}:
        chosen.append((BASELINE, BASELINE, {}))
    if landscapes is DRIFT:
        chosen += [(n + suffix, n, o) for n, (suffix, o) in WITH_DRIFT.items() if not wanted or n in wanted]
    if landscapes is CONTEXTS:
        chosen += [(label + SEPARATE, name, options) for label, name, options in chosen]
    return [
        Run(label, name, options, landscape, seed, checkpoints)
        for landscape in landscapes
        for label, name, options in chosen
        for seed in range(FIRST_SEED, FIRST_SEED + instances)
    ]


def measure(runs: Sequence[Run], kept: Kept, jobs: int) -> Found:
    """The curves of those that take their landscape."""
    missing = [run for run in runs if run not in kept]
    with ProcessPoolExecutor(jobs) as pool:
        for run, curve in zip(missing, pool.map(follow, missing), strict=True):
            kept.add(run, curve)
    found: Found = {}
    for run in runs:
        curve = kept[run]
        if curve is not None:
            found.setdefault(run.landscape, {}).setdefault(run.label, []).append(curve)
    return found


def ratios(curves: Sequence[Curve], baseline: Sequence[Curve]) -> np.ndarray:
    """Geometric means over instances, per checkpoint."""
    ours, blind = (np.array([curve.regrets for curve in each]) + 0.02 for each in (curves, baseline))
    result: np.ndarray = np.exp(np.mean(np.log(ours / blind), axis=0))
    return result


def show_still(found: Found, checkpoints: Sequence[int]) -> None:
    """One table over all classes, and one for each."""
    labels = list(dict.fromkeys(label for each in found.values() for label in each))
    header = "  ".join(f"{f'at {n}':>6}" for n in checkpoints)
    width = max(map(len, labels))
    print(f"x random, all classes\n{'algorithm':<{width}}  {header}  below default  ms a round  classes")
    rows = []
    for label in labels:
        taken = [each for each in found.values() if label in each]
        pooled = [c for each in taken for c in each[label]]
        alike = [c for each in taken for c in each[BASELINE]]
        below = float(np.mean([c.below for c in pooled]))
        cost = float(np.mean([c.milliseconds for c in pooled]))
        rows.append((ratios(pooled, alike), label, below, cost, len(taken)))
    for ratio, label, below, cost, count in sorted(rows, key=lambda row: float(row[0][-1])):
        numbers = "  ".join(f"{r:6.2f}" for r in ratio)
        print(f"{label:<{width}}  {numbers}  {below:12.0%}  {cost:10.2f}  {count:7}")
    for landscape, each in found.items():
        print(f"\n{landscape}: mean regret (x random)")
        for label, curves in sorted(each.items(), key=lambda item: np.mean([c.regrets[-1] for c in item[1]])):
            means = np.mean([c.regrets for c in curves], axis=0)
            ratio = ratios(curves, each[BASELINE])
            pairs = "  ".join(f"{m:5.2f} ({r:4.2f})" for m, r in zip(means, ratio, strict=True))
            print(f"  {label:<{width}}  {pairs}")


def show_played(title: str, found: Found, columns: Sequence[str]) -> None:
    """One table for each class: mean regrets, best first."""
    width = max(len(label) for each in found.values() for label in each)
    for landscape, each in found.items():
        header = "  ".join(f"{column:>12}" for column in columns)
        print(f"\n{landscape}: {title}\n  {'algorithm':<{width}}  {header}  below default  ms a round")
        for label, curves in sorted(each.items(), key=lambda item: np.mean([c.regrets[0] for c in item[1]])):
            means = [float(x) for x in np.mean([c.regrets for c in curves], axis=0)]
            numbers = "  ".join(f"{'-':>12}" if np.isnan(x) else f"{x:12.2f}" for x in means)
            below = float(np.mean([c.below for c in curves]))
            cost = float(np.mean([c.milliseconds for c in curves]))
            print(f"  {label:<{width}}  {numbers}  {below:13.0%}  {cost:10.2f}")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=("still", "contexts", "drift"))
    parser.add_argument("--quick", action="store_true", help="four still classes, 50 rounds, 4 instances")
    parser.add_argument("--algorithms", nargs="+", metavar="NAME")
    parser.add_argument("--instances", type=int, help="of each class (20; with --quick, 4)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--runs", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    only = "still" if arguments.quick else arguments.only
    instances = arguments.instances or (4 if arguments.quick else 20)
    checkpoints = (20, 50) if arguments.quick else (20, 50, 100)
    kept = Kept(arguments.runs)

    def found_in(landscapes: Sequence[str]) -> Found:
        runs = runs_of(landscapes, arguments.algorithms, instances, checkpoints)
        return measure(runs, kept, arguments.jobs)

    if only in (None, "still"):
        show_still(found_in(QUICK if arguments.quick else STILL), checkpoints)
    if only in (None, "contexts"):
        show_played("mean regret over contexts", found_in(CONTEXTS), ("played", "recommended"))
    if only in (None, "drift"):
        show_played("mean regret of what was played", found_in(DRIFT), ("600 rounds", "last 300"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
