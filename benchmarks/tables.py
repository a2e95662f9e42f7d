"""Searches tables of measured configurations by the published protocol; ranks us among the published twelve.

    python benchmarks/tables.py --tables DIR [--players NAME ...] [--names TABLE ...] [--higher TABLE ...]
                                [--seeds N] [--out FILE] [--plot FILE]

DIR has the CSV files of the repository ideas-labo/PromiseTune (ICSE 2026, Apache-2.0), folder Data: one row
per configuration, the measured value last. Players are our algorithms by their names, and peers (random,
optuna_tpe, ...), which need the environment that they are installed in: run this there with the same
``--out``, and whoever runs last shows them all. A run that the file has already is not repeated. Any other
table of this form in DIR can be named too; with ``--higher`` if more is better there.

The gap of the best row found, in percent of (median - optimum), is averaged over the seeds after 20, 50 and
100 distinct rows. The average rank is at 100, over the tables that a tuner has a figure for; published
figures whose traces look stuck are left out. A run ends at 400 suggestions even if they mean fewer than 100
rows, and keeps its gap. See ``peers/measured.py`` for how a row becomes a configuration.
"""

# ruff: noqa: E402  the number of threads is set before numpy is loaded

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")  # before numpy is loaded

import argparse
import json
import sys
import warnings
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from peers.measured import CHECKPOINTS, HIGHER_IS_BETTER, MOST_ROUNDS, Table, search

TABLES = ("7z", "BDBC", "LLVM", "exastencils", "redis")
TUNING = ("7z", "BDBC", "LLVM")
"""What settings may be chosen on; the others are only reported."""
PUBLISHED: dict[str, tuple[float | None, ...]] = {
    "PromiseTune": (0.31, 0.09, 0.00, 8.05, 24.64),
    "HEBO": (None, 0.00, 0.46, 4.86, None),
    "SMAC": (2.76, 1.05, 0.02, 9.41, 48.04),
    "FLASH": (4.47, 2.98, 0.05, 8.30, None),
    "CFSCA": (0.99, 0.35, 0.02, 7.16, None),
    "BOCA": (3.50, 1.29, 5.49, 14.39, None),
    "MBO": (None, 0.12, 0.34, None, 28.71),
    "LlamaTune": (4.75, 0.83, 19.03, 12.70, 47.64),
    "OtterTune": (5.71, 0.16, 0.63, 13.19, 31.18),
    "Unicorn": (1.72, 0.33, 4.95, 13.54, 30.52),
    "GA": (5.63, 1.83, 3.29, 15.51, 47.20),
    "Random": (1.71, 0.33, 5.18, 13.72, 29.00),
}
"""Mean gaps of 30 runs after 100 distinct rows, per table; None where there is none or where it was stuck."""

Gaps = dict[str, dict[str, list[float]]]
"""By table and number of distinct rows, one for each seed."""


def ranks(published: Mapping[str, Sequence[float | None]], ours: Mapping[str, float]) -> dict[str, float]:
    """Average rank of every tuner over the tables that we have, with us among the published; ties share.

    Args:
        published: gaps in the order of TABLES.
        ours: mean gap by table, rounded like the published ones before it is compared; tables without
            published figures have no part in it.
    """
    found: dict[str, list[float]] = {}
    for table, gap in ours.items():
        if table not in TABLES:
            continue
        cells = {name: row[TABLES.index(table)] for name, row in published.items()}
        column = {name: cell for name, cell in cells.items() if cell is not None}
        column["this one"] = round(gap, 2)
        for name, cell in column.items():
            below = sum(other < cell for other in column.values())
            equal = sum(other == cell for other in column.values())
            found.setdefault(name, []).append(below + (equal + 1) / 2)
    return {name: float(np.mean(each)) for name, each in found.items()}


def _job(arguments: tuple[Path, bool, str, int]) -> dict[str, Any]:
    warnings.simplefilter("ignore")
    path, higher, name, seed = arguments
    return search(_table(path, higher), name, seed)


_loaded: dict[Path, Table] = {}


def _table(path: Path, higher: bool) -> Table:
    """Each process reads a table once."""
    if path not in _loaded:
        _loaded[path] = Table(path, higher)
    return _loaded[path]


