"""Names beside curves: none covers another, and none is moved without need."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plots.labels import apart

PLACES = st.lists(st.floats(-5.0, 5.0), min_size=1, max_size=12)


@given(places=PLACES, least=st.floats(0.01, 2.0))
def test_names_are_apart_and_stay_in_order(places, least):
    moved = apart(places, least)
    order = sorted(range(len(places)), key=lambda index: places[index])
    for one, other in itertools.pairwise(order):
        assert moved[other] - moved[one] >= least - 1e-9
    assert sum(moved) == pytest.approx(sum(places), abs=1e-6)


def test_names_that_have_room_stay():
    assert apart([3.0, 1.0, 2.0], 0.5) == [3.0, 1.0, 2.0]
    assert apart([1.0, 1.0, 9.0], 0.5) == [0.75, 1.25, 9.0]
