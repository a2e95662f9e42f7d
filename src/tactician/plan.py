"""The difference between what a host has and what is wanted, as an ordered tuple of changes.

Pure: reads nothing, writes nothing. A dry run prints a plan, a transaction applies it, tests compare it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from oppertune.core.space import Constraint
from oppertune.core.values import Value
from tactician.ports import Knob, Place


@dataclass(frozen=True, slots=True)
class Change:
    """One write.

    Attributes:
        place: where.
        before: what it shows now.
        after: what to write.
        values: the parameters that this write sets, as (name, value).
        knobs: the knobs of those parameters, for the comparison after the write.
    """

    place: Place
    before: str
    after: str
    values: tuple[tuple[str, Value], ...]
    knobs: tuple[Knob, ...]

    def holds(self, text: str) -> bool:
        """Whether a place that shows ``text`` has all the wanted values."""
        return all(knob.shows(text, value) for knob, (_, value) in zip(self.knobs, self.values, strict=True))


@dataclass(frozen=True, slots=True)
class Plan:
    """What to write, in order, and what needs no write.

    Attributes:
        changes: in the order in which no intermediate state breaks a constraint, where one exists.
        unchanged: names of parameters whose value the host has already.
    """

    changes: tuple[Change, ...]
    unchanged: tuple[str, ...]


def make_plan(
    knobs: Sequence[Knob],
    current: Mapping[Place, str],
    wanted: Mapping[str, Value],
    constraints: Sequence[Constraint] = (),
) -> Plan:
    """Plan the way from ``current`` to ``wanted``.

    Args:
        knobs: the knobs that live on the host; parameters without one are not the host's business.
        current: what each knob's place shows now.
        wanted: the configuration; parameters that it does not name stay as they are.
        constraints: relations between parameters that should hold at every step.

    Returns:
        A plan with at most one change per place, also where several parameters share it: all settings of
        one service are one change, hence one reload or one restart. Services come last.
    """
    by_place: dict[Place, list[tuple[Knob, Value]]] = {}
    unchanged = []
    for knob in knobs:
        if knob.name not in wanted:
            continue
        value = wanted[knob.name]
        if knob.shows(current[knob.place], value):
            unchanged.append(knob.name)
        else:
            by_place.setdefault(knob.place, []).append((knob, value))
    changes = [_change(place, current[place], group) for place, group in by_place.items()]
    ordered = _ordered(changes, knobs, current, constraints)
    # What is restarted finds the kernel as it will be; within each half the order stays.
    ordered.sort(key=lambda change: change.place.of_service)
    return Plan(tuple(ordered), tuple(unchanged))


def _change(place: Place, before: str, group: Sequence[tuple[Knob, Value]]) -> Change:
    after = before
    for knob, value in group:
        after = knob.encode(after, value)
    values = tuple((knob.name, value) for knob, value in group)
    return Change(place, before, after, values, tuple(knob for knob, _ in group))


def _ordered(
    changes: list[Change],
    knobs: Sequence[Knob],
    current: Mapping[Place, str],
    constraints: Sequence[Constraint],
) -> list[Change]:
    """Take, at each step, the first change that breaks no constraint which held before it."""
    if not constraints or len(changes) < 2:
        return changes
    state: dict[str, Value] = {knob.name: knob.decode(current[knob.place]) for knob in knobs}
    binding = [constraint for constraint in constraints if set(constraint.names) <= set(state)]
    ordered: list[Change] = []
    waiting = list(changes)
    while waiting:
        held = [constraint for constraint in binding if constraint.holds(state)]
        chosen = waiting[0]
        for change in waiting:
            after = {**state, **dict(change.values)}
            if all(constraint.holds(after) for constraint in held):
                chosen = change
                break
        waiting.remove(chosen)
        state.update(chosen.values)
        ordered.append(chosen)
    return ordered
