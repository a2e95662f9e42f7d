"""Constraints are read from a closed grammar, and repairs keep them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oppertune.core.space import Constraint, Space
from oppertune.core.values import Categorical, Integer, Real
from oppertune.errors import InvalidConstraintError, InvalidTypeError

NAMES = [
    "vm.dirty_background_ratio",
    "vm.dirty_ratio",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_rmem[1]",
    "net.ipv4.tcp_rmem[2]",
    "queue/nr-requests",
    "2fast",
    "a",
    "ab",
]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("vm.dirty_background_ratio < vm.dirty_ratio", None),
        ("net.ipv4.tcp_rmem[1]<=net.ipv4.tcp_rmem[2]", "net.ipv4.tcp_rmem[1] <= net.ipv4.tcp_rmem[2]"),
        ("  2*a>=ab+3", "2 * a >= ab + 3"),
        ("a == 0.5 * ab - 1e3", "a == 0.5 * ab - 1000.0"),
        ("a > -4", "a > -4"),
        ("16 <= a", None),
        ("queue/nr-requests - 3 < 2fast", None),
        ("-1.5 * a < .5", "-1.5 * a < 0.5"),
    ],
)
def test_the_grammar(text, shown):
    constraint = Constraint.parse(text, NAMES)
    assert str(constraint) == (shown or text)
    assert Constraint.parse(str(constraint), NAMES) == constraint


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("vm.dirty_background_ratio < vm.dirty_ration", "did you mean 'vm.dirty_ratio'"),
        ("net.ipv4.tcp_rmem[3] < a", "unknown name 'net.ipv4.tcp_rmem[3]' at position 0"),
        ("a <", "position 3"),
        ("a < ab < a", "position 7"),
        ("a ! ab", "position 2"),
        ("a = ab", "position 2"),
        ("< a", "position 0"),
        ("1 < 2", "names no parameter"),
        ("0 * a < 2", "by zero"),
        ("a * 2 < ab", "position 2"),
        ("a + ab < 3", "position 4"),
        ("a + < 3", "position 4"),
        ("__import__('os').system('x') < a", "unknown name"),
        ("a if a else a < 3", "position 2"),
        ("", "position 0"),
        ("a < 1e999", "finite"),
    ],
)
def test_everything_else_is_refused_with_its_place(text, says):
    with pytest.raises(InvalidConstraintError) as caught:
        Constraint.parse(text, NAMES)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("text", "values", "holds"),
    [
        ("a < ab", {"a": 1, "ab": 2}, True),
        ("a < ab", {"a": 2, "ab": 2}, False),
        ("a <= ab", {"a": 0.1 + 0.2, "ab": 0.3}, True),
        ("a < ab", {"a": 0.3, "ab": 0.1 + 0.2}, False),
        ("a == 3 * ab", {"a": 0.3, "ab": 0.1}, True),
        ("a == ab", {"a": 2**60, "ab": 2**60 + 1}, False),
        ("a > ab - 1", {"a": 2, "ab": 2}, True),
        ("a >= ab + 1", {"a": 2, "ab": 2}, False),
    ],
)
def test_holding(text, values, holds):
    constraint = Constraint.parse(text, NAMES)
    assert constraint.names == ("a", "ab")
    assert constraint.holds(values) is holds


def test_misuse():
    with pytest.raises(InvalidConstraintError):
        Constraint.parse("a < ab", NAMES).holds({"a": 1})
    with pytest.raises(InvalidConstraintError):
        Constraint.parse("a < ab", NAMES).holds({"a": 1, "ab": "x"})
    with pytest.raises(InvalidTypeError):
        Constraint.parse(3, NAMES)
    numbers = [Integer("a", 0, 0, 9), Integer("b", 0, 0, 9)]
    with pytest.raises(InvalidConstraintError, match="fulfil"):
        Space(numbers, ["a > b + 20"])
    with pytest.raises(InvalidConstraintError, match="categories"):
        Space([*numbers, Categorical("c", "x", ("x", "y"))], ["a < c"])
    with pytest.raises(InvalidTypeError):
        Space(numbers, "a < b")
    with pytest.raises(InvalidConstraintError):
        Space(numbers, [Constraint.parse("a < ab", NAMES)])


def test_what_holds_is_returned_and_the_rest_moves_little():
    space = Space([Integer("a", 10, 0, 100), Integer("b", 20, 0, 100), Integer("c", 0, 0, 9)], ["a < b"])
    assert space.repair({"a": 3, "b": 4, "c": 9}) == {"a": 3, "b": 4, "c": 9}
    repaired = space.repair({"a": 60, "b": 50, "c": 9})
    assert repaired == {"a": 34, "b": 35, "c": 9}  # half way to (10, 20); c has nothing to do with it


def test_an_anchor_is_found_where_the_own_values_do_not_hold():
    space = Space([Integer("a", 90, 0, 100, step=5), Real("b", 0.0, 0.0, 100.0, step=0.5)], ["2 * a < b - 3"])
    repaired = space.repair(space.defaults)
    assert space.holds(repaired)
    assert space.repair(space.defaults) == repaired


def test_equations_leave_room_to_move():
    space = Space([Integer("a", 2, 0, 50), Integer("b", 4, 0, 100)], ["b == 2 * a"])
    assert space.repair({"a": 40, "b": 3}) in ({"a": 40, "b": 80}, {"a": 2, "b": 4})
    assert len({space.repair({"a": a, "b": 0})["a"] for a in range(50)}) > 10


@given(st.lists(st.floats(0, 1), min_size=4, max_size=4), st.integers(0, 3))
def test_repairs_hold_and_are_stable(positions, which):
    texts = ["a < b", "b <= 2 * c - 1", "c + 3 >= d", "a > 1"]
    parameters = [
        Integer("a", 5, 1, 400, log=True),
        Integer("b", 10, 0, 300, step=10),
        Real("c", 50.5, 0.5, 100.5, step=0.5),
        Real("d", 20.0, 0.0, 200.0),
    ]
    space = Space(parameters, texts[which:])
    drawn = {
        p.name: p.nearest(p.min + x * (p.max - p.min)) for p, x in zip(parameters, positions, strict=True)
    }
    repaired = space.repair(drawn)
    assert space.holds(repaired)
    assert all(p.cast(repaired[p.name]) == repaired[p.name] for p in parameters)
    assert space.repair(repaired) == repaired
    if space.holds(drawn):
        assert repaired == drawn
