"""Shows what each embedded workload separates: its figure at the declared start and at good settings.

    python benchmarks/workloads.py [--rounds 7] [--only NAME] [--duration SECONDS]

All arms run interleaved, in a new random order each round, with and without a process that uses one whole
core. The sysctl arms run in a network namespace that ends with this script; the host is not touched.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

KEYS = Path("/proc/sys")
HOG = "while True: pass"
INSIDE = "TACTICIAN_WORKLOADS_INSIDE"


class Arm(NamedTuple):
    """One way to run a workload: sysctls to set before, options to pass."""

    label: str
    sysctls: Mapping[str, str] = {}
    options: Sequence[str] = ()


def queue(length: int, **more: str) -> Arm:
    keys = {"net/core/somaxconn": str(length)} | {f"net/ipv4/{name}": value for name, value in more.items()}
    extra = "".join(f", {name} {value}" for name, value in more.items())
    return Arm(f"somaxconn {length}{extra}", keys)


def ports(text: str, reuse: str) -> Arm:
    keys = {"net/ipv4/ip_local_port_range": text, "net/ipv4/tcp_tw_reuse": reuse}
    return Arm(f"ports {text}, tw_reuse {reuse}", keys)


def pragmas(text: str) -> Arm:
    return Arm(text or "SQLite's defaults", {}, text.split())


WAL = "--journal-mode WAL --synchronous NORMAL"
ARMS = {
    ("listen_backlog", "requests_per_second"): [
        queue(128),
        queue(128, tcp_max_syn_backlog="8192"),
        queue(128, tcp_abort_on_overflow="1"),
        queue(16),
        queue(256),
        queue(512),
        queue(4096),
        queue(4096, tcp_max_syn_backlog="64"),
        queue(8192),
    ],
    ("tcp_churn", "connections_per_second"): [
        ports("32768 33767", "0"),
        ports("32768 33767", "2"),
        ports("32768 60999", "0"),
        ports("32768 60999", "2"),
        ports("1024 65535", "0"),
        ports("1024 65535", "2"),
    ],
    ("sqlite_commits", "transactions_per_second"): [
        pragmas(""),
        pragmas("--journal-mode WAL"),
        pragmas(WAL),
        pragmas(f"{WAL} --wal-autocheckpoint 10000"),
        pragmas(f"{WAL} --wal-autocheckpoint 10000 --locking-mode EXCLUSIVE --cache-kib 64000"),
    ],
}
"""Of each workload the first arm is the declared start."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", choices=[module for module, _ in ARMS])
    parser.add_argument("--duration", type=float, help="default: each workload's own")
    options = parser.parse_args()
    if INSIDE not in os.environ:
        return inside_a_namespace()
    random.seed(1)
    row = "{:15} {:78} {:>4} {:>9} {:>21} {:>6} {:>8}"
    print(row.format("workload", "arm", "hog", "median", "least..most", "CV %", "ratio"))
    for (module, metric), arms in ARMS.items():
        if options.only in (None, module):
            for hogged in (False, True):
                figures = measured(module, metric, arms, hogged, options.rounds, options.duration)
                start = statistics.median(figures[arms[0].label])
                for label, found in figures.items():
                    median = statistics.median(found)
                    spread = f"{min(found):.1f}..{max(found):.1f}"
                    cv = 100 * statistics.stdev(found) / statistics.mean(found) if len(found) > 1 else 0
                    ratio = f"{median / start:.2f}"
                    hog = "yes" if hogged else "no"
                    print(
                        row.format(module, label, hog, f"{median:.1f}", spread, f"{cv:.1f}", ratio),
                        flush=True,
                    )
    return 0


def inside_a_namespace() -> int:
    """Start this script again in a network namespace of its own."""
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    command = ["unshare", *user, "--net", sys.executable, *sys.argv]
    return subprocess.run(command, env=os.environ | {INSIDE: "1"}, check=False).returncode


def measured(
    module: str, metric: str, arms: Sequence[Arm], hogged: bool, rounds: int, duration: float | None
) -> dict[str, list[float]]:
    """Return the figures of each arm, by label."""
    figures: dict[str, list[float]] = {arm.label: [] for arm in arms}
    first = {key: (KEYS / key).read_text() for arm in arms for key in arm.sysctls}
    hog = subprocess.Popen([sys.executable, "-c", HOG]) if hogged else None
    try:
        for _ in range(rounds):
            for arm in random.sample(arms, len(arms)):
                for key, value in (first | dict(arm.sysctls)).items():
                    (KEYS / key).write_text(value)
                figures[arm.label].append(once(module, metric, arm.options, duration))
    finally:
        for key, value in first.items():
            (KEYS / key).write_text(value)
        if hog is not None:
            hog.kill()
            hog.wait()
            time.sleep(0.1)
    return figures


def once(module: str, metric: str, options: Sequence[str], duration: float | None) -> float:
    """Run a workload and return its figure."""
    command = [sys.executable, "-m", f"tactician.workloads.{module}", *options]
    if duration is not None:
        command += ["--duration", str(duration)]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found = re.search(rf"^{metric}: (\S+)", output, re.MULTILINE)
    if found is None:
        raise SystemExit(f"no {metric} in: {output}")
    return float(found[1])


if __name__ == "__main__":
    sys.exit(main())
