"""Which measured configuration to keep: the one that a model expects most of, not the luckiest one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from oppertune.core.values import Value
from oppertune.models.contexts import ContextData
from oppertune.models.inputs import Array, Inputs
from oppertune.models.surrogate import Surrogate, View

MAX_CONTEXTS = 10
_OFTEN = 0.2
_SURE = 0.8


def newest_contexts(surrogate: Surrogate) -> list[ContextData]:
    """Those of the last measurements, each once, the newest first."""
    found: list[ContextData] = []
    for data in surrogate.window.contexts[::-1]:
        if len(found) == MAX_CONTEXTS:
            break
        if data not in found:
            found.append(data)
    return found


def best_measured(surrogate: Surrogate, inputs: Inputs, contexts: Sequence[ContextData]) -> dict[str, Value]:
    """The measured configuration of the highest posterior mean, averaged over the contexts.

    For one context, what was measured in others counts by one standard deviation less, and not at all where
    it may fall: a cliff that lies elsewhere in each context is nothing that a mean tells.

    Args:
        surrogate: at least one measurement.
        inputs: what its rows mean.
        contexts: at least one.
    """
    rows, rewards = surrogate.window.arrays()
    fallen = surrogate.window.fallen()
    unreliable = _unreliable(rows, fallen)
    if surrogate.echoes(inputs) is not None:  # without noise a measurement is the truth
        means = rewards
    else:
        views = surrogate.views(inputs, contexts)
        means = np.sum([view.mean(rows) for view in views], axis=0)
        away = _measured_elsewhere(surrogate, contexts[0])
        if len(contexts) == 1 and away.any():
            means[away] -= views[0].predict(rows[away])[1]
            unreliable[~away] = _unreliable(rows[~away], fallen[~away])
            unreliable |= doubtful(surrogate, views[0], contexts[0])
    means[unreliable] = -np.inf
    return dict(surrogate.window.configurations[int(means.argmax())])


def doubtful(surrogate: Surrogate, view: View, context: ContextData) -> npt.NDArray[np.bool_]:
    """Which measurements come from other contexts and may fall in this one, whose view is given."""
    found = _measured_elsewhere(surrogate, context)
    if found.any():
        rows, _ = surrogate.window.arrays()
        found[found] = view.success(rows[found]) < _SURE
    return found


def _measured_elsewhere(surrogate: Surrogate, context: ContextData) -> npt.NDArray[np.bool_]:
    return np.array([data != context for data in surrogate.window.contexts], dtype=bool)


def _unreliable(rows: Array, fallen: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Rows at which a fifth of the measurements or more fell, whatever the model expects of the others."""
    _, which = np.unique(rows, axis=0, return_inverse=True)
    which = which.ravel()
    share: npt.NDArray[np.float64] = np.bincount(which, fallen) / np.bincount(which)
    unreliable: npt.NDArray[np.bool_] = share[which] >= _OFTEN
    return unreliable
