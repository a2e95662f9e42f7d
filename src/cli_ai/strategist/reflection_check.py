"""Judges an edit by trials that had no part in making it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from oppertune.core.values import Parameter, Value
from oppertune.errors import OppertuneError
from oppertune.models.gp import GaussianProcess, Measurements, Posterior
from oppertune.models.inputs import Array, Inputs

LEVEL = 0.1
"""Chance with which an edit that helps nothing is kept."""

TOLERANCE = 1.05
"""A model without a knob may predict the held-out trials so much worse: its error, as a factor."""

_LEAST, _SHUFFLES = 3, 999


class Trial(NamedTuple):
    """One measured trial.

    Attributes:
        level: logarithm of its performance against the baseline; larger is better.
    """

    values: Mapping[str, Value]
    level: float


class Verdict(NamedTuple):
    """Whether an edit is kept, and why."""

    helps: bool
    why: str


def judge_narrow(name: str, low: float, high: float, held_out: Sequence[Trial]) -> Verdict:
    """Whether held-out trials inside a range are better than those outside, by more than chance.

    A randomisation test on the difference of means, one-sided at the level ``LEVEL``.
    """
    inside = np.array([low <= float(trial.values[name]) <= high for trial in held_out])
    y = np.array([trial.level for trial in held_out])
    count = int(inside.sum())
    if count < _LEAST or len(y) - count < _LEAST:
        return Verdict(False, f"only {min(count, len(y) - count)} held-out trials lie on one side of it")
    gain = float(y[inside].mean() - y[~inside].mean())
    rng = np.random.default_rng(0)
    shuffled = (rng.permutation(inside) for _ in range(_SHUFFLES))
    better = sum(float(y[order].mean() - y[~order].mean()) >= gain for order in shuffled)
    p = (1 + better) / (1 + _SHUFFLES)
    said = f"held-out trials inside are {100 * np.expm1(gain):+.1f} % against those outside (p = {p:.3f})"
    return Verdict(p <= LEVEL, said)


def judge_drop(
    parameters: Sequence[Parameter], name: str, seen: Sequence[Trial], held_out: Sequence[Trial]
) -> Verdict:
    """Whether a model that does not know a knob predicts the held-out trials as well as one that does."""
    without = [parameter for parameter in parameters if parameter.name != name]
    if not without:
        return Verdict(False, "nothing would be left to tune")
    try:
        all_told, fewer = (_error(known, seen, held_out) for known in (parameters, without))
    except OppertuneError as error:
        return Verdict(False, f"no model could be fitted: {error}")
    ratio = fewer / all_told if all_told > 0 else 1.0
    said = f"without it a model's error on held-out trials is {ratio:.2f} times that with it"
    return Verdict(ratio <= TOLERANCE, said)


def _error(parameters: Sequence[Parameter], seen: Sequence[Trial], held_out: Sequence[Trial]) -> float:
    """Root mean squared error of a Gaussian process over these parameters, fitted to what was seen."""
    inputs = Inputs(parameter for parameter in parameters if not parameter.is_constant)
    y = np.array([trial.level for trial in seen])
    truth = np.array([trial.level for trial in held_out])
    spread = float(y.std()) or 1.0
    model = GaussianProcess(inputs.feature_sizes)
    data = Measurements.merged(_rows(inputs, seen), (y - y.mean()) / spread)
    found = Posterior(model, model.fit(data), data).mean(_rows(inputs, held_out))
    return float(np.sqrt(np.mean((found * spread + y.mean() - truth) ** 2)))


def _rows(inputs: Inputs, trials: Sequence[Trial]) -> Array:
    names = [parameter.name for parameter in inputs.parameters]
    chosen = [{name: trial.values[name] for name in names} for trial in trials]
    return inputs.features(inputs.encode(chosen))
