"""How a tree of tuners deals with its leaves: which algorithm they are, what they hear, how one is copied."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from oppertune.algorithms.base import Algorithm
from oppertune.core.requests import LAPSED
from oppertune.core.values import Categorical, Integer, Parameter, Real
from oppertune.errors import InvalidArgumentError, InvalidTypeError


class Listener:
    """Takes the place of a leaf's optimizer during one reward, to hear the gradient it forms."""

    inner: Any
    gradient: list[float] | None

    def __init__(self, inner: Any) -> None:
        object.__setattr__(self, "inner", inner)
        object.__setattr__(self, "gradient", None)

    def step(self, gradient: list[float]) -> list[float]:
        """What the optimizer answers."""
        object.__setattr__(self, "gradient", gradient)
        step: list[float] = self.inner.step(gradient)
        return step

    def __setattr__(self, name: str, value: object) -> None:
        setattr(self.inner, name, value)


def climber(leaf: Any) -> Any:
    """The part of a leaf that moves a centre by gradients, None where there is no such part."""
    part = getattr(leaf, "numerical_tuning_instance", leaf)
    known = hasattr(part, "w_center") and hasattr(getattr(part, "optimizer", None), "step")
    return part if known else None


@contextmanager
def listening(part: Any) -> Iterator[Listener | None]:
    if part is None:
        yield None
        return
    listener = Listener(part.optimizer)
    part.optimizer = listener
    try:
        yield listener
    finally:
        part.optimizer = listener.inner


def for_kinds(
    name: str, cls: type[Algorithm], each: list[dict[str, Any]], parameters: Sequence[Parameter]
) -> tuple[str, list[dict[str, Any]]]:
    """The leaves' algorithm, or one around it that takes all kinds of parameters there are.

    Raises:
        InvalidTypeError: no algorithm can be put around it.
    """
    supported = cls._flags.supported_parameter_types
    if all(isinstance(p, supported) for p in parameters):
        return name, each
    if all(isinstance(p, Categorical) for p in parameters):
        seeds = [{key: one[key] for key in ("random_seed",) if key in one} for one in each]
        return "exponential_weights_slates", seeds
    parts = [
        part
        for part, kinds in (("categorical", (Categorical,)), ("numerical", (Integer, Real)))
        if any(isinstance(p, kinds) for p in parameters)
        and all(isinstance(p, supported) for p in parameters if isinstance(p, kinds))
    ]
    if not parts:
        raise InvalidTypeError(
            f"{name} does not take these parameters, nor all of their categories or numbers"
        )
    part = parts[0]
    return "hybrid_solver", [
        {
            f"{part}_algorithm": name,
            f"{part}_algorithm_args": {key: value for key, value in one.items() if key != "random_seed"},
            **{key: one[key] for key in ("random_seed",) if key in one},
        }
        for one in each
    ]


def reseed(algorithm: Algorithm, seed: int) -> None:
    """Give an algorithm and all of its parts new random numbers."""
    sequence = np.random.SeedSequence(seed)
    for value in vars(algorithm).values():
        for part in value if isinstance(value, list) else [value]:
            if isinstance(part, Algorithm):
                reseed(part, int(sequence.spawn(1)[0].generate_state(1)[0]))
            elif isinstance(part, np.random.Generator):
                part.bit_generator.state = type(part.bit_generator)(sequence.spawn(1)[0]).state


def copied(leaf: Algorithm, seed: int) -> Algorithm:
    """A leaf that knows what this one knows, with random numbers of its own and no open requests."""
    made = type(leaf).loads(leaf.dumps())
    # Its parts, if it has any, find out for themselves which of their requests are no longer wanted.
    for request in list(made._ledger):
        made._ledger.close(request, LAPSED)
    reseed(made, seed)
    return made


def arguments_of_each(
    given: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None, count: int
) -> list[dict[str, Any]]:
    """The arguments of each leaf, from one mapping for all or one for each. Raises InvalidArgumentError."""
    if given is None or isinstance(given, Mapping):
        return [dict(given or {}) for _ in range(count)]
    each = [dict(one) for one in given]
    if len(each) != count:
        raise InvalidArgumentError(f"leaf_algorithm_args must be one mapping or {count}, not {len(each)}")
    return each
