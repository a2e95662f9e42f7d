"""The door to everything here: ``python benchmarks/peers play|report|environments ...``."""

# ruff: noqa: E402  the number of threads is set before numpy is loaded

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")  # before numpy is loaded

import argparse
import importlib
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])  # the folder of this package, not the package itself

COMMANDS = ("play", "report", "environments")


def main() -> int:
    command = sys.argv[1] if len(sys.argv) > 1 else ""
    if command not in COMMANDS:
        print(f"usage: python benchmarks/peers {{{','.join(COMMANDS)}}} ...", file=sys.stderr)
        return 2
    module = importlib.import_module(f"peers.{command}")
    parser = argparse.ArgumentParser(
        prog=f"python benchmarks/peers {command}",
        description=module.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    module.add_arguments(parser)
    return int(module.main(parser.parse_args(sys.argv[2:])))


if __name__ == "__main__":
    sys.exit(main())
