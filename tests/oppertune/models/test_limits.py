"""The risk of limits: none between what stood, growing outward, and certain next to a fall."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oppertune.core.values import Categorical, Real
from oppertune.models.inputs import Inputs
from oppertune.models.limits import STEEPNESS, Limits

SQUARE = Inputs([Real("x", 0.2, 0.0, 1.0), Real("y", 0.2, 0.0, 1.0)])
HOME = np.array([0.2, 0.2])
NOTHING = np.zeros((0, 2))


def at(*rows):
    return np.array(rows, dtype=np.float64)


def test_before_anything_is_known_the_risk_is_that_of_the_prior():
    """A limit of slope N(0, s^2) and room |N(0, 1)| is passed at a distance x by arctan(s x) / pi."""
    far = at([0.2, 0.4], [0.8, 0.2], [1.0, 1.0])
    slope = STEEPNESS / math.sqrt(2.0) * np.linalg.norm(far - HOME, axis=1)
    risk = Limits(SQUARE, HOME, HOME[None, :], NOTHING).risk(far)
    assert risk == pytest.approx(np.arctan(slope) / np.pi, abs=0.05)


def test_what_stood_makes_more_of_its_direction_safe():
    further = at([0.6, 0.2])
    before = Limits(SQUARE, HOME, HOME[None, :], NOTHING).risk(further)[0]
    after = Limits(SQUARE, HOME, np.vstack([HOME, [0.5, 0.2]]), NOTHING).risk(further)[0]
    assert after < 0.5 * before


def test_a_fall_makes_its_side_risky_and_leaves_the_other_alone():
    stood = at(HOME, [0.5, 0.2], [0.2, 0.5], [0.5, 0.5])
    calm, warned = Limits(SQUARE, HOME, stood, NOTHING), Limits(SQUARE, HOME, stood, at([0.8, 0.5]))
    beyond, away = at([0.7, 0.5]), at([0.1, 0.4])
    assert warned.risk(beyond)[0] > calm.risk(beyond)[0] + 0.2
    assert warned.risk(away)[0] < 0.1


def test_a_limit_is_found_from_few_examples():
    """Of points clearly on either side of x + 0.5 y = 0.9, hardly any is taken for one of the other."""
    rng = np.random.default_rng(3)
    drawn = rng.random((40, 2))
    over = drawn @ [1.0, 0.5] - 0.9
    limits = Limits(SQUARE, HOME, np.vstack([HOME, drawn[over < 0.0]]), drawn[over > 0.0][:4])
    fresh = rng.random((400, 2))
    distance = fresh @ [1.0, 0.5] - 0.9
    risk = limits.risk(fresh)
    assert (risk[distance < -0.15] < 0.1).mean() > 0.95
    assert (risk[distance > 0.15] > 0.5).mean() > 0.95


def test_next_to_a_fall_amid_what_stood_the_risk_is_certain():
    """No half-space explains it."""
    stood = at(HOME, [0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0])
    risk = Limits(SQUARE, HOME, stood, at([0.5, 0.5])).risk(at([0.52, 0.5], [0.1, 0.1]))
    assert risk[0] == 1.0
    assert risk[1] < 0.05


def test_a_category_that_fell_is_risky_wherever_the_numbers_are():
    inputs = Inputs([Real("x", 0.5, 0.0, 1.0), Categorical("mode", "a", ("a", "b"))])
    home = inputs.encode([{"x": 0.5, "mode": "a"}])[0]
    stood = inputs.encode([{"x": x, "mode": "a"} for x in (0.0, 0.5, 1.0)])
    fell = inputs.encode([{"x": x, "mode": "b"} for x in (0.1, 0.9)])
    rows = inputs.encode([{"x": 0.5, "mode": "b"}, {"x": 0.7, "mode": "a"}])
    risk = Limits(inputs, home, stood, fell).risk(rows)
    assert risk[0] > 0.3
    assert risk[1] == 0.0


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1), stood=st.integers(1, 30), fell=st.integers(0, 12), d=st.integers(1, 12)
)
def test_what_stood_has_no_risk_whatever_fell(seed, stood, fell, d):
    """Also where falls contradict each other, or a row both stood and fell. Equal data mean equal risk."""
    rng = np.random.default_rng(seed)
    inputs = Inputs([Real(f"x{i}", 0.3, 0.0, 1.0) for i in range(d)])
    home = np.full(d, 0.3)
    good = np.round(np.vstack([home, rng.random((stood, d))]), 1)
    bad = np.round(np.vstack([rng.random((fell, d)), good[:1]]), 1) if fell else np.zeros((0, d))
    limits = Limits(inputs, home, good, bad)
    # A mixture of what stood lies on the same side of every limit.
    between = rng.dirichlet(np.ones(len(good)), 20) @ good
    assert np.all(limits.risk(good) == 0.0)
    if not fell:
        assert np.all(limits.risk(between) == 0.0)
    drawn = rng.random((50, d))
    risk = limits.risk(drawn)
    assert np.all((risk >= 0.0) & (risk <= 1.0))
    assert np.array_equal(risk, Limits(inputs, home, good, bad).risk(drawn))
