"""What measuring does to what is measured: a benchmark of two seconds by itself and inside a trial, in turns.

    python benchmarks/beside.py [--rounds 30] [--seconds 2]

The benchmark counts, a fixed number of times, with as many processes as there are cores, and reports how
long that took by its own clock. Inside, everything is there that is there in a run: a sysctl of a throw-away
network namespace that was journalled and written, the guardian, the monitor of the system, and the watch over
what the benchmark prints ten times in a run. Printed are the median of the ratios, inside over bare, the
quartiles, the same for bare over the next bare (the noise of the machine), and the processor seconds of the
tuner per run.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import shlex
import statistics
import subprocess
import sys
from collections.abc import Sequence

from tactician.config import parse_experiment
from tactician.experiment import Experiment
from tactician.options import Options
from tactician.session import Session
from tactician.system import namespace
from tactician.wiring import wire

WORK = """
import multiprocessing, sys, time
def count(number):
    began, total = time.monotonic(), 0
    for part in range(1, 11):
        for i in range(number // 10):
            total += i
        print(f"part: {part / (time.monotonic() - began):.4f}", flush=True)
    return time.monotonic() - began
with multiprocessing.Pool(int(sys.argv[2])) as pool:
    print(f"took: {max(pool.map(count, [int(sys.argv[1])] * int(sys.argv[2]))):.6f} s")
"""


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--seconds", type=float, default=2.0)
    arguments = parser.parse_args()
    if not namespace.inside_throw_away():
        argv = [*namespace._unshare(), sys.executable, __file__, *sys.argv[1:]]
        return subprocess.run(argv, env=namespace.entering_environment(), check=False).returncode
    namespace.settle()
    number = calibrated(arguments.seconds)
    session = wire(experiment(number), Options()).session
    try:
        session.start()
        session.trial({"net.core.somaxconn": 2048})
        inside, bare, used = measured(session, number, max(3, arguments.rounds))
    finally:
        session.close()
    said("inside / bare", [a / b for a, b in zip(inside, bare, strict=True)])
    said("bare / bare", [a / b for a, b in zip(bare[1:], bare, strict=False)])
    said("processor seconds of the tuner, a run", used)
    return 0


def measured(session: Session, number: int, rounds: int) -> tuple[list[float], list[float], list[float]]:
    """Seconds inside and bare, by the benchmark's clock, and what the tuner itself used."""
    inside, bare, used = [], [], []
    for _ in range(rounds):
        for kind in random.sample(("inside", "bare"), 2):
            if kind == "bare":
                bare.append(alone(number))
                continue
            before = resource.getrusage(resource.RUSAGE_SELF)
            outcome = session._run({"net.core.somaxconn": 4096}, "trial", whole=True)
            after = resource.getrusage(resource.RUSAGE_SELF)
            if outcome.measurement is not None:
                inside.append(outcome.measurement.value)
            used.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return inside, bare, used


def experiment(number: int) -> Experiment:
    return parse_experiment(
        {
            "workload_name": "beside",
            "reward_metric": "took",
            "goal": "minimize",
            "benchmark_command": shlex.join(command(number)),
            "progress_pattern": r"part: (?P<value>[\d.]+)",
            "network_namespace": "throw-away",
            "action_space": [{"param": "net.core.somaxconn", "min": 128, "max": 8192}],
            "algorithm": "auto",
            "budget": {"trials": 10},
            "baseline_runs": 2,
        },
        "beside",
    )


def calibrated(seconds: float) -> int:
    """A number of counts that takes so long here."""
    number = 5_000_000
    return int(number * seconds / alone(number))


def alone(number: int) -> float:
    said = subprocess.run(command(number), capture_output=True, text=True, check=True).stdout
    return float(said.rpartition("took:")[2].split()[0])


def command(number: int) -> list[str]:
    return [sys.executable, "-c", WORK, str(number), str(os.cpu_count() or 1)]


def said(what: str, values: Sequence[float]) -> None:
    low, middle, high = statistics.quantiles(values, n=4)
    print(f"{what}: median {middle:.4f}, quartiles {low:.4f} to {high:.4f}, {len(values)} values")


if __name__ == "__main__":
    sys.exit(main())
