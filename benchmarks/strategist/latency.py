"""Measures how long ``tactician ask --plan`` takes on this host, from start to shown plan, without a model.

``python benchmarks/strategist/latency.py [RUNS]`` prints wall clock and processor seconds of each sentence.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from statistics import median

SENTENCES = (
    "optimize this system for database workload",
    "my nginx drops connections under bursts",
    "Redis 尾延迟太高，帮我调优",
)
GOAL_S = 3.0


def once(sentence: str) -> tuple[float, float]:
    """Wall clock and processor seconds of one plan."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    argv = [sys.executable, "-m", "cli_ai.main", "ask", "--plan", sentence]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(argv, capture_output=True, check=False, env=environment)
    seconds = time.perf_counter() - began
    if done.returncode not in (0, 2):
        sys.exit(done.stderr.decode(errors="replace"))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, used


def main() -> int:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    worst = 0.0
    for sentence in SENTENCES:
        measured = [once(sentence) for _ in range(runs)]
        wall, used = (median(column) for column in zip(*measured, strict=True))
        worst = max(worst, wall)
        print(f"{wall:6.2f} s, {used:5.2f} s of processor time: {sentence}")
    print(f"median of {runs} runs each; the goal is {GOAL_S:g} s: {'met' if worst < GOAL_S else 'missed'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
