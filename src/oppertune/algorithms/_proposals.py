"""Actions worth a look, since one draw from a young policy would waste the trial that it costs."""

from __future__ import annotations

import numpy as np

from oppertune.algorithms._networks import Array
from oppertune.algorithms._policies import ActionHeads

_MOVED = 3.0  # entries of an action, on average
_WIDTHS = -1.0, 0.6  # powers of ten, in standard deviations of the policy
_FROM_ANYWHERE, _FROM_POLICY = 0.1, 0.2  # shares


def proposals(
    heads: ActionHeads,
    rng: np.random.Generator,
    outputs: Array,
    log_std: Array,
    incumbent: Array,
    n: int,
) -> Array:
    """``n`` actions for one state: what the policy prefers, what it draws, and deviations from what is good.

    A quarter are draws from the policy. The others leave the policy's preferred action or the incumbent in a
    few entries only, since where many parameters move at once hardly anything is found: by steps from a tenth
    of the policy's standard deviation to four of them, to anywhere, or towards what the policy draws.

    Args:
        heads: what actions are.
        rng: source of the deviations.
        outputs: of the policy in this state, shape (outputs,).
        log_std: of its Gaussians.
        incumbent: the best action so far.
        n: at least 4.
    """
    k = heads.n_numbers
    drawn = heads.draw(rng, np.repeat(outputs[None], n, axis=0), log_std)
    preferred = heads.preferred(outputs)
    drawn[0] = preferred
    around = drawn[1 : n - n // 4]
    rows = len(around)
    base = np.where(rng.random((rows, 1)) < 0.5, incumbent, preferred)
    widths = 10.0 ** rng.uniform(*_WIDTHS, (rows, 1)) * np.exp(log_std)
    moved = heads.uniform(rng, rows)
    stepped = base[:, :k] + widths * rng.normal(size=(rows, k))
    moved[:, :k] = np.where(rng.random((rows, k)) < _FROM_ANYWHERE, moved[:, :k], stepped)
    moved = np.where(rng.random((rows, 1)) < _FROM_POLICY, around, moved)
    leaves = rng.random(around.shape) < _MOVED / heads.n_actions
    leaves[np.arange(rows), rng.integers(heads.n_actions, size=rows)] = True
    drawn[1 : n - n // 4] = np.where(leaves, moved, base)
    return drawn
