"""Tunes real workloads with several loops side by side: benchmark seconds to 95 % of the best known gain.

    python benchmarks/live.py [--workloads NAME ...] [--loops NAME ...] [--trials 30] [--out FILE]

Workloads: tcp-churn, listen-backlog and sqlite are embedded; nginx (wrk), redis (redis-benchmark), pgbench
and wan (two network namespaces and a link of 200 ms and 250 Mbit/s, needs root) are in ``live/``; sysbench is
one on which nothing matters. Loops: ``tactician`` is the whole of it, early ends included; peers
(optuna_tpe, optuna_gp, ...) ask and tell with their defaults, and measure every trial for its whole length.

The loops take turns, trial by trial, in a new order each round, on the same machine. Every loop pays for its
own baseline: one run for a peer, three for tactician. Afterwards every configuration that a loop held to be
the best at some moment (a peer: its best sample; tactician: what its model recommends) is measured again,
all of them interleaved, five times each, and ten times more those within a quarter of the best gain; the
median counts. The time of a loop is the seconds of benchmark it
had used when it first held a configuration with 95 % of the best gain found by anybody. Each workload is
played in a network namespace of its own.
"""

# ruff: noqa: E402  the number of threads is set before numpy is loaded

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import argparse
import json
import random
import shlex
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from oppertune.algorithms.all import create_tuning_instance
from peers.players import player
from tactician.config import parse_experiment
from tactician.experiment import Experiment
from tactician.options import Options
from tactician.outcomes import Configuration, Outcome
from tactician.reward import FAILED_REWARD
from tactician.search_arguments import search_arguments
from tactician.session import Session
from tactician.stopping import is_due
from tactician.system import namespace
from tactician.trial import Bench
from tactician.tuner import Tuner
from tactician.wiring import wire
from tactician.workloads import WORKLOADS, configuration

HERE = Path(__file__).parent / "live"
AGAIN, MORE, NEAR = 5, 10, 0.75
GOOD = 0.95


def choice(name: str, *values: str) -> dict[str, Any]:
    return {"param": name, "type": "categorical", "values": list(values), "default": values[0]}


def number(name: str, low: float, high: float, start: float, **more: Any) -> dict[str, Any]:
    return {"param": name, "min": low, "max": high, "default": start, "type": "int", **more}


def script(name: str, parameters: Sequence[dict[str, Any]], metric: str, **more: Any) -> dict[str, Any]:
    options = " ".join(f"--{item['param'].replace('_', '-')} {{{item['param']}}}" for item in parameters)
    return {
        "workload_name": name,
        "reward_metric": metric,
        "benchmark_command": f"{shlex.quote(sys.executable)} {shlex.quote(str(HERE / name))} {options}",
        "action_space": list(parameters),
        "environment": {"TACTICIAN_LIVE_PARENT": str(os.getpid())},
        **more,
    }


NGINX = (
    number("workers", 1, 4, 1), number("connections", 64, 4096, 512, log=True),
    choice("multi_accept", "off", "on"),
    choice("access_log", "on", "off"), choice("sendfile", "off", "on"), choice("tcp_nopush", "off", "on"),
    number("keepalive_requests", 1, 100000, 1000, log=True), choice("file_cache", "0", "1000"),
    choice("gzip", "off", "on"),
)  # fmt: skip
REDIS = (
    choice("appendfsync", "always", "everysec"), number("io_threads", 1, 4, 1),
    number("hz", 1, 100, 10, log=True),
    number("tcp_backlog", 64, 4096, 511, log=True), choice("activerehashing", "yes", "no"),
    number("list_entries", 16, 1024, 128, log=True),
)  # fmt: skip
PGBENCH = (
    choice("protocol", "simple", "extended", "prepared"), choice("jit", "on", "off"),
    number("work_mem", 64, 65536, 4096, log=True), number("clients", 1, 16, 4),
    choice("plan_cache_mode", "auto", "force_custom_plan", "force_generic_plan"),
    number("random_page_cost", 1, 8, 4),
)  # fmt: skip
WAN = (
    number("rmem_max", 65536, 67108864, 33554432, log=True),
    number("wmem_max", 65536, 67108864, 4194304, log=True),
    choice("congestion_control", "bbr", "reno"), choice("slow_start_after_idle", "1", "0"),
    choice("no_metrics_save", "0", "1"),
)  # fmt: skip
DOCUMENTS: dict[str, dict[str, Any]] = {
    "nginx": script("nginx_settings.py", NGINX, "requests_per_second"),
    "redis": script("redis_settings.py", REDIS, "SET"),
    "pgbench": script("pgbench_settings.py", PGBENCH, "tps"),
    "wan": script("wan_bulk.py", WAN, "megabits_per_second"),
    "sysbench": {
        "workload_name": "sysbench",
        "reward_metric": "events_per_second",
        "benchmark_command": "sysbench cpu --threads=2 --time=2 run",
        "action_space": [
            {"param": "vm.swappiness", "min": 0, "max": 100},
            {"param": "vm.dirty_ratio", "min": 5, "max": 60},
        ],
    },
}
DOCUMENTS |= {name: configuration(name) for name in WORKLOADS}


