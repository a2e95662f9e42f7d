"""Kills running tuners with SIGKILL at random moments and checks that the host is as it was.

    python benchmarks/kills.py --runs 200            in network namespaces that the script makes (root)
    python benchmarks/kills.py --runs 20 --host      on harmless keys of this host (root)

Every second run has its guardian killed as well, in the same instant; it must be mended by
`tactician recover`, the others within two seconds by the guardian alone. A kill counts as "inside"
when the journal shows that it fell between the first write and the last restore of its run, and as
"detuned" when some value differed from its original at the moment of the kill.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tactician.undo import files, journal, processes

PATIENCE_S = 2.0
NAMESPACE_SPACE = [
    {"param": "net.core.somaxconn", "min": 128, "max": 8192, "type": "int", "log": True},
    {"param": "net.ipv4.tcp_rmem[1]", "min": 65536, "max": 262144, "type": "int"},
    {"param": "net.ipv4.tcp_rmem[2]", "min": 1048576, "max": 8388608, "type": "int"},
    {"param": "net.ipv4.ip_local_port_range", "type": "categorical", "values": ["1024 65535", "20000 60000"]},
    {"param": "net.ipv4.tcp_congestion_control", "type": "categorical", "values": ["reno", "bbr"]},
    {"param": "net.ipv4.tcp_fin_timeout", "min": 10, "max": 100, "type": "int"},
]
HOST_SPACE = [
    {"param": "vm.page-cluster", "min": 0, "max": 5, "type": "int"},
    {"param": "vm.dirty_expire_centisecs", "min": 2000, "max": 4000, "type": "int"},
    {"param": "vm.dirty_bytes", "min": 268435456, "max": 1073741824, "type": "int"},
    {"param": "vm.dirty_background_bytes", "min": 67108864, "max": 134217728, "type": "int"},
]
WATCHED = {
    True: ["vm/page-cluster", "vm/dirty_expire_centisecs", "vm/dirty_bytes", "vm/dirty_ratio",
           "vm/dirty_background_bytes", "vm/dirty_background_ratio"],
    False: ["net/core/somaxconn", "net/ipv4/tcp_rmem", "net/ipv4/ip_local_port_range",
            "net/ipv4/tcp_congestion_control", "net/ipv4/tcp_fin_timeout"],
}  # fmt: skip


@dataclass
class Tally:
    """What became of the kills."""

    counts: Counter[str] = field(default_factory=Counter)
    mending_s: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--host", action="store_true", help="harmless keys of this host, not a namespace")
    parser.add_argument("--seed", type=int, default=None)
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    tally = Tally()
    namespace = "" if arguments.host else f"tactician-kill-{os.getpid()}"
    if namespace:
        subprocess.run(["ip", "netns", "add", namespace], check=True)
    try:
        with tempfile.TemporaryDirectory() as folder:
            for number in range(arguments.runs):
                one_kill(number, Path(folder), namespace, rng, tally)
                if number % 20 == 19:
                    print(f"{number + 1} kills: {dict(tally.counts)}", file=sys.stderr, flush=True)
    finally:
        if namespace:
            subprocess.run(["ip", "netns", "del", namespace], check=False)
    return report(tally, arguments.runs)


def one_kill(number: int, folder: Path, namespace: str, rng: random.Random, tally: Tally) -> None:
    """Start a tuner, kill it at a random moment, and look at the host."""
    home = folder / f"home-{number}"
    config = folder / f"{number}.json"
    config.write_text(json.dumps(document(namespace, number)))
    before = values(namespace)
    environment = {**os.environ, "TACTICIAN_HOME": str(home)}
    tuner = subprocess.Popen(
        [sys.executable, "-m", "cli_ai.main", "tune", str(config), "--quiet"],
        env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    wait_for_journal(home, tuner)
    time.sleep(rng.uniform(0.0, 2.4))
    both = number % 2 == 1
    guardian = child_of(tuner.pid, "guardian.py") if both else None
    detuned = values(namespace) != before
    if guardian is not None:
        os.kill(guardian, signal.SIGKILL)
    os.kill(tuner.pid, signal.SIGKILL)
    killed = time.monotonic()
    tuner.wait()
    tally.counts["runs"] += 1
    tally.counts["with guardian killed"] += guardian is not None
    inside = is_inside(home)
    tally.counts["inside"] += inside
    tally.counts["detuned"] += detuned
    if guardian is not None:
        recovery = [sys.executable, "-m", "cli_ai.main", "recover", "--json"]
        done = subprocess.run(recovery, env=environment, capture_output=True, text=True, check=False)
        check(number, namespace, before, f"recover (exit {done.returncode})", tally)
        if done.returncode != 0:
            tally.failures.append(f"run {number}: recover said {done.stdout} {done.stderr}")
    else:
        while time.monotonic() - killed < PATIENCE_S and (values(namespace) != before or survivors(number)):
            time.sleep(0.01)
        tally.mending_s.append(time.monotonic() - killed)
        check(number, namespace, before, "guardian", tally)


def document(namespace: str, number: int) -> dict[str, object]:
    """The experiment: real keys, and a benchmark that leaves its group and has children."""
    benchmark = f"sleep {mark(number)} & setsid sleep {mark(number)} & sleep 0.12; echo ops: 5"
    found: dict[str, object] = {
        "workload_name": "kill me", "reward_metric": "ops", "benchmark_command": benchmark,
        "action_space": NAMESPACE_SPACE if namespace else HOST_SPACE, "algorithm": "uniform_random",
        "budget": {"trials": 500}, "baseline_runs": 1,
    }  # fmt: skip
    if namespace:
        found["network_namespace"] = namespace
        found["constraints"] = ["net.ipv4.tcp_rmem[1] <= net.ipv4.tcp_rmem[2]"]
    else:
        found["constraints"] = ["vm.dirty_background_bytes < vm.dirty_bytes"]
    return found


def mark(number: int) -> str:
    """Seconds of sleep that mark the processes of one run, also beside another copy of this script."""
    return f"{os.getpid()}{number:04d}"


def values(namespace: str) -> dict[str, str]:
    """What the watched keys show now."""
    where = f"/run/netns/{namespace}" if namespace else ""
    return {name: files.read_text(f"/proc/sys/{name}", where) for name in WATCHED[not namespace]}


def survivors(number: int) -> list[int]:
    """Benchmark processes of this run that still live."""
    wanted = f"sleep\0{mark(number)}\0".encode()
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit() and (status := processes.status(int(name))) and status.state not in "ZX":
            try:
                if wanted in Path(f"/proc/{name}/cmdline").read_bytes():
                    found.append(int(name))
            except OSError:
                continue
    return found


def check(number: int, namespace: str, before: dict[str, str], by: str, tally: Tally) -> None:
    after = values(namespace)
    wrong = {key: (before[key], after[key]) for key in before if before[key] != after[key]}
    alive = survivors(number)
    if wrong or alive:
        tally.failures.append(f"run {number}, {by}: changed {wrong}, still alive {alive}")


def wait_for_journal(home: Path, tuner: subprocess.Popen[bytes]) -> None:
    """Wait until the run has its journal, so that kills do not all fall into the start-up."""
    deadline = time.monotonic() + 60
    while not list((home / "journals").glob("*.jsonl")):
        if tuner.poll() is not None:
            said = tuner.stderr.read().decode() if tuner.stderr else ""
            raise SystemExit(f"the tuner ended before it began: {said}")
        if time.monotonic() > deadline:
            raise SystemExit("the tuner did not begin within a minute")
        time.sleep(0.005)


def child_of(parent: int, name: str) -> int | None:
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                stat = Path(f"/proc/{entry}/stat").read_text()
                command = Path(f"/proc/{entry}/cmdline").read_bytes().decode(errors="replace")
            except OSError:
                continue
            if int(stat.rpartition(")")[2].split()[1]) == parent and name in command:
                return int(entry)
    return None


def is_inside(home: Path) -> bool:
    """Whether the run had begun to write and was not over."""
    for path in [*home.glob("journals/*.jsonl"), *home.glob("journals/closed/*.jsonl")]:
        return any(entry["kind"] == "originals" for entry in journal.read(path).entries)
    return False


def report(tally: Tally, runs: int) -> int:
    mending = sorted(tally.mending_s)
    print(f"{runs} runs killed: {dict(tally.counts)}")
    if mending:
        middle = mending[len(mending) // 2]
        slowest = mending[-1]
        print(f"mended by the guardian alone: median {1000 * middle:.0f} ms, slowest {1000 * slowest:.0f} ms")
    print(f"left changed or with survivors: {len(tally.failures)}")
    for failure in tally.failures:
        print(f"  {failure}")
    if tally.counts["inside"] * 2 < runs:
        print("fewer than half of the kills fell between first write and last restore: not a fair test")
        return 1
    return 1 if tally.failures else 0


if __name__ == "__main__":
    sys.exit(main())
