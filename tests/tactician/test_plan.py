"""Plans as files: what the host has and what is wanted, and the writes that lead there, in order."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oppertune.core.space import Constraint
from oppertune.core.values import Categorical, Integer, Real
from tactician.experiment import TunedParameter
from tactician.plan import make_plan
from tactician.ports import Place
from tactician.system.sysctl import file_knob

CASES = sorted((Path(__file__).parents[1] / "cases" / "plan").glob("*.json"))


def knob_of(item):
    name = item["param"]
    kind = "sysfs" if name.startswith("/") else "sysctl"
    if item["type"] == "categorical":
        parameter = Categorical(name, item["values"][0], tuple(item["values"]))
    else:
        parameter = {"int": Integer, "float": Real}[item["type"]](name, item["min"], item["min"], item["max"])
    return file_knob(TunedParameter(parameter, kind, name))


def plan_of(case):
    knobs = [knob_of(item) for item in case["knobs"]]
    names = [knob.name for knob in knobs] + case.get("also", [])
    constraints = [Constraint.parse(text, names) for text in case.get("constraints", [])]
    current = {Place(path): text for path, text in case["host"].items()}
    return knobs, current, make_plan(knobs, current, case["wanted"], constraints)


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_the_plan_is(path):
    case = json.loads(path.read_text(encoding="utf-8"))
    knobs, current, plan = plan_of(case)
    assert [[change.place.path, change.after] for change in plan.changes] == case["writes"]
    assert list(plan.unchanged) == case["unchanged"]
    for change in plan.changes:
        assert change.before == current[change.place]
        assert change.holds(change.after)
        assert not change.holds(change.before)
    assert make_plan(knobs, current, case["wanted"]).unchanged == plan.unchanged


def test_there_are_enough_cases():
    assert len(CASES) >= 15


def test_a_plan_that_was_carried_out_leaves_nothing_to_do():
    for path in CASES:
        case = json.loads(path.read_text(encoding="utf-8"))
        knobs, current, plan = plan_of(case)
        after = current | {change.place: change.after for change in plan.changes}
        again = make_plan(knobs, after, case["wanted"])
        assert again.changes == (), path.stem


LIMITS = ("x.a", "x.b", "x.c")
ORDERED = st.lists(st.integers(0, 30), min_size=3, max_size=3, unique=True).map(sorted)


@given(ORDERED, ORDERED, st.permutations(LIMITS))
def test_no_step_of_a_plan_breaks_what_holds_at_both_ends(before, after, declared):
    """For a chain a < b < c there is always such an order, and it is found."""
    knobs = [file_knob(TunedParameter(Integer(name, 0, 0, 99), "sysctl", name)) for name in declared]
    places = {knob.name: knob.place for knob in knobs}
    constraints = [Constraint.parse("x.a < x.b", LIMITS), Constraint.parse("x.b < x.c", LIMITS)]
    shown = {places[name]: str(value) for name, value in zip(LIMITS, before, strict=True)}
    plan = make_plan(knobs, shown, dict(zip(LIMITS, after, strict=True)), constraints)
    for change in plan.changes:
        shown[change.place] = change.after
        values = {name: int(shown[places[name]]) for name in LIMITS}
        assert all(constraint.holds(values) for constraint in constraints)
    assert [int(shown[places[name]]) for name in LIMITS] == after


def test_where_no_order_is_right_every_change_is_still_made():
    """Two ports that swap: some step must break the constraint, and the kernel will say what it thinks."""
    names = ("x.a", "x.b")
    knobs = [file_knob(TunedParameter(Integer(name, 0, 0, 99), "sysctl", name)) for name in names]
    current = {knob.place: text for knob, text in zip(knobs, ("1", "2"), strict=True)}
    same = [Constraint.parse("x.a + 1 == x.b", names)]
    plan = make_plan(knobs, current, {"x.a": 5, "x.b": 6}, same)
    assert sorted(change.after for change in plan.changes) == ["5", "6"]
