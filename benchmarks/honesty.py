"""How often a run claims an improvement that is not there, and how often it misses one that is.

    python benchmarks/honesty.py                     400 simulated runs in which nothing matters
    python benchmarks/honesty.py --power             200 in which one setting truly gives +10 % at 4 % noise
    python benchmarks/honesty.py --real 60           real runs of a real benchmark with inert settings

Whole runs, from the first baseline to the verdict: PPO picks a winner among 30 noisy trials, so the
winner is a lucky one; what is counted is what the summary would have told the operator.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy.stats import beta

from oppertune.algorithms.all import create_tuning_instance
from oppertune.core.values import Integer
from tactician.experiment import Budget, Experiment, Metric, TunedParameter, Workload
from tactician.interrupts import Interrupts
from tactician.outcomes import Configuration
from tactician.session import Session
from tactician.simulated.host import SimulatedBenchmark, SimulatedHost, SimulatedMonitor
from tactician.simulated.surfaces import Noise, Surface, drifting, gaussian, heavy_tailed
from tactician.system.guarding import NoGuardian, NoJournal
from tactician.trial import Bench
from tactician.tuner import Tuner

RECORDING = Path(__file__).with_name("recorded_noise.txt")


def recorded(name: str) -> Noise:
    """Noise of a real machine: a stretch of a recording, in its order, from a random place."""
    lines = [line for line in RECORDING.read_text().splitlines() if not line.startswith("#")]
    values = np.array(lines[lines.index(name) + 1].split(), dtype=float)
    values /= np.median(values)
    start = 0

    def noise(rng: np.random.Generator, run: int) -> float:
        nonlocal start
        if run == 1:
            start = int(rng.integers(len(values)))
        return float(values[(start + run) % len(values)])

    return noise


KINDS: dict[str, Callable[[], Noise]] = {
    "Gaussian 4 %": lambda: gaussian(0.04),
    "heavy tails": lambda: heavy_tailed(0.03),
    "drifting": lambda: drifting(0.03),
    "recorded cpu": lambda: recorded("cpu"),
    "recorded sqlite": lambda: recorded("sqlite"),
    "recorded loopback": lambda: recorded("loopback"),
}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=0, help="how many; 400, or 200 with --power")
    parser.add_argument("--power", action="store_true")
    parser.add_argument("--real", type=int, default=0, metavar="N")
    arguments = parser.parse_args()
    if arguments.real:
        return real(arguments.real)
    if arguments.power:
        return power(arguments.runs or 200)
    return null(arguments.runs or 400)


def null(runs: int) -> int:
    """Nothing matters: every claim is false."""
    total = claims = 0
    for kind, make in KINDS.items():
        count = -(-runs // len(KINDS))
        results = [simulate(make(), seed, lambda _: 1000.0) for seed in range(count)]
        false = sum(result["significant"] for result in results)
        verified = sum(result["candidate"] is not None for result in results)
        seconds = np.median([result["benchmark_seconds"] for result in results])
        print(f"{kind:<18} {false}/{count} false claims; {verified} verified; median {seconds:.0f} runs each")
        total, claims = total + count, claims + false
    bound = upper_bound(claims, total)
    print(f"all: {claims}/{total} false claims, 95 % upper bound {100 * bound:.2f} % (goal: at most 5 %)")
    return int(bound > 0.05)


def power(runs: int) -> int:
    """The upper half of one parameter's range gives +10 %."""
    truth = lambda configuration: 1100.0 if configuration["a"] >= 50 else 1000.0  # noqa: E731
    results = [simulate(gaussian(0.04), seed, truth) for seed in range(runs)]
    found = [result for result in results if result["significant"]]
    share = len(found) / runs
    estimates = np.array([result["improvement"] for result in found])
    print(f"claimed {len(found)}/{runs} = {100 * share:.1f} % (goal: at least 80 %)")
    spread = np.percentile(estimates, [5, 95]).round(1)
    print(f"estimates: median {np.median(estimates):+.1f} %, 5th to 95th {spread}")
    covered = sum(r["improvement_interval"][0] <= 10.0 <= r["improvement_interval"][1] for r in found)
    print(f"intervals of claims that hold the truth: {covered}/{len(found)}")
    return int(share < 0.8)


def simulate(noise: Noise, seed: int, truth: Callable[[Configuration], float]) -> dict[str, object]:
    """Run one experiment on a simulated machine; a benchmark run counts as one second."""
    parameters = tuple(
        TunedParameter(Integer(name, start, 0, 100), "argument", name, start)
        for name, start in (("a", 20), ("b", 50))
    )
    experiment = Experiment(
        "honesty", Metric("ops"), Workload("true"), parameters, budget=Budget(30), random_seed=seed
    )
    surface = Surface(truth, noise)
    bench = Bench(
        SimulatedHost({}), (), SimulatedBenchmark(surface, seconds=1.0, random_seed=seed),
        SimulatedMonitor(seed), NoJournal(), NoGuardian(), Interrupts(), lambda _: "true",
    )  # fmt: skip
    session = Session(
        experiment, bench, run_id="", original={"a": 20, "b": 50}, observers=(), clock=lambda: 0.0,
        release=lambda _: None,
    )  # fmt: skip
    arguments = {"n_steps": 7, "random_seed": seed, "normalize_rewards": True}
    search = create_tuning_instance("ppo", [tuned.parameter for tuned in parameters], arguments)
    return Tuner(session, search, undo="").run()


REAL_BENCHMARK = (
    'python3 -S -c "import time; e = time.perf_counter() + 0.12; n = 0\n'
    "while time.perf_counter() < e: n += 1; sum(range(500))\nprint('operations_per_second:', n / 0.12)\""
)


def real(runs: int) -> int:
    """A real benchmark that never reads the settings it is given."""
    document = {
        "workload_name": "inert", "reward_metric": "operations_per_second",
        "benchmark_command": REAL_BENCHMARK,
        "action_space": [
            {"param": name, "min": 0, "max": 100, "type": "int", "knob": "environment", "default": 50}
            for name in ("UNUSED_A", "UNUSED_B")
        ],
        "budget": {"trials": 16}, "verification": {"rounds": 12},
    }  # fmt: skip
    claims = 0
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "inert.json"
        config.write_text(json.dumps(document))
        environment = {**os.environ, "TACTICIAN_HOME": folder}
        command = [sys.executable, "-m", "cli_ai.main", "tune", str(config), "--json", "--quiet"]
        for number in range(runs):
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
            result = json.loads(done.stdout)
            claims += result["significant"]
            if number % 10 == 9:
                print(f"{number + 1} real runs, {claims} claims", file=sys.stderr, flush=True)
    print(f"{claims}/{runs} real runs with inert settings claimed an improvement (goal: at most 3 of 60)")
    return int(claims > 3 * max(1, runs // 60))


def upper_bound(hits: int, total: int) -> float:
    """Clopper and Pearson's one-sided 95 % bound."""
    return 1.0 if hits == total else float(beta.ppf(0.95, hits + 1, total - hits))


if __name__ == "__main__":
    sys.exit(main())
