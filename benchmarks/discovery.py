"""How long discovery takes, by itself and as a command, with the servers that run now; goal: under 2 s.

    python benchmarks/discovery.py [--runs 9]

The load of the machine stands beside the figures: a busy one tells them larger.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time

from cli_ai.discovery import discover
from cli_ai.discovery.facts import HostFacts

GOAL_S = 2.0


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=9)
    runs = parser.parse_args().runs
    inside, facts = library(runs)
    command = program(runs)
    seen = f"{len(facts.services)} services, {len(facts.knobs)} knobs, {len(facts.tools)} benchmark tools"
    print(f"seen: {seen}, as {'root' if facts.root else 'a user'}")
    print(f"load average: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    missed = 0
    for name, times in (("discover()", inside), ("tactician discover --json", command)):
        elapsed, busy = (statistics.median(column) for column in zip(*times, strict=True))
        missed += elapsed > GOAL_S
        print(f"{name}: median {elapsed:.2f} s, of it {busy:.2f} s of processor time; {runs} runs")
    print(f"goal of {GOAL_S:g} s: {'missed' if missed else 'met'}")
    return int(missed > 0)


def library(runs: int) -> tuple[list[tuple[float, float]], HostFacts]:
    """Elapsed and processor seconds of each call, after one that loads what is needed."""
    facts = discover()
    times = []
    for _ in range(runs):
        began, busy = time.perf_counter(), processor_s()
        facts = discover()
        times.append((time.perf_counter() - began, processor_s() - busy))
    return times, facts


def program(runs: int) -> list[tuple[float, float]]:
    """The same of each run of the command, with its start."""
    argv = [sys.executable, "-m", "cli_ai.main", "discover", "--json"]
    times = []
    for _ in range(runs):
        began, busy = time.perf_counter(), processor_s()
        subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)
        times.append((time.perf_counter() - began, processor_s() - busy))
    return times


def processor_s() -> float:
    """Seconds that processors have worked for this process and its children."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


if __name__ == "__main__":
    sys.exit(main())
