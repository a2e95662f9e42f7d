"""What predict and set_reward cost, for every registered algorithm, and whether that grows with the history.

Run as ``python benchmarks/overhead.py [--seconds 20] [ALGORITHM ...]``.

Times are medians in multiples of a draw of five normal numbers by numpy, timed in turn with them in the same
process, so that a busy machine slows both. Memory is what the process gained since the 1,000th round, and the
size of the saved state. A length that an algorithm does not reach within its seconds is left out; ``--seconds
inf`` reaches all.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import math
import multiprocessing
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np

from oppertune.algorithms.all import ALGORITHMS, get_algorithm_class
from oppertune.core.values import Categorical, Integer, Real

LENGTHS = (10, 100, 1_000, 10_000, 100_000)
TIMED = 201
TIMED_SECONDS = 4.0

NUMBERS = (
    Integer("threads", 4, 1, 64),
    Integer("cache", 1000, 0, 10_000, step=10),
    Real("share", 0.5, 0.0, 1.0),
    Real("ratio", 0.3, 0.1, 0.9, step=0.1),
    Real("delay", 5.0, 0.0, 10.0),
)
CATEGORIES = (
    Categorical("policy", "lru", ("lru", "lfu", "fifo")),
    Categorical("codec", "none", ("none", "zstd", "lz4", "snappy")),
)
BOTH = (*NUMBERS, *CATEGORIES)
FEATURES = [{"name": "load", "values": ("light", "medium", "heavy")}, {"name": "cpu"}]
SETUPS: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {
    "autoscope": (NUMBERS, {"features": FEATURES, "height": 3}),
    "exponential_weights": (CATEGORIES, {}),
    "exponential_weights_slates": (CATEGORIES, {}),
    "hybrid_solver": (BOTH, {}),
    "slates": (BOTH, {}),
}
TARGETS = {
    "autoscope": 150,
    "bluefin": 25,
    "exponential_weights": 25,
    "exponential_weights_slates": 25,
    "hybrid_solver": 45,
}
CONTEXTS = [{"load": load, "cpu": cpu} for load in ("light", "medium", "heavy") for cpu in (0.1, 0.9)]


def reward(prediction: dict[str, Any]) -> float:
    """Something to learn, with a little that changes from round to round."""
    numbers = [value for value in prediction.values() if not isinstance(value, str)]
    return math.sin(sum(numbers)) + (prediction.get("policy") == "lfu")


class Loop:
    """An algorithm, asked and rewarded without end."""

    def __init__(self, name: str) -> None:
        parameters, options = SETUPS.get(name, (NUMBERS, {}))
        self.algorithm = get_algorithm_class(name)(parameters, random_seed=1, **options)
        self.contexts = CONTEXTS if name == "autoscope" else [None]
        self.rounds = 0

    def round(self) -> int:
        """One round; the nanoseconds that the two calls took."""
        context = self.contexts[self.rounds % len(self.contexts)]
        self.rounds += 1
        began = time.perf_counter_ns()
        prediction, request_id = self.algorithm.predict(context)
        asked = time.perf_counter_ns() - began
        earned = reward(prediction)
        began = time.perf_counter_ns()
        self.algorithm.set_reward(earned, request_id=request_id)
        return asked + time.perf_counter_ns() - began

    def timed(self) -> tuple[float, float]:
        """Median microseconds of a round, and of the draw that it is measured by."""
        rng = np.random.default_rng(0)
        rounds, draws = [], []
        ends = time.perf_counter() + TIMED_SECONDS
        while len(rounds) < TIMED and (len(rounds) < 5 or time.perf_counter() < ends):
            began = time.perf_counter_ns()
            rng.normal(size=5)
            draws.append(time.perf_counter_ns() - began)
            rounds.append(self.round())
        return statistics.median(rounds) / 1000, statistics.median(draws) / 1000


def resident_kib() -> int:
    """What the process holds in memory."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4


def measure(name: str, seconds: float, send: Any) -> None:
    """Send (length, microseconds, draw, KiB since 1,000 rounds, bytes of state) for each length."""
    loop = Loop(name)
    ends = time.perf_counter() + seconds
    at_thousand = None
    for length in LENGTHS:
        while loop.rounds < length:
            loop.round()
            if time.perf_counter() > ends:
                send.send(None)
                return
        took, draw = loop.timed()
        held = resident_kib()
        if length == 1_000:
            at_thousand = held
        gained = None if at_thousand is None else held - at_thousand
        send.send((length, took, draw, gained, len(loop.algorithm.dumps())))
    send.send(None)


def rows_of(name: str, seconds: float) -> list[tuple[int, float, float, int | None, int]]:
    """Measure in a process of its own, so that memory is the algorithm's."""
    receive, send = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("spawn").Process(target=measure, args=(name, seconds, send))
    process.start()
    send.close()
    rows = []
    try:
        while (row := receive.recv()) is not None:
            rows.append(row)
    except EOFError:
        print(f"{name}: failed")
    process.join()
    return rows


def shown(number: float) -> str:
    return f"{number:,.0f}" if number >= 100 else f"{number:.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("algorithms", nargs="*", default=sorted(ALGORITHMS))
    parser.add_argument("--seconds", type=float, default=20.0, help="per algorithm; inf for all lengths")
    options = parser.parse_args()
    lengths = "".join(f"{length:>10,}" for length in LENGTHS)
    print(
        f"{'predict + set_reward, x a draw':<30}{lengths}{'at most':>9}{'us':>9}{'KiB +':>8}{'state KiB':>11}"
    )
    for name in options.algorithms:
        entry = ALGORITHMS[name]
        if isinstance(entry, str):
            try:
                importlib.import_module(entry.partition(":")[0])
            except ImportError as error:
                print(f"{name:<30}  not there: {error}")
                continue
        rows = rows_of(name, options.seconds)
        multiples = {length: took / draw for length, took, draw, _, _ in rows}
        cells = "".join(f"{shown(multiples[n]) if n in multiples else '-':>10}" for n in LENGTHS)
        target = str(TARGETS.get(name, "-"))
        took, gained, size = (rows[-1][1], rows[-1][3], rows[-1][4]) if rows else (math.nan, None, 0)
        gain = "-" if gained is None else str(gained)
        print(f"{name:<30}{cells}{target:>9}{shown(took):>9}{gain:>8}{size / 1024:>11.1f}", flush=True)


if __name__ == "__main__":
    main()
