"""How far the recommended configuration is from the optimum, for baselines and for searches with a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from oppertune.algorithms.all import create_tuning_instance
from oppertune.testing.landscapes import Landscape, system_like
from plots.curves import Array, bands

SEEDS = 8


def regret(name: str, landscape: Landscape, rounds: Sequence[int], seed: int) -> list[float]:
    """Noise-free regret of ``recommend()`` after so many rounds."""
    algorithm = create_tuning_instance(name, landscape.parameters, random_seed=seed)
    rng = np.random.default_rng([seed, 7])
    found = []
    for t in range(1, max(rounds) + 1):
        prediction, request_id = algorithm.predict()
        algorithm.set_reward(landscape.sample(prediction, rng), request_id=request_id)
        if t in rounds:
            found.append(landscape.regret(algorithm.recommend()))
    return found


def regrets(name: str, n_parameters: int, rounds: Sequence[int]) -> Array:
    """One row per landscape, each with a seed of its own."""
    return np.array(
        [regret(name, system_like(n_parameters, seed=seed), rounds, seed) for seed in range(SEEDS)]
    )


def finish(axes: Any, n_parameters: int) -> None:
    """What both plots have in common."""
    axes.set(
        title=f"{n_parameters} parameters, 3 % noise",
        xlabel="rounds (measurements)",
        ylabel="regret (1 = own values, 0 = optimum)",
        ylim=(0, 1.05),
    )
    axes.legend()


def baselines(figure: Any) -> None:
    """What needs no model."""
    rounds = (1, 2, 5, *range(10, 301, 10))
    for axes, n in zip(figure.subplots(1, 2), (3, 8), strict=True):
        runs = {name: regrets(name, n, rounds) for name in ("uniform_random", "identity")}
        bands(axes, rounds, runs)
        finish(axes, n)


def model_based(figure: Any) -> None:
    """What needs one, beside random search."""
    rounds = (1, 2, 4, *range(6, 61, 3))
    for axes, n in zip(figure.subplots(1, 2), (3, 8), strict=True):
        names = ("bayesian_optimization", "tpe", "uniform_random")
        bands(axes, rounds, {name: regrets(name, n, rounds) for name in names})
        finish(axes, n)
