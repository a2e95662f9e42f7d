"""What predict and set_reward cost, for every registered algorithm, and whether that grows with the history.

Run as ``python benchmarks/overhead.py [--seconds 60] [ALGORITHM ...]``.

Times are medians in multiples of a draw of five normal numbers by numpy, timed in turn with them in the same
process, so that a busy machine slows both (if not equally: what shares caches with other work is slowed more
than so small a draw). Rounds of more than a millisecond are timed by processor time, since such a machine
does other things in the midst of them. Memory is what the process gained since the 1,000th round, and the
size of the saved state. A length that an algorithm does not reach within its seconds of processor time is
left out.

To reach 100,000 rounds, the algorithms marked * are driven cheaply between the lengths: their decisions are
drawn at random, or their learning is left out, in all but the last rounds before the clock runs. What is
measured, and the history that it works on, is whole.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"  # before numpy is loaded

import argparse
import gc
import importlib
import math
import multiprocessing
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from oppertune.algorithms.all import ALGORITHMS, get_algorithm_class
from oppertune.core.encoding import from_unit
from oppertune.core.values import Categorical, Integer, Real

LENGTHS = (10, 100, 1_000, 10_000, 100_000)
TIMED = 201
TIMED_SECONDS = 4.0
LONG = 1_000_000  # nanoseconds
WHOLE = 10
"""So many rounds before the timed ones are whole, where those further back are driven cheaply."""

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
_RNG = np.random.default_rng(7)


def _anywhere(algorithm: Any) -> Callable[..., Any]:
    """A decision for ``_predict`` that costs nothing."""
    return lambda request: {p.name: from_unit(p, float(_RNG.random())) for p in algorithm.params}


def _nothing(algorithm: Any) -> Callable[..., Any]:
    return lambda *_: None


CHEAPLY: dict[str, dict[str, Callable[[Any], Callable[..., Any]]]] = {
    "bayesian_optimization": {"_predict": _anywhere},
    "ddpg": {"_learn_from_replay": _nothing},
    "ppo": {"_predict": _anywhere, "_imagine": _nothing},
    "tpe": {"_predict": _anywhere},
}
"""Methods that stand in while an algorithm is driven cheaply."""
CONTEXTS = [{"load": load, "cpu": cpu} for load in ("light", "medium", "heavy") for cpu in (0.1, 0.9)]


def reward(prediction: dict[str, Any]) -> float:
    """Something to learn, with a little that changes from round to round."""
    numbers = [value for value in prediction.values() if not isinstance(value, str)]
    return math.sin(sum(numbers)) + (prediction.get("policy") == "lfu")


class Loop:
    """An algorithm, asked and rewarded without end."""

    def __init__(self, name: str) -> None:
        parameters, options = SETUPS.get(name, (NUMBERS, {}))
        self.algorithm: Any = get_algorithm_class(name)(parameters, random_seed=1, **options)
        self._stand_ins = CHEAPLY.get(name, {})
        self.contexts = CONTEXTS if name == "autoscope" else [None]
        self.rounds = 0
        self._clock = time.perf_counter_ns

    def round(self) -> int:
        """One round; the nanoseconds that the two calls took."""
        context = self.contexts[self.rounds % len(self.contexts)]
        self.rounds += 1
        clock = self._clock
        began = clock()
        prediction, request_id = self.algorithm.predict(context)
        asked = clock() - began
        earned = reward(prediction)
        began = clock()
        self.algorithm.set_reward(earned, request_id=request_id)
        return asked + clock() - began

    @contextmanager
    def cheap(self) -> Iterator[None]:
        """Rounds inside cost little and leave as long a history."""
        for method, make in self._stand_ins.items():
            assert callable(getattr(self.algorithm, method))
            setattr(self.algorithm, method, make(self.algorithm))
        try:
            yield
        finally:
            for method in self._stand_ins:
                delattr(self.algorithm, method)

    def reach(self, length: int, ends: float) -> bool:
        """Play until there were so many rounds; False where the time is up before."""
        with self.cheap():
            while self.rounds < length - WHOLE:
                self.round()
                if time.process_time() > ends:
                    return False
        while self.rounds < length:
            self.round()
        return time.process_time() <= ends

    def timed(self) -> tuple[float, float]:
        """Median microseconds of a round, and of the draw that it is measured by."""
        rng = np.random.default_rng(0)
        self._clock = time.perf_counter_ns
        if statistics.median(self.round() for _ in range(5)) > LONG:
            self._clock = time.process_time_ns
        rounds: list[int] = []
        draws: list[int] = []
        ends = time.process_time() + TIMED_SECONDS
        while len(rounds) < TIMED and (len(rounds) < 5 or time.process_time() < ends):
            began = time.perf_counter_ns()
            rng.normal(size=5)
            draws.append(time.perf_counter_ns() - began)
            rounds.append(self.round())
        return statistics.median(rounds) / 1000, statistics.median(draws) / 1000


def resident_kib() -> int:
    """What the process holds in memory."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * 4


def measure(name: str, seconds: float, send: Any) -> None:
    """Send (length, microseconds, draw, KiB since 1,000 rounds, bytes of state) for each length."""
    loop = Loop(name)
    ends = time.process_time() + seconds
    at_thousand = None
    for length in LENGTHS:
        if not loop.reach(length, ends):
            break
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
    parser.add_argument("algorithms", nargs="*", metavar="ALGORITHM")
    parser.add_argument("--seconds", type=float, default=60.0, help="per algorithm; inf for all lengths")
    options = parser.parse_args()
    lengths = "".join(f"{length:>10,}" for length in LENGTHS)
    print(
        f"{'predict + set_reward, x a draw':<30}{lengths}{'at most':>9}{'us':>9}{'KiB +':>8}{'state KiB':>11}"
    )
    seen: dict[Any, str] = {}
    for name in options.algorithms or sorted(ALGORITHMS, key=lambda name: (name == "hopt", name)):
        entry = ALGORITHMS[name]
        if entry in seen:
            print(f"{name:<30}  is {seen[entry]}")
            continue
        seen[entry] = name
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
        label = f"{name} *" if name in CHEAPLY else name
        print(f"{label:<30}{cells}{target:>9}{shown(took):>9}{gain:>8}{size / 1024:>11.1f}", flush=True)


if __name__ == "__main__":
    main()
