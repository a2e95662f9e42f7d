"""Contexts and time move the optimum as they say, and a regret means the same everywhere."""

import math

import numpy as np
import pytest

from oppertune.core.encoding import from_unit, to_unit
from oppertune.core.values import Categorical
from oppertune.errors import InvalidArgumentError
from oppertune.testing.changing import HORIZON, contextual, drifting
from oppertune.testing.landscapes import system_like


def places(landscape):
    """Where the numeric optima lie, in [0, 1]."""
    return np.array(
        [
            to_unit(p, landscape.optimum[p.name])
            for p in landscape.parameters
            if not isinstance(p, Categorical)
        ]
    )


def default(landscape):
    return {p.name: p.val for p in landscape.parameters}


def assert_best(landscape, rng):
    best = landscape.noise_free(landscape.optimum)
    assert landscape.regret(landscape.optimum) == 0.0
    assert all(p.contains(landscape.optimum[p.name]) for p in landscape.parameters)
    for _ in range(60):
        values = {p.name: from_unit(p, float(rng.random())) for p in landscape.parameters}
        assert landscape.noise_free(values) <= best


@pytest.mark.parametrize("n", [3, 8, 20])
def test_every_context_has_the_optimum_it_claims(n):
    for seed in range(4):
        made = contextual(n, 4, seed)
        for context in made.contexts:
            assert_best(made.at(context), np.random.default_rng(seed))


def test_contexts_shift_most_optima_and_no_further_than_said():
    shifts, bases, categories = [], [], []
    for seed in range(20):
        made = contextual(20, 3, seed, "none")
        first, *others = (made.at(context) for context in made.contexts)
        plain = system_like(20, seed, "none")
        assert first.optimum == plain.optimum
        assert first.noise_free(default(first)) == plain.noise_free(default(plain))
        for other in others:
            shifts.extend(places(other) - places(first))
            bases.append(other.noise_free(other.optimum) / first.noise_free(first.optimum))
            categories.extend(
                other.optimum[p.name] != first.optimum[p.name]
                for p in made.parameters
                if isinstance(p, Categorical)
            )
    moved = np.abs(shifts)
    # Up to half a step of the coarsest grid (19 steps) beyond.
    assert 0.3 < moved.max() <= 0.35 + 0.5 / 19 + 1e-9
    assert 0.6 < np.mean(moved > 0.0) < 0.75
    assert 1.0 <= min(bases) < 1.2
    assert 1.8 < max(bases) <= 2.0
    assert 0.4 < np.mean(categories) < 0.8


def test_what_no_context_gains_is_a_regret_of_one():
    for seed in range(10):
        made = contextual(8, 6, seed)
        played = dict.fromkeys(made.contexts, default(made.landscapes[0]))
        assert made.regret(played) == pytest.approx(1.0)
        assert made.regret({c: made.at(c).optimum for c in made.contexts}) == 0.0


def test_slow_drift_is_the_sine_it_says():
    for seed in range(5):
        made = drifting(20, "slow", seed)
        start = np.array([places(made.at(t)) for t in range(400)])
        assert made.at(400).optimum == made.at(0).optimum
        # Half a turn later the sine has the opposite sign; so the middle is the place without drift.
        around = places(system_like(20, seed))
        free = (start > 0.0) & (start < 1.0)
        opposite = np.roll(start, 200, axis=0)
        both = free & np.roll(free, 200, axis=0)
        assert np.abs((start + opposite) / 2 - around)[both].max() <= 0.5 / 19 + 1e-9
        assert 0.25 < np.abs(start - around).max() <= 0.3 + 0.5 / 19 + 1e-9
        # The steepest a sine of this height and period gets, and a step of the coarsest grid.
        assert np.abs(np.diff(start, axis=0)).max() <= 0.3 * 2 * math.pi / 400 + 1 / 19 + 1e-9
        assert all(
            made.at(t).optimum[p.name] == made.at(0).optimum[p.name]
            for t in (100, 333)
            for p in made.parameters
            if isinstance(p, Categorical)
        )


def test_jumps_come_every_200_rounds():
    for seed in range(5):
        made = drifting(8, "jumps", seed)
        assert made.at(0).optimum == system_like(8, seed).optimum
        for t in (0, 200, 400, 600):
            assert made.at(t).optimum == made.at(t + 199).optimum
            assert np.abs(places(made.at(t + 200)) - places(made.at(t))).max() > 0.1
    assert any(
        drifting(8, "jumps", seed).at(0).optimum["mode3"]
        != drifting(8, "jumps", seed).at(200).optimum["mode3"]
        for seed in range(5)
    )


@pytest.mark.parametrize("kind", ["slow", "jumps"])
def test_drift_keeps_the_optimum_allowed_and_regret_finite(kind):
    for seed in range(4):
        made = drifting(8, kind, seed)
        for t in range(0, HORIZON, 75):
            assert_best(made.at(t), np.random.default_rng(seed))
        regrets = [made.at(t).regret(default(made)) for t in range(HORIZON)]
        assert np.mean(regrets) == pytest.approx(1.0, abs=0.02)
        assert all(0.0 <= regret < 4.0 for regret in regrets)


def test_a_seed_is_an_instance():
    one, other = drifting(3, "slow", 1), drifting(3, "slow", 1)
    assert [one.at(t).optimum for t in (0, 99)] == [other.at(t).optimum for t in (0, 99)]
    assert contextual(3, 3, 1).at("w2").optimum == contextual(3, 3, 1).at("w2").optimum
    assert contextual(3, 3, 1).at("w2").optimum != contextual(3, 3, 2).at("w2").optimum
    assert one.at(5).noise == "gaussian3"


def test_mistakes_are_refused():
    with pytest.raises(InvalidArgumentError, match="kind"):
        drifting(3, "fast")
    with pytest.raises(InvalidArgumentError, match="noise"):
        drifting(3, "slow", 0, "loud")
    with pytest.raises(InvalidArgumentError, match="noise"):
        contextual(3, 2, 0, "loud")
    with pytest.raises(InvalidArgumentError, match="n_contexts"):
        contextual(3, 0)
    with pytest.raises(InvalidArgumentError, match="context must be"):
        contextual(3, 2).at("w2")
