"""Makes the plots of the guide from real runs, so that no picture shows what the code does not do.

    python docs/build.py [NAME ...]

It needs the ``docs`` extra. Every run has fixed seeds and every file is free of dates and random ids, so the
same code with the same libraries makes the same files.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy is loaded
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from plots import bandits, contexts, numbers, policies, searches, selection
from plots.style import drawn

FOLDER = Path(__file__).parent / "guide" / "algorithms" / "plots"

PLOTS: dict[str, Callable[[Any], None]] = {
    "baselines": searches.baselines,
    "bandits": bandits.draw,
    "bluefin": numbers.draw,
    "autoscope": contexts.draw,
    "model_based": searches.model_based,
    "policies": policies.draw,
    "importance": selection.draw,
}
"""By file name, what draws it on an empty figure."""


def main() -> None:
    """Make the plots that were named, or all."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", default=list(PLOTS), metavar="NAME")
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in parser.parse_args().names:
        began = time.perf_counter()
        drawn(FOLDER / f"{name}.svg", PLOTS[name])
        print(f"{name}.svg: {time.perf_counter() - began:.1f} s")


if __name__ == "__main__":
    main()
