"""Scopes that grow out of the contexts seen, one feature at a time, so that each can be said in a sentence.

As long as there are no more contexts than scopes each context gets a scope of its own. Where there are more
(numbers, or many combinations) all share one scope at first, and a scope is divided where its two halves want
to move in different directions: rewards are regressed on the parameters, and two regressions must explain
them better than one by more than they cost in an information criterion. That is the model-based recursive
partitioning of Zeileis, Hothorn and Hornik (2008) with the parameters as regressors.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from oppertune.core.state import stateful

Array: TypeAlias = npt.NDArray[np.float64]
Features: TypeAlias = tuple[Any, ...]
"""A context as the values of the declared features, in order; None for one that the context lacks."""

WINDOW = 1024
"""So many of the last rewards decide about divisions."""

RECURRENCES = 4
"""So often must one of endlessly many possible contexts come back before it gets a scope of its own."""

_FIRST_ATTEMPT = 48
_SIDE = 12
"""Fewer rewards than this on one side of a division say nothing."""

_MANY = 400
"""With so many rewards a division may be tried on weaker evidence."""

_CUTS = 7
"""At so many quantiles may a number be divided."""


@stateful
class Split:
    """One question about a context.

    Args:
        feature: the position of the feature asked about; None asks about all of them together.
        members: the answer is yes for these values; None asks for a number above ``threshold``.
        threshold: what a number must exceed.
        yes, no: the next question, or the scope.
    """

    def __init__(
        self,
        feature: int | None,
        members: frozenset[Any] | None,
        threshold: float,
        yes: Split | int = 0,
        no: Split | int = 0,
    ) -> None:
        self.feature = feature
        self.members = members
        self.threshold = threshold
        self.yes = yes
        self.no = no

    def holds(self, values: Features) -> bool:
        """The answer; a number that is lacking exceeds nothing."""
        value: Any = values if self.feature is None else values[self.feature]
        if self.members is not None:
            return value in self.members
        return False if value is None else bool(value > self.threshold)


Node: TypeAlias = Split | int


class Birth(NamedTuple):
    """A scope that has come into being; ``parent`` is the scope it was part of, None for a fresh start."""

    scope: int
    parent: int | None


def round_between(low: float, high: float) -> float:
    """The number with the fewest digits that is at least ``low`` and less than ``high``."""
    middle = low / 2 + high / 2
    if math.isinf(low) or not low < middle < high:
        return low
    digits = -math.ceil(math.log10(max(abs(low), abs(high))))
    for more in range(18):
        if low <= (rounded := round(middle, digits + more)) < high:
            return rounded
    return middle


def plan(owners: Sequence[tuple[Features, int]], numeric: Sequence[bool], height: int) -> Node:
    """A tree of at most this height that leads each context to its scope.

    Args:
        owners: contexts, all different, at most 2**height of them, with their scopes.
        numeric: whether each feature is a number.
        height: at most so many questions are asked.
    """
    if len(owners) == 1:
        return owners[0][1]
    limit = 2 ** (height - 1)
    best = min(
        (_halves([values[i] for values, _ in owners], i, is_number) for i, is_number in enumerate(numeric)),
        key=lambda pair: pair[0],
    )
    if best[0] > limit:
        # No single feature divides them evenly enough: the first half, one by one.
        first = [values for values, _ in owners[: len(owners) // 2]]
        best = (limit, Split(None, frozenset(first), 0.0))
    split = best[1]
    sides: tuple[list[tuple[Features, int]], list[tuple[Features, int]]] = ([], [])
    for values, scope in owners:
        sides[not split.holds(values)].append((values, scope))
    split.yes, split.no = (plan(side, numeric, height - 1) for side in sides)
    return split


def _halves(column: Sequence[Any], feature: int, is_number: bool) -> tuple[float, Split]:
    """The most even division by one feature, and the size of its larger side; infinite if there is none."""
    counts: dict[Any, int] = {}
    for value in column:
        key = -math.inf if is_number and value is None else value
        counts[key] = counts.get(key, 0) + 1
    if len(counts) < 2:
        return math.inf, Split(feature, frozenset(), 0.0)
    if is_number:
        ordered = sorted(counts)
        below, best, cut = 0, math.inf, 0
        for i in range(len(ordered) - 1):
            below += counts[ordered[i]]
            if max(below, len(column) - below) < best:
                best, cut = max(below, len(column) - below), i
        return best, Split(feature, None, round_between(ordered[cut], ordered[cut + 1]))
    members: set[Any] = set()
    inside = outside = 0
    # The largest first, each to the smaller side.
    for value, count in sorted(counts.items(), key=lambda item: -item[1]):
        if inside <= outside:
            members.add(value)
            inside += count
        else:
            outside += count
    return max(inside, outside), Split(feature, frozenset(members), 0.0)


class _Regression:
    """Rewards of one scope regressed on its parameters, to compare divisions by.

    Args:
        parameters: units, shape (n, parameters).
        rewards: shape (n,).
    """

    def __init__(self, parameters: Array, rewards: Array) -> None:
        n = len(rewards)
        spread = parameters.std(axis=0)
        moving = spread > 1e-9
        self._u = (parameters[:, moving] - parameters[:, moving].mean(axis=0)) / spread[moving]
        self._ones = np.ones((n, 1))
        scale = float(np.abs(rewards).max()) or 1.0
        self._r = rewards / scale
        self.slopes = int(moving.sum())
        self._noise_floor = 1e-12 * n

    def gain(self, side: npt.NDArray[np.bool_]) -> float:
        """How much better two sets of slopes explain the rewards than one, in units of log likelihood.

        The level of the rewards is free on either side both times: that one half earns more is no reason to
        tune it differently.
        """
        first, second = (self._normal(mask) for mask in (side, ~side))
        together = self._residual(first.xx + second.xx, first.xy + second.xy, first.yy + second.yy)
        apart = sum(self._residual(part.xx, part.xy, part.yy) for part in (first, second))
        n = len(self._r)
        return n * math.log((together + self._noise_floor) / (apart + self._noise_floor))

    class _Normal(NamedTuple):
        xx: Array
        xy: Array
        yy: float

    def _normal(self, mask: npt.NDArray[np.bool_]) -> _Normal:
        """The sums of a regression with a level of its own."""
        x = self._u[mask] - self._u[mask].mean(axis=0)
        y = self._r[mask] - self._r[mask].mean()
        return self._Normal(x.T @ x, x.T @ y, float(y @ y))

    def _residual(self, xx: Array, xy: Array, yy: float) -> float:
        ridge = 1e-6 * len(self._r) * np.eye(len(xy))
        return max(0.0, yy - float(xy @ np.linalg.solve(xx + ridge, xy)))


Sample: TypeAlias = tuple[Features, tuple[float, ...], float]
"""One rewarded prediction: the context, the configuration in units, the reward."""


def best_split(samples: Sequence[Sample], numeric: Sequence[bool]) -> Split | None:
    """The division of a scope that the rewards ask for most, None where they ask for none.

    Twice the gain in log likelihood must exceed the cost of a second set of slopes and of the choice among
    all divisions tried. A slope costs log n (the Bayesian information criterion) while rewards are few, and 2
    (Akaike's) once they are many, when either half has enough to learn from even if it need not have parted.
    """
    contexts, units, rewards = zip(*samples, strict=True)
    regression = _Regression(np.array(units), np.array(rewards))
    if regression.slopes == 0 or len(samples) < 2 * max(_SIDE, 2 * regression.slopes):
        return None
    smallest = max(_SIDE, 2 * regression.slopes)
    tried, best_gain, best = 0, -math.inf, None
    for feature, is_number in enumerate(numeric):
        column = [values[feature] for values in contexts]
        search = _cuts if is_number else _groups
        for split, side in search(column, feature, regression, smallest):
            tried += 1
            gain = regression.gain(side)
            if gain > best_gain:
                best_gain, best = gain, split
    each = math.log(len(samples)) if len(samples) < _MANY else 2.0
    cost = each * regression.slopes + 2 * math.log(max(tried, 1)) + 4.0
    return best if best_gain > cost else None


def _enough(side: npt.NDArray[np.bool_], smallest: int) -> bool:
    count = int(side.sum())
    return smallest <= count <= len(side) - smallest


def _cuts(
    column: Sequence[Any], feature: int, _: _Regression, smallest: int
) -> Iterable[tuple[Split, npt.NDArray[np.bool_]]]:
    """Divisions of a number at its quantiles."""
    numbers = np.array([-math.inf if value is None else value for value in column])
    ordered = np.unique(numbers)
    sorted_numbers = np.sort(numbers)
    cuts = {
        int(np.searchsorted(ordered, sorted_numbers[(i + 1) * len(numbers) // (_CUTS + 1)]))
        for i in range(_CUTS)
    }
    for cut in sorted(cuts):
        if not 0 < cut < len(ordered):
            continue
        threshold = round_between(float(ordered[cut - 1]), float(ordered[cut]))
        side = numbers > threshold
        if _enough(side, smallest):
            yield Split(feature, None, threshold), side


def _groups(
    column: Sequence[Any], feature: int, regression: _Regression, smallest: int
) -> Iterable[tuple[Split, npt.NDArray[np.bool_]]]:
    """Divisions of categories: one against the others, then the best group as long as it improves."""
    codes = {value: i for i, value in enumerate(dict.fromkeys(column))}
    coded = np.array([codes[value] for value in column])
    members: list[Any] = []
    last = -math.inf
    while len(members) < len(codes) - 1:
        best: tuple[float, Any] = (-math.inf, None)
        for value in codes:
            if value in members:
                continue
            side = np.isin(coded, [codes[v] for v in (*members, value)])
            if not _enough(side, smallest):
                continue
            yield Split(feature, frozenset((*members, value)), 0.0), side
            best = max(best, (regression.gain(side), value), key=lambda pair: pair[0])
        if best[0] <= last:
            return
        last = best[0]
        members.append(best[1])


@stateful
class Scopes:
    """Which scope a context belongs to, learnt from the contexts and their rewards.

    Args:
        numeric: whether each feature is a number.
        possible: how many contexts there can be; infinitely many with numbers.
        height: there are at most 2**height scopes, and as many questions lead to one.
    """

    def __init__(self, numeric: Sequence[bool], possible: float, height: int) -> None:
        self.numeric = tuple(numeric)
        self.height = height
        self.limit = 1 << height
        self.root: Node = 0
        self.count = 0 if possible <= self.limit else 1
        self.rounds = [0] * self.count
        self._phase = "apart" if possible <= self.limit else "waiting"
        # With finitely many contexts each has its scope at once, else those that come back.
        self._recurrences = 1 if possible <= self.limit else RECURRENCES
        self._patience = max(32, 4 * self.limit)
        self._owners: dict[Features, int] = {}
        self._seen: dict[Features, int] = {}
        self._recent: deque[Sample] | None = None if possible <= self.limit else deque(maxlen=WINDOW)
        self._due = [_FIRST_ATTEMPT] * self.count

    @property
    def has_room(self) -> bool:
        """Whether there may be one more scope."""
        return self.count < self.limit

    @property
    def keeps_spare(self) -> bool:
        """Whether the next new context gets a scope at once, so that one should be ready for it."""
        return self._phase == "apart" and self._recurrences == 1 and self.has_room

    def of(self, values: Features) -> int:
        """The scope that a context falls into; one not there yet where it will have one of its own."""
        scope = self._owners.get(values)
        if scope is not None:
            return scope
        if self._phase == "apart" and self._recurrences == 1 and self.count < self.limit:
            return self.count
        return self.walk(values)

    def walk(self, values: Features) -> int:
        """The scope at the end of the questions."""
        node = self.root
        while not isinstance(node, int):
            node = node.yes if node.holds(values) else node.no
        return node

    @property
    def wants_units(self) -> bool:
        """Whether :meth:`learn` looks at configurations."""
        return self._recent is not None

    def learn(self, values: Features, units: tuple[float, ...], reward: float) -> list[Birth]:
        """Take one reward in.

        Args:
            values: the context.
            units: the configuration that was tried.
            reward: what it earned.

        Returns:
            The scopes that have come into being.
        """
        if self._recent is not None:
            self._recent.append((values, units, reward))
        births: list[Birth] = []
        if self._phase != "grown" and values not in self._owners:
            births = self._meet(values)
        scope = self.of(values)
        self.rounds[scope] += 1
        if self._phase == "grown" and self.rounds[scope] >= self._due[scope]:
            births += self._divide(scope)
        return births

    def _meet(self, values: Features) -> list[Birth]:
        """A context without a scope of its own has come once more."""
        if self._recurrences > 1:
            if len(self._seen) < self.limit or values in self._seen:
                self._seen[values] = self._seen.get(values, 0) + 1
            else:
                self._phase = "grown"  # more contexts than scopes
                return []
        if self._phase == "waiting":
            return self._open_apart() if sum(self._seen.values()) >= self._patience else []
        if self._seen.get(values, 1) < self._recurrences or not self.has_room:
            return []
        parent = self.walk(values) if self.count and self._recurrences > 1 else None
        birth = self._add(values, parent)
        self._replan()
        return [birth]

    def _open_apart(self) -> list[Birth]:
        """After the wait: the contexts are few, so each that came back gets its scope."""
        self._phase = "apart"
        first, *others = [v for v, n in self._seen.items() if n >= self._recurrences] or list(self._seen)[:1]
        self._owners[first] = 0
        births = [self._add(values, 0) for values in others]
        self._replan()
        return births

    def _add(self, values: Features, parent: int | None) -> Birth:
        self._owners[values] = self.count
        return self._new_scope(parent)

    def _new_scope(self, parent: int | None) -> Birth:
        self.count += 1
        self.rounds.append(0)
        self._due.append(_FIRST_ATTEMPT)
        return Birth(self.count - 1, parent)

    def _replan(self) -> None:
        self.root = plan(list(self._owners.items()), self.numeric, self.height)

    def _divide(self, scope: int) -> list[Birth]:
        """Divide a scope if its rewards ask for it, else ask again after half as many rewards more."""
        self._due[scope] += max(_FIRST_ATTEMPT, min(self.rounds[scope] // 2, WINDOW // 2))
        if not self.has_room or self._depth(self.root, scope) >= self.height:
            return []
        samples = [sample for sample in self._recent or () if self.walk(sample[0]) == scope]
        split = best_split(samples, self.numeric) if samples else None
        if split is None:
            return []
        inside = sum(split.holds(sample[0]) for sample in samples)
        birth = self._new_scope(scope)
        # The side with more rewards keeps the learner, the other gets a copy.
        larger_inside = 2 * inside >= len(samples)
        split.yes, split.no = (scope, birth.scope) if larger_inside else (birth.scope, scope)
        self.root = self._replaced(self.root, scope, split)
        self._owners.clear()
        self._due[scope] = self.rounds[scope] + _FIRST_ATTEMPT // 3
        self._due[birth.scope] = _FIRST_ATTEMPT // 3
        return [birth]

    def _replaced(self, node: Node, scope: int, split: Split) -> Node:
        if isinstance(node, int):
            return split if node == scope else node
        node.yes, node.no = (self._replaced(side, scope, split) for side in (node.yes, node.no))
        return node

    def _depth(self, node: Node, scope: int, depth: int = 0) -> int:
        """How many questions lead to a scope; -1 where none do."""
        if isinstance(node, int):
            return depth if node == scope else -1
        return max(self._depth(side, scope, depth + 1) for side in (node.yes, node.no))
