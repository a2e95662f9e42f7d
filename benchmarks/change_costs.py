"""What it saves to know that some changes cost time: seconds of trials to the same quality.

    python benchmarks/change_costs.py [--seeds 10000:10010] [--price 0.5 2 5]

A run of the benchmark counts as one second. A third of the parameters, drawn for each instance, belong to a
service that is restarted, which costs ``price`` seconds in all for a trial in which any of them leaves its
own value. Both searches are `bayesian_optimization` with the same seed and the same seconds to spend; one of
them is told `change_groups` and how long changes took. Compared is the regret of what each recommends after
so many seconds, noise-free: the geometric mean of (regret + 0.02) of the one that knows over the other's.
"""

# ruff: noqa: E402  the number of threads is set before numpy is loaded

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import argparse

import numpy as np

from oppertune.algorithms.all import create_tuning_instance
from oppertune.testing.landscapes import Landscape
from peers.instances import instance_of

CLASSES = ("system3/gaussian3", "system8/gaussian3", "system8/heavy", "system20/gaussian3")
CHECKPOINTS = (30, 60, 120, 200)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", default="10000:10010", help="instances of each class, FIRST:BEYOND")
    parser.add_argument("--price", type=float, nargs="+", default=[0.5, 2.0, 5.0])
    arguments = parser.parse_args()
    seeds = range(*map(int, arguments.seeds.split(":")))
    print(f"regret, knowing / not knowing, after {', '.join(map(str, CHECKPOINTS))} s; trials of each")
    for price in arguments.price:
        for name in CLASSES:
            pairs = [(played(name, seed, price, True), played(name, seed, price, False)) for seed in seeds]
            knowing, blind = (np.array([pair[i][0] for pair in pairs]) for i in (0, 1))
            ratio = np.exp(np.log((knowing + 0.02) / (blind + 0.02)).mean(0))
            trials = [float(np.median([pair[i][1] for pair in pairs])) for i in (0, 1)]
            shown = "  ".join(f"{value:5.2f}" for value in ratio)
            counts = f"{trials[0]:4.0f} and {trials[1]:4.0f}"
            print(f"price {price:3.1f}  {name:20s} {shown}   {counts}", flush=True)


def played(name: str, seed: int, price: float, knows: bool) -> tuple[list[float], int]:
    """The regret at each checkpoint, and how many trials the seconds were enough for."""
    landscape = instance_of(name, seed)
    rng = np.random.default_rng(seed)
    names = [p.name for p in landscape.parameters]
    restarted = set(rng.choice(names, max(1, len(names) // 3), replace=False).tolist())
    home = {p.name: p.val for p in landscape.parameters}
    search = create_tuning_instance(
        "bayesian_optimization",
        landscape.parameters,
        random_seed=seed,
        **({"change_groups": [restarted]} if knows else {}),
    )
    regrets: list[float] = []
    spent, trials = 0.0, 0
    while len(regrets) < len(CHECKPOINTS):
        configuration, request_id = search.predict()
        changing = price * any(configuration[each] != home[each] for each in restarted)
        spent += 1.0 + changing
        while len(regrets) < len(CHECKPOINTS) and spent > CHECKPOINTS[len(regrets)]:
            regrets.append(regret(landscape, search.recommend()))
        told = {"seconds": 1.0, "change_seconds": changing}
        search.set_reward(landscape.sample(configuration, rng), request_id=request_id, reward_data=told)
        trials += 1
    return regrets, trials


def regret(landscape: Landscape, configuration: dict[str, int | float | str]) -> float:
    return max(0.0, landscape.regret(configuration))


if __name__ == "__main__":
    main()
