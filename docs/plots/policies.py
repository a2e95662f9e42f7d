"""How fast PPO and DDPG learn a setting that depends on a measured state."""

from __future__ import annotations

from typing import Any

import numpy as np

from oppertune.algorithms.all import create_tuning_instance
from oppertune.core.values import Real
from plots.curves import Array, averaged, bands

SEEDS = 3
PARAMETERS = [Real(f"a{i}", val=0.0, min=-1.0, max=1.0) for i in range(2)]
MATRIX = np.array([[0.8, -0.4], [0.3, 0.7]])


def earned(name: str, arguments: dict[str, Any], rounds: int) -> Array:
    """Rewards 1 - |a - M c|^2 / 2 while learning, for contexts c that are uniform in a square."""
    rows = np.zeros((SEEDS, rounds))
    for seed in range(SEEDS):
        algorithm = create_tuning_instance(name, PARAMETERS, arguments, random_seed=seed)
        rng = np.random.default_rng([seed, 7])
        for t in range(rounds):
            c = rng.uniform(-1.0, 1.0, 2)
            prediction, request_id = algorithm.predict({"load": float(c[0]), "disk": float(c[1])})
            distance = np.array([prediction["a0"], prediction["a1"]]) - MATRIX @ c
            rows[seed, t] = 1.0 - float(distance @ distance) / 2
            algorithm.set_reward(rows[seed, t], request_id=request_id)
    return rows


def draw(figure: Any) -> None:
    """DDPG on the left, PPO on the right."""
    left, right = figure.subplots(1, 2, sharey=True)
    few, many = 300, 1600
    bands(
        left,
        range(20, few + 1, 20),
        {name: averaged(earned(name, {}, few), 20) for name in ("ddpg", "uniform_random")},
    )
    learners = {
        "ppo, n_steps=64": (
            "ppo",
            {"model_based": False, "n_steps": 64, "max_steps_per_episode": 1, "learning_rate": 1e-3},
        ),
        "uniform_random": ("uniform_random", {}),
    }
    runs = {label: averaged(earned(*given, many), 50) for label, given in learners.items()}
    bands(right, range(50, many + 1, 50), runs)
    left.set(title="DDPG, default options", xlabel="rounds", ylabel="reward while learning (best: 1)")
    right.set(title="PPO, one-step episodes", xlabel="rounds")
    for axes in (left, right):
        axes.legend(loc="lower right")
