"""Which measured configuration to keep: the one that a model expects most of, not the luckiest one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from oppertune.core.values import Value
from oppertune.models.contexts import ContextData
from oppertune.models.inputs import Array, Inputs
from oppertune.models.surrogate import Surrogate

MAX_CONTEXTS = 10
_OFTEN = 0.2


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

    For one context it is one of those that were measured there, if any stood: where another context's best
    lies beyond a cliff, no mean tells.

    Args:
        surrogate: at least one measurement.
        inputs: what its rows mean.
        contexts: at least one.
    """
    rows, rewards = surrogate.window.arrays()
    if surrogate.echoes(inputs) is None:
        views = surrogate.views(inputs, contexts)
        means = np.sum([view.mean(rows) for view in views], axis=0)
    else:  # without noise a measurement is the truth
        means = rewards
    fallen = surrogate.window.fallen()
    unreliable = _unreliable(rows, fallen)
    if len(contexts) == 1:
        here = np.array([data == contexts[0] for data in surrogate.window.contexts])
        if (here & ~fallen).any():
            means[~here] = -np.inf
            unreliable[here] = _unreliable(rows[here], fallen[here])
    means[unreliable] = -np.inf
    return dict(surrogate.window.configurations[int(means.argmax())])


def _unreliable(rows: Array, fallen: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Rows at which a fifth of the measurements or more fell, whatever the model expects of the others."""
    _, which = np.unique(rows, axis=0, return_inverse=True)
    which = which.ravel()
    share: npt.NDArray[np.float64] = np.bincount(which, fallen) / np.bincount(which)
    unreliable: npt.NDArray[np.bool_] = share[which] >= _OFTEN
    return unreliable
