"""What starting costs: each figure beside a reference measured in turn with it, and the installed size.

    python benchmarks/startup.py [--runs 9]

Run it with the interpreter of an installation of the base package; ratios are of medians.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path

REFERENCE_PROGRAM = '''
import typer
app = typer.Typer()
@app.command()
def one(name: str, loud: bool = False) -> None:
    """Say one thing."""
@app.command()
def two(count: int = 1) -> None:
    """Say another."""
app()
'''


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=9)
    runs = parser.parse_args().runs
    python = sys.executable
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "reference.py"
        program.write_text(REFERENCE_PROGRAM)
        script = Path(python).with_name("tactician")
        pairs = [
            (
                "tactician --help",
                [str(script), "--help"],
                "two-command typer program",
                [python, str(program), "--help"],
                1.3,
            ),
            (
                "import oppertune",
                [python, "-c", "import oppertune"],
                "python -c pass",
                [python, "-c", "pass"],
                2.0,
            ),
            (
                "import oppertune.algorithms.bluefin",
                [python, "-c", "import oppertune.algorithms.bluefin"],
                "import numpy",
                [python, "-c", "import numpy"],
                1.3,
            ),
        ]  # fmt: skip
        missed = 0
        for name, command, reference_name, reference, goal in pairs:
            ours, theirs = measure(command, reference, runs)
            ratio = ours / theirs
            missed += ratio > goal
            print(
                f"{name}: {1000 * ours:.0f} ms; {reference_name}: {1000 * theirs:.0f} ms; "
                f"ratio {ratio:.2f} (goal: at most {goal})"
            )
    size = installed_mb()
    print(f"site-packages without pip and setuptools: {size:.0f} MB (goal, base install: under 300)")
    return int(missed > 0)


def measure(command: list[str], reference: list[str], runs: int) -> tuple[float, float]:
    """Medians of both, run in turn after one warm-up each."""
    times: tuple[list[float], list[float]] = ([], [])
    for number in range(runs + 1):
        for store, argv in zip(times, (command, reference), strict=True):
            began = time.perf_counter()
            subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)
            if number:
                store.append(time.perf_counter() - began)
    return statistics.median(times[0]), statistics.median(times[1])


def installed_mb() -> float:
    """Bytes of all files in site-packages, in units of a million."""
    root = Path(sysconfig.get_paths()["purelib"])
    total = 0
    for folder, _, names in os.walk(root):
        top = Path(folder).relative_to(root).parts[:1]
        if not top or not top[0].startswith(("pip", "setuptools", "pkg_resources", "_distutils_hack")):
            total += sum((Path(folder) / name).lstat().st_size for name in names)
    return total / 1e6


if __name__ == "__main__":
    sys.exit(main())
