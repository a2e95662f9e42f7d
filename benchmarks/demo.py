"""Runs the demo again and again and counts how often its improvement is significant.

    python benchmarks/demo.py --runs 20 [--busy]

With --busy another process uses a whole core all the time.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--busy", action="store_true")
    arguments = parser.parse_args()
    hog = subprocess.Popen([sys.executable, "-c", "while True: pass"]) if arguments.busy else None
    significant, seconds, trials, gains, own = 0, [], [], [], []
    try:
        with tempfile.TemporaryDirectory() as home:
            for number in range(arguments.runs):
                began = time.monotonic()
                done = subprocess.run(
                    [sys.executable, "-m", "cli_ai.main", "demo", "--json", "--quiet"],
                    env={**os.environ, "TACTICIAN_HOME": home}, capture_output=True, text=True, check=True,
                )  # fmt: skip
                seconds.append(time.monotonic() - began)
                result = json.loads(done.stdout)
                significant += result["significant"] and result["restored"]
                trials.append(result["trials"])
                gains.append(result["improvement"])
                own.append(len(result["verdicts"]) > 1 and result["verdicts"][1]["significant"])
                print(
                    f"run {number + 1}: {result['improvement']:+.0f} %, {seconds[-1]:.0f} s", file=sys.stderr
                )
    finally:
        if hog is not None:
            hog.kill()
            hog.wait()
    print(f"{significant}/{arguments.runs} demos significant against the declared start")
    print(f"{sum(own)}/{arguments.runs} claimed to beat this kernel's own defaults")
    print(f"improvement: median {statistics.median(gains):+.0f} %, smallest {min(gains):+.0f} %")
    print(f"trials: {min(trials)} to {max(trials)}")
    print(f"seconds: median {statistics.median(seconds):.0f}, most {max(seconds):.0f}")
    return int(significant < arguments.runs)


if __name__ == "__main__":
    sys.exit(main())
