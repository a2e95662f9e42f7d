"""Plays one optimiser on instances and writes what happened, one JSON line for each instance.

    python benchmarks/peers play PEER --out FILE [--classes NAME ...] [--seeds FIRST COUNT] [--rounds N]

A line has the peer and its version, the class and seed of the instance, and for each round the configuration,
the reward and the processor seconds that the optimiser took; further the noise-free regret of the peer's own
choice and of the best sample after 1, 2, 5, 10, 15, 20, 30, ... rounds. What the file has already is not
played again.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from oppertune.core.values import Value
from peers.instances import CLASSES, GROUPS, LOOKS, classes_of, instance_of
from peers.players import player, version_of

Line = dict[str, Any]


def play(peer: str, name: str, seed: int, rounds: int) -> Line:
    """One run; the noise is drawn from the instance's seed."""
    instance = instance_of(name, seed)
    made = player(peer, instance.parameters, seed, rounds)
    rng = np.random.default_rng(seed)
    played: list[dict[str, Value]] = []
    rewards: list[float] = []
    spent: list[float] = []
    own: dict[str, float] = {}
    best: dict[str, float] = {}
    for count in range(1, rounds + 1):
        start = time.process_time()
        values = made.ask()
        spent.append(time.process_time() - start)
        reward = instance.sample(values, rng)
        start = time.process_time()
        made.tell(reward)
        spent[-1] += time.process_time() - start
        played.append(values)
        rewards.append(reward)
        if count in LOOKS:
            luckiest = played[int(np.argmax(rewards))]
            best[str(count)] = max(0.0, instance.regret(luckiest))
            own[str(count)] = max(0.0, instance.regret(made.choice() or luckiest))
    return {
        "peer": peer,
        "version": version_of(made.package),
        "landscape": name,
        "seed": seed,
        "names": [p.name for p in instance.parameters],
        "values": [[values[p.name] for p in instance.parameters] for values in played],
        "rewards": rewards,
        "cpu": [round(s, 5) for s in spent],
        "regret_own_choice": own,
        "regret_best_sample": best,
    }


def lines_of(paths: Iterable[Path]) -> list[Line]:
    return [
        json.loads(line)
        for path in paths
        if path.exists()
        for line in path.read_text(encoding="utf-8").splitlines()
    ]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    named = f"{', '.join(GROUPS)} or classes of them"
    parser.add_argument("peer")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE")
    parser.add_argument("--classes", nargs="+", default=("landscapes",), metavar="NAME", help=named)
    parser.add_argument("--seeds", nargs=2, type=int, default=(10_000, 20), metavar=("FIRST", "COUNT"))
    parser.add_argument("--rounds", type=int, default=LOOKS[-1])


def main(arguments: argparse.Namespace) -> int:
    warnings.simplefilter("ignore")
    classes = classes_of(arguments.classes)
    if unknown := sorted(set(classes) - set(CLASSES)):
        known = ", ".join((*GROUPS, *CLASSES))
        print(f"no such class: {', '.join(unknown)}; there are {known}", file=sys.stderr)
        return 2
    done = {(line["peer"], line["landscape"], line["seed"]) for line in lines_of([arguments.out])}
    first, count = arguments.seeds
    for seed in range(first, first + count):
        for name in classes:
            if (arguments.peer, name, seed) in done:
                continue
            line = play(arguments.peer, name, seed, arguments.rounds)
            with arguments.out.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line, default=_plain) + "\n")
    return 0


def _plain(value: object) -> object:
    """What numpy's numbers are in JSON."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{value!r} has no place in JSON")
