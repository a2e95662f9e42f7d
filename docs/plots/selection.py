"""What a screening and a model say about six parameters whose true shares are known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from oppertune.core.values import Real, Value
from oppertune.importance import Screening, importances
from plots.curves import COLOURS

WEIGHTS = {"pool": 1.0, "cache": 0.8, "threads": 0.5, "batch": 0.3, "retries": 0.0, "log_level": 0.0}
PARAMETERS = [Real(name, val=0.3, min=0.0, max=1.0) for name in WEIGHTS]
NOISE = 0.03


def measured(values: Mapping[str, Value], rng: np.random.Generator) -> float:
    """A sum of straight lines, so that a parameter's share is its squared weight over all squares."""
    truth = sum(weight * float(values[name]) for name, weight in WEIGHTS.items())
    return float(truth + NOISE * rng.normal())


def draw(figure: Any) -> None:
    """Shares as bars, with the truth on them."""
    rng = np.random.default_rng(5)
    plan = Screening(PARAMETERS, n_trajectories=4, random_seed=1)
    rewards = [measured(configuration, rng) for configuration in plan]
    total = sum(weight**2 for weight in WEIGHTS.values())
    answers = {
        f"Screening.analyse, {len(plan)} trials": plan.analyse(rewards),
        "importances, the same trials": importances(PARAMETERS, zip(plan, rewards, strict=True)),
    }
    axes = figure.subplots()
    place = np.arange(len(WEIGHTS))
    for i, (label, answer) in enumerate(answers.items()):
        shares = np.array([answer[name].share for name in WEIGHTS])
        ends = np.array([(answer[name].low, answer[name].high) for name in WEIGHTS]).T
        # A mean may lie outside an interval of quantiles; the bar then has one side only.
        errors = np.maximum([shares - ends[0], ends[1] - shares], 0.0)
        axes.barh(
            place + 0.36 * i - 0.18, shares, 0.34, xerr=errors, color=COLOURS[i], label=label,
            error_kw={"lw": 1.0, "capsize": 2, "ecolor": "#333333"},
        )  # fmt: skip
    truth = [weight**2 / total for weight in WEIGHTS.values()]
    axes.scatter(truth, place, marker="|", s=600, color="black", zorder=3, linewidth=1.8, label="truth")
    axes.set_yticks(place, list(WEIGHTS))
    axes.invert_yaxis()
    axes.grid(False, axis="y")
    axes.set(xlabel="share of the reward's variation (bars: 90 % intervals)", xlim=(0, 1))
    legend = axes.legend(loc="lower right")
    for handle in legend.legend_handles:
        if hasattr(handle, "set_sizes"):
            handle.set_sizes([90])
