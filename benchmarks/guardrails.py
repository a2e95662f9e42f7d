"""What ``max_regression 20%`` costs and saves on landscapes with cliffs.

    python benchmarks/guardrails.py                                20 seeds of each landscape
    python benchmarks/guardrails.py --seeds 10020:10030 --record runs.jsonl     some more, kept beside others
    python benchmarks/guardrails.py --summary runs.jsonl           all that was kept

Pairs of runs of ``bayesian_optimization`` with the same landscape, seed and noise (3 %): one searches as ever
for 60 trials, one keeps to ``max_regression=0.2`` and has a quarter more. Noise-free values decide:

* *below*: the share of trials that earn less than 80 % of what the parameters' own values earn;
* *trials*: until a configuration was tried that gains 90 % of what the unguarded search's best gains over the
  default after 60 trials; medians over the seeds, where a run that never gets there counts as more than any;
* *recommended*: the gain of the configuration that the search recommends after 60 trials, guarded or not, by
  that of the best one that the unguarded search tried; medians.

``system3``, ``system8`` and ``system20`` are those of :mod:`oppertune.testing.landscapes`, with a cliff just
past the optimum. ``steep8`` has two cliffs that involve every number: one 2 % past the optimum, and one below
the default, which starts a little above it.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
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
    """Run a search; return the noise-free levels that it tried, and the level recommended after 60 trials.

    Levels are relative to the default's.
    """
    rng = np.random.default_rng(seed)
    home = landscape.noise_free({p.name: p.val for p in landscape.parameters})
    made = BayesianOptimization(landscape.parameters, budget=trials, random_seed=seed, **arguments)
    levels: list[float] = []
    recommended = math.nan
    for number in range(1, trials + 1):
        configuration, request = made.predict()
        levels.append(landscape.noise_free(configuration) / home)
        made.set_reward(landscape.sample(configuration, rng), request_id=request)
        if number == TRIALS:
            recommended = landscape.noise_free(made.recommend()) / home
    return levels, recommended


def pair(name: str, seed: int) -> dict[str, Any]:
    """Compare both searches on one landscape."""
    landscape = LANDSCAPES[name](seed)
    free, free_recommended = search(landscape, seed, TRIALS)
    kept, kept_recommended = search(landscape, seed, MORE, max_regression=REGRESSION)
    gain = max(free) - 1.0
    goal = 1.0 + REACHED * gain
    return {
        "landscape": name,
        "seed": seed,
        "levels": [[round(level, 4) for level in levels] for levels in (free, kept)],
        "below": [_below(free), _below(kept[:TRIALS])],
        "below_all": _below(kept),
        "trials": [_reached(free, goal), _reached(kept, goal)],
        "recommended": [(free_recommended - 1.0) / gain, (kept_recommended - 1.0) / gain]
        if gain > 0
        else None,
    }


def _below(levels: Sequence[float]) -> float:
    return sum(level < 1.0 - REGRESSION for level in levels) / len(levels)


def _reached(levels: Sequence[float], goal: float) -> int | None:
    return next((number for number, level in enumerate(levels, 1) if level >= goal), None)


def summarise(runs: Sequence[Mapping[str, Any]]) -> None:
    print(f"{'landscape':10} {'seeds':>5} {'below: free':>11} {'kept':>6} {'ratio':>6}", end="")
    print(
        f" {'trials: free':>12} {'kept':>5} {'ratio':>6} {'never':>6} {'recommended: free':>17} {'kept':>5}"
    )
    for name in (*LANDSCAPES, "all"):
        chosen = [run for run in runs if name in ("all", run["landscape"])]
        if not chosen:
            continue
        free, kept = (statistics.fmean(run["below"][way] for run in chosen) for way in (0, 1))
        before, after = (
            statistics.median(
                math.inf if run["trials"][way] is None else run["trials"][way] for run in chosen
            )
            for way in (0, 1)
        )
        never = statistics.fmean(run["trials"][1] is None for run in chosen)
        gains = [
            statistics.median(run["recommended"][way] for run in chosen if run["recommended"])
            for way in (0, 1)
        ]
        ratio = kept / free if free else math.nan
        print(f"{name:10} {len(chosen):5} {free:11.1%} {kept:6.1%} {ratio:6.2f}", end="")
        print(f" {before:12.1f} {after:5.1f} {after / before:6.2f} {never:6.0%}", end="")
        print(f" {gains[0]:17.2f} {gains[1]:5.2f}")


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