class Loop:
    """One loop over one bench: a step is one trial, and after each it holds something to be the best."""

    def __init__(self, name: str, experiment: Experiment, bench: Bench, original: Configuration) -> None:
        self.name = name
        self.held: list[tuple[float, Configuration]] = []
        self.session = Session(
            experiment, bench, run_id="live", original=original, observers=(), clock=time.monotonic,
            release=lambda _: None,
        )  # fmt: skip
        self.session.start()
        self._steps = self._tactician() if name == "tactician" else self._peer()

    def step(self) -> bool:
        """Try one configuration; False when the loop has ended."""
        held = next(self._steps, None)
        if held is not None:
            self.held.append((self.session.benchmark_seconds, dict(held)))
        return held is not None

    def _tactician(self) -> Iterator[Configuration]:
        session = self.session
        experiment = session.experiment
        parameters = [tuned.parameter for tuned in experiment.parameters]
        search = create_tuning_instance(experiment.algorithm, parameters, search_arguments(session))
        tuner = Tuner(session, search, undo="", observes=False)
        while session.exhausted is None:
            due = is_due(len(session.trials), len(parameters))
            if due and tuner._sure_ending() is not None:
                return
            tuner._step()
            yield search.recommend()

    def _peer(self) -> Iterator[Configuration]:
        session = self.session
        trials = session.experiment.budget.trials or 30
        parameters = [tuned.parameter for tuned in session.experiment.parameters]
        peer = player(self.name, parameters, session.experiment.random_seed or 0, trials + 1)
        peer.ask()
        peer.tell(session.first_reward or 1.0)
        best, held = 1.0, session.baseline
        while session.exhausted is None:
            outcome = session.trial(peer.ask(), whole=True)
            reward = FAILED_REWARD if outcome.reward is None else outcome.reward
            peer.tell(reward)
            if outcome.score is not None and outcome.score.reward > best:
                best, held = outcome.score.reward, dict(outcome.configuration)
            yield held


def play(name: str, loops: Sequence[str], trials: int, seed: int) -> dict[str, Any]:
    document = {**DOCUMENTS[name], "algorithm": "auto", "budget": {"trials": trials}, "random_seed": seed}
    experiment = parse_experiment({**document, "baseline_runs": 3, "max_failures": 100}, name)
    wired = wire(experiment, Options())
    try:
        bench, original = wired.session._bench, wired.session.original
        running = [Loop(each, _own(experiment, each), bench, original) for each in loops]
        rng = random.Random(seed)
        going = list(running)
        while going:
            going = [each for each in rng.sample(going, len(going)) if each.step()]
        session = wired.session
        session.start()
        truth = measured_again([each.held for each in running], session, rng)
    finally:
        wired.session.close()
    return {"workload": name, "seed": seed, "loops": {each.name: _story(each, truth) for each in running}}


def _own(experiment: Experiment, loop: str) -> Experiment:
    from dataclasses import replace

    return experiment if loop == "tactician" else replace(experiment, baseline_runs=1)


def measured_again(
    held: Sequence[Sequence[tuple[float, Configuration]]], session: Session, rng: random.Random
) -> dict[str, float]:
    """The median performance, against the baseline measured among them, of whatever was held to be best."""
    distinct = {_key(one): one for each in held for _, one in each}
    distinct[_key(session.baseline)] = session.baseline
    values: dict[str, list[float]] = {key: [] for key in distinct}
    compared, home = sorted(distinct), _key(session.baseline)
    for rounds in (AGAIN, MORE):
        for _ in range(rounds):
            for key in rng.sample(compared, len(compared)):
                outcome: Outcome = session._run(distinct[key], "baseline", checked=False, whole=True)
                if outcome.measurement is not None:
                    values[key].append(outcome.measurement.value)
        medians = {key: statistics.median(each) for key, each in values.items() if each}
        base, up = medians[home], session._maximize()
        gains = {key: (value / base if up else base / value) - 1.0 for key, value in medians.items()}
        # The luckiest of many medians of five would set a mark that nobody reaches.
        compared = sorted({home, *(key for key, gain in gains.items() if gain >= NEAR * max(gains.values()))})
    return gains


def _story(loop: Loop, truth: dict[str, float]) -> list[tuple[float, float]]:
    return [(round(seconds, 3), round(truth.get(_key(held), 0.0), 4)) for seconds, held in loop.held]


def _key(one: Configuration) -> str:
    return json.dumps(one, sort_keys=True, default=str)


def show(lines: Sequence[dict[str, Any]]) -> None:
    print(f"{'workload':<16}{'best gain':>10}  loop: seconds to {GOOD:.0%} of it (of all); gain at the end")
    for line in lines:
        stories = line["loops"]
        best = max([gain for story in stories.values() for _, gain in story], default=0.0)
        cells = []
        for name, story in stories.items():
            reached = next((seconds for seconds, gain in story if gain >= GOOD * best), None)
            total, final = story[-1] if story else (0.0, 0.0)
            when = "never" if reached is None else f"{reached:.0f} s"
            cells.append(f"{name}: {when} ({total:.0f} s), {100 * final:+.0f} %")
        print(f"{line['workload']:<16}{100 * best:>+9.0f}%  {'; '.join(cells)}")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workloads", nargs="+", default=list(DOCUMENTS), choices=list(DOCUMENTS))
    parser.add_argument("--loops", nargs="+", default=["tactician", "optuna_tpe", "optuna_gp", "random"])
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, help="JSON lines, to which the results are added")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    if not namespace.inside_throw_away():
        show([_played_inside(name, arguments) for name in arguments.workloads])
        return 0
    namespace.settle()
    line = play(arguments.workloads[0], arguments.loops, arguments.trials, arguments.seed)
    if arguments.out:
        with arguments.out.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
    print(json.dumps(line))
    return 0


def _played_inside(name: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """The same in a network namespace that ends with it."""
    argv = [*namespace._unshare(), sys.executable, __file__, "--workloads", name]
    argv += ["--loops", *arguments.loops, "--trials", str(arguments.trials), "--seed", str(arguments.seed)]
    argv += ["--out", str(arguments.out.resolve())] if arguments.out else []
    done = subprocess.run(
        argv, env=namespace.entering_environment(), stdout=subprocess.PIPE, text=True, check=True
    )
    line: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return line


if __name__ == "__main__":
    sys.exit(main())
