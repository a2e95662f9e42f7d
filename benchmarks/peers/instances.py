"""The instances by name that peers are played on; seeds of 10,000 and above are for reporting only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

import numpy as np

from oppertune.core.values import Parameter, Value
from oppertune.testing.landscapes import ackley, hartmann6, system_like
from peers import coco

LANDSCAPES = (
    *(f"system{n}/{noise}" for n in (3, 8, 20) for noise in ("gaussian3", "gaussian10", "heavy")),
    "hartmann6/gaussian5",
    "ackley10/gaussian5",
)
GROUPS = {
    "landscapes": LANDSCAPES,
    **{suite: tuple(name for name in coco.CLASSES if name.startswith(suite)) for suite in coco.SUITES},
}
CLASSES = tuple(name for names in GROUPS.values() for name in names)
CHECKPOINTS = (20, 50, 100)
LOOKS = (1, 2, 5, 10, 15, 20, 30, 40, 50, 60, 70, 80, 90, 100)
"""The rounds after which a choice is asked for; the checkpoints are among them."""


class Instance(Protocol):
    """What is played: a space, and the measurements and the noise-free regret of its configurations."""

    @property
    def parameters(self) -> tuple[Parameter, ...]: ...

    def sample(self, values: Mapping[str, Value], rng: np.random.Generator) -> float: ...

    def regret(self, values: Mapping[str, Value]) -> float: ...


def instance_of(name: str, seed: int) -> Instance:
    """The instance of a class, as ``system8/heavy`` or ``mixint5/f3``, that a seed draws."""
    if name in coco.CLASSES:
        return coco.Problem(name, seed)
    shape, _, noise_name = name.partition("/")
    noise: Any = noise_name  # the landscape checks it
    if shape == "hartmann6":
        return hartmann6(seed, noise)
    if shape.startswith("ackley"):
        return ackley(int(shape.removeprefix("ackley")), seed, noise)
    return system_like(int(shape.removeprefix("system")), seed, noise)


def classes_of(names: Iterable[str]) -> tuple[str, ...]:
    """The classes that are named, by themselves or by their group."""
    return tuple(name for given in names for name in GROUPS.get(given, (given,)))
