"""What a measurement costs by what it changes: a restart there and back may outlast the benchmark."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np

from oppertune.core.state import stateful
from oppertune.core.values import Parameter, Value
from oppertune.errors import InvalidArgumentError
from oppertune.models.inputs import Array, Inputs

_REMEMBERED = 60
CHANGING, RUNNING = "change_seconds", "seconds"
"""Under which names ``reward_data`` says how long it took to make and undo the change, and to run."""


class Prices(NamedTuple):
    """What measurements cost, in runs of the benchmark, and how to make them cheaper.

    Attributes:
        home: the row of the parameters' own values.
        groups: columns that are changed at one go.
        each: what each group costs.
        weight: by which logarithms are multiplied.
    """

    home: Array
    groups: list[list[int]]
    each: Array
    weight: float

    def logarithms(self, rows: Array) -> Array:
        """Per row the logarithm of its seconds over those of a run that changes nothing."""
        logarithms: Array = self.weight * np.log1p(self.touched(rows) @ self.each)
        return logarithms

    def touched(self, rows: Array) -> Array:
        """Per row and group 1 where any of its columns left home."""
        away = np.abs(rows - self.home) > 1e-9
        return np.array([away[:, columns].any(axis=1) for columns in self.groups], dtype=np.float64).T

    def cheaper(self, rows: Array, rng: np.random.Generator) -> Array:
        """The rows with one group each at home again."""
        twins, which = rows.copy(), rng.integers(len(self.groups), size=len(rows))
        for i, columns in enumerate(self.groups):
            twins[np.ix_(which == i, columns)] = self.home[columns]
        return twins


@stateful
class ChangeCosts:
    """Learns the seconds that each group of parameters costs once, whichever of them are changed.

    A parameter is changed where it leaves its own value. The seconds of a change are the sum over the groups
    that it touches, fitted by least squares without negative costs; what was never touched is taken to cost
    nothing, so that it is tried.

    Args:
        groups: names of parameters that are changed at one go, as by one restart.

    Raises:
        InvalidArgumentError: a group that is empty, or a parameter in two of them.
    """

    def __init__(self, groups: Iterable[Collection[str]]) -> None:
        self._groups = [sorted(group) for group in groups]
        names = list(chain.from_iterable(self._groups))
        if not all(self._groups):
            raise InvalidArgumentError("a group of change_groups is empty")
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise InvalidArgumentError(f"change_groups: {', '.join(twice)} can be in one group only")
        self._touched: list[list[float]] = []
        self._changing: list[float] = []
        self._running: list[float] = []
        self._seconds = [0.0] * len(self._groups)

    @property
    def names(self) -> frozenset[str]:
        """The parameters in any group."""
        return frozenset(chain.from_iterable(self._groups))

    def add(
        self, parameters: Sequence[Parameter], configuration: Mapping[str, Value], reward_data: object
    ) -> None:
        """Learn from one measurement, where its ``reward_data`` say how long it took."""
        if not isinstance(reward_data, Mapping):
            return
        changing, running = reward_data.get(CHANGING), reward_data.get(RUNNING)
        if not isinstance(changing, int | float) or not isinstance(running, int | float) or running <= 0.0:
            return
        inputs = Inputs(parameters)
        row = inputs.snap(inputs.encode([configuration]))
        self._touched.append(self.prices(inputs).touched(row)[0].tolist())
        self._changing.append(max(0.0, float(changing)))
        self._running.append(float(running))
        for kept in (self._touched, self._changing, self._running):
            del kept[:-_REMEMBERED]
        self._fit()

    def prices(self, inputs: Inputs, weight: float = 1.0) -> Prices:
        """What rows cost, by what is known now; ``weight`` 0 takes no account of it."""
        typical = float(np.median(self._running)) if self._running else 1.0
        return Prices(*self._places(inputs), np.array(self._seconds) / typical, weight)

    def _fit(self) -> None:
        from scipy.optimize import nnls

        seconds, _ = nnls(np.array(self._touched), np.array(self._changing))
        self._seconds = seconds.tolist()

    def _places(self, inputs: Inputs) -> tuple[Array, list[list[int]]]:
        """The row of the parameters' own values, and the columns of each group."""
        home = inputs.snap(inputs.encode([{p.name: p.val for p in inputs.parameters}]))[0]
        at = {p.name: j for j, p in enumerate(inputs.parameters)}
        return home, [[at[name] for name in group if name in at] for group in self._groups]
