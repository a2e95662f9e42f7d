"""Which parameters deserve tuning: a screening for few trials, and a model's answer from any measurements.

Before a run, :class:`Screening` proposes a few configurations that move one parameter, or one group of them,
at a time (elementary effects; Morris, "Factorial sampling plans for preliminary computational experiments",
Technometrics 1991). During and after one, :func:`importances` reads the measurements at hand with a Gaussian
process. Both answer with a share of the reward's variation per name and an interval around it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from oppertune.core.configurations import checked_parameters
from oppertune.core.requests import checked_reward
from oppertune.core.space import NO_CONDITIONS, Conditions, Constraint, Space
from oppertune.core.values import Categorical, Integer, Parameter, Real, Value
from oppertune.errors import InvalidArgumentError
from oppertune.models.gp import GaussianProcess, Measurements, Posterior
from oppertune.models.inputs import Array, Inputs
from oppertune.models.targets import squashed
from oppertune.models.window import Window

__all__ = ("Importance", "Importances", "Screening", "importances")

INERT_BELOW = 0.05
"""A parameter is inert if the upper end of its interval lies below this share."""

LEVEL = 0.9
"""The probability that an interval holds the share, if the model is right."""

_WINDOW = 400
_MAX_POINTS = 1500
_BOOTSTRAPS = 1000


class Importance(NamedTuple):
    """What one parameter, or group, accounts for.

    Attributes:
        share: of the reward's variation over the space, from 0 to 1; the shares of all sum to 1, or are all 0
            where nothing varies.
        low: lower end of the interval.
        high: upper end of the interval.
        inert: whether tuning it is surely not worth its trials.
    """

    share: float
    low: float
    high: float
    inert: bool


class Importances(dict[str, Importance]):
    """By name, the most important first. Its text is a table."""

    @property
    def inert(self) -> tuple[str, ...]:
        """The names that are not worth tuning."""
        return tuple(name for name, importance in self.items() if importance.inert)

    def __str__(self) -> str:
        width = max([len("parameter"), *map(len, self)])
        lines = [f"{'parameter':<{width}}  share  interval"]
        for name, (share, low, high, inert) in self.items():
            lines.append(f"{name:<{width}}  {share:5.2f}  {low:.2f}..{high:.2f}{'  inert' if inert else ''}")
        return "\n".join(lines)


def _summary(names: Sequence[str], samples: Array, inert_below: float) -> Importances:
    """Means and intervals of samples, one row each, of unscaled parts of the variance."""
    parts = np.maximum(samples, 0.0)
    totals = parts.sum(1, keepdims=True)
    shares = np.divide(parts, totals, out=np.zeros_like(parts), where=totals > 0.0)
    low, high = np.quantile(shares, [(1.0 - LEVEL) / 2.0, (1.0 + LEVEL) / 2.0], axis=0)
    rows = zip(names, shares.mean(0), low, high, strict=True)
    made = {n: Importance(float(s), float(lo), float(hi), bool(hi < inert_below)) for n, s, lo, hi in rows}
    return Importances(sorted(made.items(), key=lambda item: -item[1].share))


class Screening:
    """A plan of configurations that shows in few trials what has an effect.

    Every one of its trajectories starts at the parameters' own values, so that the start is measured
    repeatedly and the noise is known, and then moves one group after the other, in an order of its own, by
    about half of the range or to another category, each from where the last one ended. It takes
    ``n_trajectories * (number of groups + 1)`` trials.

    Args:
        parameters: what might be tuned; constants are left out.
        n_trajectories: at least 2; 3 to 5 are usual.
        groups: group name to the names of the parameters that move together; those in no group move alone.
            Many parameters in few groups find the groups that matter at a fraction of the cost.
        constraints: what must hold; repairing may then move other parameters as well, and the effect still
            counts for the group that was meant.
        conditions: as in :class:`~oppertune.core.space.Space`.
        random_seed: makes the plan reproducible.

    Attributes:
        configurations: the plan, in order.
        groups: name to parameter names, single parameters included.

    Raises:
        InvalidArgumentError: fewer than 2 trajectories, or groups of unknown or shared parameters.
        OppertuneError: parameters or constraints that contradict themselves.
    """

    def __init__(
        self,
        parameters: Iterable[Parameter | Mapping[str, object]],
        n_trajectories: int = 4,
        groups: Mapping[str, Sequence[str]] | None = None,
        constraints: Iterable[Constraint | str] = (),
        conditions: Conditions = NO_CONDITIONS,
        random_seed: int | None = None,
    ) -> None:
        if n_trajectories < 2:
            raise InvalidArgumentError(f"n_trajectories must be at least 2, not {n_trajectories}")
        checked = checked_parameters(parameters, (Categorical, Integer, Real), "Screening")
        self._space = Space(checked, constraints, conditions)
        self._inputs = Inputs(p for p in checked if not p.is_constant)
        self._n_trajectories = n_trajectories
        self.groups = self._checked_groups(groups or {})
        rng = np.random.default_rng(random_seed)
        self._orders = [rng.permutation(len(self.groups)).tolist() for _ in range(n_trajectories)]
        self.configurations: tuple[dict[str, Value], ...] = tuple(
            configuration for order in self._orders for configuration in self._trajectory(order, rng)
        )

    def __len__(self) -> int:
        return len(self.configurations)

    def __iter__(self) -> Iterator[dict[str, Value]]:
        return (dict(configuration) for configuration in self.configurations)

    def _checked_groups(self, given: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
        names = [p.name for p in self._inputs.parameters]
        grouped = [name for members in given.values() for name in members]
        known = {p.name for p in self._space.parameters}
        if strangers := sorted(set(grouped) - known):
            raise InvalidArgumentError(f"groups name unknown parameters: {', '.join(strangers)}")
        if len(set(grouped)) < len(grouped):
            raise InvalidArgumentError(f"a parameter is in two groups: {grouped}")
        alone = {name: (name,) for name in names if name not in grouped}
        if clash := sorted(set(given) & set(alone)):
            raise InvalidArgumentError(f"groups have the names of parameters outside: {', '.join(clash)}")
        made = {group: tuple(n for n in members if n in names) for group, members in given.items()}
        return {group: members for group, members in {**made, **alone}.items() if members}

    def _trajectory(self, order: Sequence[int], rng: np.random.Generator) -> Iterator[dict[str, Value]]:
        inputs = self._inputs
        column = {p.name: j for j, p in enumerate(inputs.parameters)}
        groups = list(self.groups.values())
        current = self._space.admit(self._space.defaults)
        row = inputs.encode([current])[0]
        yield current
        for g in order:
            for name in groups[g]:
                row[column[name]] = _half_way_round(inputs, column[name], float(row[column[name]]), rng)
            row = inputs.snap(row[None, :])[0]
            yield self._space.admit({**self._space.defaults, **inputs.decode(row)})

    def analyse(self, rewards: Sequence[float], inert_below: float = INERT_BELOW) -> Importances:
        """The importance of each group, from the rewards of :attr:`configurations` in their order.

        A group's part is its mean squared effect less what noise alone adds, 2 sigma^2, with sigma^2 from the
        repeated start; half of it is the total-effect index of Jansen (1999). Intervals come from the
        Bayesian bootstrap over trajectories (Rubin, 1981). A few trajectories make wide intervals, and few
        verdicts.

        Args:
            rewards: one per configuration.
            inert_below: the share below which a group counts as inert.

        Raises:
            InvalidArgumentError: another number of rewards.
            RewardError: a reward that is not finite.
        """
        if len(rewards) != len(self):
            raise InvalidArgumentError(f"{len(self)} configurations need as many rewards, not {len(rewards)}")
        if not self.groups:
            return Importances()
        r = self._n_trajectories
        y = squashed(np.array([checked_reward(reward) for reward in rewards])).reshape(r, -1)
        effects = np.zeros((r, len(self.groups)))
        for t, order in enumerate(self._orders):
            effects[t, order] = np.diff(y[t]) ** 2
        rng = np.random.default_rng(0)
        weights = rng.dirichlet(np.ones(r), _BOOTSTRAPS)
        noise = y[:, 0].var(ddof=1) * (r - 1) / rng.chisquare(r - 1, _BOOTSTRAPS)
        return _summary(list(self.groups), weights @ effects - 2.0 * noise[:, None], inert_below)


def _half_way_round(inputs: Inputs, j: int, u: float, rng: np.random.Generator) -> float:
    """A position about half a range away, or that of another category."""
    if inputs.is_category[j]:
        k = int(inputs.sizes[j])
        return float((u + rng.integers(1, k) / k) % 1.0)
    away = 0.5 + rng.uniform(-0.1, 0.1)
    return u + away if u < 0.5 else u - away


def importances(
    parameters: Iterable[Parameter | Mapping[str, object]],
    measurements: Iterable[tuple[Mapping[str, Value], float]],
    *,
    n_models: int = 8,
    n_samples: int = 16,
    inert_below: float = INERT_BELOW,
    random_seed: int = 0,
) -> Importances:
    """The importance of each parameter, from whatever was measured, with a Gaussian process.

    The shares are Shapley effects (Owen, "Sobol' indices and Shapley value", 2014): each interaction is
    divided evenly among those who take part in it, so that the shares sum to 1. They are estimated by Goda,
    "A simple algorithm for global sensitivity analysis with Shapley effects" (2021), eq. 9, on functions
    drawn from the posterior; its hyperparameters are drawn as well, from a Gaussian around the best ones
    (Laplace's approximation). So little data makes wide intervals, not wrong verdicts.

    What held between parameters while measuring plays no part: every parameter is taken to vary freely.

    Args:
        parameters: the space; constants have share 0.
        measurements: (configuration, reward) pairs in the order of measuring, from one context; at least 2.
            The cost is bounded by a window (:class:`~oppertune.models.window.Window`).
        n_models: draws of hyperparameters.
        n_samples: functions drawn per model.
        inert_below: the share below which a parameter counts as inert.
        random_seed: of the draws.

    Raises:
        InvalidArgumentError: fewer than 2 measurements, or fewer than 1 model or sample.
        RewardError: a reward that is not finite.
        OppertuneError: parameters that contradict themselves, or values that are not allowed.
    """
    checked = checked_parameters(parameters, (Categorical, Integer, Real), "importances")
    if n_models < 1 or n_samples < 1:
        raise InvalidArgumentError(f"{n_models=} and {n_samples=} must be at least 1")
    inputs = Inputs(p for p in checked if not p.is_constant)
    window = Window(_WINDOW)
    for configuration, reward in measurements:
        window.add(inputs.encode([configuration])[0], checked_reward(reward), configuration)
    if len(window) < 2:
        raise InvalidArgumentError(f"importances need at least 2 measurements, not {len(window)}")
    fixed = {p.name: Importance(0.0, 0.0, 0.0, True) for p in checked if p.is_constant}
    if not inputs.parameters:
        return Importances(fixed)
    X, rewards = window.arrays()
    model = GaussianProcess(inputs.feature_sizes)
    data = Measurements.merged(inputs.features(X), squashed(rewards))
    rng = np.random.default_rng(random_seed)
    samples = [
        _shapley_effects(inputs, Posterior(model, theta, data), n_samples, rng)
        for theta in likely_hyperparameters(model, data, n_models, rng)
    ]
    found = _summary([p.name for p in inputs.parameters], np.vstack(samples), inert_below)
    return Importances({**found, **fixed})


def likely_hyperparameters(
    model: GaussianProcess, data: Measurements, n: int, rng: np.random.Generator
) -> Iterator[Array]:
    """The best ones, then draws from the Gaussian with the curvature there (Laplace's approximation)."""
    best = model.fit(data, max_iterations=100)
    yield best
    if n == 1:
        return
    h = 1e-4
    steps = h * np.eye(len(best))
    hessian = np.array(
        [(model.objective(best + e, data)[1] - model.objective(best - e, data)[1]) / (2 * h) for e in steps]
    )
    values, vectors = np.linalg.eigh(0.5 * (hessian + hessian.T))
    # Nothing is less certain than the widest prior says.
    spread = vectors / np.sqrt(np.maximum(values, 1.0 / float(model.prior_std.max()) ** 2))
    low, high = np.array(model.bounds).T
    for _ in range(n - 1):
        yield np.clip(best + spread @ rng.normal(size=len(best)), low, high)


def _shapley_effects(inputs: Inputs, posterior: Posterior, n: int, rng: np.random.Generator) -> Array:
    """Shapley effects of ``n`` functions drawn from the posterior, one row each.

    Between two random rows x and y a path replaces the columns of x by those of y in random order. With z
    before and z' after column j it contributes (f(x) - (f(z) + f(z')) / 2) (f(z) - f(z')) to column j.
    """
    d = len(inputs.parameters)
    paths = max(8, math.floor(_MAX_POINTS / (d + 1)) // 2)
    x, y = inputs.draw(rng, paths), inputs.draw(rng, paths)
    orders = rng.permuted(np.tile(np.arange(d), (paths, 1)), axis=1)
    points = np.repeat(x[:, None, :], d + 1, axis=1)
    for k in range(d):
        moved = orders[:, k]
        points[np.arange(paths)[:, None], np.arange(k + 1, d + 1), moved[:, None]] = y[
            np.arange(paths), moved
        ][:, None]
    f = posterior.sample(inputs.features(points.reshape(-1, d)), n, rng).reshape(n, paths, d + 1)
    parts = (f[:, :, :1] - 0.5 * (f[:, :, :-1] + f[:, :, 1:])) * (f[:, :, :-1] - f[:, :, 1:])
    effects = np.zeros((n, d))
    for j in range(d):
        effects[:, j] = parts[:, orders == j].mean(1)
    return effects
