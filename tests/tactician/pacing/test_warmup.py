"""Warm-up is found where there is one, seldom where there is none, and whoever is being measured."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tactician.pacing.series import CUT, MEAN, UNSETTLED, WARMUP, Series
from tactician.pacing.warmup import LEAST_INTERVALS, correlation, warmup_length
from tactician.simulated.intervals import Intervals

RUNS = 200


def drawn(seed: int, **changes: float) -> list[list[float]]:
    rng = np.random.default_rng(seed)
    made = Intervals(count=40, **changes)  # type: ignore[arg-type]
    return [(100.0 * made.draw(rng)).tolist() for _ in range(RUNS)]


def test_a_warm_up_is_cut_where_it_ends() -> None:
    lengths = [warmup_length(run) for run in drawn(1, deviation=0.03, warmup_depth=0.5, warmup_intervals=3.0)]
    found = [length for length in lengths if length]
    assert len(found) >= 0.95 * RUNS
    assert 4 <= np.median(found) <= 14


@pytest.mark.parametrize(("known", "most"), [(0.0, 0.05), (0.5, 0.15)])
def test_a_run_without_one_is_seldom_cut(known: float, most: float) -> None:
    lengths = [warmup_length(run) for run in drawn(2, deviation=0.05, correlation=known)]
    assert sum(length != 0 for length in lengths) <= most * RUNS


def test_a_run_that_never_settles_is_said_to() -> None:
    climbing = [100.0 + index + 0.1 * (-1) ** index for index in range(40)]
    assert warmup_length(climbing) is None
    assert warmup_length([5.0] * 40) == 0
    assert warmup_length([1.0, 50.0] + [50.0] * (LEAST_INTERVALS - 3)) == 0  # too few to say


@given(
    st.lists(st.floats(1.0, 100.0), min_size=0, max_size=60),
    st.floats(0.1, 10.0),
    st.booleans(),
)
def test_the_rule_knows_neither_unit_nor_direction(values: list[float], scale: float, mirrored: bool) -> None:
    """It may not cut more off one that is worse, so turning a run upside down changes nothing."""
    found = warmup_length(values)
    assert found is None or 0 <= found <= len(values) // 2
    rounded = [round(value, 3) for value in values]
    factor = -0.5 if mirrored else 2.0
    assert warmup_length([factor * value for value in rounded]) == warmup_length(rounded)


@given(st.lists(st.floats(-1e6, 1e6), max_size=30))
def test_a_correlation_is_one(values: list[float]) -> None:
    assert -1.0 < correlation(values) < 1.0


def series(values: list[float]) -> Series:
    made = Series()
    for number, value in enumerate(values, start=1):
        made.add(number * 0.5, value)
    return made


def test_the_metric_of_a_run_with_a_warm_up_is_that_of_the_rest() -> None:
    kept = series([50.0] * 5 + [100.0, 101.0, 99.0] * 10).kept(cut=True)
    assert kept.metrics[WARMUP] == 2.5
    assert kept.metrics[MEAN] == 100.0
    assert kept.factor == pytest.approx(100.0 / ((5 * 50.0 + 30 * 100.0) / 35))
    assert kept.note == CUT


def test_nothing_is_cut_where_it_is_not_wanted_or_not_possible() -> None:
    warming = [50.0] * 5 + [100.0, 101.0, 99.0] * 10
    assert series(warming).kept(cut=False).factor == 1.0
    assert series([100.0 + index for index in range(30)]).kept(cut=True)[1:] == (1.0, UNSETTLED)
    assert series([1.0, 2.0, 3.0]).kept(cut=True) == ({}, 1.0, "")


def test_the_last_run_of_a_tool_is_the_one_that_counts() -> None:
    made = series([1.0, 1.0, 1.0, 1.0])
    for number in range(1, 5):
        made.add(number * 0.4, 7.0)
    assert made.values == [7.0] * 4
    assert made.kept(cut=True).metrics[MEAN] == 7.0
