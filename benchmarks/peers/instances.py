"""The landscapes by name that peers are played on; seeds of 10,000 and above are for reporting only."""

from __future__ import annotations

from typing import Any

from oppertune.testing.landscapes import Landscape, ackley, hartmann6, system_like

CLASSES = (
    *(f"system{n}/{noise}" for n in (3, 8, 20) for noise in ("gaussian3", "gaussian10", "heavy")),
    "hartmann6/gaussian5",
    "ackley10/gaussian5",
)
CHECKPOINTS = (20, 50, 100)


def landscape_of(name: str, seed: int) -> Landscape:
    """The instance of a class, as ``system8/heavy``, that a seed draws."""
    shape, _, noise_name = name.partition("/")
    noise: Any = noise_name  # the landscape checks it
    if shape == "hartmann6":
        return hartmann6(seed, noise)
    if shape.startswith("ackley"):
        return ackley(int(shape.removeprefix("ackley")), seed, noise)
    return system_like(int(shape.removeprefix("system")), seed, noise)
