"""What holds between parameters: constraints, conditions, and the way back to where they are fulfilled."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from oppertune.core.conditions import Condition, Conditions, read_conditions
from oppertune.core.constraints import Constraint
from oppertune.core.encoding import from_unit
from oppertune.core.values import Categorical, Parameter, Value
from oppertune.errors import InvalidConstraintError, InvalidTypeError

__all__ = ("NO_CONDITIONS", "Condition", "Conditions", "Constraint", "Space")

NO_CONDITIONS: Conditions = MappingProxyType({})

_ANCHOR_DRAWS = 20000
_BISECTIONS = 40


class Space:
    """Parameters and what holds between them.

    Args:
        parameters: in declaration order.
        constraints: over the names of numeric parameters; text is parsed.
        conditions: by name, when a parameter is active; text is parsed, and of several all must hold.

    An inactive parameter takes its own value ``val``, and so what depends on an inactive parameter is
    inactive as well. Constraints hold in every configuration, whatever is active in it, and compare special
    values as the numbers that they are.

    Raises:
        InvalidConstraintError: an unknown name, a comparison that cannot be made, conditions that wait for
            one another, or constraints that no configuration fulfils.
    """

    def __init__(
        self,
        parameters: Iterable[Parameter],
        constraints: Iterable[Constraint | str] = (),
        conditions: Conditions = NO_CONDITIONS,
    ) -> None:
        self.parameters = tuple(parameters)
        self._by_name = {p.name: p for p in self.parameters}
        if isinstance(constraints, str):
            raise InvalidTypeError(f"constraints must be a list of constraints, not the str {constraints!r}")
        self.constraints = tuple(
            c if isinstance(c, Constraint) else Constraint.parse(c, self._by_name) for c in constraints
        )
        for constraint in self.constraints:
            for name in constraint.names:
                if name not in self._by_name:
                    raise InvalidConstraintError(f"{constraint} names {name!r}, which is not a parameter")
                if isinstance(self._by_name[name], Categorical):
                    raise InvalidConstraintError(
                        f"{constraint} names {name!r}, which has categories, not numbers"
                    )
        self._conditional = tuple(
            (name, needed, self._by_name[name].val)
            for name, needed in read_conditions(conditions, self._by_name)
        )
        self._groups = self._find_groups()
        self._anchor = self._find_anchor()

    @property
    def defaults(self) -> dict[str, Value]:
        """The parameters' own values."""
        return {p.name: p.val for p in self.parameters}

    @property
    def conditions(self) -> dict[str, tuple[Condition, ...]]:
        """By name, what must hold for a parameter to be active; those without conditions are left out."""
        return {name: needed for name, needed, _ in self._conditional}

    @property
    def is_restricted(self) -> bool:
        """Whether there are any constraints or conditions."""
        return bool(self.constraints or self._conditional)

    def active(self, values: Mapping[str, Value]) -> tuple[str, ...]:
        """The parameters that mean something in a configuration, in declaration order."""
        inactive = self._settle(dict(values))
        return tuple(p.name for p in self.parameters if p.name not in inactive)

    def holds(self, values: Mapping[str, Value]) -> bool:
        """Whether every constraint is fulfilled, and what is inactive takes its own value."""
        if not all(constraint.holds(values) for constraint in self.constraints):
            return False
        if not self._conditional:
            return True
        settled = dict(values)
        self._settle(settled)
        return settled == dict(values)

    def repair(self, values: Mapping[str, Value]) -> dict[str, Value]:
        """The nearest values on the way to the anchor for which everything holds.

        Values that hold are returned as they are. Otherwise what is inactive takes its own value, and those
        parameters that a violated constraint touches, directly or through others, move together along the
        straight line towards the anchor: the parameters' own values, or what was found instead if those do
        not hold. Categories on the way stay; only the anchor itself may bring others. The result is in
        bounds, on the grid, and holds.

        Raises:
            InvalidConstraintError: a value is missing.
            InvalidParameterError: a value is NaN, infinite, or an unknown category.
        """
        try:
            repaired: dict[str, Value] = {p.name: p.nearest(values[p.name]) for p in self.parameters}
        except KeyError as error:
            raise InvalidConstraintError(f"no value for {error}") from None
        return self.admit(repaired)

    def admit(self, values: dict[str, Value]) -> dict[str, Value]:
        """:meth:`repair`, in place, of values that are in bounds and on the grid already."""
        if self._conditional:
            self._settle(values)
        for names, constraints in self._groups:
            if not all(constraint.holds(values) for constraint in constraints):
                self._repair_group(values, names, constraints)
        return values

    def _settle(self, values: dict[str, Value]) -> set[str]:
        """Give what is inactive its own value, in place; the names of that."""
        inactive: set[str] = set()
        for name, conditions, own in self._conditional:
            # A group knows its own parameters only, and with each of them those it depends on.
            if name in values and not all(c.name not in inactive and c.holds(values) for c in conditions):
                values[name] = own
                inactive.add(name)
        return inactive

    def _repair_group(
        self, values: dict[str, Value], names: tuple[str, ...], constraints: tuple[Constraint, ...]
    ) -> None:
        start = {name: values[name] for name in names}
        good = {name: self._anchor[name] for name in names}
        below, above = 0.0, 1.0
        for bisection in range(_BISECTIONS):
            share = (below + above) / 2 if bisection else 0.0
            moved = self._moved(start, share, constraints)
            if all(constraint.holds(moved) for constraint in constraints):
                good, above = moved, share
                if not share:
                    break
            else:
                below = share
        values.update(good)

    def _moved(
        self, start: Mapping[str, Value], share: float, constraints: Iterable[Constraint]
    ) -> dict[str, Value]:
        """``start`` moved by ``share`` of the way to the anchor, on the grid, with equations solved."""
        moved: dict[str, Value] = {}
        for name, value in start.items():
            goal = self._anchor[name]
            if isinstance(value, str) or isinstance(goal, str):
                moved[name] = value
            else:
                moved[name] = self._by_name[name].nearest(value + share * (goal - value))
        if self._conditional:
            self._settle(moved)
        for constraint in constraints:
            # On a straight line an equation would hold at its end only; so one side follows the other.
            if constraint.operator == "==" and not constraint.holds(moved):
                for side, other in ((constraint.left, constraint.right), (constraint.right, constraint.left)):
                    if side.name:
                        moved[side.name] = self._by_name[side.name].nearest(side.solve(other.value(moved)))
                    if constraint.holds(moved):
                        break
        if self._conditional:
            self._settle(moved)
        return moved

    def _find_groups(self) -> tuple[tuple[tuple[str, ...], tuple[Constraint, ...]], ...]:
        """Sets of parameters that constraints and conditions tie together, with the constraints among them.

        Conditions alone make no group: they are fulfilled without a search.
        """
        ties: list[tuple[set[str], list[Constraint]]] = [(set(c.names), [c]) for c in self.constraints]
        ties += [({name, *(c.name for c in needed)}, []) for name, needed, _ in self._conditional]
        groups: list[tuple[set[str], list[Constraint]]] = []
        for names, members in ties:
            for group in [g for g in groups if g[0] & names]:
                groups.remove(group)
                names |= group[0]
                members = group[1] + members
            groups.append((names, members))
        order = [p.name for p in self.parameters]
        return tuple(
            (tuple(n for n in order if n in names), tuple(members)) for names, members in groups if members
        )

    def _find_anchor(self) -> dict[str, Value]:
        """The parameters' own values where they hold, else the nearest found by seeded drawing."""
        anchor = self.defaults
        unfulfilled = [
            group for group in self._groups if not all(constraint.holds(anchor) for constraint in group[1])
        ]
        if not unfulfilled:
            return anchor
        import random

        generator = random.Random(0)
        self._anchor = anchor
        for names, constraints in unfulfilled:
            for _ in range(_ANCHOR_DRAWS):
                drawn = {name: from_unit(self._by_name[name], generator.random()) for name in names}
                moved = self._moved(drawn, 0.0, constraints)
                if all(constraint.holds(moved) for constraint in constraints):
                    anchor.update(moved)
                    break
            else:
                listed = ", ".join(str(constraint) for constraint in constraints)
                raise InvalidConstraintError(
                    f"no values of {', '.join(names)} were found that fulfil {listed}"
                )
        return anchor
