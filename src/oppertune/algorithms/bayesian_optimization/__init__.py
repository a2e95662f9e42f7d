"""Bayesian optimisation, because a benchmark run costs a minute and thinking about the next one a hundredth
of a second.

A Gaussian process (:mod:`oppertune.models.gp`) is fitted to what was measured; the next configuration is
the one with the highest logarithm of expected improvement (Jones, Schonlau and Welch, "Efficient global
optimization of expensive black-box functions", 1998, eq. 15, for noisy measurements: over the best posterior
mean) among candidates everywhere, around the best, and next to them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from oppertune.algorithms.base import Algorithm, _PredictResponse, _TuningRequest
from oppertune.algorithms.bayesian_optimization.acquisition import log_expected_improvement
from oppertune.algorithms.bayesian_optimization.candidates import fill_space, perturbed
from oppertune.core.types import Context
from oppertune.core.values import Parameter, Value
from oppertune.errors import InvalidArgumentError
from oppertune.models.contexts import ContextColumns, ContextData, encode_contexts
from oppertune.models.gp import GaussianProcess, Measurements, Posterior
from oppertune.models.inputs import Array, Inputs
from oppertune.models.targets import squashed
from oppertune.models.window import Window

_MAX_PENDING = 50
_MAX_CONTEXTS = 10
_FEASIBLE_TRIES = 200
_CENTRES = 4
_ROUNDS_PER_FIT = 25


class BayesianOptimization(Algorithm):
    """Searches with a Gaussian process; made for tens to hundreds of noisy, expensive measurements.

    The parameters' own values come first, then a few configurations far from each other, then the model
    decides. Context features are dimensions of the kernel. Predictions that wait for their rewards are
    taken to come out as expected, so that parallel ones differ. The model standardises rewards itself, which
    is why ``normalize_rewards`` makes no difference.

    Args:
        parameters: what to tune.
        n_initial: configurations before the model is asked; by default 3 to 8, growing with the dimension.
        window: so many measurements the model is fitted to (see :class:`~oppertune.models.window.Window`),
            which bounds the cost of a round.
        n_candidates: rows scored per prediction, about.
        normalize_rewards: accepted like everywhere.
        options: as in :class:`~oppertune.algorithms.base.Algorithm`.

    Raises:
        InvalidArgumentError: an option out of range.
        OppertuneError: as the base class.
    """

    class Meta:
        """Takes everything, in outside values."""

        requires_untransformed_parameters = True
        supports_context = True

    def __init__(
        self,
        parameters: Iterable[Parameter | Mapping[str, Any]],
        n_initial: int | None = None,
        window: int = 400,
        n_candidates: int = 600,
        normalize_rewards: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(parameters, normalize_rewards=False, **options)
        for what, value in (("n_initial", n_initial), ("n_candidates", n_candidates)):
            if value is not None and value < 1:
                raise InvalidArgumentError(f"{what} must be at least 1, not {value}")
        d = len(self.params)
        self._n_initial = min(max(3, 1 + d // 2), 8) if n_initial is None else n_initial
        self._n_candidates = n_candidates
        self._rng = np.random.default_rng(self._random_seed)
        self._window = Window(window)
        self._hyperparameters: dict[str, float] = {}
        self._since_fit = 0

    @property
    def _inputs(self) -> Inputs:
        return Inputs(self.params)

    def _predict(self, tuning_request: _TuningRequest) -> _PredictResponse:
        pending, contexts = self._pending()
        if not len(self._window) and not len(pending):
            return _PredictResponse({p.name: p.val for p in self.params})
        inputs = self._inputs
        if len(self._window) + len(pending) < self._n_initial or len(self._window) < 2:
            seen = np.array(self._window.rows).reshape(-1, len(self.params))
            return _PredictResponse(inputs.decode(fill_space(inputs, np.vstack([seen, pending]), self._rng)))
        posterior, columns = self._posterior([*contexts, tuning_request.context.data])
        here = columns.rows[-1]
        if len(pending):
            posterior = posterior.imagining(np.hstack([pending, columns.rows[len(self._window) : -1]]))
        rows, values = self._search(inputs, posterior, here)
        return _PredictResponse(self._first_feasible(inputs, rows[np.argsort(-values, kind="stable")]))

    def _set_reward(self, tuning_request: _TuningRequest) -> None:
        if tuning_request.reward is None:
            return
        values = tuning_request.prediction
        row = self._inputs.encode([values])[0]
        self._window.add(row, tuning_request.reward, values, tuning_request.context.data)
        self._since_fit += 1
        if len(self._window) >= 3 and self._since_fit >= len(self._window) / _ROUNDS_PER_FIT:
            self._fit()
            self._since_fit = 0

    def recommend(self, context: Context | Mapping[str, Any] | None = None) -> dict[str, Value]:
        """The measured configuration of the highest posterior mean, which no lucky measurement decides.

        Args:
            context: where it will be used; None averages over the contexts seen last.
        """
        with self._lock:
            if len(self._window) < 2:
                return super().recommend()
            distinct: list[ContextData] = []
            for data in [Context.of(context).data] if context is not None else self._window.contexts[::-1]:
                if data not in distinct and len(distinct) < _MAX_CONTEXTS:
                    distinct.append(data)
            posterior, columns = self._posterior(distinct)
            X = np.array(self._window.rows)
            means = np.zeros(len(X))
            for here in columns.rows[len(self._window) :]:
                means += posterior.mean(_beside(X, here))
            return dict(self._window.configurations[int(means.argmax())])

    def _pending(self) -> tuple[Array, list[ContextData]]:
        """The newest draws that wait for their rewards, as rows, and their contexts."""
        draws = {id(r.draw): r.draw for r in self._ledger if not r.draw.learnt}
        newest = list(draws.values())[-_MAX_PENDING:]
        return self._inputs.encode([d.prediction for d in newest]), [d.context.data for d in newest]

    def _columns(self, more: Sequence[ContextData]) -> tuple[ContextColumns, GaussianProcess, list[str]]:
        """Contexts of the window and beyond, the model over them, and the names of its hyperparameters."""
        columns = encode_contexts([*self._window.contexts, *more])
        model = GaussianProcess(np.concatenate([self._inputs.sizes, columns.sizes]), len(columns.sizes))
        names = [*(f"x:{p.name}" for p in self.params), *(f"z:{name}" for name in columns.names)]
        return columns, model, [*names, "signal", "noise"]

    def _measured(self, columns: ContextColumns) -> Measurements:
        X, rewards = self._window.arrays()
        return Measurements.merged(np.hstack([X, columns.rows[: len(X)]]), squashed(rewards))

    def _theta(self, model: GaussianProcess, names: Sequence[str]) -> Array:
        means = model.prior_mean
        return np.array([self._hyperparameters.get(n, float(m)) for n, m in zip(names, means, strict=True)])

    def _fit(self) -> None:
        columns, model, names = self._columns([])
        theta = model.fit(self._measured(columns), self._theta(model, names))
        self._hyperparameters.update(zip(names, map(float, theta), strict=True))

    def _posterior(self, more: Sequence[ContextData]) -> tuple[Posterior, ContextColumns]:
        columns, model, names = self._columns(more)
        return Posterior(model, self._theta(model, names), self._measured(columns)), columns

    def _search(self, inputs: Inputs, posterior: Posterior, here: Array) -> tuple[Array, Array]:
        """Rows and their values; those around the best of a first look are added in a second."""
        d, n = len(self.params), self._n_candidates
        measured = np.unique(posterior.data.X[:, :d], axis=0)
        means = posterior.mean(_beside(measured, here))
        centres = measured[np.argsort(-means, kind="stable")[:_CENTRES]]
        best = float(means.max())
        lengths = np.where(inputs.is_category, 1.0, np.exp(posterior.theta[:d]))
        wide, fine = np.clip(0.5 * lengths, 0.05, 0.3), np.clip(0.1 * lengths, 0.01, 0.05)
        share = min(1.0, 3.0 / d)
        k = n // (4 * len(centres))
        rows = np.vstack(
            [
                inputs.draw(self._rng, n // 4),
                perturbed(inputs, centres, wide, k, share, self._rng),
                perturbed(inputs, centres, fine, k, share, self._rng),
            ]
        )
        values = log_expected_improvement(*posterior.predict(_beside(rows, here)), best)
        for width in (0.5 * wide, fine):
            tops = rows[np.argsort(-values, kind="stable")[:_CENTRES]]
            more = perturbed(inputs, tops, width, n // (8 * len(tops)), share, self._rng)
            rows = np.vstack([rows, more])
            added = log_expected_improvement(*posterior.predict(_beside(more, here)), best)
            values = np.concatenate([values, added])
        return rows, values

    def _first_feasible(self, inputs: Inputs, rows: Array) -> dict[str, Value]:
        """The first row that keeps the constraints; the first of all, to be repaired, if none does."""
        if not self.constraints:
            return inputs.decode(rows[0])
        fixed = self._space.defaults
        for row in rows[:_FEASIBLE_TRIES]:
            values = inputs.decode(row)
            if self._space.holds({**fixed, **values}):
                return values
        return inputs.decode(rows[0])


def _beside(X: Array, here: Array) -> Array:
    """Rows of configurations with the same context beside each."""
    return np.hstack([X, np.tile(here, (len(X), 1))])
