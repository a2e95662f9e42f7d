"""How often verification claims what is not there, and how often it finds what is: measured, not derived.

    python benchmarks/honesty_statistics.py                    # 4,000 null verifications per kind of noise
    python benchmarks/honesty_statistics.py --record           # measure this machine's noise anew first

The first table gives candidate and reference the same configuration under many kinds of noise; every claim
is then false. The second is outside the null hypothesis: a candidate with the same median that is more
erratic. The third gives the candidate a true improvement. All drive the same class as the product, and noise
is a series over *time*, so that the class's own random order decides which arm meets which run. Half of the
verifications maximize and half minimize.

The candidates are not selected here: verification uses no data from the search, so the choice of a candidate
by its luck in noisy trials (winner's curse) is a null verification like any other.
"""

from __future__ import annotations

import argparse
import hashlib
import math
import multiprocessing
import socket
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.stats import beta

from tactician.verification import Comparison, smallest_provable

RECORDING = Path(__file__).with_name("recorded_noise.txt")
RECORDED_RUNS = 300
RUN_SECONDS = 0.2

Generator = np.random.Generator
Noise = Callable[[Generator, int], np.ndarray]


# Noise: what a run's value is multiplied with, for so many runs in the order of time.


def gaussian(deviation: float) -> Noise:
    return lambda rng, runs: np.maximum(1.0 + deviation * rng.standard_normal(runs), 0.02)


def heavy_tails(rng: Generator, runs: int) -> np.ndarray:
    values = 1.0 + 0.03 * rng.standard_normal(runs)
    kind = rng.random(runs)
    values = np.where(kind < 0.05, rng.uniform(0.35, 0.85, runs), values)
    return np.where(kind > 0.99, rng.uniform(1.15, 1.45, runs), values)


def lognormal(rng: Generator, runs: int) -> np.ndarray:
    return np.exp(0.3 * rng.standard_normal(runs))


def random_walk(rng: Generator, runs: int) -> np.ndarray:
    return np.exp(0.03 * rng.standard_normal(runs) + np.cumsum(0.03 * rng.standard_normal(runs)))


def linear_drift(rng: Generator, runs: int) -> np.ndarray:
    return np.linspace(1.0, 0.6, runs) * gaussian(0.03)(rng, runs)


