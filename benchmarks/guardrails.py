"""What ``max_regression 20%`` costs and saves on landscapes with cliffs.

    python benchmarks/guardrails.py                                20 seeds of each landscape
    python benchmarks/guardrails.py --seeds 10020:10030 --record runs.jsonl     some more, kept beside others
    python benchmarks/guardrails.py --summary runs.jsonl           all that was kept

Pairs of runs of ``bayesian_optimization`` over 75 trials with the same landscape, seed and noise (3 %): one
searches as ever, one keeps to ``max_regression=0.2``. Noise-free values decide:

* *below*: the share of the first 60 trials that earn less than 80 % of what the parameters' own values earn;
* *trials*: until a configuration was tried that gains 90 % of what a third search gains over the default: an
  unguarded one over 60 trials with other random numbers, since the goal must not be the luck of one side;
  medians over the seeds, where a run that never gets there counts as more than any, and in brackets means,
  where it counts as 76;
* *recommended*: the gain of the configuration that the search recommends at the end by that of the best one
  that the third search tried; medians.

The ratios of *all* have intervals of 90 %, by drawing pairs anew.

``system3``, ``system8`` and ``system20`` are those of :mod:`oppertune.testing.landscapes`, with a cliff just
past the optimum. ``steep8`` has two cliffs that involve every number: one 2 % past the optimum, and one below
the default, which starts a little above it.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from oppertune.algorithms.bayesian_optimization import BayesianOptimization
from oppertune.core.values import Categorical, Value
from oppertune.testing._system import drawn_system, units
from oppertune.testing.landscapes import Landscape, system_like

TRIALS, MORE = 60, 75
_NEVER = MORE + 1
_DRAWS = 2000
_OTHER = 1_000_000
REGRESSION = 0.2
REACHED = 0.9
_FALLEN = 0.02
_PAST, _BELOW = 1.02, 0.6


def steep(n_parameters: int, seed: int) -> Landscape:
    """A system with one cliff 2 % past its optimum and one below its default, both over all numbers."""
    drawn = drawn_system(n_parameters, seed)
    rng = np.random.default_rng([seed, 1])
    numeric = np.array([not isinstance(p, Categorical) for p in drawn.parameters])
    upper, lower = (rng.uniform(0.2, 1.0, n_parameters) * numeric for _ in range(2))
    system = replace(drawn, cliff=upper, threshold=float(upper @ drawn.best) * _PAST)
    default = units(system.parameters, {p.name: p.val for p in system.parameters})
    least = _BELOW * float(lower @ default)

    def surface(values: Mapping[str, Value]) -> float:
        reward = system.surface(values)
        return reward * _FALLEN if float(lower @ units(system.parameters, values)) < least else reward

    return Landscape(f"steep{n_parameters}", system.parameters, system.optimum, "gaussian3", surface)


LANDSCAPES: Mapping[str, Callable[[int], Landscape]] = {
    "system3": lambda seed: system_like(3, seed),
    "system8": lambda seed: system_like(8, seed),
    "system20": lambda seed: system_like(20, seed),
    "steep8": lambda seed: steep(8, seed),
}


def search(landscape: Landscape, seed: int, trials: int, **arguments: Any) -> tuple[list[float], float]:
    """Run a search; return the noise-free levels that it tried, and the level that it recommends at the end.

    Levels are relative to the default's.
    """
    rng = np.random.default_rng(seed)
    home = landscape.noise_free({p.name: p.val for p in landscape.parameters})
    made = BayesianOptimization(landscape.parameters, budget=trials, random_seed=seed, **arguments)
    levels: list[float] = []
    for _ in range(trials):
        configuration, request = made.predict()
        levels.append(landscape.noise_free(configuration) / home)
        made.set_reward(landscape.sample(configuration, rng), request_id=request)
    return levels, landscape.noise_free(made.recommend()) / home


def pair(name: str, seed: int) -> dict[str, Any]:
    """Compare both searches on one landscape."""
    landscape = LANDSCAPES[name](seed)
    reference, _ = search(landscape, seed + _OTHER, TRIALS)
    free, free_recommended = search(landscape, seed, MORE)
    kept, kept_recommended = search(landscape, seed, MORE, max_regression=REGRESSION)
    return {
        "landscape": name,
        "seed": seed,
        "reference": max(reference),
        "levels": [[round(level, 4) for level in levels] for levels in (free, kept)],
        "recommended": [free_recommended, kept_recommended],
    }


def _below(run: Mapping[str, Any], way: int) -> float:
    return sum(level < 1.0 - REGRESSION for level in run["levels"][way][:TRIALS]) / TRIALS


def _reached(run: Mapping[str, Any], way: int) -> int:
    goal = 1.0 + REACHED * (run["reference"] - 1.0)
    return next((number for number, level in enumerate(run["levels"][way], 1) if level >= goal), _NEVER)


def _recommended(run: Mapping[str, Any], way: int) -> float:
    gain = run["reference"] - 1.0
    return (run["recommended"][way] - 1.0) / gain if gain > 0 else math.nan


def summarise(runs: Sequence[Mapping[str, Any]]) -> None:
    print(f"{'landscape':10} {'seeds':>5} {'below: free':>11} {'kept':>6} {'ratio':>6}", end="")
    print(f" {'trials: free':>14} {'kept':>11} {'ratio':>11} {'never: free':>12} {'kept':>5}", end="")
    print(f" {'recommended: free':>18} {'kept':>5}")
    for name in (*LANDSCAPES, "all"):
        chosen = [run for run in runs if name in ("all", run["landscape"])]
        if not chosen:
            continue
        below, trials, recommended = (
            np.array([[of(run, way) for way in (0, 1)] for run in chosen], dtype=np.float64)
            for of in (_below, _reached, _recommended)
        )
        free, kept = below.mean(0)
        before, after = np.median(trials, axis=0)
        mean_before, mean_after = trials.mean(0)
        print(f"{name:10} {len(chosen):5} {free:11.1%} {kept:6.1%} {kept / free:6.2f}", end="")
        print(f" {before:7.1f} ({mean_before:4.1f}) {after:4.1f} ({mean_after:4.1f})", end="")
        print(f" {after / before:4.2f} ({mean_after / mean_before:4.2f})", end="")
        never, gains = (trials == _NEVER).mean(0), np.nanmedian(recommended, axis=0)
        print(f" {never[0]:12.0%} {never[1]:5.0%} {gains[0]:18.2f} {gains[1]:5.2f}")
    rows = np.random.default_rng(0).integers(len(runs), size=(_DRAWS, len(runs)))
    for what, values, centre in (("below", below, np.mean), ("trials", trials, np.median)):
        middles = centre(values[rows], axis=1)
        low, high = np.nanquantile(middles[:, 1] / middles[:, 0], (0.05, 0.95))
        print(f"{what}: ratio between {low:.2f} and {high:.2f}")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", default="10000:10020", help="from:to, the last one left out")
    parser.add_argument("--landscapes", nargs="+", choices=LANDSCAPES, default=list(LANDSCAPES))
    parser.add_argument("--record", type=Path, help="add the runs to this file")
    parser.add_argument("--summary", type=Path, help="only summarise the runs in this file")
    options = parser.parse_args()
    if options.summary is not None:
        summarise([json.loads(line) for line in options.summary.read_text().splitlines()])
        return 0
    first, _, last = options.seeds.partition(":")
    runs = []
    for seed in range(int(first), int(last)):
        for name in options.landscapes:
            runs.append(pair(name, seed))
            if options.record is not None:
                with options.record.open("a") as file:
                    file.write(json.dumps(runs[-1]) + "\n")
    summarise(runs)
    return 0


if __name__ == "__main__":
    sys.exit(main())
