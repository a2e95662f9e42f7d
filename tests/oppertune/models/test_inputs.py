"""Rows and configurations mean the same, one at a time or many."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oppertune.core.space import Space
from oppertune.core.values import Categorical, Integer, Real
from oppertune.models.inputs import Inputs
from support_spaces import categoricals, integers, reals


def free(parameter):
    return not parameter.is_constant


PARAMETERS = st.one_of(integers("n"), reals("x"), categoricals("c")).filter(free)


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(PARAMETERS, st.lists(st.floats(0.0, 1.0), min_size=1, max_size=8))
def test_a_snapped_row_is_where_its_configuration_lies(parameter, positions):
    inputs = Inputs([parameter])
    snapped = inputs.snap(np.array(positions)[:, None])
    # On a border between two grid points either may be meant, and then they are neighbours.
    back = inputs.encode([inputs.decode(row) for row in snapped])
    assert snapped == pytest.approx(back, abs=1e-7)
    assert inputs.snap(snapped) == pytest.approx(snapped, abs=1e-7)


def test_special_values_become_categories_of_a_column_of_their_own():
    inputs = Inputs(
        [Integer("n", 0, 0, 10, special=((-1, 0.2), (99, 0.1))), Categorical("c", "a", ("a", "b"))]
    )
    rows = inputs.encode([{"n": n, "c": "a"} for n in (-1, 0, 5, 10, 99)])
    features = inputs.features(rows)
    assert features[:, 0] == pytest.approx([0.5, 0.0, 0.5, 1.0, 0.5])
    assert features[:, 2] == pytest.approx([1.5 / 3, 0.5 / 3, 0.5 / 3, 0.5 / 3, 2.5 / 3])
    assert list(inputs.feature_sizes) == [0, 2, 3]
    plain = Inputs([Real("x", 0.5, 0.0, 1.0)])
    assert plain.features(rows[:, :1]) is not None
    assert list(plain.feature_sizes) == [0]


def test_every_special_value_is_drawn():
    inputs = Inputs([Real("x", 1.0, 0.5, 2.0, log=True, special=(0.0, 1000.0))])
    rng = np.random.default_rng(0)
    drawn = [inputs.decode(row)["x"] for row in inputs.draw(rng, 400)]
    assert 20 < drawn.count(0.0) < 60
    assert 20 < drawn.count(1000.0) < 60
    assert all(0.5 <= x <= 2.0 for x in drawn if x not in (0.0, 1000.0))


def test_the_least_move_changes_a_number():
    parameters = [Integer("n", 0, 0, 20, step=5), Real("x", 0.0, 0.0, 1.0), Categorical("c", "a", ("a", "b"))]
    assert Inputs(parameters).least == pytest.approx([0.25, 0.0, 0.0])
    log = Inputs([Integer("n", 1, 1, 1024, log=True)])
    assert log.decode(np.array([1.0 - log.least[0]]))["n"] == 1023


def test_repaired_rows_hold():
    parameters = (Integer("a", 1, 0, 100), Integer("b", 50, 0, 100), Categorical("c", "x", ("x", "y")))
    space = Space(parameters, ["a < b"], {"a": 'c == "y"'})
    inputs = Inputs(parameters)
    rows = inputs.admitted(space, inputs.draw(np.random.default_rng(0), 50))
    assert all(space.holds(inputs.decode(row)) for row in rows)
    unrestricted = inputs.draw(np.random.default_rng(0), 5)
    assert inputs.admitted(Space(parameters), unrestricted) is unrestricted
