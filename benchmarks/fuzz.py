"""Feeds nonsense to everything that reads what others wrote, for as long as it is told to.

    python benchmarks/fuzz.py --minutes 10                       all targets, in turn
    python benchmarks/fuzz.py --minutes 1 --target journal       one of them

Each target is a property of `tests/support_fuzz.py`, run over and over with fresh random seeds; the corpus in
`tests/cases/fuzz` is tried first. A failing input is written there, named by its content, so that every
later run of the tests tries it again.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import support_fuzz as properties

ROUND_EXAMPLES = 200


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--target", choices=sorted(properties.TARGETS), action="append")
    parser.add_argument("--seed", type=int, default=None, help="begin with this seed; the time by default")
    arguments = parser.parse_args()
    targets = arguments.target or sorted(properties.TARGETS)
    seed = int(time.time()) if arguments.seed is None else arguments.seed
    deadline = time.monotonic() + 60 * arguments.minutes
    counts = dict.fromkeys(targets, 0)
    failures: list[str] = []
    while time.monotonic() < deadline and not failures:
        for name in targets:
            if time.monotonic() > deadline:
                break
            seed += 1
            failure = properties.round_of(name, seed, ROUND_EXAMPLES)
            counts[name] += ROUND_EXAMPLES
            if failure:
                failures.append(f"{name} (seed {seed}): {failure}")
    print(f"inputs tried: {counts}; corpus: {sum(len(properties.corpus(name)) for name in targets)} files")
    print(f"failures: {len(failures)}")
    for failure in failures:
        print(f"  {failure}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
