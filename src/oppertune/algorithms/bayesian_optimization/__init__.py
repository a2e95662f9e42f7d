"""Bayesian optimisation, because a benchmark run costs a minute and thinking about the next one a hundredth
of a second.

A Gaussian process (:mod:`oppertune.models`) is fitted to what was measured; measured next is what promises
the highest expected improvement (Jones, Schonlau and Welch, "Efficient global optimization of expensive
black-box functions", 1998, eq. 15) over the best posterior mean, as rewards are noisy.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import numpy as np

from oppertune.algorithms.base import Algorithm, _PredictResponse, _TuningRequest
from oppertune.algorithms.bayesian_optimization.candidates import fill_space
from oppertune.algorithms.bayesian_optimization.guarded import worth_measuring_safely
from oppertune.algorithms.bayesian_optimization.race import laps, worth_repeating
from oppertune.algorithms.bayesian_optimization.search import best_rows, most_worth_measuring
from oppertune.algorithms.bayesian_optimization.unrepeated import most_worth_trying
from oppertune.core.types import Context
from oppertune.core.values import Parameter, Value
from oppertune.errors import InvalidArgumentError
from oppertune.models.contexts import ContextData
from oppertune.models.costs import ChangeCosts
from oppertune.models.inputs import Array, Inputs
from oppertune.models.recommendation import best_measured, doubtful, newest_contexts
from oppertune.models.safety import Floor
from oppertune.models.surrogate import Surrogate, View
from oppertune.models.window import has_failed

__all__ = ("BayesianOptimization",)

_MAX_PENDING = 50
_COARSE = 12.0
"""Where there are so few values per parameter, in the geometric mean, a search comes back to what it knows by
itself. So the best is measured again early: results may be free of noise (:mod:`oppertune.models.echoes`)."""
_BLIND = 3
"""So many measurements a guarded search has before it asks its model of rewards."""


class BayesianOptimization(Algorithm):
    """Searches with a Gaussian process; made for tens to hundreds of noisy, expensive measurements.

    The parameters' own values come first, then a few configurations far from each other, then the model
    decides. Context features are dimensions of the kernel, so that what is learnt in one context helps in
    those like it. Predictions that wait for their rewards are taken to come out as expected, so that parallel
    ones differ. The model standardises rewards itself, which is why ``normalize_rewards`` makes no
    difference. A ``reward_data`` of ``{"failed": True}`` says that nothing could be measured: that
    teaches where things work and nothing about how well.

    Args:
        parameters: what to tune.
        n_initial: configurations before the model is asked; by default 3 to 8, growing with the dimension.
        window: so many measurements the model is fitted to (see :class:`~oppertune.models.window.Window`),
            which bounds the cost of a round.
        n_candidates: configurations compared per prediction, about.
        budget: how many measurements there will be; the last twentieth of them tells the best few apart.
        max_regression: configurations that fall by more than this share below the parameters' own values are
            to be rare (see :mod:`oppertune.models.safety`). What must not fall is the reward, or what
            ``reward_data`` holds under ``performance``.
        change_groups: names of parameters that cost time together when any of them leaves its own value, as
            one restart of a service does. How much is learnt, from ``seconds`` and ``change_seconds`` of
            ``reward_data`` (see :class:`~oppertune.models.costs.ChangeCosts`); improvement is then weighed
            by the second (Snoek, Larochelle and Adams, "Practical Bayesian optimization of machine learning
            algorithms", 2012, section 3.2), and towards the end of a budget by itself (Lee et al.,
            "Cost-aware Bayesian optimization", 2020).
        normalize_rewards: accepted like everywhere.
        options: as in :class:`~oppertune.algorithms.base.Algorithm`.

    Raises:
        InvalidArgumentError: an option out of range.
        OppertuneError: as the base class.
    """

    _floor: Floor | None = None
    _costs: ChangeCosts | None = None

    class Meta:
        """Takes everything, in outside values."""

        requires_untransformed_parameters = True
        supports_context = True

    def __init__(
        self,
        parameters: Iterable[Parameter | Mapping[str, Any]],
        n_initial: int | None = None,
        window: int = 300,
        n_candidates: int = 600,
        budget: int | None = None,
        max_regression: float | None = None,
        change_groups: Iterable[Collection[str]] = (),
        normalize_rewards: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(parameters, normalize_rewards=False, **options)
        for what, value in (("n_initial", n_initial), ("n_candidates", n_candidates), ("budget", budget)):
            if value is not None and value < 1:
                raise InvalidArgumentError(f"{what} must be at least 1, not {value}")
        if max_regression is not None:
            if not 0.0 < max_regression < 1.0:
                raise InvalidArgumentError(f"max_regression must lie between 0 and 1, not {max_regression}")
            self._floor = Floor(window, max_regression)
        if groups := [list(group) for group in change_groups]:
            self._costs = ChangeCosts(groups)
            if unknown := sorted(self._costs.names - {p.name for p in self.parameters}):
                raise InvalidArgumentError(f"change_groups: no parameter is called {', '.join(unknown)}")
        d = len(self.params)
        self._n_initial = min(max(3, 1 + d // 2), 8) if n_initial is None else n_initial
        self._n_candidates = n_candidates
        self._budget = budget
        self._rng = np.random.default_rng(self._random_seed)
        self._surrogate = Surrogate(window)

    @property
    def races(self) -> bool:
        """Whether it knows its budget, so that nobody else need to tell the best few apart."""
        return self._budget is not None

    def _predict(self, tuning_request: _TuningRequest) -> _PredictResponse:
        inputs = Inputs(self.params)
        pending, contexts = self._pending(inputs)
        n = len(self._surrogate.window)
        if not n and not len(pending):
            return _PredictResponse({p.name: p.val for p in self.params})
        measured = np.array(self._surrogate.window.rows).reshape(n, len(self.params))
        if self._floor is not None:
            return self._within(self._floor, inputs, tuning_request, measured)
        if n + len(pending) < self._n_initial or n < 2:
            row = fill_space(inputs, self._space, np.vstack([measured, pending]), self._rng)
        else:
            here = tuning_request.context.data
            (view,) = self._surrogate.views(inputs, [here], pending, contexts)
            row = self._row(inputs, view, measured, pending, here)
        return _PredictResponse(inputs.decode(row))

    def _within(
        self, floor: Floor, inputs: Inputs, tuning_request: _TuningRequest, measured: Array
    ) -> _PredictResponse:
        """The next configuration of a search that keeps to what is known to be safe."""
        standing = np.unique(measured[~self._surrogate.window.fallen()], axis=0)
        if not floor.knows_home or not len(standing):
            return _PredictResponse({p.name: p.val for p in self.params})
        region = floor.region(inputs)
        pending, contexts = self._pending(inputs)
        round_ = self._surrogate.window.count + len(pending)
        here, view = tuning_request.context.data, None
        if len(measured) + len(pending) >= _BLIND:
            (view,) = self._surrogate.views(inputs, [here], pending, contexts)
            to_go = math.inf if self._budget is None else self._budget - round_
            safe = standing[region.holds(standing)]
            if 0 < to_go <= laps(self._budget) and len(safe):
                return _PredictResponse(inputs.decode(worth_repeating(view, safe, round_, self._rng)))
        taken = np.vstack([measured, pending])
        row = worth_measuring_safely(
            inputs, self._space, region, view, taken, standing, self._n_candidates, self._rng
        )
        return _PredictResponse(inputs.decode(row))

    def _row(self, inputs: Inputs, view: View, measured: Array, pending: Array, here: ContextData) -> Array:
        fallen = self._surrogate.window.fallen()
        taken = np.vstack([measured, pending])
        echoes = self._surrogate.echoes(inputs)
        if echoes is not None:
            return most_worth_trying(
                inputs, self._space, view, echoes, measured, taken, self._n_candidates, self._rng
            )
        standing = np.unique(measured[~fallen], axis=0)
        if (
            inputs.combinations <= _COARSE ** len(self.params)
            and len(standing)
            and len(np.unique(taken, axis=0)) == len(taken)
        ):
            best: Array = best_rows(standing, view.mean(standing), 1)[0]
            return best
        round_ = self._surrogate.window.count + len(pending)
        to_go = math.inf if self._budget is None else self._budget - round_
        if 0 < to_go <= laps(self._budget):
            standing = np.unique(measured[~fallen & ~doubtful(self._surrogate, view, here)], axis=0)
            if len(standing):
                return worth_repeating(view, standing, round_, self._rng)
        falls = int(fallen[-10:].sum())
        costs, left = self._costs, 1.0 if self._budget is None else max(0.0, to_go / self._budget)
        return most_worth_measuring(
            inputs,
            self._space,
            view,
            measured,
            self._n_candidates,
            self._rng,
            falls,
            None if costs is None else costs.prices(inputs, left),
        )

    def _set_reward(self, tuning_request: _TuningRequest) -> None:
        if tuning_request.reward is None:
            return
        if self._floor is not None:
            known = tuning_request.reward, tuning_request.reward_data
            self._floor.add(Inputs(self.params), tuning_request.prediction, *known)
        if self._costs is not None:
            self._costs.add(self.params, tuning_request.prediction, tuning_request.reward_data)
        self._surrogate.add(
            Inputs(self.params),
            tuning_request.prediction,
            tuning_request.reward,
            tuning_request.context.data,
            failed=has_failed(tuning_request.reward_data),
        )

    @property
    def measurements(self) -> list[tuple[dict[str, Value], float]]:
        """The (configuration, reward) pairs at hand, such as :mod:`oppertune.importance` takes."""
        with self._lock:
            return self._surrogate.window.measurements

    def recommend(self, context: Context | Mapping[str, Any] | None = None) -> dict[str, Value]:
        """The measured configuration of the highest posterior mean, which no lucky measurement decides.

        Args:
            context: where it will be used; None averages over the contexts seen last.
        """
        with self._lock:
            if len(self._surrogate.window) < 2:
                return super().recommend()
            here = newest_contexts(self._surrogate) if context is None else [Context.of(context).data]
            return best_measured(self._surrogate, Inputs(self.params), here)

    def _pending(self, inputs: Inputs) -> tuple[Array, list[ContextData]]:
        """The newest draws that wait for their rewards, as rows, and their contexts."""
        draws = {id(request.draw): request.draw for request in self._ledger if not request.draw.learnt}
        newest = list(draws.values())[-_MAX_PENDING:]
        return inputs.encode([draw.prediction for draw in newest]), [draw.context.data for draw in newest]
