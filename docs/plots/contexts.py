"""What AutoScope earns in eight contexts beside tuners that are told which one it is, and one that is not."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from oppertune.algorithms.all import create_tuning_instance
from oppertune.algorithms.autoscope import AutoScope, AutoScopeFeature
from oppertune.algorithms.base import Algorithm
from oppertune.core.values import Categorical, Parameter, Real
from plots.curves import Array, averaged, bands

SEEDS, ROUNDS, BLOCK, KINDS = 6, 3000, 100, 8
FEATURES = [AutoScopeFeature("workload", values=tuple(f"w{k}" for k in range(KINDS)))]
NUMBERS = [Real(f"x{i}", val=0.3, min=0.0, max=1.0) for i in range(3)]
CATEGORIES = [Categorical(f"c{i}", "a", ("a", "b", "c")) for i in range(2)]
TWO_POINT = {"feedback": 2}


def learners(kind: str, parameters: list[Parameter], seed: int) -> list[Algorithm]:
    """One learner for all contexts, or one for each."""
    leaf = "bluefin" if parameters is NUMBERS else "exponential_weights_slates"
    args = TWO_POINT if leaf == "bluefin" else {}
    if kind in ("grown", "random"):
        scopes = AutoScope(
            parameters, FEATURES, leaf, args, height=3, initial_predicates=kind, random_seed=seed
        )
        return [scopes]
    count = KINDS if kind == "separate" else 1
    return [create_tuning_instance(leaf, parameters, args, random_seed=100 * seed + i) for i in range(count)]


def earned(kind: str, parameters: list[Parameter]) -> Array:
    """Noise-free rewards, one row per seed; every context has an optimum of its own."""
    rows = np.zeros((SEEDS, ROUNDS))
    for seed in range(SEEDS):
        world = np.random.default_rng([seed, 1])
        best = world.uniform(0.2, 0.8, (KINDS, len(parameters)))
        right = world.integers(3, size=(KINDS, len(parameters)))
        rng = np.random.default_rng([seed, 2])
        algorithms = learners(kind, parameters, seed)
        for t in range(ROUNDS):
            k = int(rng.integers(KINDS))
            algorithm = algorithms[k % len(algorithms)]
            context = {"workload": f"w{k}"} if kind in ("grown", "random") else None
            prediction, request_id = algorithm.predict(context)
            loss = 0.0
            for i, p in enumerate(parameters):
                value = prediction[p.name]
                if isinstance(value, str):
                    loss += 0.4 * (value != "abc"[right[k, i]])
                else:
                    loss += 3.0 * (value - float(best[k, i])) ** 2
            rows[seed, t] = math.exp(-loss)
            algorithm.set_reward(rows[seed, t] * (1 + 0.03 * rng.normal()), request_id=request_id)
    return rows


def draw(figure: Any) -> None:
    """Numbers on the left, categories on the right."""
    labels = {
        "separate": "8 tuners that are told",
        "grown": "AutoScope",
        "random": "AutoScope as published",
        "shared": "one tuner for all",
    }
    x = range(BLOCK, ROUNDS + 1, BLOCK)
    spaces = {"3 numbers, BlueFin leaves": NUMBERS, "2 categories, bandit leaves": CATEGORIES}
    for axes, (title, parameters) in zip(figure.subplots(1, 2, sharey=True), spaces.items(), strict=True):
        bands(axes, x, {label: averaged(earned(kind, parameters), BLOCK) for kind, label in labels.items()})
        axes.set(title=title, xlabel="rounds over all 8 contexts", ylim=(0, 1.05))
    figure.axes[0].set_ylabel(f"reward, mean of {BLOCK} rounds")
    figure.axes[0].legend(loc="lower right", fontsize=8)
