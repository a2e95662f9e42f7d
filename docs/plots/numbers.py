"""How BlueFin's centre climbs with one and with two runs per step, and what the hybrid solver earns."""

from __future__ import annotations

from typing import Any

import numpy as np

from oppertune.algorithms.all import create_tuning_instance
from oppertune.algorithms.bluefin import BlueFin
from oppertune.core.values import Categorical, Real
from oppertune.testing.landscapes import quadratic
from plots.curves import Array, averaged, bands

SEEDS, ROUNDS, BLOCK = 8, 2000, 50
NUMBERS = [Real(f"x{i}", val=0.25, min=0.0, max=1.0) for i in range(3)]
MIXED = [*NUMBERS, Categorical("codec", "none", ("none", "lz4", "zstd"))]


def climbed(feedback: int, normalize: bool) -> Array:
    """Noise-free rewards of the centre every few rounds, one row per seed; 5 numbers, 3 % noise."""
    rows = []
    for seed in range(SEEDS):
        landscape = quadratic(5, seed=seed, noise="gaussian3")
        rng = np.random.default_rng([seed, 7])
        algorithm = BlueFin(
            landscape.parameters, feedback=feedback, normalize_rewards=normalize, random_seed=seed
        )
        row = []
        for t in range(ROUNDS):
            prediction, request_id = algorithm.predict()
            algorithm.set_reward(landscape.sample(prediction, rng), request_id=request_id)
            if (t + 1) % BLOCK == 0:
                centre = dict(zip(prediction, algorithm.w_center.tolist(), strict=True))
                row.append(landscape.noise_free(centre))
        rows.append(row)
    return np.array(rows)


def earned(name: str, arguments: dict[str, Any]) -> Array:
    """Noise-free rewards of what was played, where the best numbers differ by category."""
    rows = np.zeros((SEEDS, ROUNDS))
    for seed in range(SEEDS):
        rng = np.random.default_rng([seed, 7])
        algorithm = create_tuning_instance(name, MIXED, arguments, random_seed=seed)
        for t in range(ROUNDS):
            prediction, request_id = algorithm.predict()
            right = 0.7 if prediction["codec"] == "lz4" else 0.5
            loss = sum((float(prediction[p.name]) - right) ** 2 for p in NUMBERS)
            rows[seed, t] = (1.0 if prediction["codec"] == "lz4" else 0.6) - loss
            algorithm.set_reward(rows[seed, t] + 0.03 * rng.normal(), request_id=request_id)
    return rows


def draw(figure: Any) -> None:
    """BlueFin on the left, the hybrid solver on the right."""
    left, right = figure.subplots(1, 2)
    x = range(BLOCK, ROUNDS + 1, BLOCK)
    runs = {
        "feedback=2": climbed(2, False),
        "feedback=1, normalize_rewards": climbed(1, True),
        "feedback=1": climbed(1, False),
    }
    bands(left, x, runs)
    left.set(title="BlueFin, 5 numbers, 3 % noise", xlabel="rounds", ylabel="reward at the centre (best: 1)")
    left.legend(loc="lower right", fontsize=8)
    learners = {
        "hybrid_solver, two-point": ("hybrid_solver", {"numerical_algorithm_args": {"feedback": 2}}),
        "hybrid_solver": ("hybrid_solver", {}),
        "uniform_random": ("uniform_random", {}),
    }
    bands(right, x, {label: averaged(earned(*given), BLOCK) for label, given in learners.items()})
    right.set(
        title="3 numbers and a category",
        xlabel="rounds",
        ylabel=f"reward, mean of {BLOCK} rounds",
        ylim=(0, 1.05),
    )
    right.legend(loc="lower right", fontsize=8)
