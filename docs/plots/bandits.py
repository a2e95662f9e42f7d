"""What bandits over categories earn while they learn, where choices add up and where they do not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from oppertune.algorithms.all import create_tuning_instance
from oppertune.core.values import Categorical, Value
from plots.curves import Array, averaged, bands

SEEDS, ROUNDS, BLOCK = 8, 2000, 50
PARAMETERS = [
    Categorical("policy", "lru", ("lru", "lfu", "fifo", "random")),
    Categorical("codec", "none", ("none", "lz4", "zstd", "gzip")),
    Categorical("sync", "always", ("always", "second", "never")),
]
NAMES = ("exponential_weights_slates", "slates", "exponential_weights", "uniform_random")


def additive(values: Mapping[str, Value]) -> float:
    """Each right choice adds its part."""
    return (
        0.1
        + 0.4 * (values["policy"] == "lfu")
        + 0.3 * (values["codec"] == "lz4")
        + 0.2 * (values["sync"] == "second")
    )


def interacting(values: Mapping[str, Value]) -> float:
    """Two choices are good together only; each alone does harm."""
    policy, codec = values["policy"] == "lfu", values["codec"] == "lz4"
    return 0.4 + (0.5 if policy and codec else -0.2 * (policy or codec)) + 0.1 * (values["sync"] == "second")


def earned(name: str, reward: Any) -> Array:
    """Noise-free rewards, one row per seed."""
    rows = np.zeros((SEEDS, ROUNDS))
    for seed in range(SEEDS):
        algorithm = create_tuning_instance(name, PARAMETERS, random_seed=seed)
        rng = np.random.default_rng([seed, 7])
        for t in range(ROUNDS):
            prediction, request_id = algorithm.predict()
            rows[seed, t] = reward(prediction)
            algorithm.set_reward(rows[seed, t] + 0.05 * rng.normal(), request_id=request_id)
    return rows


def draw(figure: Any) -> None:
    """Two worlds, a panel each."""
    titles = {"choices add up": additive, "two choices need each other": interacting}
    x = range(BLOCK, ROUNDS + 1, BLOCK)
    for axes, (title, reward) in zip(figure.subplots(1, 2, sharey=True), titles.items(), strict=True):
        bands(axes, x, {name: averaged(earned(name, reward), BLOCK) for name in NAMES})
        axes.set(title=title, xlabel="rounds", ylim=(0, 1.05))
        axes.label_outer()
    axes.legend(loc="lower right", fontsize=8)
    figure.axes[0].set_ylabel(f"reward, mean of {BLOCK} rounds")
