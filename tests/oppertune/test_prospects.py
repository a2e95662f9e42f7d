"""What is still to be gained is judged by what was measured, and never by more than that."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oppertune.core.space import Space
from oppertune.core.values import Categorical, Integer, Real
from oppertune.errors import InvalidArgumentError
from oppertune.models.inputs import Inputs
from oppertune.prospects import prospects
from support_spaces import spaces

PARAMETERS = [Real("x", 0.2, 0.0, 1.0), Integer("n", 10, 0, 100), Categorical("c", "a", ("a", "b", "c"))]
DEFAULT = {p.name: p.val for p in PARAMETERS}
WORTH = math.log(1.04)


def measured(truth, trials, noise=0.03, seed=1, defaults=5):
    """The default so often, and then configurations drawn at random."""
    rng = np.random.default_rng(seed)
    drawn = [
        {"x": float(rng.random()), "n": int(rng.integers(101)), "c": "abc"[rng.integers(3)]}
        for _ in range(trials)
    ]
    return [(values, truth(values) + noise * rng.normal()) for values in [DEFAULT] * defaults + drawn]


def flat(values):
    return 0.0


def bowl(values):
    """A gain of 60 % at x = 0.8, whatever the rest."""
    return 0.5 - abs(values["x"] - 0.8) / 1.2


def test_where_nothing_has_an_effect_little_is_expected_and_more_trials_say_so_more_firmly():
    found = [prospects(PARAMETERS, measured(flat, 24, seed=s), DEFAULT, WORTH).over_default for s in range(6)]
    assert np.median(found) < 0.1


@pytest.mark.parametrize("trials", [10, 24])
def test_a_gain_that_was_seen_is_expected(trials):
    for seed in range(4):
        found = prospects(PARAMETERS, measured(bowl, trials, seed=seed), DEFAULT, WORTH)
        assert found.over_default > 0.95
        assert found.best_gain > 0.2
        assert bowl(found.best) > 0.25


def test_once_the_top_is_known_no_more_is_expected():
    shelf = [({**DEFAULT, "x": x}, bowl({"x": x})) for x in np.linspace(0.0, 1.0, 21).tolist()]
    others = [({"x": 0.8, "n": n, "c": c}, 0.5) for n in range(0, 101, 20) for c in "abc"]
    found = prospects(PARAMETERS, [(DEFAULT, 0.0), (DEFAULT, 0.0), *shelf, *others], DEFAULT, WORTH)
    early = prospects(PARAMETERS, measured(bowl, 10), DEFAULT, WORTH)
    assert found.over_best < 0.4 < early.over_best
    assert found.over_default > 0.99
    assert found.best["x"] == pytest.approx(0.8, abs=0.051)


def test_how_far_below_a_cliff_or_a_failure_lies_does_not_matter():
    rows = measured(flat, 24, seed=2)
    found = [
        prospects(PARAMETERS, [(v, lower if v["x"] > 0.9 else level) for v, level in rows], DEFAULT, WORTH)
        for lower in (-0.7, -30.0, None)
    ]
    assert found[0] == found[1] == found[2]
    assert found[0].over_best < 0.5


def test_the_level_of_everything_and_the_order_of_names_do_not_matter():
    rows = measured(bowl, 12)
    there = prospects(PARAMETERS, rows, DEFAULT, WORTH)
    moved = prospects(PARAMETERS, [(values, level + 8.0) for values, level in rows], DEFAULT, WORTH)
    assert moved.over_default == pytest.approx(there.over_default, abs=0.02)
    assert moved.best == there.best


def test_the_cost_is_bounded_and_the_best_of_old_is_not_forgotten():
    rows = measured(flat, 400)
    best = {"x": 0.77, "n": 50, "c": "b"}
    rows[20:20] = [(best, 0.7)] * 3
    found = prospects(PARAMETERS, rows, DEFAULT, WORTH)
    assert found.best["x"] == pytest.approx(0.77, abs=0.1)
    # Among hundreds that show no effect three runs leave some doubt, and more hope.
    assert found.over_default > 0.5


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [(DEFAULT, 0.0)] * 5,
        [(DEFAULT, 0.0), ({**DEFAULT, "n": 3}, 0.1), ({**DEFAULT, "n": 4}, 0.1)],
        [(DEFAULT, None), (DEFAULT, 1.0), ({**DEFAULT, "n": 3}, 0.1), ({**DEFAULT, "n": 4}, 0.1)],
    ],
)
def test_too_little_is_refused(rows):
    with pytest.raises(InvalidArgumentError, match="2 measurements"):
        prospects(PARAMETERS, rows, DEFAULT, WORTH)


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(spaces((Categorical, Integer, Real)), st.integers(0, 100))
def test_any_space_and_any_levels_give_probabilities(space, seed):
    rng = np.random.default_rng(seed)
    whole = Space(space.parameters, space.constraints)
    home = whole.repair(whole.defaults)
    inputs = Inputs([p for p in space.parameters if not p.is_constant])
    rows = [whole.repair({**home, **inputs.decode(row)}) for row in inputs.draw(rng, 6)]
    levels = [None, *rng.normal(size=5).tolist()]
    known = [(home, 0.0), (home, 0.1), *zip(rows, levels, strict=True)]
    if sum(row != home for row in rows) < 2:
        return
    found = prospects(space.parameters, known, home, 0.02, space.constraints)
    assert 0.0 <= found.over_best <= 1.0
    assert 0.0 <= found.over_default <= 1.0
    assert math.isfinite(found.best_gain)
    assert whole.repair(found.best) == found.best
