"""Shows how fast each algorithm finds good configurations: learning curves on landscapes with known optima.

    python benchmarks/regret.py [--quick] [--algorithms NAME ...] [--instances N] [--jobs N] [--json FILE]

For every class of landscape (3, 8 and 20 mixed parameters, Ackley in 10 dimensions; noise of 3 %, 10 %, heavy
tails) and every registered algorithm that can be made without further options, the regret of the recommended
configuration is measured free of noise: 0 at the optimum, 1 at the parameters' own values. "x random" is the
geometric mean over instances of (regret + 0.02) / (regret of uniform_random on the same instance + 0.02).
Instances are drawn from seeds of 10,000 and above, which nothing was tuned on. With a handful of instances
differences under 25 % mean nothing.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy is loaded

import argparse
import json
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np

from oppertune.algorithms.all import ALGORITHMS, create_tuning_instance, get_algorithm_class
from oppertune.errors import OppertuneError
from oppertune.testing.landscapes import Landscape, ackley, system_like

FIRST_SEED = 10_000
BASELINE = "uniform_random"
CLASSES = (
    "system3/gaussian3",
    "system3/heavy",
    "system8/gaussian3",
    "system8/gaussian10",
    "system8/heavy",
    "system20/gaussian3",
    "system20/gaussian10",
    "ackley10/gaussian3",
)
QUICK = ("system3/gaussian3", "system8/gaussian3", "system8/heavy", "system20/gaussian10")
OPTIONS: dict[str, list[tuple[str, dict[str, object]]]] = {
    "bluefin": [("", {}), (", two-point", {"feedback": 2})],
    "ppo": [("", {}), (", n_steps 16", {"n_steps": 16, "batch_size": 16})],
}
"""Settings per algorithm; the default ones for those that are not named."""


class Run(NamedTuple):
    """One algorithm on one instance."""

    label: str
    name: str
    options: dict[str, object]
    landscape: str
    seed: int
    checkpoints: tuple[int, ...]


class Curve(NamedTuple):
    """What came of it.

    Attributes:
        regrets: of the recommended configuration, per checkpoint.
        below: share of trials more than 10 % below the parameters' own values.
        milliseconds: of processor time per round, mean.
    """

    regrets: list[float]
    below: float
    milliseconds: float


def landscape_of(name: str, seed: int) -> Landscape:
    shape, _, noise = name.partition("/")
    if shape.startswith("ackley"):
        return ackley(int(shape.removeprefix("ackley")), seed, noise)  # type: ignore[arg-type]
    return system_like(int(shape.removeprefix("system")), seed, noise)  # type: ignore[arg-type]


def follow(run: Run) -> Curve | None:
    """The learning curve; None where the algorithm does not take this kind of space."""
    warnings.simplefilter("ignore")
    landscape = landscape_of(run.landscape, run.seed)
    try:
        algorithm = create_tuning_instance(
            run.name, landscape.parameters, random_seed=run.seed, normalize_rewards=True, **run.options
        )
    except (OppertuneError, TypeError):
        return None
    rng = np.random.default_rng(run.seed)
    default = landscape.noise_free({p.name: p.val for p in landscape.parameters})
    regrets: list[float] = []
    spent: list[float] = []
    below = 0
    for trial in range(1, run.checkpoints[-1] + 1):
        start = time.process_time()
        prediction, request_id = algorithm.predict()
        spent.append(time.process_time() - start)
        reward = landscape.sample(prediction, rng)
        start = time.process_time()
        algorithm.set_reward(reward, request_id=request_id)
        spent[-1] += time.process_time() - start
        below += landscape.noise_free(prediction) < 0.9 * default
        if trial in run.checkpoints:
            regrets.append(max(0.0, landscape.regret(algorithm.recommend())))
    return Curve(regrets, below / run.checkpoints[-1], 1e3 * float(np.mean(spent)))


def candidates(wanted: Sequence[str] | None) -> Iterator[tuple[str, str, dict[str, object]]]:
    """Label, name and options of everything that imports; an alias is not measured twice."""
    seen: set[type] = set()
    for name in wanted or sorted(ALGORITHMS):
        try:
            cls = get_algorithm_class(name)
        except ImportError:
            continue
        if cls not in seen:
            seen.add(cls)
            for suffix, options in OPTIONS.get(name, [("", {})]):
                yield name + suffix, name, options


def ratios(curves: Sequence[Curve], baseline: Sequence[Curve]) -> np.ndarray:
    """Geometric means over instances, per checkpoint."""
    ours, blind = (np.array([curve.regrets for curve in each]) + 0.02 for each in (curves, baseline))
    return np.exp(np.mean(np.log(ours / blind), axis=0))


def measure(arguments: argparse.Namespace) -> dict[str, dict[str, list[Curve]]]:
    """Curves by label and class of landscape."""
    checkpoints = (20, 50) if arguments.quick else (20, 50, 100)
    chosen = list(candidates(arguments.algorithms))
    if BASELINE not in {name for _, name, _ in chosen}:
        chosen.append((BASELINE, BASELINE, {}))
    seeds = range(FIRST_SEED, FIRST_SEED + arguments.instances)
    runs = [
        Run(label, name, options, landscape, seed, checkpoints)
        for landscape in (QUICK if arguments.quick else CLASSES)
        for seed in seeds
        for label, name, options in chosen
    ]
    found: dict[str, dict[str, list[Curve]]] = {label: {} for label, _, _ in chosen}
    with ProcessPoolExecutor(arguments.jobs) as pool:
        for run, curve in zip(runs, pool.map(follow, runs), strict=True):
            if curve is not None:
                found[run.label].setdefault(run.landscape, []).append(curve)
    return {label: curves for label, curves in found.items() if curves}


def show(found: dict[str, dict[str, list[Curve]]], checkpoints: Sequence[int]) -> None:
    blind = found[BASELINE]
    header = "  ".join(f"{f'at {n}':>6}" for n in checkpoints)
    width = max(map(len, found))
    print(f"x random, all classes\n{'algorithm':<{width}}  {header}  below default  ms a round")
    rows = []
    for label, curves in found.items():
        pooled = [c for name in curves for c in curves[name]]
        alike = [c for name in curves for c in blind[name]]
        below = float(np.mean([c.below for c in pooled]))
        cost = float(np.mean([c.milliseconds for c in pooled]))
        rows.append((ratios(pooled, alike), label, below, cost))
    for ratio, label, below, cost in sorted(rows, key=lambda row: float(row[0][-1])):
        numbers = "  ".join(f"{r:6.2f}" for r in ratio)
        print(f"{label:<{width}}  {numbers}  {below:12.0%}  {cost:10.2f}")
    for landscape in blind:
        print(f"\n{landscape}: mean regret (x random)")
        for label, curves in found.items():
            if landscape in curves:
                means = np.mean([c.regrets for c in curves[landscape]], axis=0)
                ratio = ratios(curves[landscape], blind[landscape])
                pairs = "  ".join(f"{m:5.2f} ({r:4.2f})" for m, r in zip(means, ratio, strict=True))
                print(f"  {label:<{width}}  {pairs}")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="four classes, 50 trials, 4 instances")
    parser.add_argument("--algorithms", nargs="+", metavar="NAME")
    parser.add_argument("--instances", type=int)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write every curve")
    arguments = parser.parse_args()
    arguments.instances = arguments.instances or (4 if arguments.quick else 20)
    found = measure(arguments)
    show(found, (20, 50) if arguments.quick else (20, 50, 100))
    if arguments.json:
        plain = {
            label: {landscape: [curve._asdict() for curve in each] for landscape, each in curves.items()}
            for label, curves in found.items()
        }
        arguments.json.write_text(json.dumps(plain), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
