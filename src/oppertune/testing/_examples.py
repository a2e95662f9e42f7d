"""Small spaces with everything that spaces can have, over which the contract is checked."""

from __future__ import annotations

from dataclasses import dataclass, field

from oppertune.core.conditions import Condition
from oppertune.core.constraints import Constraint
from oppertune.core.values import Categorical, Integer, Parameter, Real


@dataclass(frozen=True)
class Example:
    """One space.

    Attributes:
        parameters: in declaration order.
        constraints: as text.
        conditions: as text, by parameter.
    """

    parameters: tuple[Parameter, ...]
    constraints: tuple[str, ...] = ()
    conditions: dict[str, str] = field(default_factory=dict)

    def restricted_to(self, kinds: tuple[type[Parameter], ...]) -> Example:
        """The part of it that an algorithm for these kinds of parameters can take."""
        names = [p.name for p in self.parameters]
        taken = tuple(p for p in self.parameters if isinstance(p, kinds))
        left = {p.name for p in taken}
        return Example(
            taken,
            tuple(c for c in self.constraints if left.issuperset(Constraint.parse(c, names).names)),
            {
                name: condition
                for name, condition in self.conditions.items()
                if name in left and Condition.parse(condition, names).name in left
            },
        )


EXAMPLES: tuple[Example, ...] = (
    Example((Integer("n", val=4, min=0, max=16), Real("x", val=0.25, min=0.0, max=1.0))),
    Example(
        (
            Integer("low", val=10, min=0, max=90, step=5),
            Integer("high", val=20, min=5, max=95, step=5),
            Real("share", val=0.3, min=0.1, max=0.9, step=0.1),
            Real("rate", val=1.0, min=0.001, max=1000.0, log=True),
            Integer("buffer", val=4096, min=64, max=2**24, log=True),
        ),
        ("low < high", "2 * low <= high + 60"),
    ),
    Example(
        (Categorical("mode", val="a", categories=("a", "b", "c")), Integer("n", val=1, min=1, max=2)),
    ),
    Example(
        (
            Categorical("codec", val="none", categories=("none", "zstd", "lz4")),
            Integer("level", val=3, min=1, max=19),
            Integer("workers", val=-1, min=1, max=64, special=((-1, 0.2),)),
            Real("timeout", val=1.0, min=0.01, max=100.0, log=True, special=(0.0, 1000.0)),
            Integer("queue", val=8, min=0, max=64, step=8),
        ),
        ("queue >= workers - 50", "level <= 2 * queue + 3"),
        {"level": 'codec in ("zstd", "lz4")', "timeout": "workers > 1", "queue": "timeout != 0"},
    ),
)