def measure(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Plays what the file does not have yet; all lines, the file's included."""
    lines: list[dict[str, Any]] = []
    if arguments.out and arguments.out.exists():
        lines += [json.loads(line) for line in arguments.out.read_text(encoding="utf-8").splitlines()]
    done = {(line["player"], line["table"], line["seed"]) for line in lines}
    jobs = [
        (arguments.tables / f"{table}.csv", table in HIGHER_IS_BETTER.union(arguments.higher), name, seed)
        for seed in range(arguments.seeds)
        for table in arguments.names
        for name in arguments.players
        if (name, table, seed) not in done
    ]
    with ProcessPoolExecutor(arguments.jobs) as pool:
        for line in pool.map(_job, jobs):
            lines.append(line)
            if arguments.out:
                with arguments.out.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(line) + "\n")
    return lines


def gathered(lines: Sequence[Mapping[str, Any]]) -> dict[str, Gaps]:
    """Gaps by player."""
    found: dict[str, Gaps] = {}
    for line in lines:
        at = found.setdefault(line["player"], {}).setdefault(line["table"], {str(n): [] for n in CHECKPOINTS})
        for count, gap in line["gaps"].items():
            at[count].append(gap)
    return found


def show(found: Mapping[str, Gaps], only: Sequence[str]) -> None:
    width = max(map(len, found))
    for count in CHECKPOINTS:
        print(f"\nMean gap in % of (median - optimum) after {count} distinct rows (seeds)")
        print(f"{'':<{width}}  {''.join(f'{t:>18}' for t in only)}    mean")
        for name, gaps in found.items():
            means = {t: float(np.mean(gaps[t][str(count)])) for t in only if t in gaps}
            cells = "".join(
                f"{f'{means[t]:.2f} ({len(gaps[t][str(count)])})' if t in means else '-':>18}" for t in only
            )
            mean = f"{np.mean(list(means.values())):8.2f}" if len(means) == len(only) else "       -"
            print(f"{name:<{width}}  {cells}{mean}")
    for name, gaps in found.items():
        ours = means_at_last(gaps, [table for table in only if table in TABLES])
        if not ours:
            continue
        order = sorted(ranks(PUBLISHED, ours).items(), key=lambda item: item[1])
        places = ", ".join(f"{name if who == 'this one' else who} {rank:.2f}" for who, rank in order)
        print(f"\nAverage rank at 100 with {name} ({', '.join(ours)}): {places}")


def means_at_last(gaps: Gaps, only: Sequence[str]) -> dict[str, float]:
    return {table: float(np.mean(gaps[table][str(CHECKPOINTS[-1])])) for table in only if table in gaps}


def plot(path: Path, found: Mapping[str, Gaps], name: str, only: Sequence[str]) -> None:
    """Draw the average ranks with one player among the published; needs matplotlib."""
    from peers import pictures

    places = ranks(PUBLISHED, means_at_last(found[name], only))
    places[name] = places.pop("this one")
    path.parent.mkdir(parents=True, exist_ok=True)
    pictures.drawn(path, lambda figure: pictures.ranks(figure, places, name))


def show_short_runs(lines: Sequence[Mapping[str, Any]]) -> None:
    """Who did not reach the last checkpoint: many suggestions that mean the same few rows."""
    reached: dict[str, list[int]] = {}
    for line in lines:
        if line.get("distinct", CHECKPOINTS[-1]) < CHECKPOINTS[-1]:
            reached.setdefault(f"{line['player']} on {line['table']}", []).append(line["distinct"])
    for who, counts in reached.items():
        mean = np.mean(counts)
        print(f"{len(counts)} runs of {who} ended with {mean:.0f} distinct rows, at {MOST_ROUNDS} rounds")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tables", type=Path, required=True, metavar="DIR")
    parser.add_argument("--players", nargs="*", default=["bayesian_optimization", "random"], metavar="NAME")
    parser.add_argument("--names", nargs="+", default=TABLES, metavar="TABLE")
    parser.add_argument("--higher", nargs="*", default=(), metavar="TABLE", help="besides redis")
    parser.add_argument("--seeds", type=int, default=30, help="of 0, 1, ... (30)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="JSON lines, one a run")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the ranks with the first player")
    arguments = parser.parse_args()
    absent = [name for name in arguments.names if not (arguments.tables / f"{name}.csv").is_file()]
    if absent:
        parser.error(f"{arguments.tables} has no {', '.join(f'{name}.csv' for name in absent)}")
    lines = measure(arguments)
    found = gathered(lines)
    if not found:
        parser.error("nothing to play and nothing in the file")
    show(found, arguments.names)
    show_short_runs(lines)
    if arguments.plot:
        plot(arguments.plot, found, arguments.players[0], arguments.names)
    return 0


if __name__ == "__main__":
    sys.exit(main())
