"""Any context becomes columns, and what never differs becomes none."""

import numpy as np
import pytest

from oppertune.models.contexts import MAX_FEATURES, encode_contexts


def test_numbers_are_scaled_and_everything_else_is_a_category():
    contexts = [
        {"load": 10, "time": "day", "on": True, "same": 1},
        {"load": 30.0, "time": "night", "on": False, "same": 1},
        {"load": 20, "time": ["day", 1], "on": True, "same": 1},
    ]
    columns = encode_contexts(contexts)
    assert columns.names == ("load:number", "on:category", "time:category")
    assert list(columns.sizes) == [0, 2, 3]
    assert columns.rows[:, 0] == pytest.approx([0.0, 1.0, 0.5])
    assert len(set(columns.rows[:, 2])) == 3


def test_absence_is_the_middle_of_a_range_and_a_category_of_its_own():
    columns = encode_contexts([None, {"load": 1, "time": "day"}, {"load": 5}])
    assert columns.rows[:, 0] == pytest.approx([0.5, 0.0, 1.0])
    assert columns.rows[0, 1] == columns.rows[2, 1] != columns.rows[1, 1]


@pytest.mark.parametrize("contexts", [[None], [None, None], [{"a": 1}] * 3, [{}]])
def test_equal_contexts_make_no_columns(contexts):
    columns = encode_contexts(contexts)
    assert columns.rows.shape == (len(contexts), 0)
    assert len(columns.sizes) == 0


def test_a_number_that_is_absent_elsewhere_tells_contexts_apart():
    columns = encode_contexts([{"a": 3}, None])
    assert columns.rows[0] != columns.rows[1]


def test_huge_numbers_and_many_features():
    columns = encode_contexts([{"a": -1.7e308}, {"a": 1.7e308}, {"a": 0.0}])
    assert columns.rows[:, 0] == pytest.approx([0.0, 1.0, 0.5])
    many = encode_contexts([{f"f{i:02}": float(i + j) for i in range(50)} for j in range(2)])
    assert len(many.names) == MAX_FEATURES
    assert np.isfinite(many.rows).all()
