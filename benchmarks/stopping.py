"""How often a run ends early, and how often it is wrong to.

    python benchmarks/stopping.py                    24 runs of every kind, budget 60
    python benchmarks/stopping.py --runs 100 --budget 30 --algorithm uniform_random

Whole runs on simulated hosts, from the first baseline to the verdict; a benchmark run counts as one second.
On flat surfaces nothing has an effect: every trial is a waste, and so is a verification. On the others the
landscapes of ``oppertune.testing`` are flattened until their best configuration gains as much as the table
says. To stop with "nothing here" although a gain of at least twice what is worth having exists is wrong; so
is to stop with a best configuration that lacks more than half of the gain.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
import time
from typing import NamedTuple

from oppertune.algorithms.all import create_tuning_instance
from oppertune.testing.landscapes import Landscape, system_like
from tactician.experiment import Budget, Experiment, Metric, TunedParameter, Workload
from tactician.interrupts import Interrupts
from tactician.session import Session
from tactician.simulated.host import SimulatedBenchmark, SimulatedHost, SimulatedMonitor
from tactician.simulated.surfaces import Noise, Surface, drifting, gaussian, heavy_tailed
from tactician.system.guarding import NoGuardian, NoJournal
from tactician.trial import Bench
from tactician.tuner import Tuner

REPORTING = 10_000
"""Seeds from here on are for reporting only."""

NOISE: dict[str, Noise] = {
    "3 %": gaussian(0.03),
    "10 %": gaussian(0.10),
    "heavy tails": heavy_tailed(0.03),
    "drifting": drifting(0.03),
}


class Kind(NamedTuple):
    """One line of the table.

    Attributes:
        gain: of the best configuration over the default, None for the landscape's own (50 to 230 %).
    """

    parameters: int
    gain: float | None
    noise: str


KINDS = [
    *(Kind(n, 0.0, noise) for n in (2, 3, 8) for noise in NOISE),
    *(Kind(n, gain, "3 %") for n in (2, 3, 8) for gain in (0.05, 0.1, 0.2, None)),
    *(
        Kind(n, gain, noise)
        for n in (3, 8)
        for gain in (0.4, None)
        for noise in ("10 %", "heavy tails", "drifting")
    ),
]


class Run(NamedTuple):
    """What came of one run."""

    trials: int
    seconds: float
    stopped: str
    nothing: bool
    wrong_nothing: bool
    wrong_best: bool
    significant: bool
    gain: float
    cost: float


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=24)
    parser.add_argument("--budget", type=int, default=60)
    parser.add_argument("--algorithm", default="bayesian_optimization")
    parser.add_argument("--seed", type=int, default=REPORTING)
    parser.add_argument("--kinds", default="", help="only those whose line contains this text")
    arguments = parser.parse_args()
    print(f"{arguments.runs} runs of each kind, budget {arguments.budget}, {arguments.algorithm}")
    print(
        "| parameters | best gain | noise | stopped early | by half | nothing here | wrong | trials | "
        "runs in all | claimed |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    flat_by_half = flat = real_wrong = real = 0
    for kind in KINDS:
        said = "own" if kind.gain is None else f"{kind.gain:.0%}"
        if arguments.kinds not in f"{kind.parameters} {said} {kind.noise}":
            continue
        runs = [
            simulate(kind, arguments.algorithm, arguments.budget, arguments.seed + i)
            for i in range(arguments.runs)
        ]
        half = sum(run.stopped == "decided" and run.trials <= arguments.budget / 2 for run in runs)
        wrong = sum(run.wrong_nothing or run.wrong_best for run in runs)
        if kind.gain == 0.0:
            flat, flat_by_half = flat + len(runs), flat_by_half + half
        elif kind.gain is None or kind.gain > 0.1:
            real, real_wrong = real + len(runs), real_wrong + wrong
        cells = (
            sum(run.stopped == "decided" for run in runs), half, sum(run.nothing for run in runs), wrong,
            f"{statistics.median(run.trials for run in runs):.0f}",
            f"{statistics.median(run.seconds for run in runs):.0f}", sum(run.significant for run in runs),
        )  # fmt: skip
        print(f"| {kind.parameters} | {said} | {kind.noise} | {' | '.join(map(str, cells))} |", flush=True)
    print(f"flat: {flat_by_half}/{flat} stopped by half of the budget")
    print(f"gains of 20 % and more: {real_wrong}/{real} stopped wrongly (goal: at most 2 %)")
    return int(real_wrong > 0.02 * real or flat_by_half <= flat / 2)


def simulate(kind: Kind, algorithm: str, budget: int, seed: int) -> Run:
    """Run one experiment on one instance."""
    landscape = system_like(kind.parameters, seed, "none")
    truth = flattened(landscape, kind.gain)
    tuned = tuple(TunedParameter(p, "argument", p.name, p.val) for p in landscape.parameters)
    experiment = Experiment(
        "stopping", Metric("ops"), Workload("true"), tuned, budget=Budget(budget), random_seed=seed,
        algorithm=algorithm,
    )  # fmt: skip
    surface = Surface(lambda values: 1000.0 * math.exp(truth(values)), NOISE[kind.noise])
    bench = Bench(
        SimulatedHost({}), (), SimulatedBenchmark(surface, seconds=1.0, random_seed=seed),
        SimulatedMonitor(seed), NoJournal(), NoGuardian(), Interrupts(), lambda _: "true",
    )  # fmt: skip
    start = {p.name: p.val for p in landscape.parameters}
    session = Session(
        experiment, bench, run_id="", original=start, observers=(), clock=lambda: 0.0, release=lambda _: None
    )
    arguments = {
        "random_seed": seed,
        "normalize_rewards": True,
        **({"n_steps": 7} if algorithm == "ppo" else {}),
    }
    search = create_tuning_instance(algorithm, landscape.parameters, arguments)
    began = time.perf_counter()
    result = Tuner(session, search, undo="").run()
    if result["error"]:
        raise RuntimeError(result["error"])
    return judged(kind, landscape, truth, result, time.perf_counter() - began)


def flattened(landscape: Landscape, gain: float | None):
    """The logarithm of the performance against the default's, scaled so that the best one has this gain."""
    default = landscape.noise_free({p.name: p.val for p in landscape.parameters})
    full = math.log(landscape.noise_free(landscape.optimum) / default)
    share = 1.0 if gain is None else math.log1p(gain) / full
    return lambda values: share * math.log(landscape.noise_free(values) / default)


def judged(kind: Kind, landscape: Landscape, truth, result, cost: float) -> Run:
    best = truth(landscape.optimum)
    worth = math.log1p(result["power"]["worthwhile_improvement"] / 100.0)
    decided = result["stopped_because"] == "decided"
    nothing = decided and result["candidate"] is None
    found = 0.0 if result["candidate"] is None else truth(result["candidate"])
    return Run(
        result["trials"], result["benchmark_seconds"], result["stopped_because"], nothing,
        nothing and best > 2.0 * worth,
        decided and not nothing and best > 2.0 * worth and found < 0.5 * best,
        result["significant"], found, cost,
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
