"""What a searcher believes: what was measured, in which context, and what follows from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from oppertune.core.state import stateful
from oppertune.core.values import Value
from oppertune.models.contexts import ContextColumns, ContextData, encode_contexts
from oppertune.models.echoes import Echoes, echoes_among
from oppertune.models.gp import GaussianProcess, Measurements, Posterior
from oppertune.models.inputs import Array, Inputs
from oppertune.models.success import DEFAULT_SCALES, Success, best_scales, telling
from oppertune.models.targets import relative, squashed, straightened
from oppertune.models.window import Window

_FITS_PER_WINDOW = 12
_AFRESH_UNTIL, _AFRESH_EVERY = 60, 4


class View:
    """The posterior as seen from one context.

    Args:
        inputs: what rows mean.
        posterior: over configurations and contexts.
        here: the encoded context.
        success: the probability of it, where some measurements fell off a cliff.

    Attributes:
        posterior: as given.
        lengths: per column the length scale of a number; 1 for categories.
        noise: the standard deviation of one measurement's target around the truth.
        is_one_of_many: whether there are other contexts that this one differs from.
    """

    def __init__(
        self, inputs: Inputs, posterior: Posterior, here: Array, success: Success | None = None
    ) -> None:
        self._success = success
        self._inputs = inputs
        self._here = here
        self.posterior = posterior
        self.is_one_of_many = len(here) > 0
        self.noise = float(np.exp(0.5 * posterior.theta[-1]))
        d = len(inputs.sizes)
        self.lengths = np.where(inputs.is_category, 1.0, np.exp(posterior.theta[:d]))

    def columns(self, rows: Array) -> Array:
        """Configurations with this context beside each, as the posterior takes them."""
        return np.hstack([self._inputs.features(rows), np.tile(self._here, (len(rows), 1))])

    def one_hot(self, columns: Array) -> Array:
        """Columns as numbers, with one for each category."""
        return np.hstack(self.posterior.model.split(columns))

    def predict(self, rows: Array) -> tuple[Array, Array]:
        """Mean and standard deviation of the noise-free target per configuration."""
        return self.posterior.predict(self.columns(rows))

    def success(self, rows: Array) -> Array:
        """The probability per configuration that it does not fall off a cliff."""
        if self._success is None:
            return np.ones(len(rows))
        return self._success.probability(np.hstack([rows, np.tile(self._here, (len(rows), 1))]))

    def mean(self, rows: Array) -> Array:
        """The mean alone."""
        return self.posterior.mean(self.columns(rows))


@stateful
class Surrogate:
    """A Gaussian process over a bounded window of measurements, with its hyperparameters by name.

    Names, because columns come and go with the contexts. Hyperparameters are fitted anew after every
    twelfth part of the window, so that their cost per measurement grows with the square of the window and
    not with the cube. Among the first sixty measurements every fourth starts a fit from the prior's mean as
    well, which finds the way out of an early misjudgement.

    Args:
        limit: of the window.

    Attributes:
        window: what was measured.
        hyperparameters: logarithms; see :class:`~oppertune.models.gp.GaussianProcess`.
    """

    def __init__(self, limit: int) -> None:
        self.window = Window(limit)
        self.hyperparameters: dict[str, float] = {}
        self.success_scales = DEFAULT_SCALES
        self._since_fit = 0

    def add(
        self,
        inputs: Inputs,
        configuration: Mapping[str, Value],
        reward: float,
        context: ContextData = None,
        *,
        failed: bool = False,
    ) -> None:
        """Learn from one measurement, or from a failure, whose reward is not looked at."""
        row = inputs.encode([configuration])[0]
        self.window.add(row, reward, configuration, context, failed=failed)
        self._since_fit += 1
        if len(self.window) >= 3 and self._since_fit >= len(self.window) / _FITS_PER_WINDOW:
            self._fit(inputs)
            self._since_fit = 0

    def views(
        self,
        inputs: Inputs,
        contexts: Sequence[ContextData],
        pending: Array | None = None,
        pending_contexts: Sequence[ContextData] = (),
    ) -> list[View]:
        """One view per context, with pending rows taken to come out as expected. Nothing learnt changes."""
        columns, model, names = self._columns(inputs, [*pending_contexts, *contexts])
        posterior = Posterior(model, self._theta(model, names), self._measured(inputs, columns))
        n, k = len(self.window), len(pending_contexts)
        if pending is not None and k:
            posterior = posterior.imagining(np.hstack([inputs.features(pending), columns.rows[n : n + k]]))
        success = self._success(columns)
        return [View(inputs, posterior, here, success) for here in columns.rows[n + k :]]

    def _columns(
        self, inputs: Inputs, more: Sequence[ContextData]
    ) -> tuple[ContextColumns, GaussianProcess, list[str]]:
        """Contexts of the window and beyond, the model over them, and the names of its hyperparameters."""
        columns = encode_contexts([*self.window.contexts, *more])
        model = GaussianProcess(np.concatenate([inputs.feature_sizes, columns.sizes]), len(columns.sizes))
        names = [f"x:{name}" for name in inputs.feature_names] + [f"z:{name}" for name in columns.names]
        names += [f"a:{name}" for name in inputs.feature_names]
        return columns, model, [*names, "smoothness", "signal", "noise"]

    def _measured(self, inputs: Inputs, columns: ContextColumns) -> Measurements:
        X, rewards = self.window.arrays()
        features = np.hstack([inputs.features(X), columns.rows[: len(X)]])
        kept = ~self.window.fallen()
        if not kept.any():
            return Measurements.merged(features, np.zeros(len(X)))
        echoes = self.echoes(inputs)
        if echoes is not None:
            kept[kept] = echoes.is_new
        told = relative(rewards[kept]) if len(columns.sizes) else straightened(rewards[kept])
        return Measurements.merged(features[kept], squashed(told))

    def echoes(self, inputs: Inputs) -> Echoes | None:
        """What repeated itself among the measurements that did not fall, if they are free of noise.

        Nothing is said of measurements in several contexts.
        """
        kept = ~self.window.fallen()
        contexts = self.window.contexts
        if any(context != contexts[0] for context in contexts) or not kept.any():
            return None
        rows, rewards = self.window.arrays()
        return echoes_among(rows[kept], rewards[kept], inputs.is_category)

    def _success(self, columns: ContextColumns) -> Success | None:
        told = self._told_apart(columns)
        return None if told is None else Success(*told, self.success_scales, columns.sizes)

    def _told_apart(self, columns: ContextColumns) -> tuple[Array, npt.NDArray[np.bool_]] | None:
        """Rows, with their contexts, that succeeded and that did not; None where all did."""
        succeeded = ~self.window.fallen()
        if succeeded.all():
            return None
        rows = telling(succeeded)
        return np.hstack([self.window.arrays()[0][rows], columns.rows[rows]]), succeeded[rows]

    def _theta(self, model: GaussianProcess, names: Sequence[str]) -> Array:
        means = model.prior_mean
        return np.array([self.hyperparameters.get(n, float(m)) for n, m in zip(names, means, strict=True)])

    def _fit(self, inputs: Inputs) -> None:
        columns, model, names = self._columns(inputs, [])
        starts = [self._theta(model, names)]
        if len(self.window) <= _AFRESH_UNTIL and len(self.window) % _AFRESH_EVERY == 0:
            starts.append(model.prior_mean)
        told = self._told_apart(columns)
        if told is not None:
            self.success_scales = best_scales(*told, columns.sizes)
        theta = model.fit(self._measured(inputs, columns), starts, max_iterations=20)
        self.hyperparameters.update(zip(names, map(float, theta), strict=True))
