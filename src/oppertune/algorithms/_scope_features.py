"""What a context says about the declared features, and rules about them as a person would put them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from oppertune.algorithms._scopes import Features, Node
from oppertune.core.state import stateful
from oppertune.core.types import Context
from oppertune.errors import InvalidArgumentError, InvalidContextError, InvalidTypeError


@dataclass(frozen=True)
class AutoScopeFeature:
    """One circumstance that may call for another configuration.

    Attributes:
        name: how contexts call it.
        values: what it can be; None for a number.
        min, max: bounds of a number, if they are known; numbers outside count as the nearest bound.
    """

    name: str
    values: Sequence[str] | None = None
    min: float | None = None
    max: float | None = None

    def __post_init__(self) -> None:
        name: object = self.name
        if not isinstance(name, str) or not name:
            raise InvalidTypeError(f"the name of a feature must be a str, not {name!r}")
        bounds = [bound for bound in (self.min, self.max) if bound is not None]
        if self.values is None:
            if not all(_is_number(bound) for bound in bounds) or sorted(bounds) != bounds:
                raise InvalidArgumentError(f"feature {self.name!r}: no bounds are {self.min=}, {self.max=}")
            return
        if isinstance(self.values, str) or not isinstance(self.values, Sequence):
            raise InvalidTypeError(f"feature {self.name!r}: values must be a sequence, not {self.values!r}")
        object.__setattr__(self, "values", tuple(self.values))
        if bounds:
            raise InvalidArgumentError(f"feature {self.name!r} has both values and bounds")
        if len(set(self.values)) != len(self.values) or len(self.values) < 2:
            raise InvalidArgumentError(f"feature {self.name!r} needs at least two values, all different")

    @classmethod
    def of(cls, given: AutoScopeFeature | Mapping[str, Any]) -> AutoScopeFeature:
        """The feature itself, or one from ``{"name": ..., "values": ...}``. Raises InvalidTypeError."""
        if isinstance(given, cls):
            return given
        if not isinstance(given, Mapping) or not set(given) <= {"name", "values", "min", "max"}:
            raise InvalidTypeError(f"a feature has name and values, or name, min and max, not {given!r}")
        return cls(**given)

    def __getitem__(self, key: str) -> Any:
        """``feature["values"]``, for programs that know features as dictionaries."""
        if key not in ("name", "values", "min", "max"):
            raise KeyError(key)
        return getattr(self, key)

    @property
    def is_number(self) -> bool:
        """Whether it has no list of values."""
        return self.values is None


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


@stateful
class FeatureEncoder:
    """Contexts as values of the declared features, and as inputs of a network.

    Args:
        features: what is known of contexts.
        standardise: measure numbers in standard deviations from their running mean (Welford, 1962), or from
            -1 to 1 where their bounds are known, rather than as they are.
    """

    def __init__(self, features: Iterable[AutoScopeFeature], standardise: bool) -> None:
        self._standardise = standardise
        self._load([f.__dict__ for f in features])
        self._count = 0
        self._mean = [0.0] * len(self.features)
        self._squares = [0.0] * len(self.features)

    def _load(self, described: Iterable[Mapping[str, Any]]) -> None:
        self.features = tuple(AutoScopeFeature(**one) for one in described)
        self.size = sum(1 if f.values is None else len(f.values) for f in self.features)

    def get_state(self) -> dict[str, Any]:
        """Everything as plain data."""
        rest = {name: value for name, value in vars(self).items() if name not in ("features", "size")}
        return {**rest, "features": [dict(f.__dict__) for f in self.features]}

    def set_state(self, state: dict[str, Any]) -> None:
        """The reverse of :meth:`get_state`."""
        self._load(state["features"])
        vars(self).update({name: value for name, value in state.items() if name != "features"})

    def values(self, context: Context) -> Features:
        """The features of a context, None for each that it lacks.

        Raises:
            InvalidContextError: a text for a number, or a value that was not declared.
        """
        data = context.data
        if data is None:
            return (None,) * len(self.features)
        found: list[Any] = []
        for feature in self.features:
            value = data.get(feature.name)
            if value is not None:
                if feature.values is None:
                    value = self._bounded(feature, value)
                elif value not in feature.values:
                    raise InvalidContextError(
                        f"feature {feature.name!r} is one of {list(feature.values)}, not {value!r}"
                    )
            found.append(value)
        return tuple(found)

    @staticmethod
    def _bounded(feature: AutoScopeFeature, value: object) -> float:
        if not isinstance(value, int | float) or not math.isfinite(value):
            raise InvalidContextError(f"feature {feature.name!r} is a number, not {value!r}")
        number = float(value)
        if feature.min is not None:
            number = max(number, feature.min)
        return number if feature.max is None else min(number, feature.max)

    def inputs(self, values: Features) -> list[float]:
        """Numbers as they are or standardised, categories one-hot, what is lacking 0."""
        row: list[float] = []
        for i, (feature, value) in enumerate(zip(self.features, values, strict=True)):
            if feature.values is not None:
                row += [float(value == one) for one in feature.values]
            else:
                row.append(0.0 if value is None else self._number(i, feature, value))
        return row

    def _number(self, i: int, feature: AutoScopeFeature, value: float) -> float:
        if not self._standardise:
            return value
        if feature.min is not None and feature.max is not None:
            half = (feature.max - feature.min) / 2
            return (value - feature.min) / half - 1.0 if half else 0.0
        spread = math.sqrt(self._squares[i] / self._count) if self._count else 0.0
        return min(max((value - self._mean[i]) / spread, -10.0), 10.0) if spread else 0.0

    def observe(self, values: Features) -> None:
        """Take the numbers of one context into mean and spread."""
        if not self._standardise:
            return
        self._count += 1
        for i, feature in enumerate(self.features):
            if feature.values is None and values[i] is not None:
                before = values[i] - self._mean[i]
                self._mean[i] += before / self._count
                self._squares[i] += before * (values[i] - self._mean[i])

    def all_contexts(self, limit: int) -> list[Features]:
        """All that there can be, where there are at most ``limit``; none where there are more."""
        kinds = [f.values for f in self.features if f.values is not None]
        if len(kinds) < len(self.features) or math.prod(map(len, kinds)) > limit:
            return []
        return list(product(*kinds))

    @property
    def input_names(self) -> list[str]:
        """What each input is, as ``load`` or ``[workload = heavy]``."""
        names: list[str] = []
        for feature in self.features:
            if feature.values is None:
                names.append(feature.name)
            else:
                names += [f"[{feature.name} = {value}]" for value in feature.values]
        return names


def contexts_said(features: Sequence[AutoScopeFeature], contexts: Sequence[Features]) -> str:
    """Contexts one by one, as ``workload in {light, heavy}`` or ``(workload, time) in {(light, day)}``."""
    if len(features) == 1:
        said = [_said(values[0]) for values in contexts]
        return f"{features[0].name} = {said[0]}" if len(said) == 1 else _listed(features[0].name, said)
    names = ", ".join(f.name for f in features)
    return _listed(f"({names})", [f"({', '.join(map(_said, values))})" for values in contexts])


def _listed(what: str, said: Iterable[str]) -> str:
    return f"{what} in {{{', '.join(said)}}}"


class _Region:
    """What is known of a context on the way down the questions."""

    def __init__(self, features: Sequence[AutoScopeFeature]) -> None:
        self._features = features
        self._allowed: dict[int, list[Any]] = {}
        self._bounds: dict[int, tuple[float, float]] = {}
        self._lists: list[str] = []

    def answered(self, node: Any, answer: bool) -> _Region:
        """The region with one more question answered."""
        made = _Region(self._features)
        made._allowed, made._bounds = dict(self._allowed), dict(self._bounds)
        made._lists = list(self._lists)
        if node.feature is None:
            listed = contexts_said(self._features, sorted(node.members, key=repr))
            made._lists.append(listed if answer else f"not {listed}")
        elif node.members is not None:
            allowed = made._allowed.get(node.feature, list(self._features[node.feature].values or ()))
            made._allowed[node.feature] = [v for v in allowed if (v in node.members) == answer]
        else:
            low, high = made._bounds.get(node.feature, (-math.inf, math.inf))
            if answer:
                low = max(low, node.threshold)
            else:
                high = min(high, node.threshold)
            made._bounds[node.feature] = (low, high)
        return made

    def __str__(self) -> str:
        parts = []
        for i, feature in enumerate(self._features):
            if i in self._allowed:
                allowed = self._allowed[i]
                if len(allowed) == 1:
                    parts.append(f"{feature.name} = {allowed[0]}")
                else:
                    parts.append(_listed(feature.name, map(_said, allowed)))
            elif i in self._bounds:
                low, high = self._bounds[i]
                if low == -math.inf:
                    parts.append(f"{feature.name} <= {high:g}")
                elif high == math.inf:
                    parts.append(f"{feature.name} > {low:g}")
                else:
                    parts.append(f"{low:g} < {feature.name} <= {high:g}")
        return " and ".join(parts + self._lists) or "always"


def _said(value: object) -> str:
    return "unknown" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def tree_rules(root: Node, features: Sequence[AutoScopeFeature]) -> list[tuple[str, int]]:
    """Each scope with the conditions that lead to it, in the order of the questions."""
    rules: list[tuple[str, int]] = []

    def descend(node: Node, region: _Region) -> None:
        if isinstance(node, int):
            rules.append((str(region), node))
            return
        descend(node.yes, region.answered(node, True))
        descend(node.no, region.answered(node, False))

    descend(root, _Region(features))
    return rules