def step_change(rng: Generator, runs: int) -> np.ndarray:
    return np.where(np.arange(runs) < runs // 2, 1.0, 0.7) * gaussian(0.03)(rng, runs)


def bimodal(rng: Generator, runs: int) -> np.ndarray:
    return np.where(rng.random(runs) < 0.3, 0.25, 1.0) * gaussian(0.05)(rng, runs)


def autoregressive(rng: Generator, runs: int) -> np.ndarray:
    log, series = 0.0, []
    for shock in rng.standard_normal(runs):
        log = 0.8 * log + 0.05 * float(shock)
        series.append(math.exp(log))
    return np.array(series)


def recorded(name: str) -> Noise:
    """Contiguous blocks of a recording, from a random place, so that its drift and bursts stay."""

    def draw(rng: Generator, runs: int) -> np.ndarray:
        series = read_recording()[name]
        return np.take(series, np.arange(runs) + rng.integers(len(series)), mode="wrap")

    return draw


NOISE: dict[str, Noise] = {
    "Gaussian 1 %": gaussian(0.01),
    "Gaussian 4 %": gaussian(0.04),
    "Gaussian 10 %": gaussian(0.10),
    "Gaussian 25 %": gaussian(0.25),
    "heavy tails": heavy_tails,
    "lognormal 30 %": lognormal,
    "random walk": random_walk,
    "linear drift": linear_drift,
    "step in the middle": step_change,
    "bimodal": bimodal,
    "AR(1)": autoregressive,
    "recorded cpu": recorded("cpu"),
    "recorded sqlite": recorded("sqlite"),
    "recorded loopback": recorded("loopback"),
}


# Recording: three small real benchmarks on whatever this machine is doing meanwhile.


def cpu_rate() -> float:
    count, end = 0, time.perf_counter() + RUN_SECONDS
    while time.perf_counter() < end:
        hashlib.sha256(bytes(4096)).digest()
        count += 1
    return count / RUN_SECONDS


def sqlite_rate() -> float:
    with tempfile.TemporaryDirectory() as folder:
        database = sqlite3.connect(Path(folder, "noise.db"))
        database.execute("create table t (a integer)")
        count, end = 0, time.perf_counter() + RUN_SECONDS
        while time.perf_counter() < end:
            database.execute("insert into t values (1)")
            database.commit()
            count += 1
        database.close()
    return max(count, 1) / RUN_SECONDS


def loopback_rate() -> float:
    with socket.create_server(("127.0.0.1", 0)) as server:
        peer = threading.Thread(target=_echo, args=(server,))
        peer.start()
        with socket.create_connection(server.getsockname()) as client:
            count, end = 0, time.perf_counter() + RUN_SECONDS
            while time.perf_counter() < end:
                client.sendall(b"x")
                client.recv(1)
                count += 1
        peer.join()
    return count / RUN_SECONDS


def _echo(server: socket.socket) -> None:
    connection, _ = server.accept()
    with connection:
        while data := connection.recv(1):
            connection.sendall(data)


def record() -> None:
    """Run each benchmark in turn, a few hundred times, and keep the rates."""
    rates = {"cpu": cpu_rate, "sqlite": sqlite_rate, "loopback": loopback_rate}
    lines = [f"# rates per second of {RECORDED_RUNS} runs of {RUN_SECONDS} s each on a machine in use"]
    for name, rate in rates.items():
        lines += [name, " ".join(f"{rate():.6g}" for _ in range(RECORDED_RUNS))]
    RECORDING.write_text("\n".join(lines) + "\n")


def read_recording() -> dict[str, np.ndarray]:
    lines = [line for line in RECORDING.read_text().splitlines() if not line.startswith("#")]
    return {
        name: np.array(values.split(), dtype=float)
        for name, values in zip(lines[::2], lines[1::2], strict=True)
    }


# Measuring: many verifications of one kind.


class Batch(NamedTuple):
    """So many verifications of one true improvement under one noise."""

    noise: str
    improvement: float
    rounds: int
    verifications: int
    seed: int
    erratic: float = 1.0  # the candidate's log deviations are so many times the reference's; same median


class Tally(NamedTuple):
    """What came of them, added up."""

    claims: int
    vetoes: int
    covered: int
    rounds: int


def verify(batch: Batch, number: int) -> Tally:
    """One verification of a candidate with a known true improvement."""
    rng = np.random.default_rng([batch.seed, number])
    maximize = number % 2 == 0
    noise = NOISE[batch.noise](rng, 3 * batch.rounds)
    truth = 1.0 + batch.improvement if maximize else 1.0 - batch.improvement
    comparison = Comparison(rounds=batch.rounds, maximize=maximize, random_seed=int(rng.integers(2**32)))
    runs = iter(noise)
    decision = comparison.decision
    while not decision.finished:
        order = comparison.next_order()
        values = {arm: 100.0 * float(next(runs)) for arm in order}
        values["candidate"] = 100.0 * truth * (values["candidate"] / 100.0) ** batch.erratic
        decision = comparison.add_round(dict(values))
    low, high = decision.interval or (-math.inf, math.inf)
    covered = low <= 100.0 * batch.improvement <= high
    vetoed = not decision.significant and "control" in decision.reason
    return Tally(int(decision.significant), int(vetoed), int(covered), decision.rounds)


def measure(batch: Batch) -> tuple[Batch, Tally]:
    tallies = [verify(batch, number) for number in range(batch.verifications)]
    return batch, Tally(*(sum(column) for column in zip(*tallies, strict=True)))


def upper_bound(hits: int, of: int) -> float:
    """Clopper and Pearson's one-sided 95 % upper bound."""
    return 1.0 if hits == of else float(beta.ppf(0.95, hits + 1, of - hits))


def print_nulls(title: str, results: Iterable[tuple[Batch, Tally]]) -> None:
    print(f"\n| {title} | false claims | upper 95 % | A/A vetoes | coverage | rounds |")
    print("|---|---|---|---|---|---|")
    for batch, tally in results:
        of = batch.verifications
        shares = (tally.claims / of, upper_bound(tally.claims, of), tally.vetoes / of, tally.covered / of)
        cells = " | ".join(f"{share:.2%}" for share in shares)
        name = batch.noise if batch.erratic == 1.0 else f"{batch.noise}, {batch.erratic:g} times"
        print(f"| {name} | {cells} | {tally.rounds / of:.1f} |", flush=True)


def print_powers(results: Iterable[tuple[Batch, Tally]]) -> None:
    print("\n| noise | cap | true improvement | claimed | A/A vetoes | coverage | rounds |")
    print("|---|---|---|---|---|---|---|")
    for batch, tally in results:
        of = batch.verifications
        cells = " | ".join(f"{share / of:.1%}" for share in (tally.claims, tally.vetoes, tally.covered))
        kind = f"{batch.noise} | {batch.rounds} | {batch.improvement:+.0%}"
        print(f"| {kind} | {cells} | {tally.rounds / of:.1f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--verifications", type=int, default=4000, help="per kind of noise without effect")
    parser.add_argument("--power", type=int, default=500, help="per line of the other tables")
    parser.add_argument("--rounds", type=int, default=20, help="cap of the null verifications")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--record", action="store_true", help="record this machine's noise first")
    arguments = parser.parse_args()
    if arguments.record:
        record()
    nulls = [Batch(noise, 0.0, arguments.rounds, arguments.verifications, 1) for noise in NOISE]
    erratic = [
        nulls[1]._replace(erratic=ratio, verifications=arguments.power) for ratio in (0.33, 2.0, 3.0, 10.0)
    ]
    powers = [
        Batch(noise, improvement, rounds, arguments.power, 2)
        for noise in ("Gaussian 4 %", "Gaussian 10 %", "heavy tails")
        for rounds in (8, 12, 20)
        for improvement in (0.02, 0.05, 0.10, 0.20, 0.50)
    ]
    with multiprocessing.Pool(arguments.processes) as pool:
        print_nulls("noise, no true effect", pool.imap(measure, nulls))
        print_nulls("same median, candidate more erratic", pool.imap(measure, erratic))
        print_powers(pool.imap(measure, powers))
    print("\nsmallest provable improvement (80 % power): noise, cap, predicted")
    for noise in (0.01, 0.04, 0.10):
        print(
            "  ".join(
                f"{noise:.0%} {rounds}: {smallest_provable(noise, rounds):.2%}" for rounds in (8, 12, 20)
            )
        )


if __name__ == "__main__":
    main()
