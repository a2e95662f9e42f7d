"""Whether measurements show that anything matters at all, before anybody asks what matters most.

Shares of a variation that is only noise mean nothing. So a Gaussian process is fitted to the measurements as
they are and to shuffled ones: if nothing has an effect, each order is as good as any other, and the true one
fits best of ``n`` with a chance of 1 in ``n``, whatever the noise, if it does not drift (a permutation test).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from oppertune.core.configurations import checked_parameters
from oppertune.core.values import Categorical, Integer, Parameter, Real, Value
from oppertune.models.gp import GaussianProcess, Measurements
from oppertune.models.inputs import Inputs
from oppertune.models.targets import squashed

__all__ = ("shows_an_effect",)

ORDERS = 20
"""The true order and 19 shuffled ones: a false alarm in one of twenty cases."""

_NEWEST, _ITERATIONS = 100, 15


def shows_an_effect(
    parameters: Iterable[Parameter | Mapping[str, object]],
    measurements: Sequence[tuple[Mapping[str, Value], float]],
    random_seed: int = 0,
) -> bool:
    """Whether rewards go with the configurations that earned them better than by chance.

    Args:
        parameters: the space.
        measurements: (configuration, reward) pairs; the newest hundred count.
        random_seed: of the shuffling.

    Raises:
        OppertuneError: parameters that contradict themselves, or values that are not allowed.
    """
    checked = checked_parameters(parameters, (Categorical, Integer, Real), "shows_an_effect")
    inputs = Inputs(p for p in checked if not p.is_constant)
    newest = measurements[-_NEWEST:]
    if len(newest) < 3 or not inputs.parameters:
        return False
    X = inputs.features(inputs.encode([configuration for configuration, _ in newest]))
    targets = squashed(np.array([reward for _, reward in newest]))
    model = GaussianProcess(inputs.feature_sizes)
    rng = np.random.default_rng(random_seed)

    def misfit(order: Sequence[int]) -> float:
        data = Measurements.merged(X, targets[list(order)])
        return model.objective(model.fit(data, max_iterations=_ITERATIONS), data)[0]

    true = misfit(range(len(targets)))
    return all(misfit(rng.permutation(len(targets)).tolist()) > true for _ in range(ORDERS - 1))
