"""How many benchmark seconds are saved where trials that are surely worse are ended early, and at what price.

    python benchmarks/early_abort.py                   40 simulated runs each way: seconds and final quality
    python benchmarks/early_abort.py --null            runs in which nothing matters: false aborts and claims
    python benchmarks/early_abort.py --real sqlite     a real benchmark, once each way, interleaved, 3 times
    python benchmarks/early_abort.py --real sysbench   needs sysbench

Each pair of simulated runs has the same landscape, the same seed and the same number of trials; one measures
every trial for its whole length. A simulated benchmark has 30 intervals of a second, and takes no time. One
run differs from the next by 3 %, an interval from its run by 5 %, and neighbouring intervals are correlated
(0.3). ``noisy`` has 20 intervals that differ by 10 %; ``short looks`` are for a benchmark that reports
nothing while it runs, and takes its length from ``{duration}``.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import beta

from oppertune.algorithms.all import create_tuning_instance
from oppertune.core.values import Integer
from oppertune.testing.landscapes import Landscape, system_like
from tactician.experiment import Budget, Experiment, Metric, Pacing, TunedParameter, Workload
from tactician.interrupts import Interrupts
from tactician.outcomes import Outcome
from tactician.session import Session
from tactician.simulated.host import SimulatedBenchmark, SimulatedHost, SimulatedMonitor
from tactician.simulated.intervals import Intervals
from tactician.simulated.surfaces import Surface, gaussian
from tactician.system.guarding import NoGuardian, NoJournal
from tactician.trial import Bench
from tactician.tuner import Tuner
from tactician.workloads import configuration

SECONDS = 30.0
BETWEEN = 0.03
USUAL = Intervals(count=30, deviation=0.05, correlation=0.3)
NOISY = Intervals(count=20, deviation=0.1, correlation=0.3)
WHOLE = Pacing(abort_trials=False, adaptive_length=False)
WAYS = {"streamed": USUAL, "noisy": NOISY, "short looks": USUAL}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=0, help="how many of each kind")
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--algorithm", default="tpe")
    parser.add_argument("--null", action="store_true")
    parser.add_argument("--real", choices=("sqlite", "sysbench"))
    parser.add_argument("--first-seed", type=int, default=10_000)
    arguments = parser.parse_args()
    if arguments.real:
        return real(arguments.real, arguments.runs or 3, arguments.trials, arguments.algorithm)
    if arguments.null:
        return null(arguments.runs or 100, arguments.trials)
    seeds = range(arguments.first_seed, arguments.first_seed + (arguments.runs or 40))
    return savings(seeds, arguments.trials, arguments.algorithm)


class Simulated:
    """One run on a simulated machine.

    Attributes:
        result: as ``tune --json`` prints it.
        trials: their outcomes.
        search_seconds: of trials and baselines.
    """

    def __init__(
        self,
        landscape: Landscape,
        seed: int,
        *,
        pacing: Pacing,
        way: str = "streamed",
        trials: int = 30,
        algorithm: str = "tpe",
        intervals: Intervals = USUAL,
        between: float = BETWEEN,
    ) -> None:
        parameters = tuple(
            TunedParameter(parameter, "argument", parameter.name, parameter.val)
            for parameter in landscape.parameters
        )
        duration = SECONDS if way == "short looks" else None
        experiment = Experiment(
            "early abort", Metric("ops"), Workload("true", duration_s=duration), parameters,
            budget=Budget(trials), random_seed=seed, pacing=pacing, stop_early=False,
        )  # fmt: skip
        benchmark = SimulatedBenchmark(
            Surface(landscape.noise_free, gaussian(between)), seconds=SECONDS, random_seed=seed,
            intervals=intervals, streams=way != "short looks",
        )  # fmt: skip
        bench = Bench(
            SimulatedHost({}), (), benchmark, SimulatedMonitor(seed), NoJournal(), NoGuardian(),
            Interrupts(), lambda *_: "true",
        )  # fmt: skip
        session = Session(
            experiment, bench, run_id="", original={p.name: p.val for p in landscape.parameters},
            observers=(), clock=lambda: 0.0, release=lambda _: None,
        )  # fmt: skip
        search = create_tuning_instance(
            algorithm, list(landscape.parameters), {"random_seed": seed, "normalize_rewards": True}
        )
        self.result = Tuner(session, search, undo="").run()
        if self.result["error"]:
            raise RuntimeError(self.result["error"])
        self.trials: Sequence[Outcome] = session.trials
        self.search_seconds = sum(outcome.seconds for outcome in [*session.baselines, *session.trials])


def savings(seeds: Sequence[int], trials: int, algorithm: str) -> int:
    """Pairs of runs on landscapes."""
    worst = 1.0
    for way, intervals in WAYS.items():
        rows = []
        for seed in seeds:
            landscape = system_like((3, 8)[seed % 2], seed, "none")
            pair = [
                Simulated(
                    landscape, seed, pacing=pacing, way=way, trials=trials, algorithm=algorithm,
                    intervals=intervals,
                )
                for pacing in (WHOLE, Pacing())
            ]  # fmt: skip
            quality = [1.0 - landscape.regret(run.result["best_config"]) for run in pair]
            aborted = pair[1].result["aborted_trials"] / trials
            rows.append(
                [quality[0], quality[1], aborted]
                + [run.search_seconds for run in pair]
                + [run.result["benchmark_seconds"] for run in pair]
            )
        table = np.array(rows)
        means = table.mean(axis=0)
        difference = table[:, 1] - table[:, 0]
        error = 1.96 * difference.std(ddof=1) / np.sqrt(len(table))
        searching, everything = 1.0 - means[4] / means[3], 1.0 - means[6] / means[5]
        print(
            f"{way}: {len(table)} pairs of {trials} trials, {100 * means[2]:.0f} % of the trials aborted\n"
            f"  baselines and trials {means[3]:.0f} s -> {means[4]:.0f} s: {100 * searching:.0f} % saved; "
            f"verification included {means[5]:.0f} s -> {means[6]:.0f} s: {100 * everything:.0f} % saved\n"
            f"  share of the possible gain reached {means[0]:.3f} -> {means[1]:.3f}, "
            f"difference {difference.mean():+.3f} +- {error:.3f}",
            flush=True,
        )
        if way != "noisy":  # there whole runs are needed more often, and no goal was set
            worst = min(worst, searching)
    return int(worst < 0.4)


NOTHING = tuple(Integer(name, val=50, min=0, max=100) for name in ("a", "b"))


def null(runs: int, trials: int) -> int:
    """All configurations are equal, so every abort and every claim is a false one."""
    flat = Landscape("flat", NOTHING, {"a": 50, "b": 50}, "none", lambda _: 100.0, gap=1.0)
    kinds: dict[str, tuple[str, Intervals, float]] = {
        "streamed": ("streamed", USUAL, BETWEEN),
        "streamed, strongly correlated": ("streamed", Intervals(30, 0.1, correlation=0.8), BETWEEN),
        "streamed, runs alike": ("streamed", Intervals(30, 0.1, correlation=0.0), 0.001),
        "streamed, warming up": ("streamed", Intervals(30, 0.05, warmup_depth=0.5), BETWEEN),
        "short looks": ("short looks", USUAL, BETWEEN),
    }
    failed = False
    for kind, (way, intervals, between) in kinds.items():
        results = [
            Simulated(
                flat, seed, pacing=Pacing(), way=way, trials=trials, algorithm="uniform_random",
                intervals=intervals, between=between,
            ).result
            for seed in range(runs)
        ]  # fmt: skip
        aborted, tried = sum(r["aborted_trials"] for r in results), runs * trials
        claims = sum(result["significant"] for result in results)
        print(
            f"{kind:<30} {aborted}/{tried} trials ended early = {100 * aborted / tried:.2f} %; "
            f"{claims}/{runs} false claims, 95 % upper bound {100 * upper_bound(claims, runs):.1f} %",
            flush=True,
        )
        failed |= aborted > 0.05 * tried or claims > 0.05 * runs
    return int(failed)


MEMORY = "sysbench memory --threads={threads} --memory-block-size={block} --memory-oper={oper}"
REAL: dict[str, dict[str, Any]] = {
    "sqlite": {"duration": 4},
    "sysbench": {
        "workload_name": "sysbench memory",
        "reward_metric": "bytes_per_second",
        "benchmark_command": MEMORY
        + " --memory-total-size=100T --time={duration} --report-interval=1 run | sed -u /^$/d",
        "duration": 10,
        "action_space": [
            {"param": "threads", "min": 1, "max": 8, "type": "int", "default": 1},
            {
                "param": "block",
                "values": ["1K", "2K", "4K", "8K", "16K", "64K", "256K", "1M"],
                "default": "1K",
            },
            {"param": "oper", "values": ["read", "write"], "default": "write"},
        ],
    },
}


def real(name: str, pairs: int, trials: int, algorithm: str) -> int:
    """A real benchmark, tuned once with whole runs and once with early ends, in turns."""
    document = configuration("sqlite") if name == "sqlite" else {}
    document |= REAL[name]
    if name == "sqlite":
        command = document["benchmark_command"].replace(" --progress 0.1", "")
        document["benchmark_command"] = f"{command} --progress 0.2"
    document |= {
        "algorithm": algorithm, "algorithm_args": {}, "budget": {"trials": trials}, "stop_early": False,
        "verification": {"rounds": 5, "own_rounds": 0}, "baseline_runs": 3,
        "training_config": {"benchmark_timeout": 120},
    }  # fmt: skip
    rows = []
    for number in range(pairs):
        row = []
        for pacing in ({"abort_trials": False, "adaptive_length": False}, {}):
            result = tuned({**document, "pacing": pacing, "random_seed": number})
            verifying = sum(verdict["seconds"] for verdict in result["verdicts"])
            row += [result["benchmark_seconds"] - verifying, result["improvement"]]
            said = f"{result['aborted_trials']} aborted" if not pacing else "whole runs"
            print(f"  {row[-2]:.0f} s, {row[-1]:+.1f} % verified ({said})", flush=True)
        rows.append(row)
    before, gain, after, kept = np.mean(np.array(rows), axis=0)
    print(
        f"{name}: baselines and trials {before:.0f} s -> {after:.0f} s, {100 * (1 - after / before):.0f} % "
        f"saved; verified improvement {gain:+.1f} % -> {kept:+.1f} %, means of {pairs} runs each way"
    )
    return int(after > 0.6 * before)


def tuned(document: Mapping[str, Any]) -> dict[str, Any]:
    """Run ``tactician tune`` on a document."""
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "experiment.json"
        config.write_text(json.dumps(document))
        command = [sys.executable, "-m", "cli_ai.main", "tune", str(config), "--json", "--quiet"]
        environment = {**os.environ, "TACTICIAN_HOME": folder}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        result = json.loads(done.stdout)
        if done.returncode != 0:
            raise RuntimeError(result)
        return dict(result)


def upper_bound(hits: int, total: int) -> float:
    """Clopper and Pearson's one-sided 95 % bound."""
    return 1.0 if hits == total else float(beta.ppf(0.95, hits + 1, total - hits))


if __name__ == "__main__":
    sys.exit(main())
