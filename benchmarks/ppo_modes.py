"""Shows what the model is worth to PPO: model-based, classical and random search on the same landscapes.

    python benchmarks/ppo_modes.py [--instances N] [--first-seed N] [--classes NAME ...]
    python benchmarks/ppo_modes.py --contexts 3 6 9

"x random" is the geometric mean over instances of (regret + 0.02) / (random search's on the same instance +
0.02), the regret being that of the recommended configuration, free of noise: 0 at the optimum, 1 at the
parameters' own values. "below" is the share of trials more than 10 % below these. "ms" is of processor time
for predict and set_reward, the mean of the last 50 rounds; "longest" is the longest round after the first
ten, which load modules. Seeds of 10,000 and above were not looked at while tuning.

With ``--contexts`` as many contexts take turns for 100 rounds in all, on 8 parameters, and the regret is the
mean over contexts of what is recommended in each. "policy" is told the context; "point" is the same algorithm
when it is not, so that one configuration has to serve all.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"  # before numpy is loaded

import argparse
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from oppertune.algorithms.all import create_tuning_instance
from oppertune.algorithms.base import Algorithm
from oppertune.core.values import Parameter, Value
from oppertune.testing.changing import contextual
from oppertune.testing.landscapes import Landscape, ackley, hartmann6, system_like

TRIALS = 100
CHECKPOINTS = (20, 50, 100)
CLASSES = (
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
    "ackley10/gaussian5",
)
MODES: dict[str, tuple[str, dict[str, Any]]] = {
    "random": ("uniform_random", {}),
    "model-based": ("ppo", {"total_timesteps": TRIALS}),
    "classical": ("ppo", {"model_based": False}),
    "classical, n_steps 16": ("ppo", {"model_based": False, "n_steps": 16, "batch_size": 16}),
}


class Run(NamedTuple):
    """What came of one run: regrets at the checkpoints, share below the default, ms a round, and at most."""

    regrets: list[float]
    below: float
    milliseconds: float
    longest: float


def landscape_of(name: str, seed: int) -> Landscape:
    shape, _, noise = name.partition("/")
    if shape == "hartmann6":
        return hartmann6(seed, noise)  # type: ignore[arg-type]
    if shape.startswith("ackley"):
        return ackley(int(shape.removeprefix("ackley")), seed, noise)  # type: ignore[arg-type]
    return system_like(int(shape.removeprefix("system")), seed, noise)  # type: ignore[arg-type]


def made(mode: str, parameters: Sequence[Parameter], seed: int) -> Algorithm:
    name, options = MODES[mode]
    return create_tuning_instance(name, parameters, random_seed=seed, normalize_rewards=True, **options)


def follow(mode: str, landscape: Landscape, seed: int) -> Run:
    algorithm, rng = made(mode, landscape.parameters, seed), np.random.default_rng(seed)
    default = landscape.noise_free({p.name: p.val for p in landscape.parameters})
    regrets, spent, below = [], [], 0
    for trial in range(1, TRIALS + 1):
        start = time.process_time()
        prediction, request_id = algorithm.predict()
        deciding = time.process_time() - start
        reward = landscape.sample(prediction, rng)
        start = time.process_time()
        algorithm.set_reward(reward, request_id=request_id)
        spent.append(1e3 * (deciding + time.process_time() - start))
        below += landscape.noise_free(prediction) < 0.9 * default
        if trial in CHECKPOINTS:
            regrets.append(max(0.0, landscape.regret(algorithm.recommend())))
    return Run(regrets, below / TRIALS, float(np.mean(spent[-50:])), max(spent[10:]))


def ratio(runs: Sequence[Run], blind: Sequence[Run]) -> str:
    ours, theirs = (np.array([run.regrets for run in each]) + 0.02 for each in (runs, blind))
    return "  ".join(f"{r:5.2f}" for r in np.exp(np.mean(np.log(ours / theirs), axis=0)))


def line(label: str, runs: Sequence[Run], blind: Sequence[Run]) -> None:
    below = float(np.mean([run.below for run in runs]))
    cost = float(np.mean([run.milliseconds for run in runs]))
    longest = max(run.longest for run in runs)
    print(f"  {label:<22} {ratio(runs, blind)}  {below:6.1%}  {cost:6.1f}  {longest:8.0f}", flush=True)


def compare(classes: Sequence[str], seeds: Sequence[int]) -> None:
    print(f"  {'x random':<22} " + "  ".join(f"at{n:3}" for n in CHECKPOINTS) + "   below      ms   longest")
    pooled: dict[str, list[Run]] = {mode: [] for mode in MODES}
    for name in classes:
        print(name)
        found = {mode: [follow(mode, landscape_of(name, seed), seed) for seed in seeds] for mode in MODES}
        for mode, runs in found.items():
            line(mode, runs, found["random"])
            pooled[mode] += runs
    print("all")
    for mode, runs in pooled.items():
        line(mode, runs, pooled["random"])


def by_context(
    n_contexts: int, seed: int, context: Callable[[str], Mapping[str, Any] | None]
) -> tuple[float, float]:
    """Regret over contexts of what is recommended, and of what was played in the last 30 rounds."""
    task = contextual(8, n_contexts, seed)
    algorithm, rng = made("model-based", task.parameters, seed), np.random.default_rng(seed)
    played = []
    for i in range(TRIALS):
        where = task.contexts[i % n_contexts]
        prediction, request_id = algorithm.predict(context(where))
        algorithm.set_reward(task.at(where).sample(prediction, rng), request_id=request_id)
        played.append(task.at(where).regret(prediction))
    kept: dict[str, dict[str, Value]] = {}
    for where in task.contexts:
        told = context(where)
        kept[where] = algorithm.recommend() if told is None else algorithm.recommend(told)  # type: ignore[call-arg]
    return task.regret(kept), float(np.mean(played[-30:]))


def compare_contexts(numbers: Sequence[int], seeds: Sequence[int]) -> None:
    print("contexts  kind    recommended  played in the last 30 rounds")
    for n in numbers:
        kinds: dict[str, Callable[[str], Mapping[str, Any] | None]] = {
            "policy": lambda where: {"workload": where},
            "point": lambda where: None,
        }
        for kind, context in kinds.items():
            kept, played = np.mean([by_context(n, seed, context) for seed in seeds], axis=0)
            print(f"{n:8}  {kind:<6}  {kept:11.2f}  {played:28.2f}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--instances", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=10_000)
    parser.add_argument("--classes", nargs="+", default=CLASSES, metavar="NAME")
    parser.add_argument("--contexts", nargs="+", type=int, metavar="N")
    arguments = parser.parse_args()
    seeds = range(arguments.first_seed, arguments.first_seed + arguments.instances)
    if arguments.contexts:
        compare_contexts(arguments.contexts, seeds)
    else:
        compare(arguments.classes, seeds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
