"""What the catalogue ties together stays together: constraints between two, limits from the host for one."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oppertune.core.space import Constraint
from oppertune.core.values import Categorical, Integer, Real
from support_core import integer
from tactician import catalogue
from tactician.experiment import TunedParameter
from tactician.plan import make_plan
from tactician.system.bounding import bound
from tactician.system.sysctl import file_knob

HOST = {
    "vm.dirty_ratio": "20", "vm.dirty_background_ratio": "10", "vm.dirty_bytes": "0",
    "vm.dirty_background_bytes": "0", "net.ipv4.tcp_rmem": "4096\t131072\t6291456",
    "net.ipv4.ip_local_port_range": "32768\t60999", "net.core.rmem_max": "212992",
    "net.core.rmem_default": "212992", "net.ipv4.neigh.default.gc_thresh1": "128",
    "net.ipv4.neigh.default.gc_thresh2": "512", "net.ipv4.neigh.default.gc_thresh3": "1024",
    "/sys/class/bdi/8:0/min_ratio": "30", "/sys/fs/cgroup/cpu/a/cpu.cfs_quota_us": "-1",
}  # fmt: skip


def bounded(*parameters, own=(), host=HOST):
    names = [tuned.name for tuned in parameters]
    return bound(parameters, [Constraint.parse(text, names) for text in own], host.get)


def ends(found, position=0):
    parameter = found.parameters[position].parameter
    return parameter.min, parameter.max


def words(name, *values):
    return TunedParameter(Categorical(name, values[0], values), "sysctl", name)


def test_two_that_are_tuned_get_the_constraint_between_them():
    found = bounded(integer("vm.dirty_background_ratio", 1, 80), integer("vm.dirty_ratio", 1, 90))
    assert [str(constraint) for constraint in found.constraints] == [
        "vm.dirty_background_ratio < vm.dirty_ratio"
    ]
    assert (found.notices, found.problems) == ((), ())
    assert (ends(found, 0), ends(found, 1)) == ((1, 80), (1, 90))


def test_a_constraint_that_the_experiment_names_itself_is_not_added_again():
    own = "vm.dirty_background_ratio < vm.dirty_ratio"
    parameters = (integer("vm.dirty_background_ratio", 1, 80), integer("vm.dirty_ratio", 1, 90))
    assert bounded(*parameters, own=[own]).constraints == ()


def test_constraints_speak_of_parameters_as_the_experiment_names_them():
    path = "/proc/sys/vm/dirty_ratio"
    found = bounded(
        integer("vm/dirty_background_ratio", 1, 80), TunedParameter(Integer(path, 1, 1, 90), "sysfs", path)
    )
    assert [str(constraint) for constraint in found.constraints] == [f"vm/dirty_background_ratio < {path}"]


def test_one_that_is_tuned_alone_is_bounded_by_what_the_host_has_for_the_other():
    found = bounded(integer("vm.dirty_background_ratio", 1, 80))
    assert ends(found) == (1, 19)
    (notice,) = found.notices
    assert notice.startswith("vm.dirty_background_ratio is tried from 1 to 19 only: ")
    assert notice.endswith("vm.dirty_background_ratio < vm.dirty_ratio, and vm.dirty_ratio is 20 here")
    assert ends(bounded(integer("vm.dirty_ratio", 1, 90))) == (11, 90)


def test_a_range_within_what_the_host_has_is_left_alone():
    found = bounded(integer("vm.dirty_background_ratio", 1, 15))
    assert (ends(found), found.notices) == ((1, 15), ())


def test_a_range_with_nothing_left_is_refused():
    found = bounded(integer("vm.dirty_background_ratio", 20, 80))
    (problem,) = found.problems
    assert problem.path == "action_space[0]"
    assert "no value left" in problem.message
    assert "vm.dirty_ratio is 20 here" in problem.message


def test_a_zero_that_says_that_the_twin_counts_bounds_nothing():
    assert ends(bounded(integer("vm.dirty_background_bytes", 2**20, 2**30))) == (2**20, 2**30)
    quota = "/sys/fs/cgroup/cpu/a/cpu.cfs_burst_us"
    found = bounded(TunedParameter(Integer(quota, 0, 0, 1000), "sysfs", quota))
    assert (found.problems, ends(found)) == ((), (0, 1000))


def test_a_declared_baseline_that_breaks_the_limit_is_refused():
    tuned = TunedParameter(
        Integer("vm.dirty_background_ratio", 30, 1, 80), "sysctl", "vm.dirty_background_ratio", start=30
    )
    (problem,) = bounded(tuned).problems
    assert problem.path == "action_space[0].default"
    assert "vm.dirty_background_ratio = 30 cannot be the baseline" in problem.message


@pytest.mark.parametrize(
    ("name", "low", "high", "expected"),
    [
        ("net.ipv4.tcp_rmem[0]", 4096, 2**22, (4096, 131072)),
        ("net.ipv4.tcp_rmem[1]", 4096, 2**28, (4096, 6291456)),
        ("net.ipv4.tcp_rmem[2]", 4096, 2**28, (131072, 2**28)),
        ("net.ipv4.ip_local_port_range[0]", 1024, 65000, (1024, 60000)),
        ("net.ipv4.ip_local_port_range[1]", 1024, 65535, (33767, 65535)),
        ("net.core.rmem_max", 65536, 2**24, (212992, 2**24)),
        ("net.ipv4.neigh.default.gc_thresh2", 512, 4096, (512, 1024)),
    ],
)
def test_real_neighbours_bound_one_another(name, low, high, expected):
    assert ends(bounded(integer(name, low, high))) == expected


def test_a_device_is_bounded_by_its_own_twin():
    path = "/sys/class/bdi/8:0/max_ratio"
    assert ends(bounded(TunedParameter(Integer(path, 5, 5, 100), "sysfs", path))) == (30, 100)


@pytest.mark.parametrize(("step", "expected"), [(1, (1, 19)), (5, (1, 16)), (6, (1, 19)), (9, (1, 19))])
def test_what_is_left_stays_on_the_grid(step, expected):
    high = 1 + 90 // step * step
    assert ends(bounded(integer("vm.dirty_background_ratio", 1, high, step=step))) == expected


def test_lists_of_numbers_lose_those_that_break_it():
    found = bounded(words("vm.dirty_background_ratio", "5", "20", "40"))
    assert found.parameters[0].parameter.categories == ("5",)
    assert "tried as 5 only" in found.notices[0]


def test_a_list_makes_its_partner_with_a_range_give_way():
    found = bounded(integer("vm.dirty_background_ratio", 1, 80), words("vm.dirty_ratio", "30", "60"))
    assert found.constraints == ()
    assert ends(found) == (1, 29)
    assert found.parameters[1].parameter.categories == ("30", "60")


def test_two_lists_must_go_together_as_they_are():
    fine = bounded(words("vm.dirty_background_ratio", "5", "10"), words("vm.dirty_ratio", "20", "40"))
    assert (fine.problems, fine.constraints) == ((), ())
    (problem,) = bounded(
        words("vm.dirty_background_ratio", "5", "30"), words("vm.dirty_ratio", "20", "40")
    ).problems
    assert "vm.dirty_background_ratio = 30 and vm.dirty_ratio = 20" in problem.message


def test_ranges_that_fit_no_constraint_are_refused():
    found = bounded(integer("vm.dirty_background_ratio", 50, 80), integer("vm.dirty_ratio", 1, 40))
    (problem,) = found.problems
    assert "vm.dirty_background_ratio < vm.dirty_ratio" in problem.message


def test_what_cannot_be_read_bounds_nothing():
    assert bounded(integer("vm.dirty_ratio", 1, 90), host={}).notices == ()
    assert (
        bounded(integer("vm.dirty_ratio", 1, 90), host={"vm.dirty_background_ratio": "text"}).problems == ()
    )


def test_placeholders_are_nobody_elses_business():
    argument = TunedParameter(Integer("vm.dirty_ratio", 1, 1, 90), "argument", "vm.dirty_ratio")
    found = bounded(argument, integer("vm.dirty_background_ratio", 1, 15))
    assert found.constraints == ()
    assert found.parameters[0] is argument


@given(
    st.integers(0, 100),
    st.integers(0, 100),
    st.integers(1, 9),
    st.integers(0, 120),
    st.booleans(),
    st.booleans(),
)
def test_every_value_that_is_left_holds_and_every_value_that_holds_is_left(
    low, width, step, other, real, above
):
    name, twin = "vm.dirty_background_ratio", "vm.dirty_ratio"
    if above:
        name, twin = twin, name
    high = low + width // step * step
    parameter = Real(name, low, low, high, step=step) if real else Integer(name, low, low, high, step=step)
    tuned = TunedParameter(parameter, "sysctl", name)
    grid = [low + step * index for index in range((high - low) // step + 1)]
    holding = [value for value in grid if (value > other if above else value < other)]
    found = bounded(tuned, host={twin: str(other)})
    if other == 0:
        assert found.parameters == (tuned,)  # the limit in bytes counts
    elif not holding:
        assert found.problems
    else:
        left = found.parameters[0].parameter
        assert [value for value in grid if left.contains(value)] == holding


# ---- no state on the way is invalid -----------------------------------------------------------------------

GROUPS = [
    ("vm.dirty_background_ratio", "vm.dirty_ratio"),
    ("net.ipv4.neigh.default.gc_thresh1", "net.ipv4.neigh.default.gc_thresh2",
     "net.ipv4.neigh.default.gc_thresh3"),
    ("net.core.rmem_default", "net.core.rmem_max"),
    ("net.ipv4.ipfrag_low_thresh", "net.ipv4.ipfrag_high_thresh"),
    ("kernel.msgmax", "kernel.msgmnb"),
]  # fmt: skip


@pytest.mark.parametrize("names", GROUPS, ids=lambda names: names[0])
@given(data=st.data())
def test_no_state_between_two_valid_ones_is_invalid(names, data):
    def state():
        return dict(zip(names, sorted(data.draw(st.sets(st.integers(1, 10**6), min_size=len(names),
                                                        max_size=len(names)))), strict=True))  # fmt: skip

    parameters = [integer(name, 1, 10**6) for name in names]
    constraints = bound(parameters, (), {}.get).constraints
    assert len(constraints) == len(names) - 1
    knobs = [file_knob(tuned) for tuned in parameters]
    before, after = state(), state()
    plan = make_plan(knobs, {knob.place: str(before[knob.name]) for knob in knobs}, after, constraints)
    shown = dict(before)
    for change in plan.changes:
        shown |= dict(change.values)
        assert all(constraint.holds(shown) for constraint in constraints), (before, shown, after)
    assert shown == after
    # The way back goes through the same states.
    for change in reversed(plan.changes):
        assert all(constraint.holds(shown) for constraint in constraints)
        shown |= {name: before[name] for name, _ in change.values}
    assert shown == before


def test_fields_of_one_key_move_in_one_write():
    parameters = [integer(f"net.ipv4.tcp_rmem[{index}]", 4096, 2**28) for index in range(3)]
    constraints = bound(parameters, (), {}.get).constraints
    assert len(constraints) == 2
    knobs = [file_knob(tuned) for tuned in parameters]
    wanted = dict(zip((t.name for t in parameters), (8192, 2**20, 2**27), strict=True))
    plan = make_plan(knobs, {knobs[0].place: "4096\t131072\t6291456"}, wanted, constraints)
    (change,) = plan.changes
    assert change.after == f"8192 {2**20} {2**27}"


def test_every_constraint_of_the_catalogue_can_be_bound():
    texts = {text for entry in catalogue.entries() for text in entry.constraints}
    seen = set()
    for entry in catalogue.entries():
        if not entry.constraints or "{" in entry.name:
            continue
        fields = [f"{entry.name}[{i}]" for i in range(len(entry.fields))] or [entry.name]
        kind = "service" if entry.kind == "service" else "sysctl" if entry.kind == "sysctl" else "sysfs"
        for name in fields:
            parameter = Integer(name, 1, 1, 2)
            found = bound([TunedParameter(parameter, kind, name)], (), {}.get)
            assert found.problems == ()
        seen |= set(entry.constraints)
    assert seen == {text for text in texts if "{" not in text}
    assert len(seen) > 15
    assert list(itertools.islice(seen, 1))
