"""The tree-structured Parzen estimator, because it needs no assumptions about how parameters act.

Bergstra, Bardenet, Bengio and Kegl, "Algorithms for hyper-parameter optimization" (NIPS 2011), section 4: the
good tenth of the measurements gives a density l(x), the rest g(x), and of some draws from l the one with the
highest l(x)/g(x), which is the one with the highest expected improvement (eq. 8), is measured next. Both are
mixtures with one product kernel per measurement, so that what is good together stays together (Falkner, Klein
and Hutter, "BOHB", ICML 2018); bandwidths follow Scott's rule.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from oppertune.algorithms.base import Algorithm, _PredictResponse, _TuningRequest
from oppertune.core.values import Parameter, Value
from oppertune.errors import InvalidArgumentError
from oppertune.models.inputs import Array, Inputs
from oppertune.models.window import Window

_MAX_GOOD = 25
_BANDWIDTH = 0.2
_MAX_PENDING = 50
_LOG_SQRT_2PI = 0.5 * math.log(2.0 * math.pi)


def n_good(n: int, gamma: float) -> int:
    """How many of ``n`` measurements count as good: the share gamma, at least 1 and at most 25."""
    return min(max(1, math.ceil(gamma * n)), _MAX_GOOD)


class ParzenMixture:
    """A density over rows: one kernel per measurement and a wide one, the prior, with equal weights.

    On a number a kernel is a Gaussian cut off at 0 and 1; on a category it gives the category measured all
    but ``prior_weight / (n + prior_weight)`` of its weight, and spreads that evenly.

    Args:
        inputs: the columns.
        rows: the measurements; may be empty.
        prior_weight: the weight of the prior kernel where a measurement has 1.
    """

    def __init__(self, inputs: Inputs, rows: Array, prior_weight: float = 1.0) -> None:
        n, d = rows.shape
        self._inputs = inputs
        self._numbers = np.flatnonzero(~inputs.is_category)
        self._categories = np.flatnonzero(inputs.is_category)
        self._mu = np.vstack([rows, np.full((1, d), 0.5)])
        scott = _BANDWIDTH * max(n, 1) ** (-1.0 / (d + 4))
        floor = np.maximum(0.5 * inputs.least, 1e-3)
        self._sigma = np.vstack([np.tile(np.maximum(scott, floor), (n, 1)), np.ones((1, d))])
        self._smoothing = np.append(np.full(n, prior_weight / (n + prior_weight)), 1.0)
        weights = np.append(np.ones(n), prior_weight)
        self._weights = weights / weights.sum()

    def sample(self, rng: np.random.Generator, n: int) -> Array:
        """``n`` rows, on the grid."""
        from scipy.special import ndtr, ndtri

        chosen = rng.choice(len(self._mu), size=n, p=self._weights)
        mu, sigma = self._mu[chosen], self._sigma[chosen]
        low, high = ndtr(-mu / sigma), ndtr((1.0 - mu) / sigma)
        rows = mu + sigma * ndtri(low + rng.random(mu.shape) * (high - low))
        uniform = rng.random(mu.shape)
        other = rng.random(mu.shape) < self._smoothing[chosen][:, None]
        rows = np.where(self._inputs.is_category, np.where(other, uniform, mu), rows)
        return self._inputs.snap(rows)

    def log_density(self, X: Array) -> Array:
        """The logarithm of the density at each row."""
        from scipy.special import logsumexp, ndtr

        logs = np.log(self._weights)[None, :].repeat(len(X), axis=0)
        for j in self._numbers:
            mu, sigma = self._mu[:, j], self._sigma[:, j]
            mass = ndtr((1.0 - mu) / sigma) - ndtr(-mu / sigma)
            z = (X[:, j][:, None] - mu) / sigma
            logs += -0.5 * z * z - np.log(sigma * mass) - _LOG_SQRT_2PI
        for j in self._categories:
            same = np.abs(X[:, j][:, None] - self._mu[:, j]) < 1e-9
            # The prior's centre is no category: its smoothing of 1 makes it uniform.
            even = self._smoothing / float(self._inputs.sizes[j])
            logs += np.log(np.where(same, 1.0 - self._smoothing + even, even))
        densities: Array = logsumexp(logs, axis=1)
        return densities


class TPE(Algorithm):
    """Searches where good configurations are denser than others.

    The parameters' own values come first, then random ones, then the estimator decides. Predictions that
    wait for their rewards count among the bad ones, so that parallel ones differ. Only the order of rewards
    matters, which is why ``normalize_rewards`` makes no difference. Contexts are not told apart.

    Args:
        parameters: what to tune.
        n_startup: random configurations before the estimator is asked, the parameters' own values included.
        n_candidates: draws from the good density per prediction.
        gamma: the share that counts as good; at most 25 measurements do.
        prior_weight: the weight of the uniform prior, where a measurement has 1.
        window: so many measurements are worked on (see :class:`~oppertune.models.window.Window`).
        normalize_rewards: accepted like everywhere.
        options: as in :class:`~oppertune.algorithms.base.Algorithm`.

    Raises:
        InvalidArgumentError: an option out of range.
        OppertuneError: as the base class.
    """

    class Meta:
        """Takes everything, in outside values."""

        requires_untransformed_parameters = True

    def __init__(
        self,
        parameters: Iterable[Parameter | Mapping[str, Any]],
        n_startup: int = 10,
        n_candidates: int = 24,
        gamma: float = 0.1,
        prior_weight: float = 1.0,
        window: int = 400,
        normalize_rewards: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(parameters, normalize_rewards=False, **options)
        for what, value in (("n_startup", n_startup), ("n_candidates", n_candidates)):
            if value < 1:
                raise InvalidArgumentError(f"{what} must be at least 1, not {value}")
        if not 0.0 < gamma < 1.0:
            raise InvalidArgumentError(f"gamma must lie between 0 and 1, not be {gamma}")
        if not 0.0 < prior_weight < math.inf:
            raise InvalidArgumentError(f"prior_weight must be positive, not {prior_weight}")
        self._n_startup = n_startup
        self._n_candidates = n_candidates
        self._gamma = gamma
        self._prior_weight = prior_weight
        self._rng = np.random.default_rng(self._random_seed)
        self._window = Window(window)

    def _predict(self, tuning_request: _TuningRequest) -> _PredictResponse:
        inputs = Inputs(self.params)
        draws = {id(r.draw): r.draw for r in self._ledger if not r.draw.learnt}
        n = len(self._window)
        if not n and not draws:
            return _PredictResponse({p.name: p.val for p in self.params})
        if n < self._n_startup:
            return _PredictResponse(inputs.decode(inputs.draw(self._rng, 1)[0]))
        X, rewards = self._window.arrays()
        pending = inputs.encode([draw.prediction for draw in list(draws.values())[-_MAX_PENDING:]])
        order = np.argsort(-rewards, kind="stable")
        k = n_good(n, self._gamma)
        good = ParzenMixture(inputs, X[order[:k]], self._prior_weight)
        bad = ParzenMixture(inputs, np.vstack([X[order[k:]], pending]), self._prior_weight)
        rows = inputs.admitted(self._space, good.sample(self._rng, self._n_candidates))
        ratio = good.log_density(rows) - bad.log_density(rows)
        return _PredictResponse(inputs.decode(rows[int(ratio.argmax())]))

    def _set_reward(self, tuning_request: _TuningRequest) -> None:
        if tuning_request.reward is not None:
            values = tuning_request.prediction
            self._window.add(Inputs(self.params).encode([values])[0], tuning_request.reward, values)

    @property
    def measurements(self) -> list[tuple[dict[str, Value], float]]:
        """The (configuration, reward) pairs at hand, such as :mod:`oppertune.importance` takes."""
        with self._lock:
            return self._window.measurements
