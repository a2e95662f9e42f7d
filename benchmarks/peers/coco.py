"""COCO's problems as instances: mixed-integer ones without noise, continuous ones with COCO's own noise.

A name is a suite with a dimension, and a function by its number in COCO: ``mixint5/f3``, ``noisy10/f122``.
The seed gives the number of COCO's instance, seed + 1. The reward is minus the objective. The starting
configuration is COCO's initial solution, the regret (f(x) - f_opt) / (f(start) - f_opt), free of noise.

COCO tells neither the optimum of ``bbob-mixint`` nor the truth behind ``bbob-noisy``, but both follow from
the noiseless problem of the same instance in ``bbob``. The first is that problem on a grid laid through its
optimum, times a factor of the function (COCO's ``suite_bbob_mixint.c``). The second is that problem plus
noise, but not for f116 to f118 and f125 to f127, which are other functions than in ``bbob``.

Sources: Tušar, Brockhoff and Hansen, "Mixed-integer benchmark problems for single- and bi-objective
optimization", GECCO 2019; Hansen, Finck, Ros and Auger, "Real-parameter black-box optimization benchmarking
2009: noisy functions definitions", INRIA RR-6869.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from oppertune.core.values import Integer, Parameter, Real, Value

FACTORS = {3: 0.1, 8: 0.01, 11: 0.01, 16: 1.0, 21: 1.0}
"""By function of ``bbob-mixint``, one of each of COCO's five groups, what its objective is multiplied by."""

NOISELESS = {101: 1, 105: 8, 115: 7, 122: 17, 129: 21}
"""By function of ``bbob-noisy``, its noiseless function in ``bbob``: all kinds of noise, weak and strong."""

SUITES = {"mixint": FACTORS, "noisy": NOISELESS}
CLASSES = tuple(
    f"{suite}{dimension}/f{function}"
    for suite, functions in SUITES.items()
    for dimension in (5, 10)
    for function in functions
)


class Problem:
    """One problem of COCO as an instance to play; more is better.

    Args:
        name: one of :data:`CLASSES`.
        seed: COCO's number of the instance less one.

    Raises:
        ImportError: ``coco-experiment`` is not installed.

    Attributes:
        parameters: its space; their own values are COCO's initial solution.
    """

    def __init__(self, name: str, seed: int) -> None:
        import cocoex

        place, _, number = name.partition("/f")
        suite = place.rstrip("0123456789")
        dimension, function, instance = int(place.removeprefix(suite)), int(number), seed + 1
        index = function - 100 if suite == "noisy" else function
        wanted = f"dimensions: {dimension} function_indices: {index}"
        self._suite = cocoex.Suite(f"bbob-{suite}", f"instances: {instance}", wanted)  # the problem's owner
        self._problem = self._suite[0]
        if suite == "noisy":
            self._truth = cocoex.BareProblem("bbob", NOISELESS[function], dimension, instance)
            self._best = float(self._truth.best_value())
        else:
            self._truth = self._problem
            bare = cocoex.BareProblem("bbob", function, dimension, instance)
            self._best = FACTORS[function] * float(bare.best_value())
        self.parameters = tuple(self._parameter(i) for i in range(dimension))
        self._start = self._lost({p.name: p.val for p in self.parameters})
        for _ in range(200 * (seed % 100)):  # COCO draws the same noise for every problem, from the beginning
            self._problem(self._problem.initial_solution)

    def _parameter(self, i: int) -> Parameter:
        low, high = self._problem.lower_bounds[i], self._problem.upper_bounds[i]
        start = self._problem.initial_solution[i]
        if i < self._problem.number_of_integer_variables:
            return Integer(f"x{i}", val=round(start), min=round(low), max=round(high))
        return Real(f"x{i}", val=float(start), min=float(low), max=float(high))

    def sample(self, values: Mapping[str, Value], _: np.random.Generator) -> float:
        """One measurement of the reward; the noise is COCO's."""
        return -float(self._problem(self._point(values)))

    def regret(self, values: Mapping[str, Value]) -> float:
        """0.0 at the optimum, free of noise; 1.0 at the starting configuration."""
        return self._lost(values) / self._start

    def _lost(self, values: Mapping[str, Value]) -> float:
        return float(self._truth(self._point(values))) - self._best

    def _point(self, values: Mapping[str, Value]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        return np.array([float(values[p.name]) for p in self.parameters])
