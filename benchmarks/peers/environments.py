"""Makes the peers' environments, one for each, because what they need contradicts itself.

    python benchmarks/peers environments [NAME ...] --folder DIR [--only-list]

The environment NAME is DIR/NAME; its interpreter plays that peer: ``DIR/smac/bin/python benchmarks/peers play
smac --out FILE``. torch is wanted in a build for the processor; where the package index has another one,
give ``--torch`` the version to ask for. On COCO's problems peers are played by an environment that has
``coco-experiment``: ``coco``, for those of Optuna and cmaes and for ours.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TORCH = "torch"

REQUIREMENTS: dict[str, tuple[tuple[str, ...], ...]] = {
    "optuna": (("optuna==5.0.0", "cmaes==0.13.1", "scipy", TORCH),),
    # HEBO wants old versions of numpy and pymoo. It wants GPy too, but does not use it by default, and GPy
    # does not build with what else HEBO wants.
    "hebo": (
        ("numpy==1.24.4", "pandas<2.2", "pymoo==0.6.0", "scikit-learn<1.4", "scipy<1.12", "disjoint-set"),
        ("numpy==1.24.4", "scipy<1.12", TORCH, "gpytorch", "catboost"),
        ("--no-deps", "HEBO==0.3.6"),
    ),
    "smac": (("smac==2.4.1",),),
    "flaml": (("flaml[blendsearch]==2.7.0",),),
    "nevergrad": (("nevergrad==1.0.12",),),
    "cmaes": (("cmaes==0.13.1",),),
    "skopt": (("scikit-optimize==0.10.2",),),
    "coco": (("coco-experiment==2.8.2", "optuna==5.0.0", "cmaes==0.13.1", "scipy"),),
    "sb3": (("stable-baselines3==2.9.2", TORCH),),
}
"""What pip is given, in this order, by environment."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(REQUIREMENTS))
    parser.add_argument("--folder", type=Path, required=True, metavar="DIR")
    parser.add_argument("--torch", default=TORCH, metavar="REQUIREMENT")
    parser.add_argument("--only-list", action="store_true", help="print the commands, run none")


def commands(name: str, folder: Path, torch: str) -> list[list[str]]:
    """How the environment is filled once it exists."""
    pip = [str(folder / name / "bin" / "python"), "-m", "pip", "install"]
    filled = [
        [*pip, *(torch if wanted == TORCH else wanted for wanted in each)] for each in REQUIREMENTS[name]
    ]
    return [*filled, [*pip, "--no-deps", "--editable", str(ROOT)]]


def main(arguments: argparse.Namespace) -> int:
    unknown = sorted(set(arguments.names) - set(REQUIREMENTS))
    if unknown:
        print(
            f"no such environment: {', '.join(unknown)}; there are {', '.join(REQUIREMENTS)}", file=sys.stderr
        )
        return 2
    failed = []
    for name in arguments.names or REQUIREMENTS:
        if not arguments.only_list:
            venv.create(arguments.folder / name, with_pip=True)
        for command in commands(name, arguments.folder, arguments.torch):
            print(" ".join(command), flush=True)
            if not arguments.only_list and subprocess.run(command, check=False).returncode:
                failed.append(name)
                break
    if failed:
        print(f"could not be made: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0
