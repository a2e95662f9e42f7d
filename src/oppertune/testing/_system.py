"""What ``system_like`` draws for one instance, apart so that landscapes that change can move its optimum."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from oppertune.core.encoding import from_unit, to_unit
from oppertune.core.values import Categorical, Integer, Parameter, Real, Value

Units = npt.NDArray[np.float64]

_BELOW_THE_CLIFF = 0.02


def units(parameters: tuple[Parameter, ...], values: Mapping[str, Value]) -> Units:
    """The positions of a configuration in [0, 1]^n."""
    return np.array([to_unit(p, values[p.name]) for p in parameters])


def mixed_parameters(rng: np.random.Generator, n: int) -> tuple[Parameter, ...]:
    """A quarter categoricals, the others logarithmic integers, integers, stepped and continuous reals."""
    made: list[Parameter] = []
    for i in range(n):
        if i % 4 == 3:
            made.append(
                Categorical(f"mode{i}", val="a", categories=("a", "b", "c", "d")[: int(rng.integers(2, 5))])
            )
            continue
        low = float(rng.uniform(0.05, 0.45))
        template: Parameter = (
            Integer(f"size{i}", val=1024, min=1024, max=2**24, log=True),
            Integer(f"count{i}", val=0, min=0, max=100),
            Real(f"ratio{i}", val=0.1, min=0.1, max=2.0, step=0.1),
            Real(f"share{i}", val=0.0, min=0.0, max=1.0),
        )[int(rng.integers(4)) if n > 3 else i % 4]
        made.append(type(template).from_dict({**template.to_dict(), "val": from_unit(template, low)}))
    return tuple(made)


def _shape(kind: int, deviation: float) -> float:
    """The loss of one parameter: quadratic, narrow, saturating, or flat near the optimum."""
    d = abs(deviation)
    if kind == 0:
        return d * d
    if kind == 1:
        return 1.0 - math.exp(-((d / 0.15) ** 2))
    if kind == 2:
        return d / (0.2 + d)
    return max(0.0, d - 0.1)


@dataclass(frozen=True)
class System:
    """What was drawn for one instance; all per parameter unless said otherwise."""

    parameters: tuple[Parameter, ...]
    optimum: dict[str, Value]
    best: Units  # where the optimum lies
    kinds: npt.NDArray[np.int64]
    weights: Units
    partners: npt.NDArray[np.int64]
    coupling: Units
    costs: Units  # of a wrong category
    shifts: Units  # of every optimum, per wrong category, shape (n, n)
    cliff: Units  # weights of the sum that must stay below the threshold
    threshold: float
    base: float  # the reward of the optimum
    scale: float = 1.0  # of the loss

    def loss(self, u: Units) -> float:
        """The weighted sum of shapes, 0 at the optimum."""
        deviation = u - self.best
        wrong = np.array(
            [
                isinstance(p, Categorical) and abs(d) > 1e-9
                for p, d in zip(self.parameters, deviation, strict=True)
            ]
        )
        moved = deviation - self.coupling * deviation[self.partners] - wrong @ self.shifts
        total = 0.0
        for i, p in enumerate(self.parameters):
            if isinstance(p, Categorical):
                total += float(self.costs[i]) * float(wrong[i])
            else:
                total += float(self.weights[i]) * _shape(int(self.kinds[i]), float(moved[i]))
        return total

    def surface(self, values: Mapping[str, Value]) -> float:
        """Base exp(-scale loss), or next to nothing beyond the cliff."""
        u = units(self.parameters, values)
        reward = self.base * math.exp(-self.scale * self.loss(u))
        return reward * _BELOW_THE_CLIFF if float(self.cliff @ u) > self.threshold else reward

    def lacking(self) -> float:
        """The share of the optimum's reward that the parameters' own values lack."""
        return 1.0 - self.surface({p.name: p.val for p in self.parameters}) / self.base

    def moved(self, positions: Units, factor: float = 1.0) -> System:
        """The same system with its optimum at positions in [0, 1], on the grid, and its base times a factor.

        The cliff moves along, so that it stays as far behind the optimum as it was drawn.
        """
        optimum, best = on_grid(self.parameters, positions)
        return replace(
            self, optimum=optimum, best=best, threshold=_just_past(self.cliff, best), base=self.base * factor
        )


def on_grid(parameters: tuple[Parameter, ...], positions: Units) -> tuple[dict[str, Value], Units]:
    """The configuration nearest to positions in [0, 1], and where that lies."""
    values: dict[str, Value] = {
        p.name: from_unit(p, float(x)) for p, x in zip(parameters, positions, strict=True)
    }
    return values, units(parameters, values)


def _just_past(cliff: Units, best: Units) -> float:
    return float(cliff @ best) * 1.05 + 1e-9


def drawn_system(n_parameters: int, seed: int) -> System:
    """The instance of a seed; its parameters' own values earn 30 to 65 % of its optimum."""
    rng = np.random.default_rng(seed)
    n = n_parameters
    parameters = mixed_parameters(rng, n)
    numeric = np.array([not isinstance(p, Categorical) for p in parameters])
    # On the grid, so that it is the optimum and not only near it.
    optimum, best = on_grid(parameters, rng.uniform(0.5, 0.9, n))
    partners = np.array([rng.choice(np.flatnonzero(numeric)) for _ in range(n)])
    # A parameter is nobody's partner where it would be its own, and every third has one.
    coupled = (rng.random(n) < 0.35) & (partners != np.arange(n)) & numeric
    cliff = rng.random(n) * numeric * (rng.random(n) < 0.5)
    system = System(
        parameters=parameters,
        optimum=optimum,
        best=best,
        kinds=rng.integers(4, size=n),
        weights=rng.permutation(1.0 / (1.0 + np.arange(n)) ** 1.2),
        partners=partners,
        coupling=rng.uniform(-0.6, 0.6, n) * coupled,
        costs=-np.log(1.0 - rng.uniform(0.03, 0.35, n)),
        shifts=rng.uniform(-0.2, 0.2, (n, n)) * numeric,
        cliff=cliff,
        threshold=_just_past(cliff, best),
        base=float(10.0 ** rng.uniform(0.0, 4.0)),
    )
    default = units(parameters, {p.name: p.val for p in parameters})
    scale = -math.log(rng.uniform(0.30, 0.65)) / max(system.loss(default), 1e-3)
    return replace(system, scale=scale)
